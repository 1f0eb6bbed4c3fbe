"""Counts of one task, made so that the counts of many tasks add up to those of the run. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from mend.contracts.codec import STRICT
from mend.contracts.drift import Count
from mend.contracts.report import PairCount, Places, RuleCount, SegmentCount
from mend.curate.segment_sums import less_pairs, less_segments, merge_pairs, merge_segments

MOST_NAMES = 1_000
"""Unknown fields that are counted by name, the most frequent ones: names made of values must not fill the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRun:
    """Bad events (rejected, or not decoded) in a row: at the beginning, at the end, and the most anywhere."""

    __pydantic_config__ = STRICT
    head: Count = 0
    tail: Count = 0
    longest: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionCount:
    """What a task read of one partition; [first_offset, last_offset] are the offsets really seen.

    `records` is counted where they are read, `places` where they end: both must agree.
    """

    __pydantic_config__ = STRICT
    topic: str
    partition: Count
    first_offset: Count
    last_offset: Count
    records: Count
    places: Places
    bad: BadRun = BadRun()


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldCount:
    """How many events of one partition differ from the contract in one field, and where first and last.

    `absent` is a missing field that may be missing. From `run_from` to `last_offset` every event that could be read
    differs; None where nobody looked.
    """

    __pydantic_config__ = STRICT
    kind: Literal["unknown", "missing", "absent", "null", "type"]
    name: str
    expected: str
    found: str
    partition: Count
    count: Count
    first_offset: Count
    last_offset: Count
    run_from: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """All counts of a task or a run. `drifted` counts events that differ from the contract in any field.

    `unnamed` is how many unknown fields there are, at least, beyond those that `fields` counts by name.
    """

    __pydantic_config__ = STRICT
    partitions: tuple[PartitionCount, ...] = ()
    fields: tuple[FieldCount, ...] = ()
    rules: tuple[RuleCount, ...] = ()
    segments: tuple[SegmentCount, ...] = ()
    pairs: tuple[PairCount, ...] = ()
    late: Count = 0
    failed: Count = 0
    drifted: Count = 0
    unnamed: Count = 0

    @property
    def places(self) -> Places:
        """Events by place over all partitions."""
        return add_places(one.places for one in self.partitions)


def add_places(many: Iterable[Places]) -> Places:
    """Add the counts of places."""
    all_of_them = list(many)
    return Places(
        accepted=sum(one.accepted for one in all_of_them),
        rejected=sum(one.rejected for one in all_of_them),
        dead_letter=sum(one.dead_letter for one in all_of_them),
        duplicate=sum(one.duplicate for one in all_of_them),
    )


def merge(tallies: Iterable[Tally]) -> Tally:
    """Add tallies up; the order does not matter."""
    many = list(tallies)
    fields, dropped = most_frequent(merge_fields(one for tally in many for one in tally.fields))
    return Tally(
        partitions=merge_partitions(one for tally in many for one in tally.partitions),
        fields=fields,
        rules=merge_rules(one for tally in many for one in tally.rules),
        segments=merge_segments(one for tally in many for one in tally.segments),
        pairs=merge_pairs(one for tally in many for one in tally.pairs),
        late=sum(tally.late for tally in many),
        failed=sum(tally.failed for tally in many),
        drifted=sum(tally.drifted for tally in many),
        unnamed=max([dropped, *(tally.unnamed for tally in many)]),
    )


def most_frequent(counts: tuple[FieldCount, ...]) -> tuple[tuple[FieldCount, ...], int]:
    """Leave out the unknown fields beyond the most frequent ones; says how many those are."""
    events: Counter[str] = Counter()
    for one in counts:
        if one.kind == "unknown":
            events[one.name] += one.count
    if len(events) <= MOST_NAMES:
        return counts, 0
    named = {name for name, _ in sorted(events.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_NAMES]}
    return tuple(one for one in counts if one.kind != "unknown" or one.name in named), len(events) - MOST_NAMES


