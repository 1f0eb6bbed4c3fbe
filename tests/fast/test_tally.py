"""Counts of tasks add up to those of the run, in whatever order they come."""

from functools import reduce
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mend.contracts.codec import dumps, loads
from mend.contracts.report import Places, RuleCount, SegmentCount
from mend.curate.tally import FieldCount, PartitionCount, Tally, merge

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


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    """Draw the counts of one task."""
    rows = draw(COUNT)
    return Tally(
        partitions=tuple(draw(st.lists(partition_counts(), max_size=2))),
        fields=tuple(draw(st.lists(field_counts(), max_size=2))),
        rules=(RuleCount(rule=draw(NAME), column=draw(NAME), severity="quality", failures=draw(COUNT)),),
        segments=(SegmentCount(column=draw(NAME), value=draw(NAME), rows=rows, failures=draw(st.integers(0, rows))),),
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
