"""A step over everything of a pipeline that waits for it: what a scheduler calls that knows of no runs."""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta

from mend.runtime import clock
from mend.store.runs import Failure
from mend.store.tables import RunState
from orchestration import steps
from orchestration.brakes import refuse_open_circuit, why_paused
from orchestration.offsets import check_offsets
from orchestration.plans import Plan, plan_of
from orchestration.steps import Outcome, StepResult
from orchestration.workspace import Workspace

WAITING_FOR: dict[str, tuple[Callable[[Workspace, str], StepResult], frozenset[RunState]]] = {
    "run_data_quality": (steps.run_data_quality, frozenset({RunState.STAGED})),
    "agent_decide": (steps.agent_decide, frozenset({RunState.AUDITED, RunState.DECIDED})),
    "validate_load": (steps.validate_load, frozenset({RunState.PUBLISHED, RunState.HELD})),
}
GRAVEST: tuple[Outcome, ...] = ("failed", "paused", "escalated", "done", "nothing_to_do")
FRESH = timedelta(hours=1)
"""An older failure is not decided about any more: later runs are the answer to it."""


def over_all(workspace: Workspace, name: str) -> StepResult:
    """Do the step for each run that waits for it, oldest first; `agent_decide` also about a job that failed.

    Done again it finds nothing to do. A pause ends it, since what comes after would wait as well.
    """
    step, states = WAITING_FOR[name]
    results = [*about_failure(workspace)] if name == "agent_decide" else []
    waiting = [run.run_id for run in workspace.store.runs.unfinished(workspace.pipeline.name) if run.state in states]
    for run_id in waiting:
        results.append(step(workspace, run_id))
        if results[-1].outcome == "paused":
            break
    return together(workspace, name, results)


def stage_new(workspace: Workspace) -> StepResult:
    """Stage everything that is new; where nothing waits, Spark is not started."""
    refuse_open_circuit(workspace)
    check_offsets(workspace)
    lag = steps.monitor_kafka(workspace)
    if lag.outcome == "nothing_to_do":
        return replace(lag, step="run_spark_job", facts={"run_ids": [], "lag": 0})
    return steps.run_spark_job(workspace, lag=lag.facts["lag"])


def about_failure(workspace: Workspace) -> list[StepResult]:
    """Decide about the newest failure of the job, if no decision has seen it and nothing was published since."""
    failure = undecided(workspace)
    if failure is None:
        return []
    facts = {"run_id": failure.run_id, "error": failure.error}
    job = StepResult(step="run_spark_job", outcome="failed", message=failure.error, facts=facts)
    return [steps.agent_decide_failure(workspace, job)]


def undecided(workspace: Workspace) -> Failure | None:
    """Return the newest failure of the job that waits for a decision."""
    store, name = workspace.store, workspace.pipeline.name
    newest = next(iter(store.runs.failures(name, 1)), None)
    if newest is None or newest.decided_at or newest.at < clock.now() - FRESH:
        return None
    return newest if store.runs.consecutive_failures(name) else None


def together(workspace: Workspace, name: str, results: list[StepResult]) -> StepResult:
    """Return one result of all: the gravest outcome, and what was said about it."""
    if not results:
        return StepResult(step=name, outcome="nothing_to_do", message="no run waits for it", facts={"run_ids": []})
    gravest = min(results, key=lambda one: GRAVEST.index(one.outcome))
    facts = {
        "run_ids": [one.facts["run_id"] for one in results if one.facts.get("run_id")],
        "decision": gravest.facts.get("decision"),
        "runs": [{"outcome": one.outcome, "message": one.message, **one.facts} for one in results],
        "waiting": [asdict(one) for one in plans(workspace, results)],
    }
    others = f" (and {len(results) - 1} more)" if len(results) > 1 else ""
    return StepResult(step=name, outcome=gravest.outcome, message=gravest.message + others, facts=facts)


def plans(workspace: Workspace, results: list[StepResult]) -> list[Plan]:
    """Return the plans that wait for a person."""
    why, found = why_paused(workspace) or "", []
    for one in results:
        known = workspace.store.decisions.get(one.facts["run_id"]) if one.outcome == "paused" else None
        if known and known.run_id:
            found.append(plan_of(known.run_id, known.result, why))
    return found
