"""The ledger of offsets."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from mend.contracts.report import PartitionRange, Places
from mend.runtime.errors import UserError
from mend.store.engine import Store, open_store
from mend.store.losses import Loss
from mend.store.tables import RunState, runs

START = datetime(2024, 1, 15, 10, 0, tzinfo=UTC)
FAR = 2**40


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """Say where a new store can be made."""
    return f"sqlite:///{tmp_path / 'mend.db'}"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """Open a new store."""
    with open_store(store_url) as opened:
        yield opened


def part(partition: int, start: int, until: int, *, topic: str = "orders") -> PartitionRange:
    """Return a range of offsets."""
    places = Places(accepted=until - start)
    return PartitionRange(
        topic=topic, partition=partition, from_offset=start, until_offset=until, records=until - start, places=places
    )


def took(
    store: Store,
    batch: int,
    *parts: PartitionRange,
    pipeline: str = "orders",
    epoch: int = 0,
    state: RunState | None = None,
) -> None:
    """Open the run of a batch and record its ranges, in an epoch of the topic or in a state of its own."""
    store.runs.open_run(f"run-{batch}", pipeline, "q", batch, START + timedelta(minutes=batch))
    store.ledger.record_ranges(f"run-{batch}", parts)
    changed = {"epoch": epoch} | ({"state": state} if state else {})
    with store.transaction() as connection:
        connection.execute(update(runs).where(runs.c.run_id == f"run-{batch}").values(changed))


def test_ranges_come_back_as_they_were_read(store: Store) -> None:
    """All counts, and offsets beyond 32 bits, in the order of the partitions; nothing is settled yet."""
    full = PartitionRange(
        topic="orders",
        partition=1,
        from_offset=FAR,
        until_offset=FAR + 20,
        records=15,
        places=Places(accepted=8, rejected=4, dead_letter=2, duplicate=1),
    )
    took(store, 1, full, part(0, 0, 5))
    stored = store.ledger.ranges("run-1")
    assert [one.read for one in stored] == [part(0, 0, 5), full]
    assert {(one.run_id, one.published, one.held) for one in stored} == {("run-1", None, None)}


def test_recording_again_replaces(store: Store) -> None:
    """A replayed batch has its ranges once."""
    took(store, 1, part(0, 0, 5), part(1, 0, 5))
    store.ledger.record_ranges("run-1", [part(0, 0, 7)])
    assert [one.read for one in store.ledger.ranges("run-1")] == [part(0, 0, 7)]
    store.ledger.record_ranges("run-1", [])
    assert store.ledger.ranges("run-1") == ()


def test_ranges_of_an_unknown_run_are_refused(store: Store) -> None:
    """No range without its run."""
    with pytest.raises(UserError, match="run-9: no such run"):
        store.ledger.record_ranges("run-9", [part(0, 0, 5)])


def test_settled_ranges_add_up_to_the_accepted_events(store: Store) -> None:
    """Published and held are kept for each partition; what both leave out is told."""
    took(store, 1, part(0, 0, 5), part(1, 0, 5), part(2, 0, 5))
    found = store.ledger.settle("run-1", published={("orders", 0): 5, ("orders", 1): 3}, held={("orders", 1): 1})
    assert [str(one) for one in found] == [
        "run-1: orders/1 [0, 5) settled: expected 5, came 4",
        "run-1: orders/2 [0, 5) settled: expected 5, came 0",
    ]
    counts = [(one.published, one.held) for one in store.ledger.ranges("run-1")]
    assert counts == [(5, 0), (3, 1), (0, 0)]
    whole = {("orders", number): 5 for number in range(3)}
    assert store.ledger.settle("run-1", published=whole, held={}) == ()


def test_what_was_not_read_cannot_be_settled(store: Store) -> None:
    """A count of a partition that the run did not read is refused, and nothing is written."""
    took(store, 1, part(0, 0, 5))
    with pytest.raises(UserError, match=r"run-1: read nothing from \('orders', 4\)"):
        store.ledger.settle("run-1", published={("orders", 0): 5, ("orders", 4): 1}, held={})
    assert [one.published for one in store.ledger.ranges("run-1")] == [None]


def test_runs_that_follow_each_other_have_no_gap(store: Store) -> None:
    """Each partition on its own, in the order of offsets, whatever the order of recording; other pipelines apart."""
    took(store, 2, part(0, 5, 9), part(1, 3, 3), part(0, 0, 4, topic="other"))
    took(store, 1, part(0, 0, 5), part(1, 0, 3))
    took(store, 3, part(0, 9, 9), part(1, 3, 8))
    took(store, 4, part(0, 2, 90), pipeline="customers")
    assert store.ledger.gaps("orders") == ()


def test_a_gap_and_an_overlap_are_found(store: Store) -> None:
    """The first range after lost or repeated offsets is named, with the end before it and where it begins."""
    took(store, 1, part(0, 0, 10), part(1, 0, 100))
    took(store, 2, part(0, 12, 20), part(1, 40, 50))
    took(store, 3, part(0, 20, 30), part(1, 60, 120))
    assert [str(found) for found in store.ledger.gaps("orders")] == [
        "run-2: orders/0 [12, 20) gap: expected 10, came 12",
        "run-2: orders/1 [40, 50) overlap: expected 100, came 40",
        "run-3: orders/1 [60, 120) overlap: expected 100, came 60",
    ]


def lost(start: int, until: int, *, epoch: int = 0) -> Loss:
    """Return a loss of partition 0."""
    return Loss(
        pipeline="orders", topic="orders", partition=0, from_offset=start, until_offset=until, cause="deleted",
        found_at=START, epoch=epoch,
    )  # fmt: skip


def test_a_recorded_loss_explains_exactly_its_gap(store: Store) -> None:
    """A gap is none when losses cover all of it; one offset more, or another epoch, is a gap again."""
    took(store, 0, part(0, 0, 10))
    took(store, 1, part(0, 15, 20))
    assert store.losses.record(lost(10, 14))
    assert store.losses.record(lost(10, 15, epoch=1))
    assert len(store.ledger.gaps("orders")) == 1
    assert store.losses.record(lost(14, 15))
    assert not store.losses.record(lost(14, 15))
    assert store.ledger.gaps("orders") == ()
    assert [one.count for one in store.losses.of("orders")] == [4, 1, 5]
    assert store.losses.of("others") == ()


def test_the_end_of_reading_is_where_runs_and_losses_end(store: Store) -> None:
    """For each partition the largest end; a run that another replaced says nothing."""
    took(store, 0, part(0, 0, 10), part(1, 0, 3))
    took(store, 1, part(0, 10, 99), state=RunState.REPLACED)
    assert store.ledger.ends("orders", "orders") == {0: 10, 1: 3}
    store.losses.record(lost(10, 12))
    assert store.ledger.ends("orders", "orders") == {0: 12, 1: 3}
    assert store.ledger.ends("orders", "orders", epoch=1) == {}


def test_epochs_of_a_topic_do_not_meet(store: Store) -> None:
    """Offsets of a topic that was made anew begin at 0 again, and overlap nothing."""
    took(store, 0, part(0, 0, 10))
    took(store, 1, part(0, 0, 7), epoch=1)
    assert store.ledger.gaps("orders") == ()
    assert store.ledger.ends("orders", "orders", epoch=1) == {0: 7}


def test_a_run_that_takes_the_place_of_others_counts_when_it_is_settled(store: Store) -> None:
    """Until then the old runs count, afterwards the new one; at no time both."""
    took(store, 0, part(0, 0, 10))
    took(store, 1, part(0, 10, 20))
    took(store, 2, part(0, 0, 20))
    assert len(store.ledger.gaps("orders")) == 2
    store.runs.plan_replacement("run-2", ["run-0", "run-1"])
    assert store.ledger.gaps("orders") == ()
    assert {one.run_id for one in store.ledger.live_ranges("orders", "orders")} == {"run-0", "run-1"}
    for run_id in ("run-0", "run-1", "run-2"):
        settled(store, run_id)
    store.runs.replace("run-2", START)
    store.runs.replace("run-2", START)
    assert {one.run_id for one in store.ledger.live_ranges("orders", "orders")} == {"run-2"}
    assert store.ledger.gaps("orders") == ()
    assert store.runs.replaces("run-2") == ("run-0", "run-1")


def test_a_run_that_was_given_up_leaves_no_range_and_no_failure(store: Store) -> None:
    """It changed nothing: the ledger forgets its offsets, and the pipeline's failures are as they were."""
    took(store, 0, part(0, 0, 10))
    store.runs.abandon("run-0", "would be held", START)
    assert store.ledger.ends("orders", "orders") == {}
    assert store.runs.consecutive_failures("orders") == 0
    assert store.runs.unfinished("orders") == ()


def settled(store: Store, run_id: str) -> None:
    """Take a run to its end."""
    for state in (RunState.STAGED, RunState.AUDITED, RunState.DECIDED, RunState.PUBLISHED):
        store.runs.advance(run_id, state, START)
