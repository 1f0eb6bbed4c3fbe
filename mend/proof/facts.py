"""What the proof reads and what it finds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

PLACES = ("published", "held", "rejected", "dead_letter", "duplicate")
Partition = tuple[str, int]
"""Topic and partition."""
Interval = tuple[int, int]
"""Offsets from the first up to, and without, the second."""
Kind = Literal[
    "hole", "double", "outside", "count", "gap", "overlap",
    "gone", "rows", "bytes", "unreadable", "stray", "manifest", "report", "ledger",
]  # fmt: skip


def in_life(where: Partition, life: int) -> Partition:
    """Return the partition of a topic that was made anew `life` times: its offsets began again each time."""
    return where if life == 0 else (f"{where[0]}~{life}", where[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it must be. `until` ends the interval; `places` are those where the offset is."""

    kind: Kind
    text: str
    run_id: str | None = None
    pipeline: str | None = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    until: int | None = None
    places: tuple[str, ...] = ()
    path: str | None = None

    def __str__(self) -> str:
        """One line: what, where, which run, and why."""
        where = "" if self.topic is None else f"{self.topic}/{self.partition}"
        at = "" if self.offset is None else f" offset {self.offset}"
        more = "" if self.until is None or self.offset is None else f" ({self.until - self.offset} in a row)"
        parts = (self.kind, f"{where}{at}{more}", self.run_id or "", self.text)
        return ": ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Span:
    """The offsets that a run says it took of one partition, and how many records there were."""

    run_id: str
    where: Partition
    start: int
    end: int
    records: int


@dataclass(frozen=True, slots=True)
class File:
    """A file that a manifest names."""

    place: str
    path: Path
    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class Take:
    """Rows that a replay says it took out of a place of a run, and into which of its own."""

    run_id: str
    place: str
    where: Partition
    into: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A settled run as its manifest tells it; `retired` are the rows that retention deleted, by partition and place.

    One that `takes` is a replay: it read no offsets, and its events are those of earlier runs.
    """

    run_id: str
    pipeline: str
    settled_at: str
    spans: tuple[Span, ...]
    files: tuple[File, ...]
    replaces: tuple[str, ...]
    retired: Mapping[Partition, Mapping[str, int]]
    sparse: bool
    takes: tuple[Take, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a ledger or report says of a run's partition; `accepted` are published and held together."""

    source: Literal["ledger", "report"]
    where: Partition
    start: int
    end: int
    records: int
    places: Mapping[str, int]


@dataclass(slots=True)
class Checked:
    """What the check of one run found, and the events of each place of each partition: there, and retired."""

    findings: list[Finding] = field(default_factory=list)
    counts: dict[Partition, Counter[str]] = field(default_factory=dict)
    retired: Mapping[Partition, Mapping[str, int]] = field(default_factory=dict)


def of(
    span: Span, kind: Kind, offset: int, until: int | None = None, *, text: str, places: Sequence[str] = ()
) -> Finding:
    """Return a finding about an offset of a span."""
    here = at(span.where, kind, text)
    return replace(here, run_id=span.run_id, offset=offset, until=until, places=tuple(places))


def at(where: Partition, kind: Kind, text: str) -> Finding:
    """Return a finding about a partition."""
    return Finding(kind=kind, text=text, topic=where[0], partition=where[1])
