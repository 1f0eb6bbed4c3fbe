"""Counts of tasks add up to those of the run, in whatever order they come."""

from functools import reduce
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mend.contracts.codec import dumps, loads
from mend.contracts.report import PairCount, Places, RuleCount, SegmentCount
from mend.curate.segment_sums import MOST_SEGMENTS, OTHER_SEGMENT
from mend.curate.tally import (
    MOST_NAMES,
    FieldCount,
    PartitionCount,
    Tally,
    merge,
    moved,
)

pytestmark = pytest.mark.spark

COUNT = st.integers(0, 100)
NAME = st.sampled_from("ab")


@st.composite
def partition_counts(draw: st.DrawFn) -> PartitionCount:
    """Draw the counts of one partition."""
    first = draw(COUNT)
    places = Places(accepted=draw(COUNT), rejected=draw(COUNT), dead_letter=draw(COUNT), duplicate=draw(COUNT))
    return PartitionCount(
        topic=draw(NAME), partition=draw(st.integers(0, 1)), first_offset=first, last_offset=first + draw(COUNT),
        records=places.total, places=places,
    )  # fmt: skip


@st.composite
def field_counts(draw: st.DrawFn) -> FieldCount:
    """Draw the count of one difference."""
    first = draw(COUNT)
    return FieldCount(
        kind=draw(st.sampled_from(["unknown", "missing", "null", "type"])), name=draw(NAME), expected="e",
        found=draw(NAME), partition=draw(st.integers(0, 1)), count=draw(COUNT), first_offset=first,
        last_offset=first + draw(COUNT),
    )  # fmt: skip


def counted_pair(values: tuple[str, str], rows: int, failures: int) -> PairCount:
    """Return the count of a pair."""
    return PairCount(columns=("c", "d"), values=values, rows=rows, failures=failures)


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    """Draw the counts of one task."""
    rows = draw(COUNT)
    return Tally(
        partitions=tuple(draw(st.lists(partition_counts(), max_size=2))),
        fields=tuple(draw(st.lists(field_counts(), max_size=2))),
        rules=(RuleCount(rule=draw(NAME), column=draw(NAME), severity="quality", failures=draw(COUNT)),),
        segments=(SegmentCount(column=draw(NAME), value=draw(NAME), rows=rows, failures=draw(st.integers(0, rows))),),
        pairs=(counted_pair((draw(NAME), draw(NAME)), rows, draw(st.integers(0, rows))),),
        late=draw(COUNT),
        failed=draw(COUNT),
        drifted=draw(COUNT),
    )


@settings(max_examples=25, deadline=None)
@given(many=st.lists(tallies(), max_size=4), seed=st.integers())
def test_the_order_of_tasks_does_not_matter(many: list[Tally], seed: int) -> None:
    """Merging all at once, one by one, or shuffled gives the same counts."""
    shuffled = Random(seed).sample(many, len(many))
    assert merge(shuffled) == merge(many) == reduce(lambda a, b: merge((a, b)), many, Tally())


@settings(max_examples=25, deadline=None)
@given(many=st.lists(tallies(), max_size=4))
def test_nothing_gets_lost_when_counts_are_added(many: list[Tally]) -> None:
    """Sums over all tasks stay the same; offsets span what the tasks saw."""
    merged = merge(many)
    parts = [one for tally in many for one in tally.partitions]
    assert merged.places.total == sum(tally.places.total for tally in many)
    assert sum(one.records for one in merged.partitions) == sum(one.records for one in parts)
    assert sum(one.count for one in merged.fields) == sum(one.count for tally in many for one in tally.fields)
    for one in merged.partitions:
        same = [part for part in parts if (part.topic, part.partition) == (one.topic, one.partition)]
        assert one.first_offset == min(part.first_offset for part in same)
        assert one.last_offset == max(part.last_offset for part in same)


@settings(max_examples=25, deadline=None)
@given(tally=tallies())
def test_counts_cross_the_border_of_a_process_unchanged(tally: Tally) -> None:
    """What a task sends as JSON is what the driver reads."""
    assert loads(Tally, dumps(tally)) == tally


