"""Offsets that are gone: what the pipeline has read against what the broker still holds, before anything is read.

The ledger says what was read; the checkpoint only saves Spark the question. So a checkpoint that was lost, or that
points to offsets that are gone, is put aside, and a new one begins where the ledger ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import NAMESPACE_URL, uuid5

from mend.contracts.incident import Severity
from mend.incidents.log import incident_log
from mend.runtime import clock
from mend.runtime.errors import UserError
from mend.store.losses import Loss
from mend.store.tables import RunState
from mend.store.topics import Topic
from orchestration.kafka_lag import BrokerTopic, broker_topic, resume_offsets
from orchestration.workspace import Workspace

DELETED = "Kafka deleted them before they were read"
RENEWED = "the topic was made anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where reading begins if there is no checkpoint, partition by partition, and what was found gone now.

    `moved`: the checkpoint was put aside, so what waits in the topic is another number than before.
    """

    start: dict[int, int]
    losses: tuple[Loss, ...] = ()
    moved: bool = False


def check_offsets(workspace: Workspace) -> Position:
    """Compare ledger and broker. Nothing that is gone is passed over in silence: it stops the pipeline, or is recorded.

    Which of both is `offsets_gone` of the pipeline file. Repeating it finds nothing new.
    """
    name, topic = workspace.pipeline.name, workspace.pipeline.topic
    known = known_topic(workspace)
    try:
        found = broker_topic(workspace.settings.kafka, topic)
    except UserError as error:
        if "is not on" in str(error) and workspace.store.ledger.ends(name, topic, known.epoch):
            report(workspace, known, (), f"topic '{topic}' is gone from the broker, and it was read before", "missing")
        raise
    why = renewal(known, found, workspace.store.ledger.ends(name, topic, known.epoch))
    if why is not None:
        known = begin_again(workspace, known, found, why)
    seen = replace(known, topic_id=found.topic_id or known.topic_id)
    if seen != workspace.store.topics.get(name, topic):
        workspace.store.topics.keep(seen)
    position = losses_settled(workspace, known, found)
    return replace(position, moved=position.moved or why is not None)


def known_topic(workspace: Workspace) -> Topic:
    """Return what the store knows of the topic."""
    name, topic = workspace.pipeline.name, workspace.pipeline.topic
    known = workspace.store.topics.get(name, topic)
    return known or Topic(pipeline=name, topic=topic, epoch=0, topic_id=None, since=clock.now())


def renewal(known: Topic, found: BrokerTopic, ends: Mapping[int, int]) -> str | None:
    """Say why this is not the topic that was read before, None if it is."""
    for partition, end in sorted(ends.items()):
        if partition not in found.watermarks:
            return f"partition {partition} was read up to offset {end}, and is not there any more"
        if found.watermarks[partition][1] < end:
            return f"partition {partition} ends at offset {found.watermarks[partition][1]}, and was read up to {end}"
    if known.topic_id and found.topic_id and known.topic_id != found.topic_id:
        return f"the broker's id of it was {known.topic_id}, and is {found.topic_id}"
    return None


def begin_again(workspace: Workspace, known: Topic, found: BrokerTopic, why: str) -> Topic:
    """Begin the topic's next epoch, where the pipeline file allows it; what it was not read of before is not known."""
    message = f"topic '{known.topic}' was made anew: {why}. What was not read of the old one is gone"
    report(workspace, known, (), message, found.topic_id or why)
    refuse_if_stopped(workspace, message)
    put_aside(workspace)
    return replace(known, epoch=known.epoch + 1, topic_id=found.topic_id, since=clock.now())


