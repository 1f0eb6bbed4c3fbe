"""Decisions and actions."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mend.contracts.decision import Action, DecisionResult, Rows, SegmentFilter, ToolResult
from mend.store.decisions import action_key
from mend.store.engine import Store, open_store

START = datetime(2024, 1, 15, 10, 0, tzinfo=UTC)


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """Say where a new store can be made."""
    return f"sqlite:///{tmp_path / 'mend.db'}"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """Open a new store."""
    with open_store(store_url) as opened:
        yield opened


def decision(name: str = "quarantine", *, run_id: str | None = "run-1") -> DecisionResult:
    """Return a decision with all fields set."""
    return DecisionResult(
        decision=name,
        actions=(Action.QUARANTINE, Action.ESCALATE),
        rows=Rows.PUBLISH_EXCEPT_SEGMENT,
        rules=("dq_localised",),
        reasoning="one segment fails",
        confidence=0.1 + 0.2,
        escalation_required=True,
        timestamp=START.isoformat(),
        run_id=run_id,
        hold=(SegmentFilter(column="country", value="DE"),),
        evidence_hash="e" * 64,
        matrix_hash="m" * 64,
    )


def result(message: str) -> ToolResult:
    """Return a tool's result with nested content."""
    return ToolResult(success=True, message=message, timestamp=START.isoformat(), data={"rows": 3, "deep": [None]})


def test_a_decision_comes_back_equal(store: Store) -> None:
    """All fields of the decision, to the last digit, with when it was recorded."""
    number = store.decisions.record("run-1", decision(), START)
    found = store.decisions.get("run-1")
    assert found is not None
    assert (found.id, found.run_id, found.decided_at, found.result) == (number, "run-1", START, decision())


def test_the_newest_decision_about_a_run_counts(store: Store) -> None:
    """A replayed run is decided again; history keeps both, newest first, and decisions without a run."""
    store.decisions.record("run-1", decision("retrigger"), START)
    store.decisions.record("run-1", decision("continue"), START)
    store.decisions.record(None, decision("escalate", run_id=None), START - timedelta(days=1))
    newest = store.decisions.get("run-1")
    assert newest is not None
    assert newest.result.decision == "continue"
    assert [one.result.decision for one in store.decisions.history()] == ["escalate", "continue", "retrigger"]
    assert [one.result.decision for one in store.decisions.history(1)] == ["escalate"]
    assert store.decisions.get("run-2") is None


def test_an_action_is_recorded_once(store: Store) -> None:
    """The same key again changes nothing and returns the first result; another target is another action."""
    key = action_key("run-1", "quarantine", "country=DE")
    other = action_key("run-1", "quarantine", "country=FR")
    assert store.decisions.first_result(key) is None
    assert store.decisions.record_action(key, "run-1", "quarantine", "country=DE", result("3 rows"), START) == result(
        "3 rows"
    )
    assert store.decisions.record_action(key, "run-1", "quarantine", "country=DE", result("0 rows"), START) == result(
        "3 rows"
    )
    store.decisions.record_action(other, "run-1", "quarantine", "country=FR", result("1 row"), START + timedelta(1))
    assert store.decisions.first_result(key) == result("3 rows")
    done = [(one.key, one.action, one.target, one.result.message) for one in store.decisions.actions("run-1")]
    assert done == [(key, "quarantine", "country=DE", "3 rows"), (other, "quarantine", "country=FR", "1 row")]


def test_keys_of_different_actions_differ() -> None:
    """The parts of a key cannot run into each other."""
    parts = [("run-1", "a", "b"), ("run-1a", "", "b"), ("run-1", "ab", ""), ("run-1", "a", "b ")]
    assert len({action_key(*one) for one in parts}) == len(parts)
    assert action_key(*parts[0]) == action_key(*parts[0])


def test_two_processes_agree_on_the_first_result(store: Store, store_url: str) -> None:
    """Of two that record the same action at once, one result is kept and both get it."""
    gate = threading.Barrier(2, timeout=20)

    def recording(message: str) -> str:
        with open_store(store_url) as mine:
            gate.wait()
            return mine.decisions.record_action("key", "run-1", "remap", None, result(message), START).message

    with ThreadPoolExecutor(2) as pool:
        told = set(pool.map(recording, ["one", "two"]))
    kept = store.decisions.first_result("key")
    assert kept is not None
    assert told == {kept.message}
