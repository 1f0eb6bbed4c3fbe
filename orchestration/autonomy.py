"""Earned autonomy: each remedy that is taken alone is scored by what came after it, and its cause with it."""

from collections.abc import Iterator
from typing import Any

from agent.autonomy import Standing, standing
from agent.decide import Act, act_key
from mend.contracts.decision import ActionTaken, DecisionResult
from mend.contracts.report import RunReport
from mend.runtime import clock
from mend.store.remedies import Remedy
from mend.store.tables import Score
from orchestration.workspace import Workspace

RENAME, ADDITIVE, RETRY = "drift_rename", "drift_additive", "job_failed"
SCORES: dict[Score, bool | None] = {
    Score.PENDING: None, Score.HIT: True, Score.MISS: False, Score.UNDONE: False,
}  # fmt: skip


def cause_of(act: ActionTaken, rules: tuple[str, ...]) -> str | None:
    """Return for which cause an act is a remedy whose effect shows later, None for any other act."""
    if act.tool == "apply_schema_remap":
        renames = any("renamed_from" in one for one in act.params.get("mapping", {}).values())
        return RENAME if renames else ADDITIVE
    return RETRY if act.tool == "retrigger_task" and RETRY in rules else None


def note_remedies(workspace: Workspace, run_key: str, decision: DecisionResult) -> None:
    """Write down the remedies that a decision took, with what they are to bring about; repeatable."""
    for act in decision.actions_taken:
        cause = cause_of(act, decision.rules) if act.result.success and not act.paused else None
        if cause:
            said = next((one.effect for one in decision.predictions if one.target == act.target), act.result.message)
            key = act_key(run_key, Act(tool=act.tool, target=act.target or "", params={}))
            workspace.store.remedies.take(
                Remedy(
                    key=key,
                    pipeline=workspace.pipeline.name,
                    cause=cause,
                    run_id=decision.run_id,
                    expected=f"{act.target}: {said}",
                    at=clock.now(),
                )
            )


def score_after_run(workspace: Workspace, run_id: str) -> None:
    """Score what was taken before a run, by what the run reported."""
    run = workspace.store.runs.get(run_id)
    if run is None or run.report is None:
        return
    for one in workspace.store.remedies.pending(workspace.pipeline.name):
        if one.run_id == run_id or one.at > run.opened_at:
            continue
        if one.cause == RETRY:
            score(workspace, one, Score.HIT, f"{run_id} came to its end")
        else:
            again = sorted(still_missing(one, run.report))
            text = f"{run_id} still reports {', '.join(again)}" if again else f"{run_id} reads what was mapped"
            score(workspace, one, Score.MISS if again else Score.HIT, text)


def still_missing(remedy: Remedy, report: RunReport) -> set[str]:
    """Return the mapped names of which a later run reports drift again."""
    names = set(remedy.expected.split(": ", 1)[0].split(","))
    drift = report.drift
    if drift is None:
        return set()
    return names & {
        *(one.name for one in drift.added), *(one.name for one in drift.type_changed),
        *(one.new for one in drift.renamed_candidates),
    }  # fmt: skip


def score_after_failure(workspace: Workspace, error: str) -> None:
    """Score the retriggers before a job that failed again."""
    for one in workspace.store.remedies.pending(workspace.pipeline.name):
        if one.cause == RETRY:
            score(workspace, one, Score.MISS, f"the job failed again: {error}"[:300])


def score_undone(workspace: Workspace, run_id: str, *, back: bool) -> None:
    """Score the remedies of a run that a person undid; those that are brought back are open again."""
    for one in workspace.store.remedies.of_run(run_id):
        if back and one.score is Score.UNDONE:
            score(workspace, one, Score.PENDING, "the undo was taken back")
        elif not back:
            score(workspace, one, Score.UNDONE, "a person undid it")


def score(workspace: Workspace, remedy: Remedy, came: Score, found: str) -> None:
    """Write a score down."""
    workspace.store.remedies.score(remedy.key, came, found, clock.now())


def standings(workspace: Workspace) -> tuple[Standing, ...]:
    """Return how far each remedy may go alone, by cause. Who closes the circuit allows retriggers again, too."""
    name = workspace.pipeline.name
    closed = workspace.store.brakes.last_closed(name)
    found = workspace.store.remedies.since_allowed(name)
    return tuple(
        standing(cause, [SCORES[one.score] for one in some if cause != RETRY or closed is None or one.at > closed])
        for cause, some in sorted(found.items())
    )


def not_alone(workspace: Workspace) -> set[str]:
    """Return the causes whose remedies wait for a person."""
    return {one.cause for one in standings(workspace) if not one.level.alone}


def limits_earned(workspace: Workspace, report: RunReport | None) -> dict[str, Any]:
    """Return the limits of the table that follow from what was earned, where the run is of such a cause."""
    lost = not_alone(workspace)
    return dict(limits(lost, report)) if lost else {}


def limits(lost: set[str], report: RunReport | None) -> Iterator[tuple[str, Any]]:
    """Yield limits for causes that lost their autonomy."""
    renames = bool(report and report.drift and report.drift.renamed_candidates)
    if (RENAME if renames else ADDITIVE) in lost:
        yield "schema_drift_auto_remap", False
    if RETRY in lost:
        yield "retrigger_budget", 0
