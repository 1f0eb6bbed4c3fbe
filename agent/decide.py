"""From evidence to a decision, and from a decision to the acts that it asks for. Pure: nothing is done here."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import orjson

from agent import matrix as table
from agent.conditions import ALWAYS
from agent.context import DecisionContext, FailedTask
from agent.foresight import prediction
from agent.matrix import Matrix, Rule, Verdict
from agent.phrases import clean
from agent.sanity import moment
from agent.signals import JobStatus, Signals, signals_of
from agent.storms import STORM, storm_cause
from mend.contracts import codec
from mend.contracts.decision import (
    Action,
    ActionTaken,
    ContextSummary,
    DecisionLogLine,
    DecisionResult,
    PartitionFilter,
    Rows,
    SegmentFilter,
)
from mend.contracts.incident import Severity
from mend.contracts.report import RunReport

DAG = "autonomous_data_pipeline"
TASK = "run_spark_job"
BACK_OFF = timedelta(seconds=30)
"""Pause before the first retrigger of a failed job; it doubles each time, up to LONGEST_PAUSE."""
MOST_DOUBLINGS = 7
LONGEST_PAUSE = timedelta(hours=1)
MOST_INCIDENTS = 10
ROWS = {
    Rows.PUBLISH: "Rows that fit the contract are published.",
    Rows.PUBLISH_EXCEPT_SEGMENT: "All but the failing rows of the segment are published.",
    Rows.PUBLISH_EXCEPT_PARTITION: "All but the rows of the paused partitions are published.",
    Rows.HOLD: "The run's rows are held.",
    Rows.NOTHING: "Nothing is published.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One call of a tool that a decision asks for. Run, tool and target say whether it was done already."""

    tool: str
    target: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A decision, the verdict behind it and the acts that it asks for. Without signals, judging itself failed."""

    context: DecisionContext
    verdict: Verdict
    decision: DecisionResult
    acts: tuple[Act, ...]
    signals: Signals | None = None


def decide(context: DecisionContext, matrix: Matrix) -> DecisionResult:
    """Decide by the rules alone. The same context and matrix give the same decision, to the byte."""
    return judge(context, matrix).decision


def judge(context: DecisionContext, matrix: Matrix) -> Judgement:
    """Decide, and say what is to be done."""
    signals = signals_of(context, matrix.limits)
    verdict = table.decide(signals, matrix)
    excepted = any(rule.rows is Rows.PUBLISH_EXCEPT_SEGMENT for rule in verdict.rules)
    hold = tuple(one.filter for one in signals.localised if excepted)
    decision = result(context, verdict, hold, matrix.version, paused(verdict, signals))
    acts = plan(context, verdict, decision, signals)
    return Judgement(context=context, verdict=verdict, decision=decision, acts=acts, signals=signals)


def foreseen(judgement: Judgement) -> Judgement:
    """Add what each act will have brought about; the last thing before a decision is written down."""
    signals, report = judgement.signals, judgement.context.run_report
    if signals is None:
        return judgement
    known = report if isinstance(report, RunReport) else None
    said = tuple(prediction(one, judgement.decision, known, signals) for one in judgement.acts)
    return replace(judgement, decision=replace(judgement.decision, predictions=said))


def paused(verdict: Verdict, signals: Signals) -> tuple[PartitionFilter, ...]:
    """Return the partitions whose rows are not published."""
    excepted = any(rule.rows is Rows.PUBLISH_EXCEPT_PARTITION for rule in verdict.rules)
    return tuple(one.filter for one in (*signals.storms_new, *signals.storms_known)) if excepted else ()


def judge_failure(context: DecisionContext, error: Exception) -> Judgement:
    """Decide when deciding itself failed: a person is called, and nothing is published."""
    rule = table.Rule(
        id="decision_failed",
        when=ALWAYS,
        actions=(Action.ESCALATE,),
        rows=Rows.HOLD,
        severity=Severity.CRITICAL,
        reason="",
    )
    why = f"the decision could not be made: {type(error).__name__}: {error}"
    verdict = Verdict(rules=(rule,), reasons=(clean(why, 240),), actions=rule.actions, rows=rule.rows)
    decision = result(context, verdict, (), None)
    return Judgement(
        context=context, verdict=verdict, decision=decision, acts=(escalation(context, verdict, decision),)
    )


def result(
    context: DecisionContext,
    verdict: Verdict,
    hold: tuple[SegmentFilter, ...],
    version: str | None,
    stormy: tuple[PartitionFilter, ...] = (),
) -> DecisionResult:
    """Write a verdict down. Confidence is 1: a table does not estimate; doubt about the data has rules of its own."""
    return DecisionResult(
        decision=verdict.decision.value,
        actions=verdict.actions,
        rows=verdict.rows,
        rules=tuple(rule.id for rule in verdict.rules),
        reasoning=reasoning(verdict),
        confidence=1.0,
        escalation_required=verdict.escalates,
        timestamp=context.timestamp,
        run_id=context.run,
        allowed=allowed(verdict.actions),
        hold=hold,
        paused=stormy,
        evidence_hash=sha256(codec.dumps(context)).hexdigest(),
        matrix_hash=version,
    )


def reasoning(verdict: Verdict) -> str:
    """Return the facts with the rules that they fired, and what becomes of the rows."""
    facts = "; ".join(f"{why} [{rule.id}]" for rule, why in zip(verdict.rules, verdict.reasons, strict=True))
    return f"{facts[:1].upper()}{facts[1:]}. {ROWS[verdict.rows]}"


def allowed(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """Return what may be done for the run: what the table chose, or calling a person, which is always more cautious."""
    return actions if Action.ESCALATE in actions else (*actions, Action.ESCALATE)


def plan(context: DecisionContext, verdict: Verdict, decision: DecisionResult, signals: Signals) -> tuple[Act, ...]:
    """Return the acts of a decision in the order in which they are done; a person is called last, knowing the rest."""
    acts: list[Act] = []
    if Action.REMAP in decision.actions:
        acts.append(remap(context))
    if Action.RETRIGGER in decision.actions:
        acts.append(retrigger(context, signals))
    acts += quarantines(decision, verdict)
    acts += calls(decision, verdict)
    acts += storm_acts(context, verdict, decision, signals)
    acts += circuit(decision, verdict)
    others = tuple(rule for rule in verdict.rules if Action.ESCALATE in rule.actions and not about_storms(rule))
    if others:
        acts.append(escalation(context, verdict, decision, others))
    return tuple(acts)


def circuit(decision: DecisionResult, verdict: Verdict) -> Iterator[Act]:
    """Open the circuit where a rule says so; its reason is what a person reads who is to close it."""
    for rule, why in zip(verdict.rules, verdict.reasons, strict=True):
        if rule.opens_circuit:
            params = {"cause": rule.id, "why": why, "run_id": decision.run_id}
            yield Act(tool="open_circuit", target=rule.id, params=params)
            return


def about_storms(rule: Rule) -> bool:
    """Whether a rule is about partitions, each of which has an incident of its own."""
    return rule.rows is Rows.PUBLISH_EXCEPT_PARTITION


def storm_acts(context: DecisionContext, verdict: Verdict, decision: DecisionResult, signals: Signals) -> Iterator[Act]:
    """Call a person once for each storm; as it goes on its incident is kept up to date, and at its end resolved."""
    pipeline = context.run_report.pipeline if isinstance(context.run_report, RunReport) else None
    run = decision.run_id or "unknown"
    calling = tuple(rule for rule in verdict.rules if about_storms(rule) and Action.ESCALATE in rule.actions)
    for one in signals.storms_new if calling else ():
        call = escalation(context, verdict, decision, calling)
        says = f"{one}: its events are kept and not published until it is good again."
        params = {"summary": says, "incident_type": STORM, "cause": storm_cause(pipeline, one.name)}
        yield replace(call, target=params["cause"], params=call.params | params)
    for one in signals.storms_known:
        cause = storm_cause(pipeline, one.name)
        yield Act(tool="update_incident", target=cause, params={"cause": cause, "note": f"{run}: {one}"})
    for name in signals.storms_over:
        cause = storm_cause(pipeline, name)
        notes = f"{run}: {name} is good again, reading goes on; what was held stays in quarantine"
        yield Act(tool="resolve_incident", target=cause, params={"cause": cause, "notes": notes})


def remap(context: DecisionContext) -> Act:
    """Map the new fields and the renamed ones."""
    mapping = mapping_of(context.run_report) if isinstance(context.run_report, RunReport) else {}
    return Act(tool="apply_schema_remap", target=",".join(sorted(mapping)), params={"mapping": mapping})


def mapping_of(report: RunReport) -> dict[str, Any]:
    """Return the change of the mapping that the report's drift asks for, by observed field."""
    if report.drift is None:
        return {}
    renamed = {
        one.new: {"renamed_from": one.old} | ({"trial": one.trial} if one.trial else {})
        for one in report.drift.renamed_candidates
    }
    added = {
        one.name: {"type": one.type, "nullable": True}
        for one in report.drift.added
        if one.name not in renamed and one.type.lower() != "null"
    }
    return added | renamed


