"""Dead letters of settled runs to their topic: at least once, in its own time, and never in the way of publishing."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pyarrow.parquet as pq

from agent.storms import partition_name, storm_cause
from mend.contracts.incident import Severity
from mend.incidents.lifecycle import opened
from mend.incidents.log import IncidentLog, incident_log
from mend.runtime import clock
from mend.runtime.errors import UserError
from mend.runtime.logging import get_logger
from mend.store.dead_letters import Owed, Sent
from orchestration.dead_letter_topic import DeadLetterTopic, Letter, letter
from orchestration.settled_manifest import HELD
from orchestration.workspace import Workspace, as_started

BUDGET = 3
"""Failed tries of one run's dead letters before a person is called; they are tried again all the same."""
ROWS_AT_ONCE = 1_000
UNSENT = "dead_letters_unsent"


def owe_dead_letters(workspace: Workspace, run_id: str) -> None:
    """Note what of a run goes to the dead-letter topic; joins the transaction in which the run is settled."""
    pipeline = workspace.pipeline
    if pipeline.dead_letter_topic is None:
        return
    events = {}
    for part in workspace.store.ledger.ranges(run_id):
        places = part.read.places
        many = places.dead_letter + (places.rejected if pipeline.dead_letter_rejected else 0)
        if many:
            events[part.read.topic, part.read.partition] = many
    workspace.store.dead_letters.owe(run_id, pipeline.name, pipeline.dead_letter_topic, events, clock.now())


def send_dead_letters(workspace: Workspace) -> None:
    """Send what is owed, this run's and what earlier ones could not; paused partitions wait. Never raises for Kafka."""
    log = incident_log(workspace.store, workspace.layout.ops)
    storms = storm_cause(workspace.pipeline.name, "")
    paused = {(one.cause or "").removeprefix(storms) for one in log.open_incidents(storms)}
    waiting: dict[tuple[str, str], list[Owed]] = defaultdict(list)
    for one in workspace.store.dead_letters.owed(workspace.pipeline.name):
        if partition_name(one.topic, one.partition) not in paused:
            waiting[one.target, one.run_id].append(one)
    unreachable: set[str] = set()
    for (target, run_id), owed in waiting.items():
        if target in unreachable:
            continue
        try:
            send_run(workspace, target, run_id, owed)
        except UserError as error:
            unreachable.add(target)
            failed(workspace, log, owed, str(error))
        else:
            arrived(workspace, log, target)


def send_run(workspace: Workspace, target: str, run_id: str, owed: list[Owed]) -> None:
    """Send the dead letters of some partitions of a run, and note it; a crash in between sends them again."""
    topic = DeadLetterTopic(workspace.settings.kafka, target)
    wanted = {(one.topic, one.partition) for one in owed}
    rejected = as_started(workspace, run_id).pipeline.dead_letter_rejected
    confirmed, refused = topic.send(letters(workspace, run_id, wanted, with_rejected=rejected))
    for one in owed:
        offsets = tuple(refused.get((one.topic, one.partition), ()))
        error = f"{len(offsets)} messages are too large for {target}" if offsets else None
        sent = Sent(sent=confirmed[one.topic, one.partition], refused=offsets, error=error)
        workspace.store.dead_letters.record(one, sent, clock.now())
        if offsets:
            get_logger().warning("dead_letters_refused", run_id=run_id, topic=target, messages=len(offsets))


def letters(
    workspace: Workspace, run_id: str, wanted: set[tuple[str, int]], *, with_rejected: bool
) -> Iterator[Letter]:
    """Read a run's dead letters of some partitions, and its rejects, part by part."""
    layout = workspace.layout
    for path in sorted(layout.dead_letters(run_id).rglob("*.parquet")):
        yield from letters_of(path, wanted, "dead_letter")
    if with_rejected:
        folder = layout.quarantine(run_id)
        for path in sorted(set(folder.rglob("*.parquet")) - set((folder / HELD).rglob("*.parquet"))):
            yield from letters_of(path, wanted, "rejected")


def letters_of(path: Path, wanted: set[tuple[str, int]], disposition: str) -> Iterator[Letter]:
    """Read one file."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE):
            for record in batch.to_pylist():
                if (record["topic"], record["partition"]) in wanted:
                    yield letter(record, disposition)


def failed(workspace: Workspace, log: IncidentLog, owed: list[Owed], error: str) -> None:
    """Note that it failed; after some tries a person is told, once."""
    run_id, target = owed[0].run_id, owed[0].target
    get_logger().warning("dead_letters_not_sent", run_id=run_id, topic=target, error=error)
    for one in owed:
        workspace.store.dead_letters.record_failure(one, error, clock.now())
    tries = max(one.attempts for one in owed) + 1
    cause = unsent_cause(workspace, target)
    if tries < BUDGET or log.find_open(cause):
        return
    says = f"dead letters could not be sent to {target} in {tries} tries ({error}); they are kept in dead_letters/"
    context = {"run_id": run_id, "topic": target, "tries": tries}
    incident = opened(str(uuid4()), UNSENT, says, Severity.MEDIUM, clock.now(), context=context)
    log.open_incident(replace(incident, cause=cause))


def arrived(workspace: Workspace, log: IncidentLog, target: str) -> None:
    """Resolve the incident, if one was opened."""
    known = log.find_open(unsent_cause(workspace, target))
    if known:
        log.resolve_incident(known.id, "the topic takes dead letters again", clock.now())


def unsent_cause(workspace: Workspace, target: str) -> str:
    """Return what an incident about a topic that takes nothing is about."""
    return f"{UNSENT}:{workspace.pipeline.name}:{target}"
