"""The run state machine."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mend.contracts.quality import QualityResults
from mend.contracts.report import ColumnProfile, PartitionRange, Places, RunReport
from mend.runtime.errors import UserError
from mend.store.engine import Store, open_store
from mend.store.runs import BEFORE, IllegalTransition
from mend.store.tables import Outcome, RunState

START = datetime(2024, 1, 15, 10, 0, tzinfo=UTC)
PUBLISHING = (RunState.STAGED, RunState.AUDITED, RunState.DECIDED, RunState.PUBLISHED)
HOLDING = (RunState.STAGED, RunState.AUDITED, RunState.DECIDED, RunState.HELD)
WAYS = {
    RunState.OPENED: (),
    RunState.STAGED: PUBLISHING[:1],
    RunState.AUDITED: PUBLISHING[:2],
    RunState.DECIDED: PUBLISHING[:3],
    RunState.PUBLISHED: PUBLISHING,
    RunState.HELD: HOLDING,
    RunState.VALIDATED: (*PUBLISHING, RunState.VALIDATED),
}


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """Say where a new store can be made."""
    return f"sqlite:///{tmp_path / 'mend.db'}"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """Open a new store."""
    with open_store(store_url) as opened:
        yield opened


def after(minutes: int) -> datetime:
    """Return a time of the test's day."""
    return START + timedelta(minutes=minutes)


def report(total: int = 3) -> RunReport:
    """Return a report of a run."""
    name = ColumnProfile(column="name", type="VARCHAR", rows=total, nulls=0, distinct=total, min="\x00 nul", max="ü")
    return RunReport(total_records=total, late_records=0, dq_failures=0, schema_drift_detected=False, profile=(name,))


def walk(store: Store, run_id: str, states: tuple[RunState, ...], *, at: int = 0, pipeline: str = "orders") -> None:
    """Open a run and move it through the states."""
    store.runs.open_run(run_id, pipeline, "q", int(run_id.split("-")[1]), after(at))
    for state in states:
        store.runs.advance(run_id, state, after(at))


def test_a_run_keeps_what_each_step_wrote(store: Store) -> None:
    """Report, audit result and figures come back equal, beside state, outcome and times."""
    opened = store.runs.open_run("run-1", "orders", "q", 1, START, mapping_version=2, rules_version="r1")
    assert (opened.state, opened.attempts, opened.mapping_version, opened.rules_version) == ("opened", 1, 2, "r1")
    store.runs.advance("run-1", RunState.STAGED, after(1), report=report(), job_status="success")
    quality = QualityResults(status="success", verdict="pass", rows=3)
    store.runs.advance("run-1", RunState.AUDITED, after(2), quality=quality)
    store.runs.advance("run-1", RunState.DECIDED, after(3))
    published = store.runs.advance("run-1", RunState.PUBLISHED, after(4), published_rows=3)
    assert (published.report, published.quality, published.job_status) == (report(), quality, "success")
    assert (published.outcome, published.published_rows, published.ended_at) == (Outcome.PUBLISHED, 3, after(4))
    validated = store.runs.advance("run-1", RunState.VALIDATED, after(5))
    assert (validated.state, validated.outcome, validated.ended_at) == ("validated", Outcome.PUBLISHED, after(4))
    assert (validated.opened_at, validated.updated_at) == (START, after(5))
    assert store.runs.get("run-1") == validated


@pytest.mark.parametrize("state", list(WAYS))
def test_only_the_next_state_can_be_reached(store: Store, state: RunState) -> None:
    """From each state, exactly the transitions of the life cycle are possible; all others change nothing."""
    walk(store, "run-1", WAYS[state])
    before = store.runs.get("run-1")
    allowed = {to for to, sources in BEFORE.items() if state in sources} - {RunState.FAILED}
    for to in set(RunState) - allowed - {RunState.FAILED}:
        with pytest.raises(IllegalTransition, match=f"run-1: cannot become {to}: it is {state}") as refused:
            store.runs.advance("run-1", to, after(9))
        assert refused.value.exit_code == 3
    assert store.runs.get("run-1") == before
    if allowed:
        assert store.runs.advance("run-1", min(allowed), after(9)).state == min(allowed)


