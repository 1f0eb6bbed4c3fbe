"""Put the proof together: which runs count, what each holds, how they join, and how far every partition is proven."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mend.proof.check import check_chain, check_run, uncovered, verified_through
from mend.proof.evidence import Unreadable, manifests, present, read_manifest, read_offsets, report_says
from mend.proof.facts import Checked, Finding, Interval, Kind, Run, Span, Statement, in_life
from mend.proof.replays import check_replay, check_taken, where_they_are

Place = tuple[str, str, int]
"""Pipeline, topic (in which of its lives) and partition."""
ASIDE = ("quarantine", "dead_letters", "duplicates")
SETTLED = {"published", "held", "validated", "disputed"}
REPLACED = "replaced"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What is to be proven: everything, one pipeline, the runs settled since a time (ISO 8601), or one run."""

    pipeline: str | None = None
    since: str | None = None
    run_id: str | None = None

    def holds(self, run: Run) -> bool:
        """Whether the run's files are read."""
        return (
            self.pipeline in {None, run.pipeline}
            and self.run_id in {None, run.run_id}
            and (self.since is None or run.settled_at >= self.since)
        )

    @property
    def whole(self) -> bool:
        """Whether every run of the pipelines is read."""
        return self.since is None and self.run_id is None


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the store and the broker say; `lost` are offsets that were gone before they were read."""

    states: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Pipeline and state of each run."""
    ledger: Mapping[str, Sequence[Statement]] = field(default_factory=dict)
    lives: Mapping[str, int] = field(default_factory=dict)
    """How often the topic had been made anew when a run read it; 0 where nothing is said."""
    lost: Mapping[Place, Sequence[Interval]] = field(default_factory=dict)
    verified: Mapping[Place, int] = field(default_factory=dict)
    watermarks: Mapping[Place, Interval] = field(default_factory=dict)
    sparse: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Proven:
    """One partition: the first offset read, how far it is proven, where the last settled run ended, what was counted.

    `counts` are events by place in the runs that were read; `waiting` is None when no broker was asked.
    """

    pipeline: str
    topic: str
    partition: int
    from_offset: int
    verified_through: int
    until_offset: int
    counts: Mapping[str, int]
    retired: int
    lost: int
    waiting: int | None


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The certificate, or what speaks against it."""

    runs: int
    offsets: int
    partitions: tuple[Proven, ...]
    findings: tuple[Finding, ...]
    not_settled: tuple[tuple[str, str], ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def prove(home: Path, published: Path, ask: Callable[[], Known], scope: Scope) -> Proof:
    """Check the scope. Files are listed before the store is asked: a run that goes on meanwhile is no finding."""
    files, names = present(home, published), manifests(home)
    known = ask()
    names |= {one: path for one, path in manifests(home).items() if one in known.states}
    runs, findings = read_all(names, known, home, published)
    open_runs, replaced = standing(runs, known)
    findings += strays(files, [run for run in runs.values() if run.run_id not in replaced], open_runs, home)
    settled = {one: run for one, run in runs.items() if one not in open_runs | replaced}
    checked = {one: check(run, known, home) for one, run in settled.items() if scope.holds(run)}
    findings += [found for one in checked.values() for found in one.findings]
    replays = [run for run in settled.values() if run.takes]
    findings += check_taken([one for one in replays if concerned(one, scope)], settled, known.lives)
    findings += [found for one, run in settled.items() if one not in checked for found in sizes(run)]
    read = [found for one, found in checked.items() if not settled[one].takes]
    offsets = sum(counts.total() for found in read for counts in found.counts.values())
    where_they_are(checked, replays)
    partitions, gaps = chains(settled, open_runs, checked, {one.run_id for one in findings}, known)
    waiting = sorted((one, known.states[one]) for one in open_runs & known.states.keys())
    return Proof(
        runs=len(checked),
        offsets=offsets,
        partitions=tuple(one for one in partitions if scope.pipeline in {None, one.pipeline}),
        findings=tuple(sorted((one for one in (*findings, *gaps) if concerns(one, scope, known)), key=order)),
        not_settled=tuple(
            (one, state) for one, (name, state) in waiting
            if scope.pipeline in {None, name} and scope.run_id in {None, one}
        ),
    )  # fmt: skip


def standing(runs: Mapping[str, Run], known: Known) -> tuple[set[str], set[str]]:
    """Return the runs that are not settled yet, those they are about to replace among them, and the replaced ones."""
    open_runs = {one for one, (_, state) in known.states.items() if state not in SETTLED and state != REPLACED}
    replaced = {one for one, (_, state) in known.states.items() if state == REPLACED}
    replaced |= {old for run in runs.values() if run.run_id not in open_runs for old in run.replaces}
    open_runs |= {old for run in runs.values() if run.run_id in open_runs for old in run.replaces}
    return open_runs - replaced, replaced


def read_all(
    names: Mapping[str, Path], known: Known, home: Path, published: Path
) -> tuple[dict[str, Run], list[Finding]]:
    """Read the manifests; one that is broken, missing, or of a run that the ledger does not know is a finding."""
    runs, findings = {}, []
    for run_id, path in names.items():
        try:
            runs[run_id] = read_manifest(path, home, published)
        except Unreadable as error:
            findings.append(of_run(run_id, known, f"its manifest {path} cannot be read: {error}"))
            continue
        if run_id not in known.states:
            findings.append(of_run(run_id, known, "the ledger does not know this run", pipeline=runs[run_id].pipeline))
    findings += [
        of_run(run_id, known, f"the run is {state}, and its manifest is gone")
        for run_id, (_, state) in known.states.items() if state in SETTLED and run_id not in names
    ]  # fmt: skip
    return runs, findings


def of_run(run_id: str, known: Known, text: str, pipeline: str | None = None) -> Finding:
    """Return a finding about a run's manifest, at the first offset that the ledger says it took."""
    said = next((one for one in known.ledger.get(run_id, ()) if one.start < one.end), None)
    found = Finding(
        kind="manifest", text=text, run_id=run_id, pipeline=pipeline or known.states.get(run_id, (None,))[0]
    )
    if said is None:
        return found
    return replace(found, topic=said.where[0], partition=said.where[1], offset=said.start, until=said.end)


