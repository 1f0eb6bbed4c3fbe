"""One micro-batch is one run: stage its files, count them, write the report, tell the store."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow.parquet as pq

from mend.contracts.codec import loads
from mend.contracts.report import ColumnProfile, PartitionRange, Places, RunReport
from mend.curate.drift import find_drift
from mend.curate.duplicates import Position, find_duplicates, without
from mend.curate.plan import Plan
from mend.curate.profiling import profile
from mend.curate.staging import Manifest, StagedFile, TaskResult, write_manifest
from mend.curate.tally import Tally, merge
from mend.runtime import clock
from mend.runtime.layout import Layout
from mend.runtime.logging import get_logger
from mend.store.engine import Store
from mend.store.tables import RunState
from spark.source import OffsetRange, batch_ranges
from spark.task import RESULT_SCHEMA, curate_task

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

HALF_STAGED = {RunState.OPENED, RunState.FAILED}
LOOKS = 5
CARRIED = "carried"
"""Begins the name of files whose rows a backfill takes over from the runs that it replaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What all runs of one ingest job share."""

    plan: Plan
    layout: Layout
    store: Store
    query_id: str
    checkpoint: Path
    lag_before: int | None = None
    epoch: int = 0
    replaces: frozenset[str] = frozenset()

    def run_id(self, batch_id: int) -> str:
        """Return the id of a batch's run: a replayed batch has the id it had before."""
        return f"{self.plan.pipeline.name}-{self.query_id[:8]}-{batch_id:06d}"


def stage_batch(job: Job, frame: "DataFrame", batch_id: int) -> str | None:
    """Stage a batch. Idempotent: a replay replaces what it staged before; a run that was decided is left alone.

    Returns the run's id, None for a batch without offsets.
    """
    run_id, began = job.run_id(batch_id), clock.now()
    ranges = batch_ranges(job.checkpoint, batch_id)
    if all(one.from_offset == one.until_offset for one in ranges):
        return None
    log = get_logger().bind(run_id=run_id)
    run = job.store.runs.open_run(
        run_id,
        job.plan.pipeline.name,
        job.query_id,
        batch_id,
        began,
        mapping_version=job.plan.mapping_version,
        rules_version=job.plan.rules.version,
    )
    if not run.may_be_staged:
        log.info("batch_already_decided", state=run.state)
        return run_id
    folder = job.layout.staged(run_id)
    shutil.rmtree(folder, ignore_errors=True)
    results = run_tasks(job, frame, run_id, folder, began)
    files, tally = drop_duplicates(job, run_id, folder, results, began)
    write_manifest(
        folder,
        Manifest(
            run_id=run_id, pipeline=job.plan.pipeline.name, mapping_version=job.plan.mapping_version, files=tuple(files)
        ),
    )
    report = make_report(job, run_id, ranges, tally, [folder / one.path for one in files if one.place == "accepted"])
    report = with_times(report, began, clock.now())
    job.layout.write(run_id, "run_report", report)
    with job.store.transaction():
        job.store.ledger.record_ranges(run_id, report.partitions)
        job.store.runs.advance(
            run_id, RunState.STAGED, clock.now(), report=report, job_status="success", epoch=job.epoch
        )
    log.info("run_staged", events=report.total_records, accepted=tally.places.accepted)
    return run_id


def run_tasks(job: Job, frame: "DataFrame", run_id: str, folder: Path, now: datetime) -> list[TaskResult]:
    """Let the tasks curate and write; only their counts come to the driver."""
    task = curate_task(job.plan, run_id=run_id, folder=folder, now=now)
    return [loads(TaskResult, row.result) for row in frame.mapInArrow(task, RESULT_SCHEMA).collect()]  # type: ignore[arg-type]


def drop_duplicates(
    job: Job, run_id: str, folder: Path, results: Sequence[TaskResult], now: datetime
) -> tuple[list[StagedFile], Tally]:
    """Move events whose key another task or an earlier run has seen out of the accepted files."""
    files = [file for result in results for file in result.files]
    tally = merge(result.tally for result in results)
    mine = [folder / file.path for file in files if file.place == "keys"]
    positions = duplicates_of(job, run_id, mine, now - job.plan.pipeline.duplicate_horizon)
    if not positions:
        return files, tally
    rewritten = [part for file in files for part in rewrite(folder, file, positions)]
    return rewritten, moved(tally, positions)


def duplicates_of(job: Job, run_id: str, mine: list[Path], since: datetime) -> frozenset[Position]:
    """Look for the run's keys in earlier runs; one that is settled meanwhile moves its key files: look again."""
    for _ in range(LOOKS):
        earlier = earlier_keys(job, run_id, since)
        try:
            return find_duplicates(mine, earlier)
        except duckdb.IOException:
            if all(path.exists() for path in earlier):
                raise
    return find_duplicates(mine, earlier_keys(job, run_id, since))