@pytest.mark.parametrize("state", [RunState.OPENED, RunState.STAGED, RunState.AUDITED])
def test_a_replayed_batch_starts_its_run_again(store: Store, state: RunState) -> None:
    """Before a decision, a replay empties report and ranges and keeps the id and the place in the order."""
    walk(store, "run-1", ())
    for step in WAYS[state]:
        store.runs.advance("run-1", step, after(1), report=report())
    store.ledger.record_ranges(
        "run-1", [PartitionRange(topic="t", partition=0, from_offset=0, until_offset=3, records=3)]
    )
    again = store.runs.open_run("run-1", "orders", "q", 1, after(5))
    assert (again.state, again.attempts, again.report, again.may_be_staged) == ("opened", 2, None, True)
    assert (again.opened_at, again.updated_at) == (START, after(5))
    assert store.ledger.ranges("run-1") == ()


@pytest.mark.parametrize("state", [RunState.DECIDED, RunState.PUBLISHED, RunState.HELD, RunState.VALIDATED])
def test_a_decided_run_is_not_started_again(store: Store, state: RunState) -> None:
    """A replay of a batch that was decided about gets the run as it is, so that the caller skips it."""
    walk(store, "run-1", WAYS[state] if state is not RunState.HELD else HOLDING)
    before = store.runs.get("run-1")
    again = store.runs.open_run("run-1", "orders", "q", 1, after(5))
    assert again == before
    assert not again.may_be_staged


def test_a_failed_run_can_be_opened_again(store: Store) -> None:
    """The replay of a failed batch goes on under the same id, without the old error."""
    walk(store, "run-1", (RunState.STAGED,))
    store.runs.record_failure("orders", "run-1", "disk full", "disk", after(1))
    failed = store.runs.get("run-1")
    assert failed is not None
    assert (failed.state, failed.outcome, failed.error, failed.cause) == ("failed", "failed", "disk full", "disk")
    again = store.runs.open_run("run-1", "orders", "q", 1, after(2))
    assert (again.state, again.outcome, again.error, again.cause) == ("opened", None, None, None)


def test_a_batch_has_one_run_and_a_run_one_batch(store: Store) -> None:
    """Two ids for one batch, or one id for two batches, would publish twice: both are refused."""
    walk(store, "run-1", ())
    with pytest.raises(UserError, match="run-2: batch 1 of query q belongs to another run"):
        store.runs.open_run("run-2", "orders", "q", 1, START)
    with pytest.raises(UserError, match="run-1: is the run of batch 1 of query q"):
        store.runs.open_run("run-1", "orders", "q", 2, START)


def test_runs_without_a_batch_do_not_collide(store: Store) -> None:
    """A run that no streaming query made has neither query nor batch."""
    store.runs.open_run("replay-a", "orders", None, None, START)
    store.runs.open_run("replay-b", "orders", None, None, START)
    assert len(store.runs.recent()) == 2


def test_of_two_that_advance_one_wins(store: Store, store_url: str) -> None:
    """Compare and set: a run is published once, whoever tries at the same time."""
    walk(store, "run-1", PUBLISHING[:3])
    gate = threading.Barrier(2, timeout=20)

    def advancing(to: RunState) -> str:
        with open_store(store_url) as mine:
            gate.wait()
            try:
                return mine.runs.advance("run-1", to, after(1)).state
            except IllegalTransition:
                return "refused"

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(advancing, [RunState.PUBLISHED, RunState.HELD]))
    assert sorted(results).count("refused") == 1
    stored = store.runs.get("run-1")
    assert stored is not None
    assert stored.state in results


def test_a_decision_about_an_older_attempt_is_refused(store: Store) -> None:
    """Who audited a batch that was replayed since cannot move the new attempt."""
    walk(store, "run-1", PUBLISHING[:2])
    seen = store.runs.open_run("run-1", "orders", "q", 1, after(1))
    assert seen.attempts == 2
    for state in PUBLISHING[:2]:
        store.runs.advance("run-1", state, after(1), attempt=2)
    with pytest.raises(IllegalTransition, match=r"was replayed \(attempt 2, expected 1\)"):
        store.runs.advance("run-1", RunState.DECIDED, after(2), attempt=1)


def test_unfinished_runs_come_oldest_first(store: Store) -> None:
    """What has to be finished: all but validated and failed, of this pipeline only."""
    walk(store, "run-3", PUBLISHING, at=3)
    walk(store, "run-2", (), at=2)
    walk(store, "run-1", (*PUBLISHING, RunState.VALIDATED), at=1)
    walk(store, "run-4", HOLDING, at=4)
    walk(store, "run-5", (), at=0)
    store.runs.record_failure("orders", "run-5", "away", None, after(5))
    walk(store, "run-6", (), pipeline="customers")
    assert [run.run_id for run in store.runs.unfinished("orders")] == ["run-2", "run-3", "run-4"]


