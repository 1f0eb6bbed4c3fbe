"""What policy, ledger, proof and open incidents allow to delete; what goes is written into the manifest first."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from mend.contracts.settled import Place, Retired
from mend.incidents.log import incident_log
from mend.proof.evidence import Unreadable, read_manifest
from mend.proof.facts import Checked
from mend.proof.prove import Known, check
from mend.sinks.parquet import beside
from mend.store.runs import Standing
from mend.store.tables import RunState
from orchestration import settled_manifest
from orchestration.prove import with_store
from orchestration.workspace import Workspace

PLACES: dict[str, tuple[Place, ...]] = {
    "published": ("published",),
    "quarantine": ("held", "rejected"),
    "dead_letters": ("dead_letter",),
    "duplicates": ("duplicate",),
}
"""What a policy of the pipeline file is about."""
ALL_INCIDENTS = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Goes:
    """A folder to delete; `counts` are the rows that were proven to be in it, by place, topic and partition."""

    run_id: str
    what: str
    path: Path
    policy: str
    counts: Mapping[tuple[Place, str, int], int]

    @property
    def rows(self) -> int:
        """All of its rows."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays:
    """Something that is kept, and why."""

    run_id: str
    what: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Judge:
    """What decides about one pipeline's data: its policy, the time, and the incident that is open about a run."""

    workspace: Workspace
    now: datetime
    incidents: Mapping[str, str]

    @cached_property
    def known(self) -> Known:
        """What the store says; asked when the first rows are old enough."""
        pipeline = self.workspace.pipeline
        return with_store(Known(sparse=frozenset({pipeline.name} if pipeline.sparse else ())), self.workspace.store)

    @cached_property
    def oldest_at_work(self) -> datetime:
        """From when on the duplicate horizon counts: a run that waits to be staged again looks back from then."""
        waiting = self.workspace.store.runs.unfinished(self.workspace.pipeline.name)
        return min([self.now, *(run.opened_at for run in waiting)])

    def verdicts(self) -> Iterator[Goes | Stays]:
        """Look at everything of the pipeline that is there."""
        layout, store = self.workspace.layout, self.workspace.store
        runs = {one.run_id: one for one in store.runs.standing(self.workspace.pipeline.name)}
        for run in runs.values():
            if run.state is RunState.VALIDATED:
                yield from self.emptied(run)
            for what in PLACES:
                path = self.folder(run.run_id, what)
                if path.exists() or (what == "published" and beside(path, "leaving").exists()):
                    yield self.of_place(run, what, path)
            if self.workspace.pipeline.retention.reports is not None:
                reports = layout.run_file(run.run_id, "manifest").parent.glob("*")
                yield from (self.judged(run, "reports", path) for path in reports if path.name != "manifest.json")
        yield from self.replaced(runs)

    def folder(self, run_id: str, what: str) -> Path:
        """Return where a run's data of one kind are."""
        layout = self.workspace.layout
        return {
            "published": layout.published,
            "quarantine": layout.quarantine,
            "dead_letters": layout.dead_letters,
            "duplicates": layout.duplicates,
        }[what](run_id)

    def emptied(self, run: Standing) -> Iterator[Goes]:
        """Return what no run needs any more: emptied staging, and keys that lie beyond the duplicate horizon."""
        layout, horizon = self.workspace.layout, self.workspace.pipeline.duplicate_horizon
        if layout.staged(run.run_id).exists():
            yield Goes(run_id=run.run_id, what="staging", path=layout.staged(run.run_id), policy="validated", counts={})
        if run.opened_at < self.oldest_at_work - horizon and layout.settled_keys(run.run_id).exists():
            path, policy = layout.settled_keys(run.run_id), f"duplicate_horizon: {spoken(horizon)}"
            yield Goes(run_id=run.run_id, what="keys", path=path, policy=policy, counts={})

    def of_place(self, run: Standing, what: str, path: Path) -> Goes | Stays:
        """Judge rows: what was begun is finished; else they must be old, validated, undisputed and proven."""
        verdict = self.judged(run, what, path)
        try:
            manifest = settled_manifest.read(self.workspace.layout, run.run_id)
        except (OSError, ValueError):
            return verdict if isinstance(verdict, Stays) else replace_why(verdict, "its manifest cannot be read")
        if set(PLACES[what]) & {one.place for one in manifest.retired}:
            return Goes(run_id=run.run_id, what=what, path=path, policy="begun before", counts={})
        return verdict if isinstance(verdict, Stays) else self.proven(verdict)

    def judged(self, run: Standing, what: str, path: Path) -> Goes | Stays:
        """Judge by age, state and incidents."""
        age: timedelta | None = getattr(self.workspace.pipeline.retention, what)
        if age is None:
            why = "no retention is set"
        elif run.state is not RunState.VALIDATED:
            why = f"the run is {run.state.value}"
        elif run.ended_at is None or run.ended_at > self.now - age:
            why = f"younger than {spoken(age)}"
        elif run.run_id in self.incidents:
            why = f"incident {self.incidents[run.run_id]} is open"
        else:
            policy = f"retention.{what}: {spoken(age)}"
            return Goes(run_id=run.run_id, what=what, path=path, policy=policy, counts={})
        return Stays(run_id=run.run_id, what=what, why=why)

    def proven(self, goes: Goes) -> Goes | Stays:
        """Let rows go only from a run whose every offset is found in one place, now."""
        home, published = self.workspace.settings.home, self.workspace.settings.published
        try:
            run = read_manifest(self.workspace.layout.run_file(goes.run_id, "manifest"), home, published)
        except (OSError, Unreadable) as error:
            return replace_why(goes, f"its manifest cannot be read: {error}")
        found: Checked = check(run, self.known, home)
        if found.findings:
            return replace_why(goes, f"not proven: {found.findings[0]}")
        counts = {
            (place, topic, partition): rows[place]
            for (topic, partition), rows in found.counts.items()
            for place in PLACES[goes.what]
            if rows[place]
        }
        return replace(goes, counts=counts)

    def replaced(self, runs: Mapping[str, Standing]) -> Iterator[Goes | Stays]:
        """Judge the folders of runs whose place another run took, by the age of that run."""
        folders = {
            one.name.removeprefix("run="): one for one in (self.workspace.settings.home / "replaced").glob("run=*")
        }
        if not folders:
            return
        for run in runs.values():
            if self.workspace.layout.run_file(run.run_id, "manifest").exists():
                for old in settled_manifest.read(self.workspace.layout, run.run_id).replaces:
                    if old in folders:
                        verdict = self.judged(run, "published", folders[old])
                        yield replace(verdict, run_id=old, what="replaced")