def earlier_keys(job: Job, run_id: str, since: datetime) -> list[Path]:
    """Return the key files of other runs of the pipeline inside the horizon, staged ones included.

    What a dead job left half staged does not count: its events are read again, perhaps by a run of another id. Nor do
    runs whose place this one takes, but for those of their keys that it carries over.
    """
    opened = job.store.runs.opened_since(job.plan.pipeline.name, since)
    others = {run_id, *job.replaces}
    runs = [one.run_id for one in opened if one.run_id not in others and one.state not in HALF_STAGED]
    carried = sorted((job.layout.staged(run_id) / "keys").glob(f"{CARRIED}-*.parquet"))
    return carried + [
        path for one in runs for folder in job.layout.keys(one) for path in sorted(folder.glob("*.parquet"))
    ]


def rewrite(folder: Path, file: StagedFile, positions: frozenset[Position]) -> list[StagedFile]:
    """Split a file with duplicates in two; key files lose them, accepted files give them to the duplicates."""
    if file.place not in {"accepted", "keys"}:
        return [file]
    parts = without(folder / file.path, positions)
    if parts is None:
        return [file]
    kept, duplicates = parts
    pq.write_table(kept, folder / file.path)
    changed = [replace(file, rows=kept.num_rows, bytes=(folder / file.path).stat().st_size)]
    if file.place == "accepted":
        path = f"duplicates/{Path(file.path).stem}-{Path(file.path).parent.name}.parquet"
        (folder / path).parent.mkdir(exist_ok=True)
        pq.write_table(duplicates, folder / path)
        size = (folder / path).stat().st_size
        changed.append(StagedFile(path=path, place="duplicates", rows=duplicates.num_rows, bytes=size))
    return changed


def moved(tally: Tally, positions: frozenset[Position]) -> Tally:
    """Count events that turned out to be duplicates as such."""
    return replace(
        tally,
        partitions=tuple(
            replace(
                one,
                places=replace(
                    one.places,
                    accepted=one.places.accepted - many,
                    duplicate=one.places.duplicate + many,
                ),
            )
            for one in tally.partitions
            for many in [sum(position.partition == one.partition for position in positions)]
        ),
    )


def make_report(
    job: Job, run_id: str, ranges: Sequence[OffsetRange], tally: Tally, accepted: Sequence[Path]
) -> RunReport:
    """Put the run's counts, drift and profile together."""
    plan = job.plan
    drift = find_drift(tally, plan.fields, plan.pipeline.drift)
    places = tally.places
    total = sum(one.records for one in tally.partitions)
    return RunReport(
        total_records=total,
        late_records=tally.late,
        dq_failures=tally.failed,
        schema_drift_detected=drift.detected,
        schema_drift_count=tally.drifted,
        processing_errors=places.dead_letter,
        watermark_delay=spoken(plan.pipeline.lateness),
        run_id=run_id,
        pipeline=plan.pipeline.name,
        mapping_version=plan.mapping_version,
        places=places,
        partitions=tuple(partition_range(one, tally) for one in ranges),
        drift=drift,
        segments=tally.segments,
        rules=tally.rules,
        profile=tuple(
            shown(one, plan.pipeline.pii)
            for one in profile(accepted, [column for column in plan.columns if column not in NOT_PROFILED])
        ),
        late_rate=tally.late / total if total else None,
        dq_failure_rate=tally.failed / total if total else None,
        lag_before=job.lag_before,
        partitions_added=tuple(one.partition for one in ranges if one.added),
    )


NOT_PROFILED = {"kafka_key", "kafka_topic", "run_id", "mapping_version", "processing_timestamp", "dq_failed_rules"}
LONGEST_VALUE = 80


def shown(column: ColumnProfile, pii: frozenset[str]) -> ColumnProfile:
    """Leave values of personal data out of the report, and cut long ones."""
    if column.column in pii or column.column == "rescued":  # nobody has said yet what unknown fields hold
        return replace(column, min=None, max=None, quantiles=(), top=())
    top = tuple((cut(value), many) for value, many in column.top)
    return replace(column, min=column.min and cut(column.min), max=column.max and cut(column.max), top=top)


def cut(value: str) -> str:
    """Cut a long value."""
    return value if len(value) <= LONGEST_VALUE else value[: LONGEST_VALUE - 1] + "…"


def partition_range(promised: OffsetRange, tally: Tally) -> PartitionRange:
    """Hold what the checkpoint promises of a partition beside what the tasks counted there."""
    found = [one for one in tally.partitions if one.partition == promised.partition]
    return PartitionRange(
        topic=promised.topic,
        partition=promised.partition,
        from_offset=promised.from_offset,
        until_offset=promised.until_offset,
        records=sum(one.records for one in found),
        places=found[0].places if found else Places(),
    )


def with_times(report: RunReport, began: datetime, ended: datetime) -> RunReport:
    """Add when the run began and ended."""
    seconds = (ended - began).total_seconds()
    return replace(
        report,
        start_time=began.isoformat(),
        end_time=ended.isoformat(),
        timestamp=ended.isoformat(),
        events_per_second=round(report.total_records / seconds, 1) if seconds > 0 else None,
    )


def spoken(length: timedelta) -> str:
    """Write a length of time in minutes, as users' scripts expect it."""
    return f"{int(length.total_seconds() // 60)} minutes"
