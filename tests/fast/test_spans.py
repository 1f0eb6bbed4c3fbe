"""Spans of offsets: which runs a backfill touches, and what of them it reads again."""

import pytest

from mend.contracts.backfill import Span
from mend.contracts.report import PartitionRange
from mend.store.ledger import LedgerRange
from orchestration.spans import closure, gaps_between, merged, rounds, without


def span(partition: int, begin: int, end: int) -> Span:
    """Return offsets of one partition."""
    return Span(partition=partition, from_offset=begin, until_offset=end)


def took(run_id: str, partition: int, begin: int, end: int) -> LedgerRange:
    """Return a range of a run."""
    read = PartitionRange(topic="t", partition=partition, from_offset=begin, until_offset=end, records=end - begin)
    return LedgerRange(run_id=run_id, read=read, published=None, held=None)


LIVE = [
    took("a", 0, 0, 10), took("b", 0, 10, 20), took("c", 0, 20, 30),
    took("a", 1, 0, 5), took("b", 1, 5, 5), took("c", 1, 5, 9),
]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "replaced", "covers"),
    [
        ([span(0, 12, 15)], {"b"}, [span(0, 10, 20), span(1, 5, 5)]),
        ([span(0, 9, 11)], {"a", "b"}, [span(0, 0, 20), span(1, 0, 5)]),
        ([span(0, 0, 1), span(1, 8, 9)], {"a", "b", "c"}, [span(0, 0, 30), span(1, 0, 9)]),
        ([span(0, 30, 40)], set(), [span(0, 30, 40)]),
        ([span(0, 25, 40)], {"c"}, [span(0, 20, 40), span(1, 5, 9)]),
    ],
)
def test_whole_runs_are_replaced(asked: list[Span], replaced: set[str], covers: list[Span]) -> None:
    """Every run that shares an offset, and those between them, so that each partition is one range."""
    assert closure(asked, LIVE) == (covers, replaced)


def test_gaps_are_between_ranges_only() -> None:
    """What lies before the first range and after the last one is not missing."""
    assert list(gaps_between([took("a", 0, 5, 10), took("b", 0, 12, 20), took("c", 1, 7, 9)])) == [span(0, 10, 12)]


def test_a_round_has_each_partition_once() -> None:
    """A run has one range of a partition: what is missing in several places is read by several runs."""
    spans = [span(0, 0, 1), span(0, 5, 6), span(1, 2, 3)]
    assert list(rounds(spans)) == [(span(0, 0, 1), span(1, 2, 3)), (span(0, 5, 6),)]


def test_spans_that_touch_are_one() -> None:
    """Two runs that followed each other are read in one piece."""
    assert merged([span(0, 5, 9), span(1, 0, 2), span(0, 0, 5), span(0, 10, 11)]) == [
        span(0, 0, 9), span(0, 10, 11), span(1, 0, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("part", "left"),
    [
        (took("a", 0, 3, 5), [span(0, 0, 3), span(0, 5, 10)]),
        (took("a", 0, 0, 10), []),
        (took("a", 1, 0, 10), [span(0, 0, 10)]),
        (took("a", 0, 8, 20), [span(0, 0, 8)]),
    ],
)
def test_what_was_never_read_is_left(part: LedgerRange, left: list[Span]) -> None:
    """A range takes its offsets out of a span."""
    assert list(without(span(0, 0, 10), part)) == left
