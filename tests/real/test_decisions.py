"""What is decided about real events, and what becomes of them: each condition of the table as a run of its own.

Both pipelines take the same way; only how an event of theirs is spoilt is theirs alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time
from typing import Any

import pytest
import yaml

from tests.real.conftest import CUSTOMERS, ORDERS, Flow, Platform, customer_event, order_event

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

EVENTS = 200
Changes = Callable[[int], dict[str, Any]]
HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How events of a pipeline are made, and spoilt: late, against a rule of quality, of another type."""

    file: Path
    make: Callable[..., bytes]
    late: Changes
    poor: dict[str, Any]
    retyped: dict[str, Any]
    segment: str
    values: tuple[str, ...]

    def event(self, number: int, spoilt: str) -> bytes:
        """Return an event; every fifth is of the same segment."""
        changes = {
            "": {},
            "late": self.late(number),
            "poor": self.poor,
            "retyped": self.retyped,
            "newer": {"version": 3},
        }
        return self.make(number, **{self.segment: self.values[number % 5], **changes[spoilt]})


KINDS = {
    "customers": Kind(
        file=CUSTOMERS,
        make=customer_event,
        late=lambda number: {"event_ts": int(HOUR_AGO.timestamp() * 1000) - number},
        poor={"email": "nobody"},
        retyped={"signup_ts": "2024-01-15"},
        segment="country",
        values=("US", "GB", "DE", "JP", "BR"),
    ),
    "orders": Kind(
        file=ORDERS,
        make=order_event,
        late=lambda _: {"happened_at": HOUR_AGO.isoformat()},
        poor={"weight_kg": -1},
        retyped={"total": [1]},
        segment="store",
        values=("a", "b", "c", "d", "e"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Two hundred events, of which some are changed, and what is to be decided about them."""

    spoilt: Callable[[int], str]
    rules: set[str]
    actions: set[str]
    published: int
    held: int = 0
    rejected: int = 0

    @property
    def escalates(self) -> bool:
        """Whether a person is called."""
        return "escalate" in self.actions


def some(many: int, spoilt: str) -> Callable[[int], str]:
    """Spoil the first events."""
    return lambda number: spoilt if number < many else ""


CASES = {
    "a newer version without new fields": Case(
        spoilt=some(EVENTS, "newer"), rules={"healthy"}, actions={"continue"}, published=200
    ),
    "15 % late": Case(spoilt=some(30, "late"), rules={"late_within_limit"}, actions={"retrigger"}, published=200),
    "more than 15 % late": Case(
        spoilt=some(31, "late"), rules={"late_over_limit"}, actions={"escalate"}, published=200
    ),
    "5 % fail a rule": Case(spoilt=some(10, "poor"), rules={"dq_within_limit"}, actions={"continue"}, published=200),
    "5 % fail a rule, all in one segment": Case(
        spoilt=lambda number: "poor" if number % 20 == 4 else "",
        rules={"dq_within_limit", "dq_localised"},
        actions={"quarantine"},
        published=190,
        held=10,
    ),
    "a field of another type": Case(
        spoilt=some(60, "retyped"),
        rules={"drift_breaking"},
        actions={"quarantine", "escalate"},
        published=140,
        rejected=60,
    ),
    "more than 5 % fail a rule": Case(
        spoilt=some(11, "poor"), rules={"dq_over_limit"}, actions={"escalate"}, published=0, held=200
    ),
}


@pytest.fixture(scope="module", params=list(KINDS))
def decided(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[tuple[Flow, list[str]]]:
    """Run all cases, a run each, in their order."""
    kind = KINDS[request.param]
    with platform.flow(tmp_path_factory.mktemp("decided"), base=kind.file, max_events_per_run=EVENTS) as flow:
        for first, case in zip(range(0, EVENTS * len(CASES), EVENTS), CASES.values(), strict=True):
            values = [kind.event(first + number, case.spoilt(number)) for number in range(EVENTS)]
            flow.send(*values, partition=0)
        run_ids = flow.ingest()
        for run_id in run_ids:
            flow.finish(run_id)
        yield flow, run_ids


@pytest.mark.parametrize("name", CASES)
def test_the_table_decides_about_real_events(decided: tuple[Flow, list[str]], name: str) -> None:
    """Report, audit, rules, actions and the place of every row follow from what was in the topic."""
    flow, run_ids = decided
    number, case = list(CASES).index(name), CASES[name]
    decision = flow.decision(run_ids[number])
    assert set(decision.rules) == case.rules
    assert {action.value for action in decision.actions} == case.actions
    assert decision.escalation_required == case.escalates
    places = {place: sum(offset // EVENTS == number for _, offset in found) for place, found in flow.places().items()}
    assert places == {
        "published": case.published, "held": case.held, "rejected": case.rejected, "dead_letter": 0, "duplicate": 0,
    }  # fmt: skip


def test_only_what_needs_a_person_is_an_incident(decided: tuple[Flow, list[str]]) -> None:
    """Each escalation opened an incident, and nothing else did."""
    flow, _ = decided
    opened = flow.workspace.store.incidents.created_since(datetime.now(UTC) - timedelta(minutes=10))
    assert len(opened) == sum(case.escalates for case in CASES.values())


def test_late_events_are_published_and_told_apart(flow: Flow) -> None:
    """Later than fifteen minutes when they are read: readable with their mark, counted exactly, by their own day."""
    now = int(time() * 1000)
    minutes = {0: 0, 1: 5, 2: 16, 3: 60 * 26}
    flow.send(*(customer_event(number, event_ts=now - past * 60_000) for number, past in minutes.items()))
    flow.send(*(customer_event(number) for number in range(10, 106)))
    run_id = flow.run()
    report = flow.report(run_id)
    assert (report.late_records, report.late_rate) == (2, 0.02)
    rows = flow.readable().filter("is_late_arrival").project("id").fetchall()
    assert {int(late[-12:]) for (late,) in rows} == {2, 3}
    assert list(flow.workspace.settings.published.rglob(f"event_date={day(now - minutes[3] * 60_000)}/*.parquet"))
    assert flow.decision(run_id).rules == ("late_within_limit",)
    assert flow.closed()


def day(at_ms: int) -> str:
    """Return the day of a time in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()


def test_a_run_of_an_unusual_size_calls_a_person_and_is_published(
    new_flow: Callable[..., Flow], tmp_path: Path
) -> None:
    """Measured against the runs before it: none before the first, far too few events in the second."""
    rule = {"expectation_type": "expect_table_row_count_to_be_between", "within": 0.2, "runs": 5, "min_runs": 1}
    monitors = {"expectations": [rule | {"severity": "quality"}]}
    rules = tmp_path / "rules.yml"
    rules.write_text(yaml.safe_dump({"business_rules": {"monitors": monitors}}), encoding="utf-8")
    flow = new_flow(rules=str(rules))
    flow.send(*(customer_event(number) for number in range(40)))
    assert flow.decision(flow.run()).rules == ("healthy",)
    flow.send(*(customer_event(number) for number in range(40, 45)))
    decision = flow.decision(flow.run())
    assert (decision.rules, decision.escalation_required) == (("run_unusual",), True)
    assert "32" in decision.reasoning, "the least that would have been usual"
    assert flow.counts() == {"published": 45}