def judge(workspace: Workspace, now: datetime) -> Judge:
    """Ask for the open incidents."""
    log = incident_log(workspace.store, workspace.layout.ops)
    incidents = log.get_recent_incidents(at=now, days=ALL_INCIDENTS)
    still_open = {str(one.context.get("run_id")): one.id for one in incidents if one.live}
    return Judge(workspace=workspace, now=now, incidents=still_open)


def retire(workspace: Workspace, goes: Goes, now: datetime) -> None:
    """Write down what goes, then delete it; it can be repeated. Readers see all of a run or none."""
    layout = workspace.layout
    if goes.counts:
        manifest = settled_manifest.read(layout, goes.run_id)
        rows = tuple(
            Retired(
                place=place, topic=topic, partition=partition, rows=many, retired_at=now.isoformat(),
                policy=goes.policy,
            )
            for (place, topic, partition), many in sorted(goes.counts.items())
        )  # fmt: skip
        settled_manifest.write(layout, replace(manifest, retired=(*manifest.retired, *rows)))
    if goes.what == "published":
        away = leaving(workspace) / goes.path.name
        remove(away)
        workspace.sink.retract(goes.run_id, away)
        remove(away)
    else:
        remove(goes.path)


def leaving(workspace: Workspace) -> Path:
    """Return where published folders are deleted: beside the readable folder, where no reader looks."""
    published = workspace.settings.published
    return published.parent / f".retired-{published.name}" / workspace.pipeline.name


def remove(path: Path) -> None:
    """Remove a folder or file, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def replace_why(goes: Goes, why: str) -> Stays:
    """Say why something stays after all."""
    return Stays(run_id=goes.run_id, what=goes.what, why=why)


def spoken(length: timedelta) -> str:
    """Write a length of time as the pipeline file does."""
    seconds = int(length.total_seconds())
    for unit, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds % unit == 0:
            return f"{seconds // unit} {name}"
    return f"{seconds} seconds"
