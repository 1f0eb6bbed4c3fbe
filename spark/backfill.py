"""Stage a backfill: read offsets again, and carry the other events of the runs over whose place it takes."""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mend.contracts.backfill import Backfill, Piece, Span
from mend.contracts.report import PartitionRange, Places, RunReport
from mend.curate.firsts import CARRIED
from mend.curate.staging import Manifest, StagedFile, TaskResult, write_manifest
from mend.quality.snapshot import write_snapshot
from mend.runtime import clock
from mend.runtime.layout import Layout
from mend.store.runs import Run
from mend.store.tables import RunState
from spark.batch import Job, drop_duplicates, make_report, run_tasks, with_times
from spark.source import OffsetRange, kafka_rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PLACES = {"accepted": "accepted", "held": "accepted", "rejected": "rejected", "dead_letters": "dead_letter",
          "duplicates": "duplicate"}  # fmt: skip
"""Where carried rows lie in the staging folder → what the ledger counts them as."""


def stage_backfill(session: "SparkSession", job: Job, plan: Backfill) -> str:
    """Stage what the plan says, as one run. Idempotent, as a micro-batch is; what it replaces is only read."""
    run_id, began = plan.run_id, clock.now()
    opened = job.store.runs.open_run(
        run_id, plan.pipeline, None, None, began,
        mapping_version=job.plan.mapping_version, rules_version=job.plan.rules.version,
    )  # fmt: skip
    if not opened.may_be_staged:
        return run_id
    folder = job.layout.staged(run_id)
    shutil.rmtree(folder, ignore_errors=True)
    results = [result for piece in plan.pieces for result in read_piece(session, job, plan, opened, piece)]
    carried = list(carry_over(job.layout, plan, folder))
    files, tally = drop_duplicates(job, run_id, folder, results, oldest(job, plan, began))
    write_manifest(
        folder,
        Manifest(
            run_id=run_id, pipeline=plan.pipeline, mapping_version=job.plan.mapping_version,
            files=(*files, *(file for file, _ in carried)),
        ),
    )  # fmt: skip
    accepted = [folder / one.path for one in files if one.place == "accepted"]
    report = with_times(make_report(job, run_id, joined(plan), tally, accepted), began, clock.now())
    write_snapshot(job.layout.contract(run_id), job.plan.pipeline, job.plan.rules)
    job.layout.write(run_id, "run_report", report)
    with job.store.transaction():
        job.store.ledger.record_ranges(run_id, covered(plan, report, [(file.place, at) for file, at in carried]))
        job.store.runs.plan_replacement(run_id, plan.replaces)
        job.store.runs.advance(
            run_id,
            RunState.STAGED,
            clock.now(),
            attempt=opened.attempts,
            report=report,
            job_status="success",
            epoch=plan.epoch,
        )
    return run_id


def read_piece(session: "SparkSession", job: Job, plan: Backfill, run: Run, piece: Piece) -> list[TaskResult]:
    """Let tasks curate one piece as if it had just come."""
    frame = kafka_rows(session, job.layout.settings, topic=plan.topic, spans=piece.spans)
    return run_tasks(job, frame, run, job.layout.staged(plan.run_id), datetime.fromisoformat(piece.at))


def oldest(job: Job, plan: Backfill, now: datetime) -> datetime:
    """Return the time from which the duplicate horizon is counted back: when the first replaced run was read."""
    replaced = (job.store.runs.get(one) for one in plan.replaces)
    return min((run.opened_at for run in replaced if run is not None), default=now)


def joined(plan: Backfill) -> list[OffsetRange]:
    """Return what is read again as one range a partition; pieces of a partition follow each other."""
    partitions = sorted({span.partition for span in plan.spans})
    spans = {one: [span for span in plan.spans if span.partition == one] for one in partitions}
    return [
        OffsetRange(
            topic=plan.topic,
            partition=partition,
            from_offset=min(span.from_offset for span in found),
            until_offset=max(span.until_offset for span in found),
        )
        for partition, found in spans.items()
    ]


def covered(
    plan: Backfill, report: RunReport, carried: Sequence[tuple[str, Counter[int]]]
) -> tuple[PartitionRange, ...]:
    """Return the ranges of the run: what was read again and what was carried over, counted together."""
    return tuple(cover(plan, span, report, carried) for span in plan.covers)


def cover(plan: Backfill, span: Span, report: RunReport, carried: Sequence[tuple[str, Counter[int]]]) -> PartitionRange:
    """Count one partition."""
    read = next((one for one in report.partitions if one.partition == span.partition), None)
    places = read.places if read else Places()
    for staged_as, rows in carried:
        place = PLACES.get("accepted" if staged_as == CARRIED else staged_as)
        if place is not None:
            places = replace(places, **{place: getattr(places, place) + rows[span.partition]})
    moved = places.total - (read.places.total if read else 0)
    return PartitionRange(
        topic=plan.topic,
        partition=span.partition,
        from_offset=span.from_offset,
        until_offset=span.until_offset,
        records=(read.records if read else 0) + moved,
        places=places,
    )


def carry_over(layout: Layout, plan: Backfill, folder: Path) -> Iterator[tuple[StagedFile, Counter[int]]]:
    """Copy the events of the replaced runs that are not read again; yields each file with its rows by partition."""
    for run_id in plan.replaces:
        quarantine = layout.quarantine(run_id)
        sources = (
            (CARRIED, layout.published(run_id), CARRIED),
            ("held", quarantine / "reason=held", "held"),
            *(("rejected", one, f"rejected/{one.name}") for one in rejected(quarantine)),
            ("dead_letters", layout.dead_letters(run_id), "dead_letters"),
            ("duplicates", layout.duplicates(run_id), "duplicates"),
            ("keys", layout.settled_keys(run_id), "keys"),
        )
        for place, source, target in sources:
            for path in sorted(source.rglob("*.parquet")):
                yield from carry_file(plan, path, folder, place, Path(target) / path.relative_to(source), run_id)


def rejected(quarantine: Path) -> list[Path]:
    """Return the folders of rejected events."""
    return [one for one in sorted(quarantine.glob("reason=*")) if one.name != "reason=held"]


def carry_file(
    plan: Backfill, path: Path, folder: Path, place: str, target: Path, run_id: str
) -> Iterator[tuple[StagedFile, Counter[int]]]:
    """Write the rows of one file that are not read again, under a name made from where they were."""
    table = pq.read_table(path, partitioning=None)
    prefix = "kafka_" if "kafka_offset" in table.column_names else ""
    partitions, offsets = table[f"{prefix}partition"].to_numpy(), table[f"{prefix}offset"].to_numpy()
    kept = table.filter(pa.array(~read_again(plan, partitions, offsets)))
    if not kept.num_rows:
        return
    source = sha256(f"{run_id}/{target}".encode()).hexdigest()[:16]
    target = target.with_name(f"{CARRIED}-{source}.parquet")
    (folder / target).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(kept, folder / target)
    size = (folder / target).stat().st_size
    rows = Counter(kept[f"{prefix}partition"].to_pylist())
    yield StagedFile(path=str(target), place=place, rows=kept.num_rows, bytes=size), rows


def read_again(plan: Backfill, partitions: np.ndarray[Any, Any], offsets: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Say for each row whether its event is read again."""
    found = np.zeros(len(offsets), dtype=bool)
    for one in plan.spans:
        found |= (partitions == one.partition) & (offsets >= one.from_offset) & (offsets < one.until_offset)
    return found
