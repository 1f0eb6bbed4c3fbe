"""Which rows wait: those in files that a settled run's manifest names, less what a replay took or a person gave up.

    ops/quarantine/<pipeline>/replays/<run_id>.{json,parquet}   discards/<id>.{json,parquet}   repairs/<id>.json

The files of the quarantine are never changed: they are what came, until retention ends.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mend.contracts.codec import ContractError, loads
from mend.contracts.quarantine import Waiting
from mend.contracts.settled import SettledFile, SettledManifest
from mend.runtime.errors import UserError
from mend.runtime.layout import Layout
from mend.store.engine import Store
from mend.store.runs import Standing
from mend.store.tables import RunState

SETTLED = {RunState.PUBLISHED, RunState.HELD, RunState.VALIDATED, RunState.DISPUTED}
PLACES: tuple[Waiting, ...] = ("held", "rejected", "dead_letter")
OFFSET_BITS = 44
"""A position is one number: seventeen million millions of offsets, half a million partitions."""
POSITIONS = pa.schema(
    [
        ("run_id", pa.string()),
        ("place", pa.string()),
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
    ]
)
Positions = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A settled run with files of rows that may wait. `missing` are named and not there; `foreign` the other way round.

    `held_by` are the rules by which its decision held rows.
    """

    run: Standing
    files: tuple[SettledFile, ...]
    missing: tuple[Path, ...]
    foreign: tuple[Path, ...]
    held_by: str
    topic: str


@dataclass(frozen=True, kw_only=True)
class Index:
    """The quarantine of one pipeline as it is now; `gone` are the positions that do not wait any more, by run."""

    layout: Layout
    sources: tuple[Source, ...]
    gone: Mapping[str, Positions]
    strange: tuple[Path, ...]

    def source(self, run_id: str) -> Source:
        """Return a run with waiting rows."""
        for one in self.sources:
            if one.run.run_id == run_id:
                return one
        known = ", ".join(one.run.run_id for one in self.sources[-5:]) or "none"
        raise UserError(f"{run_id}: nothing of it is in the quarantine (last ones: {known}).")

    def waits(self, source: Source, table: pa.Table, prefix: str = "") -> "np.ndarray[Any, np.dtype[np.bool_]]":
        """Say for each row of a run's file whether it waits."""
        gone = self.gone.get(source.run.run_id)
        if gone is None:
            return np.ones(table.num_rows, dtype=bool)
        found: np.ndarray[Any, np.dtype[np.bool_]] = np.isin(positions(table, prefix), gone, invert=True)
        return found


def work_folder(layout: Layout, pipeline: str, what: str) -> Path:
    """Return where repairs, replays or discards of a pipeline are kept."""
    return layout.ops / "quarantine" / pipeline / what


def open_index(layout: Layout, store: Store, pipeline: str) -> Index:
    """Look at what is there now."""
    found = [source_of(layout, store, run) for run in store.runs.standing(pipeline) if run.state in SETTLED]
    sources = tuple(one for one in found if one is not None)
    runs = {one.run_id for one in store.runs.standing()}
    strange = tuple(
        one for one in sorted((layout.settings.home / "quarantine").glob("*"))
        if one.name.removeprefix("run=") not in runs and any(one.rglob("*.parquet"))
    )  # fmt: skip
    return Index(layout=layout, sources=sources, gone=not_waiting(layout, store, pipeline), strange=strange)


def source_of(layout: Layout, store: Store, run: Standing) -> Source | None:
    """Return a run as its manifest tells it, None for one without rows that could wait."""
    manifest = read_manifest(layout, run.run_id)
    retired = {one.place for one in manifest.retired} if manifest else set()
    named = [one for one in manifest.files if one.place in PLACES] if manifest else []
    kept = [one for one in named if one.place not in retired]
    home = layout.settings.home
    paths = {home / one.path for one in named}
    folders = (layout.quarantine(run.run_id), layout.dead_letters(run.run_id))
    foreign = tuple(one for folder in folders for one in sorted(folder.rglob("*.parquet")) if one not in paths)
    if not kept and not foreign:
        return None
    held = any(one.place == "held" for one in kept)
    decision = store.decisions.get(run.run_id) if held else None
    return Source(
        run=run,
        files=tuple(one for one in kept if (home / one.path).exists()),
        missing=tuple(home / one.path for one in kept if not (home / one.path).exists()),
        foreign=foreign,
        held_by=", ".join(decision.result.rules) if decision else "",
        topic=manifest.ranges[0].topic if manifest and manifest.ranges else "",
    )


def read_manifest(layout: Layout, run_id: str) -> SettledManifest | None:
    """Read the settled manifest of a run, None where there is none that can be read."""
    try:
        return loads(SettledManifest, layout.run_file(run_id, "manifest").read_bytes())
    except (OSError, ContractError):
        return None


def not_waiting(layout: Layout, store: Store, pipeline: str) -> dict[str, Positions]:
    """Return the positions that settled replays took and that persons gave up."""
    states = {one.run_id: one.state for one in store.runs.standing(pipeline)}
    replays = work_folder(layout, pipeline, "replays").glob("*.parquet")
    taken = [path for path in replays if states.get(path.stem) in SETTLED]
    given_up = [
        path for path in work_folder(layout, pipeline, "discards").glob("*.parquet")
        if path.with_suffix(".json").exists()
    ]  # fmt: skip
    found: dict[str, list[Positions]] = defaultdict(list)
    for path in (*taken, *given_up):
        table = pq.read_table(path, columns=["run_id", "partition", "offset"], partitioning=None)
        runs = table["run_id"].combine_chunks().dictionary_encode()
        codes, at = runs.indices.to_numpy(), positions(table)
        for code, run_id in enumerate(runs.dictionary.to_pylist()):
            found[run_id].append(at[codes == code])
    return {run_id: np.concatenate(some) for run_id, some in found.items()}


def positions(table: pa.Table, prefix: str = "") -> Positions:
    """Return partition and offset of each row as one number."""
    partition = table[f"{prefix}partition"].to_numpy().astype(np.int64)
    found: Positions = (partition << OFFSET_BITS) | table[f"{prefix}offset"].to_numpy()
    return found


def of_epoch(sources: Sequence[Source]) -> Iterator[Source]:
    """Refuse runs of different lives of the topic: their offsets do not tell their events apart."""
    epochs = {one.run.epoch for one in sources}
    if len(epochs) > 1:
        raise UserError(
            f"the topic was made anew between these runs ({len(epochs)} times): replay them apart, with --run.",
            exit_code=3,
        )
    yield from sources


def whole(sources: Sequence[Source]) -> Sequence[Source]:
    """Refuse runs whose files are not all there: what is lost must not look as if it had been repaired."""
    for one in sources:
        if one.missing:
            raise UserError(
                f"{one.run.run_id}: {one.missing[0]} is gone"
                + (f", and {len(one.missing) - 1} more" if len(one.missing) > 1 else "")
                + f". Restore it from a backup, or leave the run out. Which offsets: mend prove --run {one.run.run_id}",
                exit_code=3,
            )
    return sources


def opened_at(source: Source) -> datetime:
    """Return when the run read its events, by which their lateness was judged."""
    return source.run.opened_at
