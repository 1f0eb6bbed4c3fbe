"""Published Parquet: one folder a run, moved into place by a rename."""

import shutil
from collections import Counter
from pathlib import Path

from mend.runtime.errors import UserError
from mend.runtime.faults import fault_point
from mend.runtime.files import duckdb_names, sync_files, sync_folder
from mend.runtime.layout import Layout
from mend.sinks.port import PartitionRows

COUNT = "SELECT kafka_topic, kafka_partition, count(*) FROM read_parquet($files) GROUP BY ALL"


class ParquetSink:
    """Files below PARQUET_OUT: run=<id>/event_date=…/*.parquet. Readers glob `**/*.parquet`."""

    def __init__(self, layout: Layout) -> None:
        """Publish below the layout's folder of published rows."""
        self.layout = layout

    def publish(self, run_id: str, accepted: Path) -> None:
        """Rename the run's folder into place; on another file system it is copied beside it first."""
        target = self.layout.published(run_id)
        if accepted.exists() and not target.exists():
            move_folder(accepted, target)

    def retract(self, run_id: str, into: Path) -> None:
        """Rename the run's folder out of the readable set; on another file system it is copied from beside it."""
        source = self.layout.published(run_id)
        leaving = beside(source, "leaving")
        if source.exists():
            refuse_taken(into, source)
            leaving.parent.mkdir(parents=True, exist_ok=True)
            source.rename(leaving)
            sync_folder(source.parent)
        if leaving.exists() and not into.exists():
            move_folder(leaving, into)
        shutil.rmtree(leaving, ignore_errors=True)

    def count(self, run_id: str) -> PartitionRows:
        """Count rows in the files themselves."""
        return count_rows(self.layout.published(run_id))

    def location(self, run_id: str) -> str:
        """Return the run's folder."""
        return str(self.layout.published(run_id))


def refuse_taken(into: Path, source: Path) -> None:
    """Refuse a folder that holds other rows than those which are to go there."""
    if into.exists() and count_rows(into) != count_rows(source):
        raise UserError(f"{into} holds other rows than {source}. Move it away; nothing was changed.", exit_code=3)


def beside(published: Path, what: str) -> Path:
    """Return a place on the file system of the readable folder, but not in it: a reader's glob must not find it."""
    return published.parent.parent / f".{what}-{published.parent.name}" / published.name


def count_rows(folder: Path) -> PartitionRows:
    """Count the rows of the Parquet files below a folder by topic and partition."""
    import duckdb

    files = duckdb_names(folder.rglob("*.parquet"))
    if not files:
        return Counter()
    with duckdb.connect() as db:
        rows = db.execute(COUNT, {"files": files}).fetchall()
    return Counter({(topic, partition): many for topic, partition, many in rows})


def move_folder(source: Path, target: Path) -> None:
    """Move a folder in one step: readers of the target see all of it or nothing, also between file systems."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.stat().st_dev == target.parent.stat().st_dev:
        source.rename(target)
    else:
        arriving = arriving_at(target)
        shutil.rmtree(arriving, ignore_errors=True)
        copy_files(source, arriving)
        sync_files(arriving.rglob("*"))
        fault_point("run_arriving")
        arriving.rename(target)
        shutil.rmtree(source)
    sync_folder(target.parent)


def arriving_at(target: Path) -> Path:
    """Return where a copy may grow: beside the target's folder, or in it if that is a disk of its own.

    No reader sees the latter: a folder of readable rows that is a disk of its own is refused at the start.
    """
    elsewhere = target.parent.parent.stat().st_dev != target.parent.stat().st_dev
    return target.parent / f".arriving-{target.name}" if elsewhere else beside(target, "arriving")


def copy_files(source: Path, target: Path) -> None:
    """Copy a folder; unlike `copytree` it stops at the first error, which says that the disk is full if it is."""
    target.mkdir(parents=True)
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir()
        else:
            shutil.copyfile(path, copy)
