"""Carry out what was decided about a staged run; it can be repeated after a crash at any line."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mend.contracts.codec import ContractError
from mend.contracts.decision import PartitionFilter, Rows, SegmentFilter, SegmentValue
from mend.contracts.settled import SettledManifest
from mend.curate import sql
from mend.curate.segments import MISSING_SEGMENT
from mend.curate.staging import drop_unnamed, read_manifest
from mend.runtime.errors import UserError
from mend.runtime.faults import fault_point
from mend.runtime.files import sync_files
from mend.runtime.layout import Layout
from mend.sinks.parquet import count_rows, move_folder
from mend.sinks.port import PartitionRows, Sink
from orchestration.settled_manifest import HELD, vouch

CARRIED = "carried"
EXCEPT = {Rows.PUBLISH_EXCEPT_SEGMENT, Rows.PUBLISH_EXCEPT_PARTITION}


def settle(
    layout: Layout,
    sink: Sink,
    run: SettledManifest,
    rows: Rows,
    hold: Sequence[SegmentFilter],
    paused: Sequence[PartitionFilter] = (),
) -> None:
    """Move a staged run: quarantine and dead letters first, then the manifest, and what readers see last.

    So there is no moment at which a readable file is named by no manifest.
    """
    run_id = run.run_id
    staged = layout.staged(run_id)
    forget_unnamed(staged)
    if rows in EXCEPT:
        kind, named = ("segment", hold) if rows is Rows.PUBLISH_EXCEPT_SEGMENT else ("partition", paused)
        if not named:
            raise UserError(f"{run_id}: a {kind} is to be held, and none is named. Nothing was moved.", exit_code=3)
        set_aside(staged, aside_condition(hold, paused))
    for reason in sorted((staged / "rejected").glob("reason=*")):
        move_once(reason, layout.quarantine(run_id) / reason.name)
    move_once(staged / "dead_letters", layout.dead_letters(run_id))
    move_once(staged / "duplicates", layout.duplicates(run_id))
    move_once(staged / "keys", layout.settled_keys(run_id))
    move_once(staged / "held", layout.quarantine(run_id) / HELD)
    if rows is Rows.HOLD:
        move_once(staged / "accepted", layout.quarantine(run_id) / HELD)
    publishes = rows is Rows.PUBLISH or rows in EXCEPT
    accepted = with_carried(staged) if publishes else None
    vouch(layout, run, accepted)
    if accepted is not None:
        fault_point("before_publish")
        sink.publish(run_id, accepted)


def with_carried(staged: Path) -> Path:
    """Return the folder to publish; rows carried over from replaced runs and the new ones meet in one of their own.

    File by file, so that it can be repeated; carried rows never lie where a segment is split off.
    """
    if not staged.exists() or not ((staged / CARRIED).exists() or meeting(staged).exists()):
        return staged / "accepted"
    for place in (CARRIED, "accepted"):
        for path in sorted((staged / place).rglob("*.parquet")):
            target = meeting(staged) / path.relative_to(staged / place)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    return meeting(staged)


def meeting(staged: Path) -> Path:
    """Return the folder beside a staged run where what is published of it is put together."""
    return staged.with_name(f"publish-{staged.name}")


def retire(layout: Layout, sink: Sink, run_id: str) -> None:
    """Take a run that is replaced out of every place; it stays below `replaced/` until retention ends. Repeatable."""
    into = layout.replaced(run_id)
    sink.retract(run_id, into / "published")
    move_once(layout.quarantine(run_id), into / "quarantine")
    move_once(layout.dead_letters(run_id), into / "dead_letters")
    move_once(layout.duplicates(run_id), into / "duplicates")
    move_once(layout.settled_keys(run_id), into / "keys")


def forget_unnamed(staged: Path) -> None:
    """Remove what a job that was taken for dead wrote after the run was staged; without a manifest nothing is known."""
    with suppress(OSError, ContractError):
        drop_unnamed(staged, read_manifest(staged))


def move_once(source: Path, target: Path) -> None:
    """Move a folder unless it was moved before."""
    if source.exists() and not target.exists():
        move_folder(source, target)
        fault_point("folder_moved")


def held_rows(layout: Layout, run_id: str) -> PartitionRows:
    """Count the accepted rows of a run that were set aside."""
    folder = layout.quarantine(run_id) / HELD
    return count_rows(folder) if folder.exists() else Counter()


def set_aside(staged: Path, condition: str) -> None:
    """Set rows aside: accepted files lose them, `held` gets them.

    A file is replaced only after its held rows are written, and the held file has the accepted file's name: repeating
    it after a crash gives the same files.
    """
    import duckdb

    with duckdb.connect(config={"threads": 1}) as db:
        for path in sorted((staged / "accepted").rglob("*.parquet")):
            table = pq.read_table(path, partitioning=None)
            failing = db.from_arrow(table).project(condition).to_arrow_table().column(0)
            if pc.any(failing).as_py():
                aside = staged / "held" / path.relative_to(staged / "accepted")
                split_file(path, aside, table, failing)


def split_file(path: Path, aside: Path, table: pa.Table, failing: pa.ChunkedArray) -> None:
    """Write the failing rows aside, then leave the others."""
    aside.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.filter(failing), aside)
    replacement = path.with_suffix(".rest")
    pq.write_table(table.filter(pc.invert(failing)), replacement)
    sync_files((aside, replacement))
    fault_point("segment_split")
    replacement.replace(path)


def aside_condition(hold: Sequence[SegmentFilter], paused: Sequence[PartitionFilter]) -> str:
    """Return the condition of rows that are not published: failing ones of segments, all of paused partitions."""
    partitions = (f"(kafka_topic = {sql.literal(one.topic)} AND kafka_partition = {one.partition})" for one in paused)
    return " OR ".join([*([failing_condition(hold)] if hold else []), *partitions])


def failing_condition(hold: Sequence[SegmentFilter]) -> str:
    """Return the condition of rows that fail a quality rule and belong to one of the segments, or pairs of them.

    A segment's value is compared as the text that the pass wrote when it counted; a null is the value `(missing)`.
    """
    segments = (" AND ".join(has_value(each) for each in (one, one.also) if each) for one in hold)
    return f"NOT dq_passed AND ({' OR '.join(segments)})"


def has_value(segment: SegmentFilter | SegmentValue) -> str:
    """Return the condition of rows that have a segment's value."""
    return (
        f"coalesce({sql.name(segment.column)}::VARCHAR, {sql.literal(MISSING_SEGMENT)}) = {sql.literal(segment.value)}"
    )
