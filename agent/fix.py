"""From a diagnosis to a question that the decision matrix answers, and from its decision to what is done. Pure."""

from dataclasses import dataclass, replace

from agent.causes import Cause
from agent.context import DecisionContext, FailedTask, History, assemble, read_quality, read_report
from agent.decide import Act
from agent.diagnose import Policy
from agent.monitor import Before
from mend.contracts.decision import Action, ActionTaken, DecisionResult
from mend.contracts.drift import AddedField, Drift
from mend.contracts.report import RunReport
from mend.contracts.task_event import Answer, Assessment, Diagnosis, Effect, Safety, Strategy, TaskEvent

COLUMN_TYPES = {"string": "VARCHAR", "long": "BIGINT", "double": "DOUBLE", "boolean": "BOOLEAN"}
REMAP, RETRIGGER = "apply_schema_remap", "retrigger_task"
MOST_TRIES = 10
"""More tries of a source than this say nothing more, and the pause before the next one doubles with each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done. `by_itself` says that the machine may, if the matrix agrees."""

    strategy: Strategy
    by_itself: bool


def plan(event: TaskEvent, diagnosis: Diagnosis, policy: Policy) -> Plan:
    """Choose: safe is done, risky as the policy says, unsafe waits. A schema is only updated by fields that are named.

    To add a transformation or to notify is nothing that the machine can do alone, whatever the policy calls safe.
    """
    doable = diagnosis.strategy is Strategy.RETRY_TASK or (
        diagnosis.strategy is Strategy.UPDATE_SCHEMA and bool(event.new_fields)
    )
    allowed = diagnosis.safety is Safety.SAFE or (diagnosis.safety is Safety.RISKY and policy.risky == "apply")
    return Plan(strategy=diagnosis.strategy, by_itself=doable and allowed)


def question(
    event_id: str,
    event: TaskEvent,
    about: tuple[Assessment, Diagnosis, Plan],
    before: Before,
    history: History,
    *,
    now: str,
) -> DecisionContext:
    """Return the context of a failed job: its cause is retriable where the plan may go on by itself.

    Its tries are those of the source and those of Mend; fields that it names are additive drift, for which the
    matrix has its own switch.
    """
    assessment, diagnosis, chosen = about
    dag_id, task_id = event.dag_id or event.source, event.task
    task = FailedTask(
        event=event_id,
        dag_id=dag_id,
        task_id=task_id,
        pattern=diagnosis.pattern,
        severity=assessment.severity,
        root_cause=diagnosis.root_cause,
        suggestions=diagnosis.suggestions,
        strategy=diagnosis.strategy.value,
    )
    past = replace(
        history,
        run_id=event_id,
        job_status="failed",
        job_cause=cause(diagnosis, chosen),
        consecutive_failures=before.in_a_row + 1,
        retriggers=min(max(event.retry_count, before.tries), MOST_TRIES),
        failed_task=task,
    )
    updates = chosen.by_itself and chosen.strategy is Strategy.UPDATE_SCHEMA
    report = drifted(event_id, event, now) if updates else read_report(None)
    return assemble(report, read_quality(None), past, now=now)


def cause(diagnosis: Diagnosis, chosen: Plan) -> Cause:
    """Return what the matrix is told of the cause; what waits for a person is nothing to be tried again."""
    if not chosen.by_itself:
        return Cause.NOT_RETRIABLE
    return Cause.UNKNOWN if diagnosis.pattern == "unknown" else Cause.RETRIABLE


def drifted(event_id: str, event: TaskEvent, now: str) -> RunReport:
    """Return a report of nothing but the fields that the event names."""
    added = tuple(AddedField(name=name, type=COLUMN_TYPES[kind]) for name, kind in sorted(event.new_fields.items()))
    return RunReport(
        total_records=0,
        late_records=0,
        dq_failures=0,
        schema_drift_detected=True,
        drift=Drift(added=added),
        status="failed",
        run_id=event_id,
        timestamp=now,
    )


def approved_acts(event: TaskEvent, diagnosis: Diagnosis) -> tuple[Act, ...]:
    """Return what is done once a person approved: the schema's update where fields are named, then the task again."""
    acts = [
        Act(tool=RETRIGGER, target="approved", params={"dag_id": event.dag_id or event.source, "task_id": event.task})
    ]
    if diagnosis.strategy is Strategy.UPDATE_SCHEMA and event.new_fields:
        mapping = {name: {"type": COLUMN_TYPES[kind], "nullable": True} for name, kind in event.new_fields.items()}
        acts.insert(0, Act(tool=REMAP, target="approved", params={"mapping": mapping}))
    return tuple(acts)


def mapping_version(taken: tuple[ActionTaken, ...]) -> int | None:
    """Return the mapping that an update of the schema made."""
    made = (one.result.data for one in taken if one.tool == REMAP and one.result.data)
    return next((found["version"] for found in made), None)


def answer(assessment: Assessment, diagnosis: Diagnosis, decision: DecisionResult) -> Answer:
    """Return what came of an event about which was decided; what a person was called for may still be approved."""
    failed = any(not one.result.success for one in decision.actions_taken)
    acted = not decision.escalation_required and not failed and Action.RETRIGGER in decision.actions
    return Answer(
        assessment=assessment,
        diagnosis=diagnosis,
        strategy=diagnosis.strategy if acted else Strategy.NOTIFY_HUMAN,
        waits=decision.escalation_required,
        decision=decision.decision,
        reasoning=decision.reasoning,
        effect=Effect.PENDING if acted else Effect.NOTHING_DONE,
        mapping=mapping_version(decision.actions_taken),
    )
