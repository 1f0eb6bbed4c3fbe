"""Storms of poison: partitions of which so much is bad that quarantine would only fill up. Pure."""

from collections.abc import Iterator

from mend.contracts.drift import Drift
from mend.contracts.report import Storm
from mend.curate.tally import PartitionCount, Tally
from mend.runtime.pipeline_file import StormLimits


def find_storms(tally: Tally, drift: Drift, limits: StormLimits | None) -> tuple[Storm, ...]:
    """Return the partitions with more bad events than believable; a changed contract has a decision of its own."""
    if limits is None:
        return ()
    changed = {one.name for one in drift.type_changed} | {one.name for one in drift.removed if one.required}
    found = (storm(one, explained(tally, changed, one.partition), limits) for one in tally.partitions)
    return tuple(one for one in found if one is not None)


def explained(tally: Tally, changed: set[str], partition: int) -> int:
    """Count the events of a partition that are surely bad because of breaking drift: those of its widest change."""
    return max(widths(tally, changed, partition), default=0)


def widths(tally: Tally, changed: set[str], partition: int) -> Iterator[int]:
    """Count the events of each field that changed."""
    for name in changed:
        yield sum(one.count for one in tally.fields if one.name == name and one.partition == partition)


def storm(count: PartitionCount, explained: int, limits: StormLimits) -> Storm | None:
    """Judge one partition. Exactly the share is still mild; a run in a row counts from its length on."""
    poison = count.places.rejected + count.places.dead_letter - explained
    over_share = poison > limits.share * count.records
    in_a_row = count.bad.longest >= limits.run and poison >= limits.run
    if not (over_share or in_a_row):
        return None
    return Storm(
        topic=count.topic,
        partition=count.partition,
        records=count.records,
        dead_letter=count.places.dead_letter,
        rejected=count.places.rejected,
        longest=count.bad.longest,
        begins=in_a_row or count.records >= limits.events,
    )
