"""The six steps of a run. Each can be repeated: what is done already is found done.

monitor_kafka → run_spark_job → run_data_quality → agent_decide → validate_load → cleanup_old_data
"""

from collections.abc import Callable, Container
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from agent.causes import classify
from mend.contracts.decision import DecisionResult
from mend.contracts.incident import Incident, Severity
from mend.incidents.log import incident_log
from mend.quality.summary import gate
from mend.runtime import clock
from mend.runtime.errors import UserError
from mend.runtime.faults import fault_point
from mend.runtime.locks import Taken
from mend.store.runs import Run
from mend.store.tables import RunState
from orchestration.audit_step import audit_staged
from orchestration.brakes import refuse_open_circuit, why_paused
from orchestration.dead_letters import send_dead_letters
from orchestration.decision_step import decide_about, decide_about_failure
from orchestration.kafka_lag import measure_lag
from orchestration.load_check import check_load
from orchestration.offsets import check_offsets
from orchestration.replay_step import about_rows, decide_replay, replay_of
from orchestration.retention import ALL_INCIDENTS, Goes, Stays, judge, leaving, remove, retire
from orchestration.retriggers import take_due
from orchestration.spark_submit import run_ingest_job
from orchestration.undo import settled_rows
from orchestration.workspace import Workspace, as_started

