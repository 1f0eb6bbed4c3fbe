"""Replays: an event that was set aside by one run is published by a later one, and its original stays where it was.

So its offset is in two files. It is in one place all the same: the replay's, if a settled replay has it, else the one
where its run put it. What must hold: a replay has only events that a run set aside, each event is in one replay at
most, and there are as many as the replay says.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mend.proof.check import Offsets
from mend.proof.evidence import Unreadable, read_offsets
from mend.proof.facts import Checked, File, Finding, Partition, Run, Span, at, of

SET_ASIDE = ("held", "rejected", "dead_letter")
"""Places from which a replay may take."""
Rows = dict[Partition, Offsets]
Before = dict[tuple[str, int, Partition], tuple[Offsets, str]]
"""What other replays of a partition, in one life of its topic, have, and the last of them."""


def check_replay(run: Run) -> Checked:
    """Hold a replay's own files against what it says it took; from where is `check_taken`'s question."""
    found = Checked(retired=run.retired)
    taken: dict[Partition, Counter[str]] = defaultdict(Counter)
    for one in run.takes:
        taken[one.where][one.into] += one.rows
    for place in ("published", "duplicate"):
        rows, findings = offsets_of(run, (place,))
        found.findings += findings
        for where, offsets in rows.items():
            found.counts.setdefault(where, Counter())[place] += len(offsets)
    for where in sorted(found.counts.keys() | taken.keys()):
        there = found.counts.get(where, Counter()) + Counter(run.retired.get(where, {}))
        if there != taken[where] and not found.findings:
            text = f"the replay took {dict(taken[where])}, its files have {dict(there)}"
            found.findings.append(at(where, "count", text))
    found.findings = [replace(one, run_id=run.run_id, pipeline=run.pipeline) for one in found.findings]
    return found


def check_taken(replays: Sequence[Run], runs: Mapping[str, Run], lives: Mapping[str, int]) -> Iterator[Finding]:
    """Find what a replay has and no run set aside, and what two replays have."""
    before: Before = {}
    for run in replays:
        rows, _ = offsets_of(run, ("published", "duplicate"))
        sources = [runs[one] for one in sorted({one.run_id for one in run.takes}) if one in runs]
        aside: Rows = merged([offsets_of(one, SET_ASIDE)[0] for one in sources])
        elsewhere: Rows = merged([offsets_of(one, ("published", "duplicate"))[0] for one in sources])
        for where, offsets in sorted(rows.items()):
            yield from twice(run, where, offsets, before, lives.get(run.run_id, 0))
            spans = [span for one in sources for span in one.spans if span.where == where]
            yield from strangers(run, where, offsets, spans, aside.get(where), elsewhere.get(where), sources)


def twice(
    run: Run,
    where: Partition,
    offsets: Offsets,
    before: dict[tuple[str, int, Partition], tuple[Offsets, str]],
    life: int,
) -> Iterator[Finding]:
    """Find an offset that this replay has twice, or that another one has."""
    span = Span(run.run_id, where, 0, 0, 0)
    ordered = np.sort(offsets)
    again = ordered[1:][np.diff(ordered) == 0]
    if len(again):
        yield about(run, of(span, "double", int(again[0]), text="the replay has it twice"))
    known, who = before.get((run.pipeline, life, where), (np.empty(0, np.int64), ""))
    both = np.intersect1d(ordered, known)
    if len(both):
        yield about(run, of(span, "double", int(both[0]), text=f"the replay {who} has it, too"))
    before[run.pipeline, life, where] = (np.concatenate([known, ordered]), run.run_id)


def strangers(
    run: Run, where: Partition, offsets: Offsets, spans: Sequence[Span],
    aside: Offsets | None, elsewhere: Offsets | None, sources: Sequence[Run],
) -> Iterator[Finding]:  # fmt: skip
    """Find an offset that none of the runs set aside; where retention deleted their rows, one that they published."""
    span = Span(run.run_id, where, 0, 0, 0)
    inside = np.zeros(len(offsets), dtype=bool)
    for one in spans:
        inside |= (offsets >= one.start) & (offsets < one.end)
    outside = offsets[~inside]
    if len(outside):
        yield about(run, of(span, "outside", int(outside[0]), text="the replay took it from a run that never had it"))
    deleted = any(place in SET_ASIDE for one in sources for rows in one.retired.values() for place in rows)
    none = np.empty(0, np.int64)
    wrong = offsets[np.isin(offsets, none if elsewhere is None else elsewhere)]
    if not deleted:
        wrong = offsets[inside & ~np.isin(offsets, none if aside is None else aside)]
    if len(wrong):
        text = "the replay has it, and its run never set it aside"
        yield about(run, of(span, "double", int(wrong[0]), text=text))


def about(run: Run, found: Finding) -> Finding:
    """Say of which pipeline the finding is."""
    return replace(found, pipeline=run.pipeline)


def offsets_of(run: Run, places: Sequence[str]) -> tuple[Rows, list[Finding]]:
    """Return the offsets of a run's files in some places, and what is wrong with the files."""
    rows: dict[Partition, list[Offsets]] = defaultdict(list)
    findings: list[Finding] = []
    retired = {place for one in run.retired.values() for place in one}
    for file in run.files:
        if file.place in places and file.place not in retired:
            findings += read(file, rows)
    return {where: np.concatenate(some) for where, some in rows.items()}, findings


def read(file: File, rows: dict[Partition, list[Offsets]]) -> Iterator[Finding]:
    """Add the offsets of a file."""
    many = 0
    try:
        for where, offsets in read_offsets(file.path):
            many += len(offsets)
            rows[where].append(offsets)
    except FileNotFoundError:
        yield broken(file.path, "gone", f"{file.path} ({file.rows} rows, {file.place}) is gone")
    except Unreadable as error:
        yield broken(file.path, "unreadable", f"{file.path} cannot be read: {error}")
    else:
        if many != file.rows:
            yield broken(file.path, "rows", f"{file.path} has {many} rows, its manifest says {file.rows}")


def broken(path: Path, kind: str, text: str) -> Finding:
    """Return a finding about a file."""
    return Finding(kind=kind, text=text, path=str(path))  # type: ignore[arg-type]


def merged(some: Sequence[Rows]) -> Rows:
    """Put the offsets of several runs together."""
    found: dict[Partition, list[Offsets]] = defaultdict(list)
    for rows in some:
        for where, offsets in rows.items():
            found[where].append(offsets)
    return {where: np.concatenate(parts) for where, parts in found.items()}


def where_they_are(checked: Mapping[str, Checked], replays: Sequence[Run]) -> None:
    """Count what replays took in the places where it is now."""
    for run in replays:
        for one in run.takes:
            source = checked.get(one.run_id)
            if source is not None and one.where in source.counts:
                counts = source.counts[one.where]
                moved = min(one.rows, counts[one.place])
                counts[one.place] -= moved
                counts[one.into] += moved