def retrigger(context: DecisionContext, signals: Signals) -> Act:
    """Run again: a failed job after a pause that doubles each time, late events with the next batch."""
    now = moment(context.timestamp)
    failed = signals.job_status is JobStatus.FAILED and now is not None
    start = (now + back_off(context.retriggers, context.chance)).isoformat() if failed and now else None
    other = context.failed_task
    dag, task = (other.dag_id, other.task_id) if other else (DAG, TASK)
    return Act(
        tool="retrigger_task",
        target=f"{dag}.{task} #{context.retriggers + 1}",  # the next try of the same run is another act
        params={"dag_id": dag, "task_id": task, "execution_date": start},
    )


def back_off(tries: int, chance: float) -> timedelta:
    """Return the pause before the next try; `chance` (0..1) makes it up to half as long again.

    So that what failed together does not come back together (jitter: M. Brooker, Exponential Backoff And Jitter, 2015).
    """
    doubled = BACK_OFF * int(2 ** min(tries, MOST_DOUBLINGS))
    return min(doubled * (1 + chance / 2), LONGEST_PAUSE)


def quarantines(decision: DecisionResult, verdict: Verdict) -> Iterator[Act]:
    """Set rows aside, an order for each rule that asks for it."""
    run = decision.run_id or "unknown"
    for rule in verdict.rules:
        if Action.QUARANTINE not in rule.actions:
            continue
        in_segments = rule.rows is Rows.PUBLISH_EXCEPT_SEGMENT
        segments = [written(one) for one in decision.hold] if in_segments else []
        partitions = [codec.to_dict(one) for one in decision.paused] if about_storms(rule) else []
        source = f"staging/run={run}" if segments or partitions else f"quarantine/run={run}"
        named = {"partitions": partitions} if partitions else {}
        yield Act(
            tool="quarantine_records",
            target=rule.id,
            params={"filter_condition": segments, "source_path": source, "reason": rule.id, **named},
        )