def check(run: Run, known: Known, home: Path) -> Checked:
    """Check one run against its files, the ledger and its report."""
    if run.takes:
        return check_replay(run)
    places = {span.where: (run.pipeline, *in_life(span.where, known.lives.get(run.run_id, 0))) for span in run.spans}
    lost = {where: list(known.lost.get(place, ())) for where, place in places.items()}
    said, broken = list(known.ledger.get(run.run_id, ())), None
    try:
        if not run.replaces:  # a backfill reports what it read again, not what it carried over
            said += report_says(home / "ops" / "runs" / run.run_id / "run_report.json")
    except Unreadable as error:
        text = f"run_report.json cannot be read: {error}"
        broken = Finding(kind="report", text=text, run_id=run.run_id, pipeline=run.pipeline)
    found = check_run(run, sparse=run.sparse or run.pipeline in known.sparse, lost=lost, said=said)
    return replace(found, findings=[*found.findings, *([broken] if broken else [])])


def concerned(run: Run, scope: Scope) -> bool:
    """Whether a replay says something about what is to be proven: its own run, or one that it took from."""
    return (
        scope.pipeline in {None, run.pipeline}
        and scope.run_id in {None, run.run_id, *(one.run_id for one in run.takes)}
        and (scope.since is None or run.settled_at >= scope.since)
    )


def strays(files: Sequence[Path], runs: Sequence[Run], open_runs: set[str], home: Path) -> list[Finding]:
    """Find the files that no manifest names, one finding a folder of a run; what an open run set aside is its own."""
    named = {file.path for run in runs for file in run.files}
    aside = {home / place / f"run={run_id}" for place in ASIDE for run_id in open_runs}
    strange: dict[Path, list[Path]] = defaultdict(list)
    for path in files:
        if path not in named:
            folder = next((one for one in path.parents if one.name.startswith("run=")), path.parent)
            if folder not in aside:
                strange[folder].append(path)
    return [stray(folder, some, runs) for folder, some in strange.items()]


