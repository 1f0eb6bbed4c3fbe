"""Earned autonomy: a remedy is scored by what comes after it; two misses, and a person has to allow it again."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from agent.autonomy import Level, lower_bound, standing
from cli.main import cli
from mend.contracts.decision import DecisionResult
from mend.runtime import clock
from orchestration.autonomy import standings
from orchestration.decision_step import decide_about_failure
from orchestration.undo import undo
from tests.fast.lane import Lane, open_lane
from tests.fast.test_renames import events


@pytest.fixture
def lane(home: Path) -> Iterator[Lane]:
    """Open a lane of the test's own."""
    with open_lane(home) as opened:
        yield opened


def with_field(first: int, name: str, many: int = 30) -> list[bytes]:
    """Return events with a field that the contract does not know."""
    return [orjson.dumps(orjson.loads(one) | {name: 1}) for one in events(first, many)]


def test_the_lower_bound_is_wilsons() -> None:
    """Against known values of the interval."""
    assert lower_bound(0, 0) == 0
    assert lower_bound(10, 10) == pytest.approx(0.7225, abs=1e-4)
    assert lower_bound(8, 10) == pytest.approx(0.4902, abs=1e-4)
    assert lower_bound(35, 35) >= 0.9 > lower_bound(34, 34)


@pytest.mark.parametrize(
    ("scores", "level"),
    [
        ([], Level.AUTO_WITH_UNDO),
        ([False], Level.AUTO_WITH_UNDO),
        ([False, None, False], Level.PROPOSE),
        ([True, True, False, False], Level.PROPOSE),
        ([True] * 20 + [False] * 2, Level.AUTO_WITH_UNDO),
        ([False] * 4, Level.SHADOW),
        ([True] * 35, Level.AUTO),
        ([True] * 35 + [False], Level.AUTO_WITH_UNDO),
    ],
)
def test_how_far_a_remedy_may_go(scores: list[bool | None], level: Level) -> None:
    """From shadow to auto by the lower bound of what it did."""
    assert standing("c", scores).level is level


@given(st.lists(st.booleans(), max_size=60))
def test_a_miss_never_gives_more_autonomy(scores: list[bool]) -> None:
    """Whatever came before."""
    levels = list(Level)
    before, after = standing("c", scores), standing("c", [*scores, False])
    assert levels.index(after.level) <= levels.index(before.level)


def test_a_remap_that_helped_is_a_hit(lane: Lane) -> None:
    """The next run reads the field: the prediction came true."""
    lane.run(*with_field(0, "score"))
    assert [(one.cause, one.pending) for one in standings(lane.workspace)] == [("drift_additive", 1)]
    lane.run(*with_field(100, "score"))
    assert [(one.hits, one.misses) for one in standings(lane.workspace)] == [(1, 0)]


def test_a_remedy_that_misses_twice_waits_for_a_person(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Undone twice, the third new field is not added alone, until a person allows that again."""
    for number, name in enumerate(("one", "two")):
        run_id = lane.run(*with_field(100 * number, name))
        undo(lane.workspace, run_id, by="ann", reason="no")
    assert [(one.misses, one.level) for one in standings(lane.workspace)] == [(2, Level.PROPOSE)]
    third = lane.stage(*with_field(300, "three"))
    step = lane.decide(third)
    assert (step.facts["rules"], step.outcome) == (["drift_additive_by_hand"], "escalated")
    for name, value in {
        "MEND_HOME": lane.workspace.settings.home,
        "MEND_PIPELINES": lane.workspace.settings.pipelines,
    }.items():
        monkeypatch.setenv(name, str(value))
    shown = CliRunner().invoke(cli, ["autonomy", "show", "--json"])
    assert orjson.loads(shown.stdout)[0]["level"] == "propose"
    wrong = CliRunner().invoke(cli, ["autonomy", "allow", "drift_additiv"])
    assert "Did you mean 'drift_additive'?" in str(wrong.exception)
    assert CliRunner().invoke(cli, ["autonomy", "allow", "drift_additive", "--by", "ann"]).exit_code == 0
    assert standings(lane.workspace)[0].level is Level.AUTO_WITH_UNDO
    assert lane.decide(lane.stage(*with_field(400, "four"))).facts["decision"] == "remap"


def test_retriggers_that_do_not_help_stop(lane: Lane) -> None:
    """Two retriggers that helped nothing, for whatever error: the next failure calls a person at once."""

    def fails(error: str) -> DecisionResult:
        """Let the job fail."""
        lane.workspace.store.runs.record_failure("customers", None, error, "retriable", clock.now())
        return decide_about_failure(lane.workspace, error, None, chance=0.5)

    assert [fails("no Kafka broker answers at here:9092").decision for _ in range(2)] == ["retrigger"] * 2
    lane.run(*events(0, 5))
    assert fails("connection reset by peer").decision == "retrigger"
    assert [(one.hits, one.misses) for one in standings(lane.workspace)] == [(1, 1)]
    last = fails("connection reset by peer")
    assert (last.decision, last.rules) == ("escalate", ("job_failed", "retrigger_budget_spent"))
    lane.workspace.store.remedies.allow("customers", "job_failed", clock.now(), by="ann", reason="the network is back")
    lane.run(*events(50, 5))
    assert fails("broken pipe").decision == "retrigger"
