"""Duplicates of a staged run: events whose key another task, or an earlier run, has seen leave the accepted files."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from mend.curate.duplicates import Duplicates, drop_keys, find_duplicates, holds_any, split, write_firsts
from mend.curate.plan import Plan
from mend.curate.staging import StagedFile, TaskResult
from mend.curate.tally import Tally, merge, moved
from mend.runtime.layout import Layout
from mend.store.engine import Store
from mend.store.tables import RunState

HALF_STAGED = {RunState.OPENED, RunState.FAILED}
LOOKS = 5
REWRITTEN_AT_ONCE = 2
"""Files: each takes a thread and, for a moment, a part of its rows."""
CARRIED = "carried"
"""Begins the name of files whose rows a backfill takes over from the runs that it replaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A run whose tasks are done. Keys of `replaces` do not count; `again`: its rows may have been accepted before."""

    run_id: str
    plan: Plan
    layout: Layout
    store: Store
    replaces: frozenset[str] = frozenset()
    again: bool = False


def drop_duplicates(
    staged: Staged, folder: Path, results: Sequence[TaskResult], opened_at: datetime
) -> tuple[list[StagedFile], Tally]:
    """Move events whose key another task or an earlier run has seen out of the accepted files.

    The horizon ends when the run was opened for the first time: a replay long after finds what it found then.
    """
    files = [file for result in results for file in result.files]
    tally = merge(result.tally for result in results)
    found = duplicates_of(staged, folder, files, opened_at - staged.plan.pipeline.duplicate_horizon)
    if found is None:
        return files, tally
    accepted = found.among_accepted()
    with ThreadPoolExecutor(REWRITTEN_AT_ONCE) as pool:
        parts = [*pool.map(lambda file: rewrite(staged, folder, file, found, accepted), files)]
    return [file for files, _ in parts for file in files], moved(tally, merge(gone for _, gone in parts))


def duplicates_of(staged: Staged, folder: Path, files: Sequence[StagedFile], since: datetime) -> Duplicates | None:
    """Look for the run's keys in earlier runs; one that is settled meanwhile moves its key files: look again."""
    mine = {place: [folder / file.path for file in files if file.place == place] for place in ("keys", "duplicates")}

    def look(earlier: Sequence[Path]) -> Duplicates | None:
        return find_duplicates(mine["keys"], earlier, mine["duplicates"], spill=folder / "spill", again=staged.again)

    for _ in range(LOOKS):
        earlier = earlier_keys(staged, since)
        try:
            return look(earlier)
        except FileNotFoundError:
            if all(path.exists() for path in earlier):
                raise
    return look(earlier_keys(staged, since))


def earlier_keys(staged: Staged, since: datetime) -> list[Path]:
    """Return the key files of other runs of the pipeline inside the horizon, staged ones included.

    What a dead job left half staged does not count: its events are read again, perhaps by a run of another id. Nor do
    runs whose place this one takes, but for those of their keys that it carries over.
    """
    layout = staged.layout
    opened = staged.store.runs.opened_since(staged.plan.pipeline.name, since)
    others = {staged.run_id, *staged.replaces}
    runs = [one.run_id for one in opened if one.run_id not in others and one.state not in HALF_STAGED]
    carried = sorted((layout.staged(staged.run_id) / "keys").glob(f"{CARRIED}-*.parquet"))
    return carried + [path for one in runs for folder in layout.keys(one) for path in sorted(folder.glob("*.parquet"))]


def rewrite(
    staged: Staged, folder: Path, file: StagedFile, found: Duplicates, accepted: Duplicates
) -> tuple[list[StagedFile], Tally]:
    """Take duplicates out of a file of accepted rows or keys; returns the files that it became, and what left it.

    `accepted` are those duplicates that lie in such files.
    """
    path = folder / file.path
    if file.place == "duplicates":
        write_firsts(path, found)
        return [replace(file, bytes=path.stat().st_size)], Tally()
    if file.place not in {"accepted", "keys"} or not holds_any(path, accepted):
        return [file], Tally()
    if file.place == "keys":
        return [replace(file, rows=drop_keys(path, accepted), bytes=path.stat().st_size)], Tally()
    aside = f"duplicates/{path.stem}-{path.parent.name}.parquet"
    gone = split(path, folder / aside, accepted, staged.plan, staged.run_id)
    many = gone.places.accepted
    return [
        replace(file, rows=file.rows - many, bytes=path.stat().st_size),
        StagedFile(path=aside, place="duplicates", rows=many, bytes=(folder / aside).stat().st_size),
    ], gone