def test_partitions_of_two_topics_are_kept_apart() -> None:
    """Partition 0 of one topic is not partition 0 of another."""
    one = PartitionCount(topic="a", partition=0, first_offset=0, last_offset=0, records=1, places=Places(accepted=1))
    other = PartitionCount(topic="b", partition=0, first_offset=5, last_offset=5, records=1, places=Places(rejected=1))
    assert len(merge((Tally(partitions=(one,)), Tally(partitions=(other,)))).partitions) == 2


def test_values_without_end_do_not_fill_the_report() -> None:
    """Beyond the most frequent values of a column there is one sum; no row and no failure is left out."""
    many = MOST_SEGMENTS + 500
    parts = [
        Tally(segments=tuple(SegmentCount(column="c", value=f"{one:05}", rows=2, failures=1) for one in half))
        for half in (range(0, many, 2), range(1, many, 2))
    ]
    rare = Tally(segments=(SegmentCount(column="c", value="00000", rows=5, failures=5),))
    counts = merge([*parts, rare]).segments
    assert len(counts) == MOST_SEGMENTS + 1
    by_value = {one.value: one for one in counts}
    assert (by_value["00000"].rows, by_value[OTHER_SEGMENT].rows) == (7, 1_000)
    assert (sum(one.rows for one in counts), sum(one.failures for one in counts)) == (2 * many + 5, many + 5)
    assert merge([merge([*parts, rare])]).segments == counts


def test_names_without_end_do_not_fill_the_report() -> None:
    """The most frequent unknown fields are counted by name, the others by their number; nothing else is left out."""

    def field(name: str, count: int, kind: Any = "unknown") -> FieldCount:
        return FieldCount(
            kind=kind, name=name, expected="e", found="f", partition=0, count=count, first_offset=0, last_offset=count
        )

    names = tuple(field(f"{one:05}", 1) for one in range(MOST_NAMES + 300))
    found = merge([Tally(fields=names), Tally(fields=(field("often", 9), field("gone", 1, "missing")))])
    assert {one.name for one in found.fields} >= {"often", "gone"}
    assert (len(found.fields), found.unnamed) == (MOST_NAMES + 1, 301)
    assert merge([found, Tally(unnamed=9_000)]).unnamed == 9_000


def test_taking_rows_away_leaves_no_negative_count() -> None:
    """Rows of a value that is not counted by name, or not all of it, are taken from the others."""
    before = Tally(
        segments=(
            SegmentCount(column="c", value="a", rows=2, failures=1),
            SegmentCount(column="c", value=OTHER_SEGMENT, rows=9, failures=4),
        )
    )
    gone = Tally(
        segments=(
            SegmentCount(column="c", value="a", rows=5, failures=2),
            SegmentCount(column="c", value="z", rows=1, failures=0),
        )
    )
    assert [(one.value, one.rows, one.failures) for one in moved(before, gone).segments] == [(OTHER_SEGMENT, 5, 3)]


def test_rows_of_pairs_are_taken_away() -> None:
    """No count falls below nothing, a pair without rows is gone, one that is not counted stays so."""
    one, other, left, new = ("a", "b"), ("a", "z"), ("q", "q"), ("n", "n")
    before = Tally(pairs=(counted_pair(one, 5, 2), counted_pair(other, 1, 1), counted_pair(left, 3, 0)))
    gone = Tally(pairs=(counted_pair(one, 2, 3), counted_pair(other, 1, 1), counted_pair(new, 1, 0)))
    assert moved(before, gone).pairs == (counted_pair(one, 3, 0), counted_pair(left, 3, 0))


def test_the_most_frequent_pairs_stay() -> None:
    """Of many pairs of two columns the rarest are left out, whatever fails in them."""
    many = tuple(counted_pair((f"{one:05}", "v"), 1, 1) for one in range(MOST_SEGMENTS + 5))
    found = merge([Tally(pairs=many), Tally(pairs=(counted_pair(("often", "v"), 9, 0),))]).pairs
    assert len(found) == MOST_SEGMENTS
    assert counted_pair(("often", "v"), 9, 0) in found