def test_recent_runs_come_newest_first(store: Store) -> None:
    """Of one pipeline or of all, at most as many as asked for."""
    for number in (1, 2, 3):
        walk(store, f"run-{number}", (), at=number)
    walk(store, "run-4", (), at=4, pipeline="customers")
    assert [run.run_id for run in store.runs.recent("orders", 2)] == ["run-3", "run-2"]
    assert [run.run_id for run in store.runs.recent()] == ["run-4", "run-3", "run-2", "run-1"]


def test_runs_opened_since_a_time_come_oldest_first(store: Store) -> None:
    """The edge is inside; a replay does not make a run younger; other pipelines do not count."""
    for number in (3, 2, 1):
        walk(store, f"run-{number}", (), at=number)
    walk(store, "run-4", (), at=4, pipeline="customers")
    store.runs.open_run("run-1", "orders", "q", 1, after(9))
    assert [run.run_id for run in store.runs.opened_since("orders", after(2))] == ["run-2", "run-3"]


def test_failures_in_a_row_are_counted_back_to_the_last_published_run(store: Store) -> None:
    """Failed jobs with and without a run and held runs count; a published run ends the row; others' do not count."""
    count = store.runs.consecutive_failures
    assert count("orders") == 0
    store.runs.record_failure("orders", None, "no broker", "broker", after(0))
    assert count("orders") == 1
    walk(store, "run-1", PUBLISHING, at=1)
    assert count("orders") == 0
    walk(store, "run-2", (*HOLDING, RunState.VALIDATED), at=2)
    walk(store, "run-3", (), at=3)
    store.runs.record_failure("orders", "run-3", "away", None, after(3))
    store.runs.record_failure("orders", None, "no broker", "broker", after(4))
    assert count("orders") == 3
    assert count("customers") == 0
    walk(store, "run-4", PUBLISHING, at=5)
    assert count("orders") == 0


def test_every_attempt_at_one_batch_counts(store: Store) -> None:
    """A batch that fails again and again under one id is a row of failures, not one."""
    for minute in range(3):
        store.runs.open_run("run-1", "orders", "q", 1, after(minute))
        store.runs.record_failure("orders", "run-1", "away", None, after(minute))
        store.runs.record_failure("orders", "run-1", "away", None, after(minute))
        assert store.runs.consecutive_failures("orders") == minute + 1
    assert [failure.at for failure in store.runs.failures("orders")] == [after(2), after(1), after(0)]


def test_publishing_nothing_is_a_failure_of_the_pipeline(store: Store) -> None:
    """A run that ends as published with no row does not end a row of failures: it adds to it."""
    walk(store, "run-1", PUBLISHING[:3], at=1)
    store.runs.advance("run-1", RunState.PUBLISHED, after(1), published_rows=0)
    assert store.runs.consecutive_failures("orders") == 1
    walk(store, "run-2", PUBLISHING[:3], at=2)
    store.runs.advance("run-2", RunState.PUBLISHED, after(2), published_rows=7)
    assert store.runs.consecutive_failures("orders") == 0


def test_what_was_published_cannot_fail(store: Store) -> None:
    """A late failure message does not turn a published run into a failed one, and is not counted."""
    walk(store, "run-1", PUBLISHING)
    with pytest.raises(IllegalTransition):
        store.runs.record_failure("orders", "run-1", "too late", None, after(1))
    assert store.runs.failures() == ()


def test_an_unknown_run_is_said(store: Store) -> None:
    """A run that nobody opened can be asked for, not moved."""
    assert store.runs.get("run-9") is None
    with pytest.raises(UserError, match="run-9: no such run"):
        store.runs.advance("run-9", RunState.STAGED, START)
    with pytest.raises(UserError, match="run-9: no such run"):
        store.runs.record_failure("orders", "run-9", "away", None, START)


def test_volumes_are_of_published_runs_before(store: Store) -> None:
    """Accepted rows, newest first: not of this run, of later, held, failed or other pipelines' runs."""
    part = PartitionRange(topic="t", partition=0, from_offset=0, until_offset=99, records=99)
    for number, states in enumerate((PUBLISHING, HOLDING, PUBLISHING, PUBLISHING[:1], PUBLISHING)):
        walk(store, f"r-{number}", (), at=number)
        parts = [replace(part, partition=each, places=Places(accepted=10 * number + each)) for each in (0, 1)]
        store.ledger.record_ranges(f"r-{number}", parts)
        for state in states:
            store.runs.advance(f"r-{number}", state, after(number))
    walk(store, "o-9", (), at=2, pipeline="others")
    run = store.runs.get("r-3")
    assert run is not None
    assert store.runs.volumes(run, 20) == (41, 1)
    assert store.runs.volumes(run, 1) == (41,)
