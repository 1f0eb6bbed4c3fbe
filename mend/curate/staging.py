"""Staged files: what a task writes, and the manifest that says which files count.

    staging/run=<id>/accepted/event_date=…/   rejected/reason=…/   dead_letters/   duplicates/   keys/   _manifest.json

A file that no manifest names (of a task attempt that failed) is not part of the run.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mend.contracts.codec import STRICT, dumps, loads
from mend.contracts.drift import Count
from mend.curate.curator import Curated
from mend.curate.tally import Tally
from mend.runtime.faults import fault_point
from mend.runtime.files import sync_files, write_atomic

MANIFEST = "_manifest.json"
PLACES = ("accepted", "rejected", "dead_letters", "duplicates", "keys")
MOST_OPEN = 16
"""Files a task keeps open; one event from the year 9999 must not exhaust the descriptors."""

SAMPLE = 10_000
"""Rows of a file's first table by which its columns are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFile:
    """One Parquet file; `path` is relative to the run's folder, `place` its first part."""

    __pydantic_config__ = STRICT
    path: str
    place: str
    rows: Count
    bytes: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """What one task attempt wrote and counted."""

    __pydantic_config__ = STRICT
    files: tuple[StagedFile, ...]
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All files of a staged run."""

    __pydantic_config__ = STRICT
    run_id: str
    pipeline: str
    mapping_version: Count
    files: tuple[StagedFile, ...] = field(default=())

    def of(self, place: str) -> tuple[StagedFile, ...]:
        """Return the files of one place."""
        return tuple(one for one in self.files if one.place == place)


@dataclass(slots=True)
class OpenFile:
    """A file that is being written."""

    path: str
    place: str
    writer: pq.ParquetWriter
    rows: int = 0


class StagedWriter:
    """Writes the curated batches of one task attempt; the names of its files are unique to the attempt."""

    def __init__(self, folder: Path, task: str) -> None:
        """Write below the run's staging folder."""
        self.folder = folder
        self.task = task
        self.opened = 0
        self.open_files: OrderedDict[str, OpenFile] = OrderedDict()
        self.files: list[StagedFile] = []

    def __enter__(self) -> Self:
        """Open nothing yet: a place without rows has no file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what is open; after an error the files stay behind, named by no manifest."""
        while self.open_files:
            self.close_oldest()

    def add(self, curated: Curated) -> None:
        """Write one batch."""
        self.write_parts("accepted", curated.accepted, "event_date")
        self.write_parts("rejected", curated.rejected, "reason")
        self.write("dead_letters", "dead_letters", curated.dead_letters)
        self.write("duplicates", "duplicates", curated.duplicates)
        self.write("keys", "keys", curated.keys)

    def write_parts(self, place: str, table: pa.Table, column: str) -> None:
        """Write the rows of each value of a column into a folder of their own."""
        rest = table.drop_columns([column])
        for value in pc.unique(table[column]):
            self.write(place, f"{place}/{column}={value}", rows_where(rest, pc.equal(table[column], value)))

    def write(self, place: str, folder: str, table: pa.Table) -> None:
        """Append rows to the attempt's file in a folder."""
        if not table.num_rows:
            return
        file = self.open_files.get(folder) or self.open(place, folder, table)
        self.open_files.move_to_end(folder)
        file.writer.write_table(table)
        file.rows += table.num_rows

    def open(self, place: str, folder: str, table: pa.Table) -> OpenFile:
        """Start a file for tables like this one."""
        if len(self.open_files) >= MOST_OPEN:
            self.close_oldest()
        self.opened += 1
        path = f"{folder}/part-{self.task}-{self.opened:04d}.parquet"
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        file = OpenFile(
            path=path,
            place=place,
            writer=pq.ParquetWriter(
                self.folder / path, table.schema, compression="snappy", use_dictionary=repeating(table)
            ),
        )
        self.open_files[folder] = file
        return file

    def close_oldest(self) -> None:
        """Finish the file that was not written to for the longest time."""
        _, file = self.open_files.popitem(last=False)
        file.writer.close()
        size = (self.folder / file.path).stat().st_size
        self.files.append(StagedFile(path=file.path, place=file.place, rows=file.rows, bytes=size))
        fault_point("half_staged")


def rows_where(table: pa.Table, chosen: pa.ChunkedArray) -> pa.Table:
    """Return the chosen rows; those that stand together are not copied."""
    rows = np.flatnonzero(chosen.to_numpy())
    together = rows[-1] - rows[0] + 1 == len(rows)
    return table.slice(rows[0], len(rows)) if together else table.filter(chosen)


def repeating(table: pa.Table) -> list[str]:
    """Return the columns of a table whose values repeat: for others a dictionary costs time and saves nothing."""
    sample = table.slice(0, SAMPLE)
    return [
        leaf
        for column in sample.schema
        for leaf in leaves(column.name, column.type)
        if pa.types.is_nested(column.type) or 2 * pc.count_distinct(sample[column.name]).as_py() <= sample.num_rows
    ]


def leaves(path: str, kind: pa.DataType) -> list[str]:
    """Return the names that Parquet gives to the parts of a column."""
    if pa.types.is_struct(kind):
        return [leaf for one in kind for leaf in leaves(f"{path}.{one.name}", one.type)]
    if pa.types.is_map(kind):
        key, item = f"{path}.key_value.key", f"{path}.key_value.value"
        return [*leaves(key, kind.key_type), *leaves(item, kind.item_type)]
    return leaves(f"{path}.list.element", kind.value_type) if pa.types.is_list(kind) else [path]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Remove what no manifest names, then write the manifest; after it the run's folder is complete and durable."""
    drop_unnamed(folder, manifest)
    sync_files(folder / one.path for one in manifest.files)
    write_atomic(folder / MANIFEST, dumps(manifest))


def drop_unnamed(folder: Path, manifest: Manifest) -> None:
    """Remove the files of the run's places that the manifest does not name."""
    named = {folder / one.path for one in manifest.files}
    for place in PLACES:
        for path in (folder / place).rglob("*.parquet"):
            if path not in named:
                path.unlink()


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a staged run; ContractError or OSError when there is none that can be read."""
    return loads(Manifest, (folder / MANIFEST).read_bytes())