Outcome = Literal["done", "nothing_to_do", "failed", "escalated", "paused"]
SETTLED = {RunState.PUBLISHED, RunState.HELD, RunState.VALIDATED, RunState.DISPUTED}
NOT_BEFORE = {
    RunState.STAGED: {RunState.STAGED, RunState.AUDITED, RunState.DECIDED, *SETTLED},
    RunState.AUDITED: {RunState.AUDITED, RunState.DECIDED, *SETTLED},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What a step did, in one line for people and as facts for scripts."""

    step: str
    outcome: Outcome
    message: str
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 done, 1 failed or escalated, 4 waits for a person to resume."""
        return {"failed": 1, "escalated": 1, "paused": 4}.get(self.outcome, 0)


def monitor_kafka(workspace: Workspace) -> StepResult:
    """Ask the broker how much waits; writes kafka_monitoring.json."""
    pipeline, settings = workspace.pipeline, workspace.settings
    at = clock.now().isoformat()
    facts: dict[str, Any] = {"broker": settings.kafka_broker, "topic": pipeline.topic, "timestamp": at}
    try:
        lags = measure_lag(settings.kafka, pipeline.topic, workspace.layout.checkpoint(pipeline.name))
    except UserError as error:
        facts |= {"status": "unhealthy", "partitions": 0, "lag": None, "error": str(error)}
        workspace.layout.write_latest("kafka_monitoring", facts)
        return StepResult(step="monitor_kafka", outcome="failed", message=str(error), facts=facts)
    lag = sum(one.lag for one in lags)
    facts |= {"status": "healthy", "partitions": len(lags), "lag": lag}
    workspace.layout.write_latest("kafka_monitoring", facts)
    message = f"{lag} events wait in {len(lags)} partitions of {pipeline.topic}"
    return StepResult(step="monitor_kafka", outcome="done" if lag else "nothing_to_do", message=message, facts=facts)


def run_spark_job(workspace: Workspace, *, lag: int | None = None) -> StepResult:
    """Stage everything that is new, which also answers the retriggers that are due.

    A job that fails is recorded with its cause; nothing it staged is readable.
    """
    refuse_open_circuit(workspace)
    position = check_offsets(workspace)
    asked = take_due(workspace.layout.ops / "retrigger.json", clock.now())
    result = run_ingest_job(workspace, lag=lag, start=position.start)
    if result.error is None:
        outcome: Outcome = "done" if result.run_ids else "nothing_to_do"
        message = f"{len(result.run_ids)} runs staged" if result.run_ids else "nothing new in the topic"
        return StepResult(
            step="run_spark_job",
            outcome=outcome,
            message=message,
            facts={"run_ids": list(result.run_ids), "retriggers_taken": asked},
        )
    return job_failed(workspace, result.error, result.log)


def job_failed(workspace: Workspace, error: str, log: Path) -> StepResult:
    """Record that the job failed, with its cause and the run that it was working on."""
    name = workspace.pipeline.name
    run_id = next((run.run_id for run in workspace.store.runs.unfinished(name) if run.state is RunState.OPENED), None)
    workspace.store.runs.record_failure(name, run_id, error, classify(error).value, clock.now())
    return StepResult(
        step="run_spark_job",
        outcome="failed",
        message=f"{error} (log: {log})",
        facts={"run_id": run_id, "error": error, "log": str(log), "run_ids": []},
    )


def run_data_quality(workspace: Workspace, run_id: str) -> StepResult:
    """Audit the staged rows; writes ge_results.json. Too many failed expectations: escalated, and the agent decides."""
    run = known_run(workspace, run_id)
    refuse_unless(run, NOT_BEFORE[RunState.STAGED], "staged", "run_spark_job")
    if run.state is not RunState.STAGED:
        return already("run_data_quality", run)
    workspace = as_started(workspace, run_id)
    if replay_of(workspace, run_id):
        workspace = about_rows(workspace)
    results = audit_staged(workspace, run)
    workspace.layout.write(run_id, "ge_results", results)
    fault_point("audit_written")
    workspace.store.runs.advance(run_id, RunState.AUDITED, clock.now(), quality=results)
    summary = results.summary
    score = f"{summary.success_count} of {summary.total_expectations} expectations passed" if summary else results.error
    stopped = gate(results, workspace.rules.thresholds)
    return StepResult(
        step="run_data_quality",
        outcome="escalated" if stopped else "done",
        message=stopped or str(score),
        facts={"run_id": run_id, "verdict": results.verdict, "seconds": results.seconds},
    )


def known_run(workspace: Workspace, run_id: str) -> Run:
    """Return a run of the store."""
    run = workspace.store.runs.get(run_id)
    if run is None:
        known = ", ".join(one.run_id for one in workspace.store.runs.recent(workspace.pipeline.name, 5)) or "none"
        raise UserError(f"no run '{run_id}' (last ones: {known}).")
    if run.pipeline != workspace.pipeline.name:
        raise UserError(f"{run_id} is a run of the pipeline '{run.pipeline}'. Add: --pipeline {run.pipeline}")
    return run


def refuse_unless(run: Run, states: Container[RunState], needed: str, step: str) -> None:
    """Refuse a step before its turn."""
    if run.state not in states:
        raise UserError(
            f"{run.run_id} is {run.state.value}: it must be {needed} first (mend step {step}).", exit_code=3
        )


def already(step: str, run: Run) -> StepResult:
    """Say that a step has nothing to do for a run."""
    return StepResult(
        step=step, outcome="nothing_to_do", message=f"{run.run_id} is {run.state.value}", facts={"run_id": run.run_id}
    )


def agent_decide(workspace: Workspace, run_id: str) -> StepResult:
    """Decide about an audited run, act, and publish or hold its rows. A run is decided once."""
    run = known_run(workspace, run_id)
    refuse_unless(run, NOT_BEFORE[RunState.AUDITED], "audited", f"run_data_quality --run-id {run_id}")
    if run.state in SETTLED:
        send_dead_letters(workspace)
        return already("agent_decide", run)
    if plan := replay_of(workspace, run_id):
        if why := why_paused(workspace):
            return StepResult(
                step="agent_decide", outcome="paused", message=f"{run_id} waits, {why}. Go on with: mend resume"
            )
        return decided(decide_replay(as_started(workspace, run_id), run, plan), run_id)
    step = decided(decide_about(as_started(workspace, run_id), run_id), run_id)
    if known_run(workspace, run_id).state not in SETTLED:
        why = f"{run_id} waits, {why_paused(workspace)}. Go on with: mend resume"
        return replace(step, outcome="paused", message=why)
    send_dead_letters(workspace)
    return step


def agent_decide_failure(workspace: Workspace, job: StepResult) -> StepResult:
    """Decide about a job that failed; other calls find it decided."""
    decision = decide_about_failure(workspace, job.facts["error"], job.facts["run_id"])
    workspace.store.runs.failures_decided(workspace.pipeline.name, clock.now())
    return decided(decision, job.facts["run_id"])


def decided(decision: DecisionResult, run_id: str | None) -> StepResult:
    """Say what was decided."""
    facts = {
        "run_id": run_id,
        "decision": decision.decision,
        "actions": [action.value for action in decision.actions],
        "rules": list(decision.rules),
        "rows": decision.rows.value,
    }
    outcome: Outcome = "escalated" if decision.escalation_required else "done"
    return StepResult(step="agent_decide", outcome=outcome, message=decision.reasoning, facts=facts)


def validate_load(workspace: Workspace, run_id: str) -> StepResult:
    """Recount the settled run in its files; writes load_validation.json."""
    run = known_run(workspace, run_id)
    refuse_unless(run, SETTLED, "decided", f"agent_decide --run-id {run_id}")
    counts = check_load(workspace, run_id)
    wrong = [one for one in counts if not one.agrees]
    folder = workspace.layout.published(run_id)
    document = {
        "timestamp": clock.now().isoformat(),
        "run_id": run_id,
        "sink_mode": str(workspace.settings.effective_sink),
        "status": "failed" if wrong else "success",
        "parquet_files_count": sum(1 for _ in folder.rglob("*.parquet")),
        "output_path": workspace.sink.location(run_id),
        "rows": next(one.found for one in counts if one.place == "published"),
        "places": {one.place: {"expected": one.expected, "found": one.found} for one in counts},
    }
    workspace.layout.write(run_id, "load_validation", document)
    fault_point("load_counted")
    if wrong:
        message = "; ".join(f"{one.place}: expected {one.expected} rows, found {one.found}" for one in wrong)
        dispute(workspace, run_id, message, document)
        return StepResult(step="validate_load", outcome="failed", message=message, facts=document)
    if run.state is not RunState.VALIDATED:
        workspace.store.runs.advance(run_id, RunState.VALIDATED, clock.now())
    settle_dispute(workspace, run_id, clock.now())
    return StepResult(
        step="validate_load",
        outcome="done",
        message=f"{document['rows']} rows are readable, as expected",
        facts=document,
    )


def dispute(workspace: Workspace, run_id: str, message: str, context: dict[str, Any]) -> None:
    """Set a run aside whose files and ledger disagree; later runs go on. One incident, however often it is told.

    The incident comes first: a run that is set aside is not taken up again by itself, so it must have been told.
    """
    at = clock.now()
    if not disputes(workspace, run_id, at):
        summary = (
            f"{run_id}: {message}. The run stays as it is, later runs go on. Which offsets: mend prove --run {run_id}. "
            f"Restore the files from a backup, then: mend step validate_load --run-id {run_id}"
        )
        log = incident_log(workspace.store, workspace.layout.ops)
        log.log_incident(str(uuid4()), "load_validation", summary, Severity.CRITICAL, at, context=context)
    workspace.store.runs.advance(run_id, RunState.DISPUTED, at)


def settle_dispute(workspace: Workspace, run_id: str, at: datetime) -> None:
    """Resolve the incidents about a run whose counts agree again."""
    for one in disputes(workspace, run_id, at):
        log = incident_log(workspace.store, workspace.layout.ops)
        log.resolve_incident(one.id, "recounted: every place holds what the ledger says", at)


def disputes(workspace: Workspace, run_id: str, at: datetime) -> list[Incident]:
    """Return the open incidents about the recount of a run."""
    known = incident_log(workspace.store, workspace.layout.ops).get_recent_incidents(at=at, days=ALL_INCIDENTS)
    about = [one for one in known if one.incident_type == "load_validation" and one.context.get("run_id") == run_id]
    return [one for one in about if one.live]


def cleanup_old_data(workspace: Workspace, *, dry_run: bool = False) -> StepResult:
    """Delete what policy, ledger, proof and open incidents allow; `dry_run` only says what would go and what stays.

    Staging of validated runs and key digests beyond the duplicate horizon go without a policy.
    """
    now = clock.now()
    try:
        with settled_rows(workspace):
            goes, stays = clean(workspace, now, dry_run=dry_run)
    except Taken as busy:
        return StepResult(step="cleanup_old_data", outcome="nothing_to_do", message=str(busy))
    rows = sum(one.rows for one in goes)
    facts = {
        "dry_run": dry_run,
        "goes": [
            {"run_id": one.run_id, "what": one.what, "rows": one.rows, "policy": one.policy, "path": str(one.path)}
            for one in goes
        ],
        "stays": [asdict(one) for one in stays],
    }
    message = f"{len(goes)} folders {'would be ' if dry_run else ''}removed" + (f", {rows} rows" if rows else "")
    return StepResult(step="cleanup_old_data", outcome="done", message=message, facts=facts)


def clean(workspace: Workspace, now: datetime, *, dry_run: bool) -> tuple[list[Goes], list[Stays]]:
    """Delete what may go; return it, and what stays."""
    verdicts = list(judge(workspace, now).verdicts())
    goes = [one for one in verdicts if isinstance(one, Goes)]
    if not dry_run:
        for one in goes:
            retire(workspace, one, now)
            fault_point("cleaning")
        remove(leaving(workspace))
    return goes, [one for one in verdicts if isinstance(one, Stays)]


def unfinished_runs(workspace: Workspace) -> list[str]:
    """Return the runs that were staged and then left alone by something that died, oldest first."""
    waiting = workspace.store.runs.unfinished(workspace.pipeline.name)
    return [run.run_id for run in waiting if run.state is not RunState.OPENED]


FINISHING: tuple[Callable[[Workspace, str], StepResult], ...] = (run_data_quality, agent_decide, validate_load)
"""The steps of a staged run, in order."""
