"""Stage a replay: waiting rows, repaired, through the same pass as new events, as a run of its own.

Idempotent: a replay that died is staged again under the same id. The files from which it takes are only read.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from mend.contracts.codec import loads, to_dict
from mend.contracts.quarantine import Replay, Selection
from mend.contracts.report import Places, RunReport
from mend.contracts.settled import Taken
from mend.curate.curator import Curated
from mend.curate.firsts import Staged, drop_duplicates
from mend.curate.staging import Manifest, StagedFile, StagedWriter, TaskResult, write_manifest
from mend.curate.tally import Tally, merge
from mend.quality.snapshot import versions, write_snapshot
from mend.quarantine.index import POSITIONS, positions, work_folder
from mend.quarantine.rows import Part, waiting
from mend.quarantine.trial import Seen
from mend.quarantine.work import Bench, Remedy, curated_parts
from mend.runtime.faults import fault_point
from mend.runtime.files import sync_files, write_json
from mend.runtime.layout import Layout
from mend.store.engine import Store
from mend.store.tables import RunState

POSITION = ["kafka_partition", "kafka_offset"]


def waiting_hash(bench: Bench, selection: Selection) -> tuple[str, int]:
    """Return a digest of the positions that are meant, and how many they are."""
    digest, many = sha256(), 0
    for part in waiting(bench.index, selection):
        digest.update(part.source.run.run_id.encode())
        digest.update(positions(part.records).tobytes())
        many += part.records.num_rows
    return digest.hexdigest(), many


def replay_id(bench: Bench, selection: Selection, repairs: Sequence[str]) -> tuple[str, int]:
    """Return the id of a wish, without its attempt, and the rows that it is about: the same wish has the same id."""
    digest, many = waiting_hash(bench, selection)
    wish = [to_dict(selection), list(repairs), digest, bench.plan.mapping_version, bench.plan.rules.version]
    short = sha256(orjson.dumps(wish, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
    return f"{bench.plan.pipeline.name}-replay-{short}", many


def stage_replay(
    bench: Bench, layout: Layout, store: Store, plan: Replay, remedies: Sequence[Remedy], now: datetime
) -> Replay:
    """Stage the plan's rows; returns the plan with its counts. A run that was decided about is left alone."""
    contract = bench.plan
    run = store.runs.open_run(
        plan.run_id, plan.pipeline, None, None, now,
        mapping_version=contract.mapping_version, rules_version=contract.rules.version,
    )  # fmt: skip
    if not run.may_be_staged:
        return read_plan(layout, plan.pipeline, plan.run_id) or plan
    fault_point("batch_opened")
    folder = layout.staged(plan.run_id)
    shutil.rmtree(folder, ignore_errors=True)
    written = write_rows(bench, plan, remedies, folder, run.attempts)
    fault_point("files_staged")
    staged = Staged(run_id=plan.run_id, plan=contract, layout=layout, store=store, again=True)
    files, tally = drop_duplicates(staged, folder, [written.result], min((*written.opened, now)))
    files = [in_order(folder, one) for one in files]
    manifest = Manifest(
        run_id=plan.run_id, pipeline=plan.pipeline, mapping_version=contract.mapping_version, files=tuple(files)
    )
    write_manifest(folder, manifest)
    fault_point("manifest_written")
    rows = {place: sum(one.rows for one in files if one.place == place) for place in ("accepted", "duplicates")}
    report = report_of(bench, plan, rows, tally, written, now)
    write_snapshot(layout.contract(plan.run_id), contract.pipeline, contract.rules)
    layout.write(plan.run_id, "run_report", report)
    fault_point("report_written")
    known = replace(
        plan, held=written.rows, still=written.seen.reasons.total(),
        reasons=dict(written.seen.reasons.most_common(20)),
    )  # fmt: skip
    write_taken(layout, known, written.taken, folder, files)
    fault_point("taken_written")
    store.runs.advance(
        plan.run_id, RunState.STAGED, now, attempt=run.attempts, report=report, job_status="success",
        epoch=written.epoch,
    )  # fmt: skip
    fault_point("batch_staged")
    return known


@dataclass(slots=True)
class Written:
    """What the pass over the waiting rows wrote."""

    result: TaskResult
    seen: Seen
    rows: int
    epoch: int
    opened: list[datetime]
    taken: pa.Table


def write_rows(bench: Bench, plan: Replay, remedies: Sequence[Remedy], folder: Path, attempt: int) -> Written:
    """Curate the rows and write those that pass; the others stay where they are."""
    seen, tallies, taken = Seen(), [], []
    opened: list[datetime] = []
    epoch = 0
    with StagedWriter(folder, f"replay-{attempt}") as writer:
        for one in curated_parts(bench, plan.selection, remedies, plan.run_id):
            seen.add(one)
            kept = passing(one.curated)
            writer.add(kept)
            tallies.append(one.curated.tally)
            taken.append(taken_rows(one.part, kept))
            opened.append(one.part.source.run.opened_at)
            epoch = one.part.source.run.epoch
    table = pa.concat_tables(taken) if taken else POSITIONS.empty_table()
    result = TaskResult(files=tuple(writer.files), tally=merge(tallies))
    return Written(result=result, seen=seen, rows=seen.rows, epoch=epoch, opened=opened, taken=table)


