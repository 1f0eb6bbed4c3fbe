"""The check, to be read in five minutes. It works on intervals of offsets and knows nothing of how they were written.

`check_run` holds one run's files against the offsets that the run says it took: each offset exactly once.
`check_chain` holds the runs of one partition against each other: no offset between two runs, none in both.
Together: every offset from the first one read to the last one is in exactly one place.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mend.proof.evidence import Unreadable, read_offsets
from mend.proof.facts import PLACES, Checked, File, Finding, Interval, Partition, Run, Span, Statement, of
from mend.proof.statements import disagreements

Offsets = np.ndarray[Any, np.dtype[np.int64]]
Pieces = dict[Partition, list[tuple[Offsets, Offsets, str]]]
"""The intervals of each partition: starts, ends, and the place in which they lie."""


def check_run(run: Run, *, sparse: bool, lost: dict[Partition, list[Interval]], said: Sequence[Statement]) -> Checked:
    """Read the run's files, and compare what is there with what the run, the ledger and the report say."""
    found = Checked(retired=run.retired)
    pieces: Pieces = defaultdict(list)
    for file in run.files:
        if file.place not in places_retired(run):
            found.findings += read_file(file, pieces)
    for where, some in pieces.items():
        found.counts[where] = Counter()
        for starts, ends, place in some:
            found.counts[where][place] += int((ends - starts).sum())
    spans = {span.where: span for span in run.spans}
    for where in sorted(pieces.keys() | spans.keys()):
        span = spans.get(where) or Span(run.run_id, where, 0, 0, 0)
        gone = sum(run.retired.get(where, {}).values())
        holes_allowed = sparse or gone > 0 or where not in spans
        wrong = list(check_span(span, pieces[where], None if holes_allowed else lost.get(where, [])))
        events = gone + sum(found.counts.get(where, Counter()).values())
        if events != span.records and not wrong:
            text = f"{span.records} records were read, {events} events are there"
            wrong.append(of(span, "count", span.start, span.end, text=text))
        found.findings += wrong
    found.findings += disagreements(run, found.counts, said) if not found.findings else ()
    found.findings = [replace(one, run_id=run.run_id, pipeline=run.pipeline) for one in located(found.findings)]
    return found


def read_file(file: File, pieces: Pieces) -> Iterator[Finding]:
    """Add the intervals of a file; say so if it is gone, cannot be read, or has other rows than its manifest says."""
    rows = 0
    try:
        for where, offsets in read_offsets(file.path):
            rows += len(offsets)
            pieces[where].append((*intervals(offsets), file.place))
    except FileNotFoundError:
        yield Finding(kind="gone", text=f"{file.path} ({file.rows} rows, {file.place}) is gone", path=str(file.path))
    except Unreadable as error:
        yield Finding(kind="unreadable", text=f"{file.path} cannot be read: {error}", path=str(file.path))
    else:
        if rows != file.rows:
            text = f"{file.path} has {rows} rows, its manifest says {file.rows}"
            yield Finding(kind="rows", text=text, path=str(file.path))


def intervals(offsets: Offsets) -> tuple[Offsets, Offsets]:
    """Return starts and ends of the rows of consecutive offsets; a repeated offset begins a new one."""
    step = np.diff(offsets)
    if (step <= 0).any():
        offsets = np.sort(offsets)
        step = np.diff(offsets)
    last = np.append(np.flatnonzero(step != 1), len(offsets) - 1)
    return offsets[np.append(0, last[:-1] + 1)], offsets[last] + 1


def check_span(
    span: Span, pieces: Sequence[tuple[Offsets, Offsets, str]], lost: Sequence[Interval] | None
) -> Iterator[Finding]:
    """Lay the intervals in a row: none outside, none over another, and (unless lost is None) nothing between them."""
    starts, ends, places = in_a_row(pieces)
    reached = np.maximum.accumulate(np.append(span.start, ends))
    if len(starts) and starts[0] < span.start:
        yield of(span, "outside", int(starts[0]), text=f"the run took [{span.start}, {span.end})")
    if reached[-1] > span.end:
        beyond = int(starts[np.flatnonzero(ends > span.end)[0]])
        yield of(span, "outside", max(span.end, beyond), text=f"the run took [{span.start}, {span.end})")
    twice = np.flatnonzero(starts[1:] < np.maximum.accumulate(ends)[:-1])
    if len(twice):
        offset = int(starts[twice[0] + 1])
        there = tuple(PLACES[int(one)] for one in places[(starts <= offset) & (offset < ends)])
        yield of(span, "double", offset, places=there, text=f"it is in {' and '.join(there)}")
    if lost is not None:
        begin, end = reached, np.append(starts, span.end)
        gaps = ((int(begin[at]), int(end[at])) for at in np.flatnonzero(begin < end))
        for hole in (rest for gap in gaps for rest in uncovered(gap, lost)):
            yield of(span, "hole", *hole, text="it is in no place")
            break


def in_a_row(pieces: Sequence[tuple[Offsets, Offsets, str]]) -> tuple[Offsets, Offsets, Offsets]:
    """Return all intervals by their starts, each with the number of its place."""
    none = np.empty(0, np.int64)
    starts = np.concatenate([none, *(one for one, _, _ in pieces)])
    ends = np.concatenate([none, *(one for _, one, _ in pieces)])
    places = np.concatenate([none, *(np.full(len(one), PLACES.index(place)) for one, _, place in pieces)])
    order = np.argsort(starts, kind="stable")
    return starts[order], ends[order], places[order]


def uncovered(gap: Interval, covers: Iterable[Interval]) -> Iterator[Interval]:
    """Return the parts of an interval that none of the others covers."""
    reached, end = gap
    for start, until in sorted(covers):
        if start > reached:
            yield (reached, min(start, end))
        reached = max(reached, until)
        if reached >= end:
            return
    if reached < end:
        yield (reached, end)


def check_chain(spans: Sequence[Span], excused: Sequence[Interval], earliest: int | None) -> Iterator[Finding]:
    """Follow one partition from run to run; `excused` offsets are lost at the source or in runs not settled yet."""
    reached = spans[0].start if earliest is None else min(earliest, spans[0].start)
    for span in (one for one in spans if one.start < one.end):
        if span.start < reached:
            yield of(span, "overlap", span.start, min(reached, span.end), text="an earlier run took these offsets, too")
        for gap in uncovered((reached, span.start), excused) if reached < span.start else ():
            yield of(span, "gap", *gap, text="no run took these offsets")
        reached = max(reached, span.end)


def verified_through(spans: Sequence[Span], proven: set[str], lost: Sequence[Interval]) -> int:
    """Return the end of the unbroken row of proven offsets; what was lost at the source does not break it."""
    reached = spans[0].start
    for span in spans:
        joined = span.start <= reached or not list(uncovered((reached, span.start), lost))
        if not joined or span.run_id not in proven:
            break
        reached = max(reached, span.end)
    return reached


def places_retired(run: Run) -> set[str]:
    """Return the places whose files retention has deleted."""
    return {place for rows in run.retired.values() for place in rows}


def located(findings: list[Finding]) -> list[Finding]:
    """Give what was found of a file the offset of the first hole or double that it made."""
    first = next((one for one in findings if one.offset is not None and one.path is None), None)
    if first is None:
        return findings
    place = {name: getattr(first, name) for name in ("topic", "partition", "offset", "until")}
    return [replace(one, **place) if one.path and one.topic is None else one for one in findings]
