"""One micro-batch is one run: stage its files, count them, write the report, tell the store."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from mend.contracts.codec import loads
from mend.contracts.report import ColumnProfile, PartitionRange, Places, RunReport
from mend.curate import firsts
from mend.curate.drift import carried_fields, find_drift
from mend.curate.firsts import Staged
from mend.curate.plan import Plan
from mend.curate.profiling import profile
from mend.curate.staging import Manifest, StagedFile, TaskResult, write_manifest
from mend.curate.storms import find_storms
from mend.curate.tally import Tally
from mend.quality.snapshot import versions, write_snapshot
from mend.runtime import clock
from mend.runtime.errors import UserError
from mend.runtime.faults import fault_point
from mend.runtime.layout import Layout
from mend.runtime.logging import get_logger
from mend.runtime.schema_registry import RegistryAddress
from mend.store.engine import Store
from mend.store.runs import Run
from mend.store.tables import RunState
from spark.source import OffsetRange, batch_ranges
from spark.task import RESULT_SCHEMA, curate_task

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def run_id_of(pipeline: str, query_id: str, batch_id: int) -> str:
    """Return the id of a batch's run."""
    return f"{pipeline}-{query_id[:8]}-{batch_id:06d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What all runs of one ingest job share."""

    plan: Plan
    layout: Layout
    store: Store
    query_id: str
    checkpoint: Path
    lag_before: int | None = None
    registry: RegistryAddress | None = None
    epoch: int = 0
    replaces: frozenset[str] = frozenset()

    def run_id(self, batch_id: int) -> str:
        """Return the id of a batch's run: a replayed batch has the id it had before."""
        return run_id_of(self.plan.pipeline.name, self.query_id, batch_id)


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
        refuse_other_offsets(job, run_id, ranges)
        log.info("batch_already_decided", state=run.state)
        return run_id
    fault_point("batch_opened")
    folder = job.layout.staged(run_id)
    shutil.rmtree(folder, ignore_errors=True)
    results = run_tasks(job, frame, run, folder, began)
    fault_point("files_staged")
    files, tally = drop_duplicates(job, run_id, folder, results, run.opened_at)
    write_manifest(
        folder,
        Manifest(
            run_id=run_id, pipeline=job.plan.pipeline.name, mapping_version=job.plan.mapping_version, files=tuple(files)
        ),
    )
    fault_point("manifest_written")
    report = make_report(job, run_id, ranges, tally, [folder / one.path for one in files if one.place == "accepted"])
    report = with_renames(job, report, [folder / one.path for one in files], began)
    report = with_times(report, began, clock.now())
    write_snapshot(job.layout.contract(run_id), job.plan.pipeline, job.plan.rules)
    job.layout.write(run_id, "run_report", report)
    fault_point("report_written")
    with job.store.transaction():
        job.store.ledger.record_ranges(run_id, report.partitions)
        job.store.runs.advance(
            run_id,
            RunState.STAGED,
            clock.now(),
            attempt=run.attempts,
            report=report,
            job_status="success",
            epoch=job.epoch,
        )
    fault_point("batch_staged")
    log.info("run_staged", events=report.total_records, accepted=tally.places.accepted)
    return run_id


def refuse_other_offsets(job: Job, run_id: str, ranges: Sequence[OffsetRange]) -> None:
    """Refuse a batch that covers other offsets than its run, which is decided: the checkpoint was lost or changed."""
    known = {(one.read.topic, one.read.partition): one.read for one in job.store.ledger.ranges(run_id)}
    for one in ranges:
        run = known.get((one.topic, one.partition))
        if run is None or (run.from_offset, run.until_offset) != (one.from_offset, one.until_offset):
            came = f"[{run.from_offset}, {run.until_offset})" if run else "nothing"
            raise UserError(
                f"{run_id} is decided and covers {came} of {one.topic}/{one.partition}; the checkpoint gives its batch "
                f"[{one.from_offset}, {one.until_offset}). Restore {job.checkpoint} from a backup, or move it away.",
                exit_code=1,
            )


def run_tasks(job: Job, frame: "DataFrame", run: Run, folder: Path, now: datetime) -> list[TaskResult]:
    """Let the tasks curate and write; only their counts come to the driver."""
    task = curate_task(job.plan, run_id=run.run_id, folder=folder, now=now, registry=job.registry, attempt=run.attempts)
    return [loads(TaskResult, row.result) for row in frame.mapInArrow(task, RESULT_SCHEMA).collect()]  # type: ignore[arg-type]


def drop_duplicates(
    job: Job, run_id: str, folder: Path, results: Sequence[TaskResult], opened_at: datetime
) -> tuple[list[StagedFile], Tally]:
    """Move events whose key another task or an earlier run has seen out of the accepted files.

    The horizon ends when the run was opened for the first time: a replay long after finds what it found then.
    """
    staged = Staged(run_id=run_id, plan=job.plan, layout=job.layout, store=job.store, replaces=job.replaces)
    return firsts.drop_duplicates(staged, folder, results, opened_at)


def make_report(
    job: Job, run_id: str, ranges: Sequence[OffsetRange], tally: Tally, accepted: Sequence[Path]
) -> RunReport:
    """Put the run's counts, drift and profile together."""
    plan = job.plan
    carried = carried_fields(last_report(job, run_id), plan.pipeline.drift)
    drift = find_drift(tally, plan.fields, plan.pipeline.drift, decided=plan.decided, carried=carried)
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
        segment_pairs=tuple(one for one in tally.pairs if one.failures),
        rules=tally.rules,
        storms=find_storms(tally, drift, plan.pipeline.storm),
        versions=versions(plan.pipeline, plan.rules),
        profile=tuple(
            shown(one, plan.pipeline.pii)
            for one in profile(accepted, [column for column in plan.columns if column not in NOT_PROFILED])
        ),
        late_rate=tally.late / total if total else None,
        dq_failure_rate=tally.failed / total if total else None,
        lag_before=job.lag_before,
        partitions_added=tuple(one.partition for one in ranges if one.added),
    )


def with_renames(job: Job, report: RunReport, staged: Sequence[Path], now: datetime) -> RunReport:
    """Add to the report where fields that vanished may have gone, tried on all rows that are set aside."""
    if report.run_id is None or report.drift is None or not (report.drift.removed and report.drift.added):
        return report
    from mend.remap.offers import Site, with_candidates

    site = Site(plan=job.plan, layout=job.layout, store=job.store, registry=job.registry)
    return replace(report, drift=with_candidates(site, report.run_id, report.drift, staged, now))


def last_report(job: Job, run_id: str) -> RunReport | None:
    """Return the report of the run before this one; a replay, which read no offsets, says nothing of the stream."""
    runs = job.store.runs.recent(job.plan.pipeline.name, limit=10)
    reports = (one.report for one in runs if one.report and one.run_id != run_id)
    return next((one for one in reports if one.partitions), None)


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
