"""The ledger of offsets."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mend.contracts.report import PartitionRange, Places
from mend.runtime.errors import UserError
from mend.store.engine import Store, open_store

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


def took(store: Store, batch: int, *parts: PartitionRange, pipeline: str = "orders") -> None:
    """Open the run of a batch and record its ranges."""
    store.runs.open_run(f"run-{batch}", pipeline, "q", batch, START + timedelta(minutes=batch))
    store.ledger.record_ranges(f"run-{batch}", parts)


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