def stray(folder: Path, paths: Sequence[Path], runs: Sequence[Run]) -> Finding:
    """Describe files that nobody vouches for, and whether a run has their first offset already."""
    path, many = paths[0], len(paths)
    text = f"{path} is named by no manifest" + (f", nor are {many - 1} more files of {folder.name}" if many > 1 else "")
    found = Finding(kind="stray", text=text, path=str(path))
    try:
        where, offsets = next(read_offsets(path))
    except (OSError, Unreadable, StopIteration):
        return found
    offset = int(offsets.min())
    holders = [one.run_id for run in runs for one in run.spans if one.where == where and one.start <= offset < one.end]
    twice = f"; the offset is in {' and '.join(holders)}, too" if holders else ""
    return replace(found, text=text + twice, topic=where[0], partition=where[1], offset=offset)


def sizes(run: Run) -> Iterator[Finding]:
    """Look at the files of a run that is not read now: there, and of the size that they had."""
    retired = {place for rows in run.retired.values() for place in rows}
    for file in run.files:
        size = file.path.stat().st_size if file.path.exists() else None
        if size != file.size and file.place not in retired:
            kind: Kind = "gone" if size is None else "bytes"
            text = f"{file.path} " + ("is gone" if size is None else f"has {size} bytes, not {file.size}")
            yield Finding(kind=kind, text=text, run_id=run.run_id, pipeline=run.pipeline, path=str(file.path))


def chains(
    settled: Mapping[str, Run], open_runs: set[str], checked: Mapping[str, Checked], bad: set[str | None], known: Known
) -> tuple[list[Proven], list[Finding]]:
    """Join the runs of each partition; those in `bad` prove nothing."""
    spans: dict[Place, list[Span]] = defaultdict(list)
    pending: dict[Place, list[Interval]] = defaultdict(list)
    for run in settled.values():
        for span in run.spans:
            spans[run.pipeline, *in_life(span.where, known.lives.get(run.run_id, 0))].append(span)
    for run_id in open_runs & known.states.keys():
        for said in known.ledger.get(run_id, ()):
            where = in_life(said.where, known.lives.get(run_id, 0))
            pending[known.states[run_id][0], *where].append((said.start, said.end))
    proven, gaps = [], []
    for place, some in sorted(spans.items()):
        some.sort(key=lambda one: (one.start, one.end))
        lost, marks, before = known.lost.get(place, ()), known.watermarks.get(place), known.verified.get(place, -1)
        found = list(check_chain(some, [*lost, *pending[place]], marks[0] if marks else None))
        gaps += [replace(one, pipeline=place[0]) for one in found]
        wrong = bad | {one.run_id for one in found if one.kind == "overlap"}
        trusted = {
            one.run_id for one in some if one.run_id not in wrong and (one.run_id in checked or one.end <= before)
        }
        through = verified_through(some, trusted, lost)
        waiting = max(marks[1] - some[-1].end, 0) if marks else None
        proven.append(partition_proof(place, some, checked, through, lost, waiting))
    return proven, gaps


def partition_proof(
    place: Place, spans: Sequence[Span], checked: Mapping[str, Checked], through: int, lost: Sequence[Interval],
    waiting: int | None,
) -> Proven:  # fmt: skip
    """Add up what was counted of a partition."""
    where = spans[0].where
    counts: Counter[str] = Counter()
    retired: Counter[str] = Counter()
    for one in (checked[span.run_id] for span in spans if span.run_id in checked):
        counts.update(one.counts.get(where, {}))
        retired.update(one.retired.get(where, {}))
    first, last = spans[0].start, max(span.end for span in spans)
    return Proven(
        pipeline=place[0],
        topic=place[1],
        partition=place[2],
        from_offset=first,
        verified_through=through,
        until_offset=last,
        counts=dict(counts),
        retired=retired.total(),
        lost=(last - first) - sum(end - start for start, end in uncovered((first, last), lost)),
        waiting=waiting,
    )


def concerns(found: Finding, scope: Scope, known: Known) -> bool:
    """Whether a finding belongs to what was asked about; a stray belongs to nobody, and so to everybody."""
    if scope.run_id is not None:
        return found.run_id == scope.run_id or (found.kind == "stray" and f"run={scope.run_id}/" in (found.path or ""))
    pipeline = found.pipeline or known.states.get(found.run_id or "", (None,))[0]
    return scope.pipeline is None or pipeline in {None, scope.pipeline}


def order(found: Finding) -> tuple[str, str, int, int]:
    """Sort by partition and offset; what has none comes last."""
    partition = -1 if found.partition is None else found.partition
    return found.pipeline or "~", found.topic or "~", partition, found.offset or 0