def losses_settled(workspace: Workspace, known: Topic, found: BrokerTopic) -> Position:
    """Find the offsets that are gone; stop at them, or record them and leave the checkpoint that points there."""
    ends = workspace.store.ledger.ends(known.pipeline, known.topic, known.epoch)
    losses = tuple(find_losses(known, found, ends)) if ends or known.epoch else ()
    if losses:
        report(workspace, known, losses, said(losses), ",".join(f"{one.partition}@{one.from_offset}" for one in losses))
        refuse_if_stopped(workspace, said(losses))
    resumes = resume_offsets(workspace.layout.checkpoint(known.pipeline), known.topic)
    # The checkpoint goes first: were it last, a crash in between would leave one that points to what is gone.
    moved = bool(losses) or any(resumes.get(one, low) < low for one, (low, _) in found.watermarks.items())
    if moved:
        put_aside(workspace)
    for loss in losses:
        workspace.store.losses.record(loss)
    start = {partition: max(low, ends.get(partition, 0)) for partition, (low, _) in found.watermarks.items()}
    return Position(start=start, losses=losses, moved=moved)


def find_losses(known: Topic, found: BrokerTopic, ends: Mapping[int, int]) -> list[Loss]:
    """Return what lies between the end of reading and the first offset that is left; a new partition begins at 0."""
    return [
        Loss(
            pipeline=known.pipeline,
            topic=known.topic,
            partition=partition,
            from_offset=ends.get(partition, 0),
            until_offset=low,
            cause=DELETED,
            found_at=clock.now(),
            epoch=known.epoch,
        )
        for partition, (low, _) in sorted(found.watermarks.items())
        if low > ends.get(partition, 0)
    ]


def said(losses: Sequence[Loss]) -> str:
    """Name every range and how many offsets it has."""
    parts = (
        f"{one.topic}/{one.partition} [{one.from_offset}, {one.until_offset}): {one.count} offsets" for one in losses
    )
    return f"{'; '.join(parts)} are gone: {losses[0].cause}"


def refuse_if_stopped(workspace: Workspace, message: str) -> None:
    """Stop here unless the pipeline file says to go on over what is gone."""
    if workspace.pipeline.offsets_gone == "stop":
        raise UserError(
            f"{message}. Nothing was read. To go on with what is there, and have the loss recorded, set "
            f"'offsets_gone: continue' in {workspace.pipeline.path} and run again.",
            exit_code=1,
        )


def report(workspace: Workspace, known: Topic, losses: Sequence[Loss], message: str, what: str) -> None:
    """Open one incident about it, brought before a person; the same finding again opens no other."""
    going_on = workspace.pipeline.offsets_gone == "continue" and what != "missing"
    todo = "the pipeline goes on from what is there" if going_on else "the pipeline stands still until you decide"
    log = incident_log(workspace.store, workspace.layout.ops)
    name = f"{known.pipeline}/{known.topic}/{known.epoch}/{what}/{workspace.pipeline.offsets_gone}"
    incident_id, at = str(uuid5(NAMESPACE_URL, name)), clock.now()
    if log.get_incident(incident_id) is not None:
        return
    ranges = [
        {"topic": one.topic, "partition": one.partition, "from_offset": one.from_offset,
         "until_offset": one.until_offset, "count": one.count}
        for one in losses
    ]  # fmt: skip
    setting = workspace.pipeline.offsets_gone
    context = {"topic": known.topic, "epoch": known.epoch, "ranges": ranges, "offsets_gone": setting}
    severity = Severity.HIGH if going_on else Severity.CRITICAL
    log.log_incident(incident_id, "offsets_gone", f"{known.pipeline}: {message}; {todo}", severity, at, context=context)
    log.escalate_incident(incident_id, "", at)


def put_aside(workspace: Workspace) -> None:
    """Rename the checkpoint, for a person to look into, and give up the runs of batches that it alone knew."""
    name, checkpoint = workspace.pipeline.name, workspace.layout.checkpoint(workspace.pipeline.name)
    if not checkpoint.exists():
        return
    taken = len(list(checkpoint.parent.glob(f"{checkpoint.name}.until-*")))
    checkpoint.rename(checkpoint.with_name(f"{checkpoint.name}.until-{taken + 1:03d}"))
    for run in workspace.store.runs.unfinished(name):
        if run.state is RunState.OPENED:
            workspace.store.runs.abandon(run.run_id, "its checkpoint was put aside", clock.now())
