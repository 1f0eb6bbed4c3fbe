"""The decision of a replay: a person asked for it, and the audit of its rows may refuse it; then they are published."""

import shutil
from dataclasses import replace
from typing import NoReturn

from mend.contracts.decision import Action, DecisionResult, Rows
from mend.contracts.quality import QualityResults
from mend.contracts.quarantine import Replay
from mend.contracts.settled import Taken
from mend.quality.vocabulary import EXPECTATIONS
from mend.quarantine.replay import read_plan, takes
from mend.runtime import clock, decision_log
from mend.runtime.errors import UserError
from mend.runtime.faults import fault_point
from mend.store.runs import Run
from mend.store.tables import RunState
from orchestration import settled_manifest
from orchestration.settle import settle
from orchestration.workspace import Workspace

RULE = {False: "replay", True: "release"}


def replay_of(workspace: Workspace, run_id: str) -> Replay | None:
    """Return the plan of a replay, None for a run that read new offsets."""
    return read_plan(workspace.layout, workspace.pipeline.name, run_id)


def about_rows(workspace: Workspace) -> Workspace:
    """Leave out the expectations about a run as a whole: a replay is a part of several."""
    rules = tuple(one for one in workspace.rules.rules if EXPECTATIONS[one.expectation].about != "run")
    return replace(workspace, rules=replace(workspace.rules, rules=rules)) if rules else workspace


def decide_replay(workspace: Workspace, run: Run, plan: Replay) -> DecisionResult:
    """Record whose word it is, then publish; refused by the audit, everything stays where it waits. Repeatable."""
    recorded = workspace.store.decisions.get(run.run_id)
    if run.state is RunState.DECIDED and recorded is not None:
        decision = recorded.result
    else:
        why = refused(workspace, run, plan)
        if why:
            give_up(workspace, run.run_id, why)
        decision = record(workspace, run, plan)
        fault_point("decision_stored")
        workspace.store.runs.advance(run.run_id, RunState.DECIDED, clock.now())
    settle_replay(workspace, run)
    return decision


def refused(workspace: Workspace, run: Run, plan: Replay) -> str | None:
    """Return why the audit lets the rows not be published; a person who released them has looked already."""
    accepted = run.report.places.accepted if run.report and run.report.places else 0
    if plan.released or not accepted:
        return None
    quality, limit = run.quality, workspace.rules.thresholds.acceptable_failures
    if quality is None or quality.verdict == "unknown":
        return f"the audit does not know: {quality.error if quality else 'no result'}"
    if broken := contract_failures(quality):
        return f"the audit failed: {broken}"
    share = (run.report.dq_failures if run.report else accepted) / accepted
    return f"{share:.1%} of the rows fail a quality rule, more than {limit:.1%}" if share > limit else None


def contract_failures(quality: QualityResults) -> str:
    """Name the expectations of the contract that failed."""
    results = [one for suite in quality.validations for one in suite.results]
    failed = [one for one in results if one.severity == "contract" and one.verdict == "fail"]
    return ", ".join(f"{one.expectation_type} {one.column}" for one in failed[:3])


def give_up(workspace: Workspace, run_id: str, why: str) -> NoReturn:
    """Leave the rows where they wait: nothing is published that the audit refuses."""
    workspace.store.runs.abandon(run_id, why, clock.now())
    shutil.rmtree(workspace.layout.staged(run_id), ignore_errors=True)
    raise UserError(f"{run_id}: {why}. Nothing was published, every row still waits.", exit_code=3)


def record(workspace: Workspace, run: Run, plan: Replay) -> DecisionResult:
    """Write the decision down before its first act."""
    at = clock.now()
    decision = DecisionResult(
        decision=Action.CONTINUE.value, actions=(Action.CONTINUE,), rows=Rows.PUBLISH, rules=(RULE[plan.released],),
        reasoning=f"{plan.by}: {plan.reason}", confidence=1.0, escalation_required=False, timestamp=at.isoformat(),
        run_id=run.run_id, decided_by="person",
    )  # fmt: skip
    known = workspace.store.decisions.get(run.run_id)
    if known is None or known.result.rules != decision.rules:
        workspace.store.decisions.record(run.run_id, decision, at, at)
        line = decision_log.note(f"quarantine_{RULE[plan.released]}", plan.reason, at.isoformat(), by=plan.by,
                                 run_id=run.run_id)  # fmt: skip
        decision_log.append(workspace.layout.ops / "decision_log.jsonl", line)
    workspace.layout.write(run.run_id, "agent_decision", decision)
    return decision


def settle_replay(workspace: Workspace, run: Run) -> None:
    """Put the rows where they belong and count them; readers see all of them or none. Repeatable at any line."""
    taken = takes(workspace.layout, workspace.pipeline.name, run.run_id)
    at = clock.now()
    manifest = settled_manifest.begun(
        run.run_id, workspace.pipeline.name, (), settled_at=at.isoformat(), sparse=workspace.pipeline.sparse
    )
    settle(workspace.layout, workspace.sink, replace(manifest, takes=taken), Rows.PUBLISH, ())
    fault_point("published")
    workspace.store.runs.advance(run.run_id, RunState.PUBLISHED, at, published_rows=rows_into(taken, "published"))


def rows_into(taken: tuple[Taken, ...], place: str) -> int:
    """Count what went into a place."""
    return sum(one.rows for one in taken if one.into == place)


def taking_from(workspace: Workspace, run_ids: set[str]) -> list[str]:
    """Return the settled replays that took rows from some runs."""
    settled = {RunState.PUBLISHED, RunState.VALIDATED, RunState.DISPUTED}
    standing = workspace.store.runs.standing(workspace.pipeline.name)
    replays = [one.run_id for one in standing if one.state in settled and replay_of(workspace, one.run_id)]
    layout, name = workspace.layout, workspace.pipeline.name
    return [one for one in replays if any(each.run_id in run_ids for each in takes(layout, name, one))]
