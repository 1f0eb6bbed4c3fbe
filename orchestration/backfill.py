"""Read offsets again, and let one new run take the place of all that it covers."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

import orjson

from mend.contracts.backfill import Backfill, Piece, Span
from mend.contracts.codec import to_dict
from mend.runtime import clock
from mend.runtime.errors import UserError
from mend.runtime.files import write_json
from mend.runtime.kafka_access import KafkaAccess
from mend.store.ledger import LedgerRange
from mend.store.losses import uncovered
from mend.store.tables import RunState
from orchestration.audit_step import import_ahead
from orchestration.brakes import refuse_pause
from orchestration.kafka_lag import broker_topic, offsets_at
from orchestration.load_check import check_load
from orchestration.offsets import known_topic
from orchestration.replay_step import taking_from
from orchestration.spans import closure, common, gaps_between, merged, rounds, without
from orchestration.spark_submit import job_words, run_job
from orchestration.steps import FINISHING, StepResult
from orchestration.workspace import Workspace

SETTLED = {RunState.PUBLISHED, RunState.HELD, RunState.VALIDATED}
AT_ONCE = timedelta(minutes=5)
"""Runs that were read within this time are read again together, and their events are judged by one time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person wants to have read again: times, or offsets of one partition; an end of None is the last read."""

    begin: datetime | int
    end: datetime | int | None = None
    partition: int | None = None


def asked_spans(workspace: Workspace, asked: Asked) -> tuple[Span, ...]:
    """Return the offsets that are meant, as far as they were read; refuses what Kafka does not hold any more."""
    pipeline, kafka = workspace.pipeline, workspace.settings.kafka
    ends = workspace.store.ledger.ends(pipeline.name, pipeline.topic, known_topic(workspace).epoch)
    if asked.partition is not None and asked.partition not in ends:
        known = ", ".join(str(one) for one in sorted(ends)) or "none"
        raise UserError(f"partition {asked.partition} of {pipeline.topic} was never read (read: {known}).")
    wanted = [asked.partition] if asked.partition is not None else sorted(ends)
    begin = boundary(kafka, pipeline.topic, asked.begin, wanted)
    end = boundary(kafka, pipeline.topic, asked.end, wanted) if asked.end is not None else ends
    spans = (
        Span(partition=one, from_offset=begin[one], until_offset=min(end[one], ends[one]))
        for one in wanted
        if begin[one] < min(end[one], ends[one])
    )
    return still_held(workspace, tuple(spans))


def boundary(kafka: KafkaAccess, topic: str, at: datetime | int, partitions: Sequence[int]) -> Mapping[int, int]:
    """Return an offset for each partition: the one given, or the first at or after a time."""
    return dict.fromkeys(partitions, at) if isinstance(at, int) else offsets_at(kafka, topic, at, partitions)


def still_held(workspace: Workspace, spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """Refuse offsets that the broker deleted: what is replaced must be read again as a whole."""
    found = broker_topic(workspace.settings.kafka, workspace.pipeline.topic)
    for one in spans:
        low = found.watermarks[one.partition][0] if one.partition in found.watermarks else one.until_offset
        if one.from_offset < low:
            raise UserError(
                f"{workspace.pipeline.topic}/{one.partition} [{one.from_offset}, {one.until_offset}): Kafka holds this "
                f"partition from offset {low} on. Nothing was replaced; begin there: --partition {one.partition} "
                f"--from {low}",
                exit_code=3,
            )
    return spans


def missing_spans(workspace: Workspace) -> tuple[Span, ...]:
    """Return what is missing of all that was read: gaps in the ledger, and runs whose rows are not where they were."""
    pipeline, epoch = workspace.pipeline, known_topic(workspace).epoch
    live = workspace.store.ledger.live_ranges(pipeline.name, pipeline.topic, epoch)
    incomplete = {one for one in {part.run_id for part in live} if rows_missing(workspace, one)}
    lost = [
        one for one in workspace.store.losses.of(pipeline.name) if one.topic == pipeline.topic and one.epoch == epoch
    ]
    spans = [
        *(
            Span(partition=part.read.partition, from_offset=part.read.from_offset, until_offset=part.read.until_offset)
            for part in live
            if part.run_id in incomplete and part.read.from_offset < part.read.until_offset
        ),
        *(
            one
            for one in gaps_between(live)
            if uncovered(one.from_offset, one.until_offset, [each for each in lost if each.partition == one.partition])
        ),
    ]
    return still_held(workspace, tuple(sorted(spans, key=lambda one: (one.partition, one.from_offset))))


def rows_missing(workspace: Workspace, run_id: str) -> bool:
    """Whether a settled run's files do not hold what the ledger says."""
    run = workspace.store.runs.get(run_id)
    return run is not None and run.state in SETTLED and not all(one.agrees for one in check_load(workspace, run_id))


