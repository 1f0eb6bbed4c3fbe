"""Whether a run's counts add up (pure): every event in exactly one place, partition by partition."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from mend.contracts.report import PartitionRange, RunReport

Kind = Literal["missing", "places", "width", "total", "sum", "gap", "overlap", "settled"]
PLACES = ("accepted", "rejected", "dead_letter", "duplicate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """One count that does not close, or one offset that is not where the one before ended.

    missing: the report has neither places nor partitions · places: those of a range against its records · width: more
    records than offsets · total: ranges against total_records · sum: one of the report's places against its
    ranges · gap, overlap: a range against the end of the one before · settled: published and held against accepted.
    """

    kind: Kind
    expected: int
    came: int
    place: str | None = None
    run_id: str | None = None
    topic: str | None = None
    partition: int | None = None
    from_offset: int | None = None
    until_offset: int | None = None

    def __str__(self) -> str:
        """One line: which run, which offsets, what was expected, what came."""
        run = f"{self.run_id}: " if self.run_id else ""
        offsets = f"{self.topic}/{self.partition} [{self.from_offset}, {self.until_offset}) "
        place = f" of {self.place}" if self.place else ""
        return f"{run}{offsets if self.topic else ''}{self.kind}{place}: expected {self.expected}, came {self.came}"


def check_sums(report: RunReport) -> tuple[Discrepancy, ...]:
    """Return what does not close in the report; nothing when every event is in exactly one place."""
    if report.places is None and not report.partitions:
        return (Discrepancy(kind="missing", expected=report.total_records, came=0, run_id=report.run_id),)
    return (*in_ranges(report), *between_ranges(report), *in_totals(report))


def in_ranges(report: RunReport) -> Iterator[Discrepancy]:
    """Compare each range's places with its records, and its records with its width."""
    for part in report.partitions:
        if part.places.total != part.records:
            yield of_range("places", report.run_id, part, expected=part.records, came=part.places.total)
        if part.records > part.until_offset - part.from_offset:
            yield of_range(
                "width", report.run_id, part, expected=part.until_offset - part.from_offset, came=part.records
            )


def between_ranges(report: RunReport) -> Iterator[Discrepancy]:
    """Find ranges of one partition that share offsets: their events would be counted twice."""
    ordered = sorted(report.partitions, key=lambda part: (part.topic, part.partition, part.from_offset))
    for before, part in pairwise(ordered):
        same = (before.topic, before.partition) == (part.topic, part.partition)
        if same and part.from_offset < before.until_offset:
            yield of_range("overlap", report.run_id, part, expected=before.until_offset, came=part.from_offset)


def in_totals(report: RunReport) -> Iterator[Discrepancy]:
    """Compare the report's totals with the sum of its ranges."""
    records = sum(part.records for part in report.partitions)
    if records != report.total_records:
        yield Discrepancy(kind="total", expected=report.total_records, came=records, run_id=report.run_id)
    for place in PLACES if report.places else ():
        stated = getattr(report.places, place)
        counted = sum(getattr(part.places, place) for part in report.partitions)
        if stated != counted:
            yield Discrepancy(kind="sum", place=place, expected=stated, came=counted, run_id=report.run_id)


def of_range(kind: Kind, run_id: str | None, part: PartitionRange, *, expected: int, came: int) -> Discrepancy:
    """Return a discrepancy that names the range."""
    return Discrepancy(
        kind=kind,
        expected=expected,
        came=came,
        run_id=run_id,
        topic=part.topic,
        partition=part.partition,
        from_offset=part.from_offset,
        until_offset=part.until_offset,
    )