def written(segment: SegmentFilter) -> dict[str, Any]:
    """Return a segment as a tool's parameter."""
    return {name: value for name, value in codec.to_dict(segment).items() if value is not None}


def calls(decision: DecisionResult, verdict: Verdict) -> Iterator[Act]:
    """Call the tools that rules name beside their actions; an escalation cancels these, too."""
    cancelled = {"retrigger_task", "apply_schema_remap"} if decision.escalation_required else set()
    for rule in verdict.rules:
        for at, call in enumerate(rule.calls):
            if call.tool not in cancelled:
                yield Act(tool=call.tool, target=f"{rule.id}/{at}", params=call.params)


def escalation(
    context: DecisionContext, verdict: Verdict, decision: DecisionResult, rules: tuple[Rule, ...] = ()
) -> Act:
    """Call a person, with the context that they need. Of some rules the gravest names the incident, else of all."""
    rule: Rule = replace(verdict, rules=rules or verdict.rules).gravest
    facts = {
        "run_id": decision.run_id,
        "rules": list(decision.rules),
        "rows": decision.rows.value,
        "figures": codec.to_dict(summary(context)),
        "consecutive_failures": context.consecutive_failures,
        "circuit": "open" if context.circuit_open or any(one.opens_circuit for one in verdict.rules) else "closed",
        "recent_incidents": list(context.recent_incidents[:MOST_INCIDENTS]),
        "evidence_hash": decision.evidence_hash,
    }
    if context.failed_task:
        return call_about(context.failed_task, decision, facts)
    return Act(
        tool="escalate_incident",
        target=rule.id,
        params={
            "summary": decision.reasoning,
            "context": facts,
            "severity": rule.severity.value,
            "incident_type": rule.id,
        },
    )


