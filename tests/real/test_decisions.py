"""What is decided about real events, and what becomes of them: each condition of the table as a run of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import time
from typing import Any

import pytest

from tests.real.conftest import Flow, Platform, customer_event

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

EVENTS = 200
PEOPLE = ("US", "GB", "DE", "JP", "BR")
Changes = Callable[[int], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """Two hundred events, of which some are changed, and what is to be decided about them."""

    changes: Changes
    rules: set[str]
    actions: set[str]
    published: int
    held: int = 0
    rejected: int = 0

    @property
    def escalates(self) -> bool:
        """Whether a person is called."""
        return "escalate" in self.actions


def late(number: int) -> dict[str, Any]:
    """Move an event back by an hour."""
    return {"event_ts": int(time() * 1000) - 3_600_000 - number}


def nobody(_number: int) -> dict[str, Any]:
    """Spoil the address."""
    return {"email": "nobody"}


def some(many: int, change: Changes) -> Changes:
    """Change the first events."""
    return lambda number: change(number) if number < many else {}


CASES = {
    "a newer version without new fields": Case(
        changes=lambda _: {"version": 3}, rules={"healthy"}, actions={"continue"}, published=200
    ),
    "15 % late": Case(changes=some(30, late), rules={"late_within_limit"}, actions={"retrigger"}, published=200),
    "more than 15 % late": Case(changes=some(31, late), rules={"late_over_limit"}, actions={"escalate"}, published=200),
    "5 % fail a rule": Case(changes=some(10, nobody), rules={"dq_within_limit"}, actions={"continue"}, published=200),
    "5 % fail a rule, all in one country": Case(
        changes=lambda number: {"email": "nobody"} if number % 20 == 4 else {},
        rules={"dq_within_limit", "dq_localised"},
        actions={"quarantine"},
        published=190,
        held=10,
    ),
    "a field of another type": Case(
        changes=some(60, lambda _: {"signup_ts": "2024-01-15"}),
        rules={"drift_breaking"},
        actions={"quarantine", "escalate"},
        published=140,
        rejected=60,
    ),
    "more than 5 % fail a rule": Case(
        changes=some(11, nobody), rules={"dq_over_limit"}, actions={"escalate"}, published=0, held=200
    ),
}


@pytest.fixture(scope="module")
def decided(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flow, list[str]]]:
    """Run all cases, a run each, in their order."""
    with platform.flow(tmp_path_factory.mktemp("decided"), max_events_per_run=EVENTS) as flow:
        for case_number, case in enumerate(CASES.values()):
            flow.send(*(event(case_number, number, case.changes) for number in range(EVENTS)), partition=0)
        run_ids = flow.ingest()
        for run_id in run_ids:
            flow.finish(run_id)
        yield flow, run_ids


def event(case: int, number: int, changes: Changes) -> bytes:
    """Return an event of a case; every fifth is of the same country."""
    changed: dict[str, Any] = {"country": PEOPLE[number % len(PEOPLE)], **changes(number)}
    return customer_event(case * EVENTS + number, **changed)


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
