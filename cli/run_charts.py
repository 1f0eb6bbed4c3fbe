"""The geometry of the run page: facts in, coordinates out."""

import hashlib
from dataclasses import dataclass
from itertools import groupby

from cli.run_facts import MASKED, Destination, RunFacts, is_private
from cli.wording import NOT_KNOWN, known, number
from mend.contracts.drift import AddedField, RemovedField, RetypedField
from mend.contracts.report import ColumnProfile, PartitionRange, SegmentCount

Change = AddedField | RemovedField | RetypedField

FULL = 180
"""Height of all events, in pixels."""

VALUES_SHOWN = 12

TEXT = 34
"""Characters of quantiles that fit under their box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ribbon:
    """A stream of events to one place: the row's height, the stream's thickness and outline, in pixels."""

    place: Destination
    height: float
    thick: float
    outline: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of a line, in percent of it."""

    start: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRow:
    """One change of the stream, and where on the run's offsets it lies."""

    kind: str
    name: str
    change: str
    events: int
    offsets: str
    span: Span | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentBar:
    """One value of a segment; `width` is its failure rate in percent of the widest bar."""

    value: str
    rows: int
    failures: int
    width: float
    localised: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentGroup:
    """One segment column; `mean` is where the rate over all rows lies on the bars, in percent."""

    column: str
    rows: int
    failures: int
    mean: float
    bars: tuple[SegmentBar, ...]
    more: int
    more_failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Quantiles on a line of 100: the whole line, the box of all but the outermost, the middle."""

    line: Span
    box: Span
    middle: float
    text: str
    full: str


def ribbons(places: tuple[Destination, ...]) -> tuple[Ribbon, ...]:
    """Return a stream for each place, as thick as its share, from one stack on the left to rows on the right."""
    total = sum(place.events for place in places) or 1
    thick = [max(2.0, FULL * place.events / total) if place.events > 0 else 0.0 for place in places]
    heights = [max(50.0 if place.events > 0 else 38.0, width) for place, width in zip(places, thick, strict=True)]
    left, top, found = 0.0, 0.0, []
    for place, width, height in zip(places, thick, heights, strict=True):
        right = top + (height - width) / 2
        found.append(Ribbon(place=place, height=height, thick=width, outline=stream(left, right, width)))
        left, top = left + width, top + height
    return tuple(found)


def stream(left: float, right: float, width: float) -> str:
    """Return the outline of a band that swings from one height to another."""
    if not width:
        return ""
    return (
        f"M0 {left:.1f}C50 {left:.1f} 50 {right:.1f} 100 {right:.1f}V{right + width:.1f}"
        f"C50 {right + width:.1f} 50 {left + width:.1f} 0 {left + width:.1f}Z"
    )


def stitches(name: str, columns: int = 48, rows: int = 20, step: int = 14) -> tuple[tuple[str, int], ...]:
    """Return a stitch pattern that is the run's own: lines of dashes, shifted or not as a bit of its name says.

    Each pair is a path and the offset of its dashes (hitomezashi: one bit a line decides where its first stitch lies).
    """
    digest = hashlib.sha256(name.encode("utf-8", "replace")).digest()
    bits = [digest[each // 8] >> each % 8 & 1 for each in range(columns + rows)]
    paths = {0: "", step: ""}
    for row in range(rows):
        paths[bits[row] * step] += f"M0 {row * step}h{columns * step}"
    for column in range(columns):
        paths[bits[rows + column] * step] += f"M{column * step} 0v{rows * step}"
    return tuple((path, offset) for offset, path in paths.items())


def timeline(seconds: tuple[float, ...]) -> tuple[Span, ...]:
    """Return one stretch a step, each beginning where the one before ended."""
    usable = [max(0.0, each) if known(each) else 0.0 for each in seconds]
    total, start, found = sum(usable) or 1.0, 0.0, []
    for each in usable:
        found.append(Span(start=100 * start / total, width=max(0.4, 100 * each / total)))
        start += each
    return tuple(found)


def drift_rows(run: RunFacts) -> tuple[DriftRow, ...]:
    """Return added, removed and retyped fields as rows of one table."""
    drift = run.report.drift
    if drift is None:
        return ()
    found: list[tuple[Change, str, str]] = [
        (each, "added", each.type + (", nullable" if each.nullable else "")) for each in drift.added
    ]
    found += [(each, "removed", f"was {each.type}{', required' * each.required}") for each in drift.removed]
    found += [(each, "retyped", f"{each.from_type} → {each.to_type}") for each in drift.type_changed]
    return tuple(
        DriftRow(
            kind=kind,
            name=each.name,
            change=change,
            events=each.count,
            offsets=offsets(each.first_offset, each.last_offset),
            span=offset_span(run.report.partitions, each.first_offset, each.last_offset),
        )
        for each, kind, change in found
    )


def offsets(first: int | None, last: int | None) -> str:
    """Return the first and the last offset where something was seen."""
    if first is None or last is None:
        return NOT_KNOWN
    return number(first) if first == last else f"{number(first)} to {number(last)}"


def offset_span(partitions: tuple[PartitionRange, ...], first: int | None, last: int | None) -> Span | None:
    """Return the stretch between two offsets on the line of all offsets of the run."""
    if not partitions or first is None or last is None:
        return None
    low = min(part.from_offset for part in partitions)
    high = max(part.until_offset for part in partitions)
    if not low <= first <= last < high:
        return None
    return Span(start=100 * (first - low) / (high - low), width=max(1.0, 100 * (last + 1 - first) / (high - low)))


def segment_groups(run: RunFacts) -> tuple[SegmentGroup, ...]:
    """Return the segments by column, in each the localised values first, then the worst."""
    ordered = sorted(run.report.segments, key=lambda each: each.column)
    return tuple(segment_group(run, name, tuple(each)) for name, each in groupby(ordered, key=lambda each: each.column))


def segment_group(run: RunFacts, column: str, counts: tuple[SegmentCount, ...]) -> SegmentGroup:
    """Return the bars of one segment column, scaled to its worst value."""
    localised = {each.value for each in run.decision.hold if each.column == column and not each.also}
    worst = sorted(counts, key=lambda each: (each.value not in localised, -rate(each), -each.rows))
    shown, rest = worst[:VALUES_SHOWN], worst[VALUES_SHOWN:]
    widest = max((rate(each) for each in shown), default=0) or 1
    rows, failures = sum(each.rows for each in counts), sum(each.failures for each in counts)
    private = is_private(run, column)
    bars = tuple(
        SegmentBar(
            value=MASKED if private else each.value,
            rows=each.rows,
            failures=each.failures,
            width=100 * rate(each) / widest,
            localised=each.value in localised,
        )
        for each in shown
    )
    mean = 100 * (failures / rows if rows else 0) / widest
    left_out = sum(each.failures for each in rest)
    return SegmentGroup(
        column=column, rows=rows, failures=failures, mean=mean, bars=bars, more=len(rest), more_failures=left_out
    )


def rate(each: SegmentCount) -> float:
    """Return the share of failing rows."""
    return each.failures / each.rows if each.rows else 0.0


def box(column: ColumnProfile) -> Box | None:
    """Return the quantiles of a column as a box on a line, None where there is no spread to see."""
    values = [each for each in column.quantiles if known(each)]
    if len(values) < 3 or values[0] >= values[-1]:  # noqa: PLR2004
        return None
    low, width = values[0], values[-1] - values[0]
    at = [100 * (each - low) / width for each in values]
    text = " · ".join(number(each) for each in values)
    inner = at[1:-1] if len(at) > 3 else at  # noqa: PLR2004
    return Box(
        line=Span(start=0, width=100),
        box=Span(start=inner[0], width=max(1.5, inner[-1] - inner[0])),
        middle=at[len(at) // 2],
        text=text if len(text) <= TEXT else f"middle {number(values[len(values) // 2])}",
        full=text,
    )