def joined(earlier: PartitionCount, later: PartitionCount) -> BadRun:
    """Count bad events in a row over two neighbouring parts of a partition."""
    before, after = earlier.bad, later.bad
    return BadRun(
        head=earlier.records + after.head if before.head == earlier.records else before.head,
        tail=later.records + before.tail if after.tail == later.records else after.tail,
        longest=max(before.longest, after.longest, before.tail + after.head),
    )


def moved(tally: Tally, gone: Tally) -> Tally:
    """Count accepted events that turned out to be duplicates as such, and as nothing else any more.

    The stream's drift is measured on what arrived, duplicates too: it stays.
    """
    many = {(one.topic, one.partition): one.records for one in gone.partitions}
    return replace(
        tally,
        partitions=tuple(
            replace(one, places=as_duplicate(one.places, many.get((one.topic, one.partition), 0)))
            for one in tally.partitions
        ),
        rules=less_rules(tally.rules, gone.rules),
        segments=less_segments(tally.segments, gone.segments),
        pairs=less_pairs(tally.pairs, gone.pairs),
        late=tally.late - gone.late,
        failed=tally.failed - gone.failed,
    )


def as_duplicate(places: Places, many: int) -> Places:
    """Move accepted events to the duplicates."""
    return replace(places, accepted=places.accepted - many, duplicate=places.duplicate + many)


def less_rules(counts: tuple[RuleCount, ...], gone: tuple[RuleCount, ...]) -> tuple[RuleCount, ...]:
    """Take failures away."""
    less = {(one.rule, one.column): one.failures for one in gone}
    rest = (replace(one, failures=one.failures - less.get((one.rule, one.column), 0)) for one in counts)
    return tuple(one for one in rest if one.failures)


def merge_partitions(counts: Iterable[PartitionCount]) -> tuple[PartitionCount, ...]:
    """Add counts by partition."""
    found: dict[tuple[str, int], PartitionCount] = {}
    for one in sorted(counts, key=lambda one: one.first_offset):
        before = found.get((one.topic, one.partition))
        found[one.topic, one.partition] = (
            one
            if before is None
            else replace(
                one,
                first_offset=min(one.first_offset, before.first_offset),
                last_offset=max(one.last_offset, before.last_offset),
                records=one.records + before.records,
                places=add_places((one.places, before.places)),
                bad=joined(before, one),
            )
        )
    return tuple(found[key] for key in sorted(found))


def merge_fields(counts: Iterable[FieldCount]) -> tuple[FieldCount, ...]:
    """Add counts by field, kind and partition."""
    found: dict[tuple[str, str, str, str, int], FieldCount] = {}
    for one in counts:
        key = (one.kind, one.name, one.expected, one.found, one.partition)
        before = found.get(key)
        found[key] = (
            one
            if before is None
            else replace(
                one,
                count=one.count + before.count,
                first_offset=min(one.first_offset, before.first_offset),
                last_offset=max(one.last_offset, before.last_offset),
                run_from=joined_run(*sorted((one, before), key=lambda count: count.last_offset)),
            )
        )
    return tuple(found[key] for key in sorted(found))


def joined_run(earlier: FieldCount, later: FieldCount) -> int | None:
    """Return where the last unbroken run of differing events begins, over two ranges of offsets."""
    if earlier.run_from is None or later.run_from is None or later.run_from > earlier.last_offset + 1:
        return later.run_from
    return min(earlier.run_from, later.run_from)


def merge_rules(counts: Iterable[RuleCount]) -> tuple[RuleCount, ...]:
    """Add failures by rule and column."""
    found: dict[tuple[str, str], RuleCount] = {}
    for one in counts:
        before = found.get((one.rule, one.column))
        found[one.rule, one.column] = replace(one, failures=one.failures + (before.failures if before else 0))
    return tuple(found[key] for key in sorted(found))
