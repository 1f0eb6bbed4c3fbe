"""Failed tasks of any source: kept, assessed, diagnosed, decided about by the matrix, and followed until they succeed.

An event that comes twice is dealt with once.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from agent.diagnose import Policy, diagnose, load_policy, pattern_named
from agent.fix import answer, plan, question
from agent.monitor import Before, assess
from mend.contracts.codec import dumps
from mend.contracts.decision import DecisionResult
from mend.contracts.incident import Severity
from mend.contracts.task_event import Answer, Assessment, Diagnosis, Effect, TaskEvent
from mend.incidents.log import incident_log
from mend.runtime import clock
from mend.runtime.files import write_atomic
from mend.store.task_events import KeptEvent
from orchestration.decision_step import decide, history
from orchestration.workspace import Workspace


def take_event(workspace: Workspace, event: TaskEvent) -> KeptEvent:
    """Deal with an event and return it with its answer; one that was answered before is only returned."""
    policy = load_policy()
    failed = event.status == "failed"
    event_id = id_of(event)
    kept = workspace.store.task_events.keep(
        KeptEvent(
            id=event_id,
            pipeline=workspace.pipeline.name,
            task=name_of(event),
            cause=diagnose(event, policy).pattern if failed else None,
            received_at=clock.now(),
            event=event,
            answer=None,
        )
    )
    if kept.answer is None:
        earlier = [one for one in before(workspace, kept) if one.id != kept.id]
        made = answer_failure(workspace, kept, earlier, policy) if failed else welcome(workspace, kept)
        follow(workspace, kept, earlier)
        workspace.store.task_events.answered(kept.id, made)
    return workspace.store.task_events.known(kept.id)


def id_of(event: TaskEvent) -> str:
    """Return an id that may name a file: of the source's own id, else of all that the event says."""
    content = dumps(event) if event.id is None else f"{name_of(event)}\n{event.id}".encode()
    return f"event-{sha256(content).hexdigest()[:20]}"


def name_of(event: TaskEvent) -> str:
    """Return the task's name over all sources."""
    return f"{event.dag_id or event.source}.{event.task}"[:255]


def before(workspace: Workspace, kept: KeptEvent) -> tuple[KeptEvent, ...]:
    """Return what the task told before, newest first."""
    known = workspace.store.task_events.of_task(kept.pipeline, kept.task)
    return tuple(one for one in known if one.received_at <= kept.received_at)


def answer_failure(workspace: Workspace, kept: KeptEvent, earlier: list[KeptEvent], policy: Policy) -> Answer:
    """Assess and diagnose a failure; unless it is only watched, the matrix decides and its decision is carried out."""
    diagnosis = diagnose(kept.event, policy)
    past = counted(kept, earlier, policy)
    assessment = assess(kept.event, pattern_named(diagnosis.pattern, policy), past, policy)
    if not assessment.intervene:
        return Answer(assessment=assessment, diagnosis=diagnosis)
    return answer(assessment, diagnosis, decided(workspace, kept, (assessment, diagnosis), past, policy))


def counted(kept: KeptEvent, earlier: list[KeptEvent], policy: Policy) -> Before:
    """Count what came before."""
    start = kept.received_at - timedelta(hours=policy.window_hours)
    row = list(since_success(earlier))
    same = [one for one in row if one.cause == kept.cause]
    return Before(
        seen=sum(one.cause == kept.cause and one.received_at >= start for one in earlier),
        in_a_row=sum(one.answer is not None and one.answer.assessment.intervene for one in row),
        tries=sum(one.answer is not None and one.answer.effect is not Effect.NOTHING_DONE for one in same),
    )


def since_success(earlier: list[KeptEvent]) -> Iterator[KeptEvent]:
    """Yield the failures since the task last succeeded, newest first."""
    for one in earlier:
        if one.event.status == "succeeded":
            return
        yield one


def decided(
    workspace: Workspace, kept: KeptEvent, found: tuple[Assessment, Diagnosis], past: Before, policy: Policy
) -> DecisionResult:
    """Ask the matrix, with the evidence kept beside that of runs."""
    chosen = plan(kept.event, found[1], policy)
    now = kept.received_at.isoformat()
    context = question(kept.id, kept.event, (*found, chosen), past, history(workspace, kept.id), now=now)
    write_atomic(workspace.layout.run_file(kept.id, "evidence"), dumps(context))
    return decide(workspace, context)


def welcome(workspace: Workspace, kept: KeptEvent) -> Answer:
    """Resolve the task's incidents: it has succeeded."""
    log = incident_log(workspace.store, workspace.layout.ops)
    for one in log.open_incidents(f"task:{kept.task}:"):
        log.resolve_incident(one.id, f"{kept.task} succeeded ({kept.id})", kept.received_at)
    return Answer(assessment=Assessment(severity=Severity.LOW, intervene=False, seen=0, why="the task succeeded"))


def follow(workspace: Workspace, kept: KeptEvent, earlier: list[KeptEvent]) -> None:
    """Write down whether what was done before has helped, and take back what has not."""
    failed = kept.event.status == "failed"
    for one in since_success(earlier):
        known = one.answer
        if known is not None and known.waits and not failed:
            workspace.store.task_events.answered(one.id, replace(known, waits=False))
        if known is None or known.effect is not Effect.PENDING or (failed and one.cause != kept.cause):
            continue
        effect = Effect.DID_NOT_HELP if failed else Effect.HELPED
        seen = replace(known, effect=effect, effect_at=kept.received_at.isoformat())
        seen = replace(seen, rollback=taken_back(workspace, seen)) if failed else seen
        workspace.store.task_events.answered(one.id, seen)


def taken_back(workspace: Workspace, known: Answer) -> str | None:
    """Restore the mapping of before an update that did not help; a newer change by somebody else stays."""
    if known.mapping is None:
        return None
    mappings, name = workspace.store.mappings, workspace.pipeline.name
    current, last = mappings.current(name), mappings.get(name, known.mapping - 1)
    if current is None or last is None or current.version != known.mapping:
        return f"mapping {known.mapping} is no longer the newest, so it was left alone"
    version = mappings.append(name, last.fields, clock.now(), created_by="rollback", base=known.mapping)
    return f"mapping {version} has the fields of {last.version} again"