def passing(curated: Curated) -> Curated:
    """Return what leaves the quarantine."""
    none = curated.rejected.slice(0, 0)
    return replace(curated, rejected=none, dead_letters=none)


def rows_of(part: Part) -> pa.Table:
    """Return the positions of a part."""
    rows = part.records
    return positioned(part, rows["partition"], rows["offset"])


def positioned(part: Part, partition: pa.ChunkedArray, offset: pa.ChunkedArray) -> pa.Table:
    """Return some positions of a part with where they wait."""
    said = {"run_id": part.source.run.run_id, "place": part.file.place}
    columns = {name: pa.array([value] * len(offset), pa.string()) for name, value in said.items()}
    topic = pa.array([part.topic] * len(offset), pa.string())
    return pa.table(columns | {"topic": topic, "partition": partition, "offset": offset}, schema=POSITIONS)


def taken_rows(part: Part, curated: Curated) -> pa.Table:
    """Return the positions that a pass took out of a part."""
    passed = curated.accepted.select(POSITION).rename_columns(["partition", "offset"])
    again = curated.duplicates.select(["partition", "offset"])
    rows = pa.concat_tables([passed, again])
    return positioned(part, rows["partition"], rows["offset"])


def in_order(folder: Path, file: StagedFile) -> StagedFile:
    """Sort a file by partition and offset where it is not: the events of a key then follow each other as they came."""
    if file.place != "accepted" or not file.rows:
        return file
    path = folder / file.path
    at = positions(pq.read_table(path, columns=POSITION, partitioning=None), "kafka_")
    if (at[1:] > at[:-1]).all():
        return file
    table = pq.read_table(path, partitioning=None).take(pa.array(np.argsort(at, kind="stable")))
    rest = path.with_suffix(".rest")
    pq.write_table(table, rest, compression="snappy")
    rest.replace(path)
    return replace(file, bytes=path.stat().st_size)


def write_taken(layout: Layout, plan: Replay, taken: pa.Table, folder: Path, files: Sequence[StagedFile]) -> None:
    """Write down what the replay takes from where, and into which of its places; then the plan."""
    again = [positions(pq.read_table(folder / one.path, columns=["partition", "offset"], partitioning=None))
             for one in files if one.place == "duplicates"]  # fmt: skip
    twice = np.isin(positions(taken), np.concatenate([np.empty(0, np.int64), *again]))
    into = pa.array(np.where(twice, "duplicate", "published").tolist(), pa.string())
    path = work_folder(layout, plan.pipeline, "replays") / f"{plan.run_id}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    rest = path.with_suffix(".rest")
    pq.write_table(taken.append_column("into", into), rest)
    sync_files([rest])
    rest.replace(path)
    write_json(path.with_suffix(".json"), to_dict(plan))


def read_plan(layout: Layout, pipeline: str, run_id: str) -> Replay | None:
    """Return the plan of a replay, None for a run that is none."""
    path = work_folder(layout, pipeline, "replays") / f"{run_id}.json"
    return loads(Replay, path.read_bytes()) if path.exists() else None


def takes(layout: Layout, pipeline: str, run_id: str) -> tuple[Taken, ...]:
    """Count what a replay takes."""
    path = work_folder(layout, pipeline, "replays") / f"{run_id}.parquet"
    names = ["run_id", "place", "topic", "partition", "into"]
    table = pq.read_table(path, columns=names, partitioning=None)
    counts = table.group_by(names).aggregate([([], "count_all")]).to_pylist()
    found = (
        Taken(
            run_id=one["run_id"], place=one["place"], topic=one["topic"], partition=one["partition"],
            into=one["into"], rows=one["count_all"],
        )
        for one in counts
    )  # fmt: skip
    return tuple(sorted(found, key=lambda one: (one.run_id, one.topic, one.partition, one.place, one.into)))


def report_of(
    bench: Bench, plan: Replay, rows: dict[str, int], tally: Tally, written: Written, now: datetime
) -> RunReport:
    """Report the rows that moved; those that still fail are counted where they wait."""
    pipeline, total = bench.plan.pipeline, sum(rows.values())
    return RunReport(
        total_records=total,
        late_records=min(tally.late, total),
        dq_failures=min(written.seen.failing, rows["accepted"]),
        schema_drift_detected=False,
        start_time=now.isoformat(),
        timestamp=now.isoformat(),
        run_id=plan.run_id,
        pipeline=pipeline.name,
        mapping_version=bench.plan.mapping_version,
        places=Places(accepted=rows["accepted"], duplicate=rows["duplicates"]),
        versions=versions(pipeline, bench.plan.rules),
    )