def plan_backfill(workspace: Workspace, spans: Sequence[Span]) -> Backfill:
    """Plan one run: all runs that share an offset with it are replaced. The same wish has the same run id."""
    pipeline, epoch = workspace.pipeline, known_topic(workspace).epoch
    live = workspace.store.ledger.live_ranges(pipeline.name, pipeline.topic, epoch)
    covers, replaced = closure(spans, live)
    refuse_replayed(workspace, set(replaced))
    wish = [pipeline.name, pipeline.topic, epoch, [to_dict(one) for one in spans], sorted(replaced)]
    digest = sha256(orjson.dumps(wish)).hexdigest()[:12]
    return Backfill(
        run_id=unused_id(workspace, f"{pipeline.name}-backfill-{digest}"),
        pipeline=pipeline.name,
        topic=pipeline.topic,
        epoch=epoch,
        pieces=tuple(pieces(workspace, spans, [part for part in live if part.run_id in replaced])),
        covers=tuple(covers),
        replaces=tuple(sorted(replaced)),
    )


def refuse_replayed(workspace: Workspace, replaced: set[str]) -> None:
    """Refuse to read events again of which a replay has published some: they would be there twice."""
    if replays := taking_from(workspace, replaced):
        raise UserError(
            f"{replays[0]} published rows that these runs had set aside. Nothing was replaced. Take it back first: "
            f"mend quarantine undo {replays[0]} --by NAME --reason TEXT",
            exit_code=3,
        )


def unused_id(workspace: Workspace, name: str) -> str:
    """Count the attempts: the id of one that failed, or that was given up, is not used again."""
    attempt = 1
    while (run := workspace.store.runs.get(f"{name}-{attempt}")) is not None and run.state is RunState.FAILED:
        attempt += 1
    return f"{name}-{attempt}"


def pieces(workspace: Workspace, spans: Sequence[Span], parts: Sequence[LedgerRange]) -> Iterator[Piece]:
    """Cut the spans by when their events were read first, so that old ones are not late; others come now."""
    opened = {one: run.opened_at for one in {part.run_id for part in parts} if (run := workspace.store.runs.get(one))}
    at: datetime | None = None
    group: list[LedgerRange] = []
    left = list(spans)
    for part in sorted(parts, key=lambda one: (opened[one.run_id], one.read.partition)):
        if at is not None and group and opened[part.run_id] - opened[group[0].run_id] > AT_ONCE:
            yield from piece(at, group, spans)
            group = []
        at = opened[part.run_id]
        group.append(part)
        left = [rest for one in left for rest in without(one, part)]
    if at is not None:
        yield from piece(at, group, spans)
    for found in rounds(left):
        yield Piece(at=clock.now().isoformat(), spans=found)


def piece(at: datetime, group: Sequence[LedgerRange], spans: Sequence[Span]) -> Iterator[Piece]:
    """Yield what the spans want of some runs, in as few pieces as have no partition twice."""
    found = [shared for one in spans for part in group if (shared := common(one, part)) is not None]
    for some in rounds(merged(found)):
        yield Piece(at=at.isoformat(), spans=some)


def run_backfill(workspace: Workspace, plan: Backfill) -> tuple[StepResult, ...]:
    """Stage the plan and take its run to its end. Repeating it after a crash goes on where it stopped."""
    path = workspace.layout.run_file(plan.run_id, "backfill")
    write_json(path, to_dict(plan))
    import_ahead()
    result = run_job(workspace, [*job_words(workspace), "--backfill", str(path)])
    if result.error is not None:
        shutil.rmtree(workspace.layout.staged(plan.run_id), ignore_errors=True)
        run = workspace.store.runs.get(plan.run_id)
        if run is not None and run.state is RunState.OPENED:
            workspace.store.runs.abandon(plan.run_id, result.error, clock.now())
        raise UserError(f"{result.error} (log: {result.log}). Nothing was replaced.", exit_code=1)
    return finish_backfill(workspace, plan.run_id)


def finish_backfill(workspace: Workspace, run_id: str) -> tuple[StepResult, ...]:
    """Audit, decide, take the place of the replaced runs, recount."""
    refuse_pause(workspace)
    results = tuple(step(workspace, run_id) for step in FINISHING)
    if results[-1].outcome == "failed":
        raise UserError(f"{run_id}: {results[-1].message}", exit_code=1)
    return results
