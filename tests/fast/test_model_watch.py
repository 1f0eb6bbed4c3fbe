"""The model's absence is told once, its return too; every decision stands without it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.decide import decide
from agent.matrix_file import load_matrix
from agent.testing import scenario
from mend.contracts.alert import AlertKind, AlertSeverity
from mend.contracts.decision import Action, DecisionResult, Fallback, Proposal, model_answered
from mend.runtime.settings import load_settings
from mend.store.engine import Store, open_store
from orchestration.decision_step import decide_about_failure
from orchestration.model_watch import tell_about_model
from orchestration.workspace import open_workspace
from tests.fast.test_outbox import Desk

pytestmark = pytest.mark.waits

CUSTOMERS = Path(__file__).parents[2] / "pipelines" / "customers.yml"
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DECISION = replace(decide(scenario(), load_matrix()), run_id="r-1")
PROPOSAL = Proposal(run_id="r-1", action=Action.ESCALATE, confidence=0.9, reason="")
ANSWERED = replace(DECISION, proposal=PROPOSAL, decided_by="model")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open a store."""
    with open_store(f"sqlite:///{tmp_path}/mend.db") as opened:
        yield opened


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        (DECISION, None),
        (replace(DECISION, fallback=Fallback.NOT_ASKED), None),
        (ANSWERED, True),
        (replace(ANSWERED, fallback=Fallback.LOW_CONFIDENCE), True),
        (replace(DECISION, fallback=Fallback.NOT_AN_ANSWER), True),
        (replace(DECISION, fallback=Fallback.TIME_OUT), False),
        (replace(DECISION, fallback=Fallback.REFUSED), False),
    ],
)
def test_what_counts_as_an_answer(decision: DecisionResult, *, expected: bool | None) -> None:
    """A bad answer is one; a call that brought nothing is none; who was not asked says nothing about itself."""
    assert model_answered(decision.fallback, proposed=decision.proposal is not None) is expected


def test_the_model_is_told_to_be_away_once_and_back_once(store: Store) -> None:
    """However many decisions are made without it, whether people have heard of the first yet or not."""
    desk, hour = Desk(store), timedelta(hours=1)

    def made(decision: DecisionResult, at: datetime) -> list[tuple[AlertKind, AlertSeverity]]:
        before = len(desk.slack.sent)
        for minute in range(12):
            desk.clock.at = at + timedelta(minutes=minute)
            tell_about_model(store, "ollama", decision, desk.clock.at)
            if minute > 3:
                desk.work()
        return [(one.alert.kind, one.alert.severity) for one in desk.slack.sent[before:]]

    away = replace(DECISION, fallback=Fallback.UNREACHABLE)
    assert made(ANSWERED, AT) == []
    assert made(away, AT + hour) == [(AlertKind.PROBLEM, AlertSeverity.WARNING)]
    assert made(DECISION, AT + 2 * hour) == []
    assert made(ANSWERED, AT + 3 * hour) == [(AlertKind.RESOLVED, AlertSeverity.WARNING)]
    assert made(away, AT + 4 * hour) == [(AlertKind.PROBLEM, AlertSeverity.WARNING)]
    assert "unreachable" in desk.slack.sent[0].alert.message


def test_a_decision_without_its_model_is_heard_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever decides in a workspace has the model watched; here its key is missing."""
    for name, value in {"MEND_HOME": str(tmp_path), "LLM_PROVIDER": "openai", "OPENAI_API_KEY": ""}.items():
        monkeypatch.setenv(name, value)
    with open_workspace(load_settings(), str(CUSTOMERS)) as workspace:
        decision = decide_about_failure(workspace, "words of a cause that nobody knows", None)
        told = [one.alert.cause for one in workspace.store.outbox.new()]
    assert (decision.fallback, told) == (Fallback.NOT_CONFIGURED, ["model:openai"])