def call_about(task: FailedTask, decision: DecisionResult, facts: dict[str, Any]) -> Act:
    """Call a person about a task of another system; of a task and a pattern one incident is open at a time."""
    name = f"{task.dag_id}.{task.task_id}"
    summary = f"{name} failed: {task.root_cause} {decision.reasoning} See: mend event show {task.event}"
    return Act(
        tool="escalate_incident",
        target=task.pattern,
        params={
            "summary": summary,
            "context": facts | {"failed_task": codec.to_dict(task)},
            "severity": task.severity.value,
            "incident_type": "task_failure",
            "cause": f"task:{name}:{task.pattern}",
        },
    )


def summary(context: DecisionContext) -> ContextSummary:
    """Return the figures that the log repeats; None where the report could not be read."""
    report = context.run_report if isinstance(context.run_report, RunReport) else None
    return ContextSummary(
        total_records=report.total_records if report else None,
        late_records=report.late_records if report else None,
        dq_failures=report.dq_failures if report else None,
        schema_drift=report.schema_drift_detected if report else None,
    )


def log_line(context: DecisionContext, decision: DecisionResult) -> DecisionLogLine:
    """Return the decision's line in the log."""
    return DecisionLogLine(
        timestamp=decision.timestamp,
        decision=decision.decision,
        reasoning=decision.reasoning,
        confidence=decision.confidence,
        escalation_required=decision.escalation_required,
        actions_count=len(decision.actions),
        context_summary=summary(context),
        run_id=decision.run_id,
        rules=decision.rules,
        evidence_hash=decision.evidence_hash,
        matrix_hash=decision.matrix_hash,
        decided_by=decision.decided_by,
        proposal=decision.proposal,
        fallback=decision.fallback,
        model_seconds=decision.model_seconds,
    )


def run_key(context: DecisionContext) -> str:
    """Return what tells this run from all others, so that an act is done once for it.

    Without a run id it is what the documents say, if they say when that was: two runs may have the same figures.
    """
    if context.run:
        return context.run
    report = context.run_report
    dated = isinstance(report, RunReport) and (report.timestamp or report.end_time)
    evidence = replace(context, timestamp="") if dated else context
    return sha256(codec.dumps(evidence)).hexdigest()


def act_key(run: str, act: Act) -> str:
    """Return the idempotency key of an act: run, tool and target."""
    return sha256(orjson.dumps([run, act.tool, act.target])).hexdigest()


def act_failed(context: DecisionContext, verdict: Verdict, decision: DecisionResult) -> Act:
    """Call a person because an act failed."""
    call = escalation(context, verdict, decision)
    return replace(
        call,
        target="act_failed",
        params={**call.params, "incident_type": "act_failed", "severity": Severity.HIGH.value},
    )


def settled(decision: DecisionResult, taken: tuple[ActionTaken, ...]) -> DecisionResult:
    """Return the decision with what was done. A failed act calls a person; unless rows are set aside, all are held."""
    failed = [one for one in taken if not (one.result.success or one.paused)]
    if not failed:
        return replace(decision, actions_taken=taken)
    held = any(one.tool == "quarantine_records" for one in failed)
    return replace(
        decision,
        decision=Action.ESCALATE.value,
        actions=decision.actions if decision.escalation_required else (*decision.actions, Action.ESCALATE),
        allowed=(Action.ESCALATE,),
        rules=(*decision.rules, "act_failed"),
        rows=max(decision.rows, Rows.HOLD, key=list(Rows).index) if held else decision.rows,
        reasoning=f"{decision.reasoning} {failed[0].tool} failed: {failed[0].result.message} [act_failed].",
        escalation_required=True,
        actions_taken=taken,
    )
