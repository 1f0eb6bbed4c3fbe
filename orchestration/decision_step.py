"""The decision of a run: gather the evidence, decide, act, and carry out what it means for the rows."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import random
from typing import Any, NoReturn

from agent.causes import classify
from agent.context import DecisionContext, History, assemble, read_quality, read_report
from agent.decide import run_key
from agent.decision_agent import decide_run
from agent.ports import AdviserPort, Remembered
from agent.sanity import Problem, anomaly
from agent.storms import storm_cause
from agent.wiring import adviser_of, retriggers_of, store_journal, store_ports
from mend.contracts.codec import dumps, loads, to_dict
from mend.contracts.decision import Action, DecisionResult, Rows
from mend.contracts.incident import Incident
from mend.contracts.mapping import MappedField
from mend.contracts.report import RunReport
from mend.curate.filled import fill_files
from mend.curate.plan import added_fields
from mend.incidents.log import incident_log
from mend.remap.versions import contract_of
from mend.runtime import clock
from mend.runtime.errors import UserError
from mend.runtime.faults import fault_point
from mend.runtime.files import write_atomic
from mend.runtime.pipeline_file import Pipeline
from mend.store.runs import Run
from mend.store.sums import check_sums
from mend.store.tables import RunState
from orchestration.autonomy import limits_earned, note_remedies, score_after_failure, score_after_run
from orchestration.brakes import earlier_tries, why_paused
from orchestration.dead_letters import owe_dead_letters
from orchestration.effects import check_rows
from orchestration.mapping_file import write_mapping
from orchestration.model_watch import tell_about_model
from orchestration.plans import given_answer, hash_of
from orchestration.settle import held_rows, retire, settle
from orchestration.settled_manifest import begun
from orchestration.workspace import Workspace

INCIDENT_DAYS = 7


def decide_about(workspace: Workspace, run_id: str) -> DecisionResult:
    """Decide about an audited run and settle it; repeated after a crash, every row ends in the same place.

    While a person has paused the pipeline the decision is on record, and its acts and rows wait: the run stays as it
    is, and whoever finishes runs after the pause does them, from the same evidence. Nothing is dropped, since what was
    right to do with a run's rows is so an hour later; calling a person does not wait. A plan that a person approved
    meanwhile does not wait either, and of one that was rejected nothing is carried out.
    """
    run = workspace.store.runs.get(run_id)
    recorded = workspace.store.decisions.get(run_id)
    said = given_answer(workspace.store, run_id, hash_of(recorded.result)) if recorded else None
    if run and recorded and said and not said.approved:
        return hold_rejected(workspace, run, recorded.result)
    if run is not None and run.state is RunState.DECIDED and recorded is not None:
        decision = recorded.result
    else:
        decision = decide(workspace, evidence(workspace, run_id), approved=said is not None)
        if any(one.paused for one in decision.actions_taken):
            return decision
        fault_point("acts_done")
        workspace.store.runs.advance(run_id, RunState.DECIDED, clock.now())
    if said or why_paused(workspace) is None:
        decision = settle_run(workspace, run_id, decision)
    return decision


def hold_rejected(workspace: Workspace, run: Run, decision: DecisionResult) -> DecisionResult:
    """Carry out nothing of a plan that a person rejected: the run's rows are held, which loses none of them."""
    if run.state is not RunState.DECIDED:
        workspace.store.runs.advance(run.run_id, RunState.DECIDED, clock.now())
    return settle_run(workspace, run.run_id, replace(decision, rows=Rows.HOLD, hold=(), paused=()))


def decide_about_failure(
    workspace: Workspace, error: str, run_id: str | None, *, chance: float | None = None
) -> DecisionResult:
    """Decide about a job that failed: there are no rows, only what to do next; `chance` (0..1) is drawn if not given.

    While the pipeline is paused another try is dropped, not kept: after the pause the next run is that try.
    """
    store, name = workspace.store, workspace.pipeline.name
    score_after_failure(workspace, error)
    tries = earlier_tries(store.runs.failures(name, 100), error, now=clock.now(), since=store.brakes.last_closed(name))
    past = replace(
        history(workspace, run_id),
        job_status="failed",
        job_cause=classify(error),
        retriggers=tries,
        chance=random() if chance is None else chance,  # noqa: S311 - spreads tries, protects nothing
    )
    context = assemble(read_report(None), read_quality(None), past, now=clock.now().isoformat())
    content = dumps(context)
    write_atomic(workspace.layout.failure(sha256(content).hexdigest()), content)
    return decide(workspace, context, error)


def decide(
    workspace: Workspace, context: DecisionContext, error: str | None = None, *, approved: bool = False
) -> DecisionResult:
    """Decide and act with the store behind the ports; the files have the names that users know.

    An `approved` plan is carried out though the pipeline is paused.
    """
    layout, pipeline = workspace.layout, workspace.pipeline
    fields = contract_fields(workspace)
    ports = store_ports(
        workspace.store,
        layout.ops,
        pipeline.name,
        fields,
        pii=pipeline.pii,
        error=error,
        run_id=context.run,
    )
    ports = replace(ports, retriggers=retriggers_of(workspace.settings, layout.ops, pipeline.name))
    if approved:
        ports = replace(ports, brake=lambda: None)
    output = layout.run_file(context.run, "agent_decision") if context.run else layout.ops / "agent_decision.json"
    journal = store_journal(workspace.store, output, layout.ops / "decision_log.jsonl")
    decision = decide_run(context, ports, journal, adviser=adviser(workspace, context))
    note_remedies(workspace, run_key(context), decision)
    tell_about_model(workspace.store, workspace.settings.llm_provider.value, decision, clock.now())
    layout.write_latest("agent_decision", to_dict(decision))
    if Action.REMAP in decision.actions:
        write_mapping(workspace)
    return decision


def adviser(workspace: Workspace, context: DecisionContext) -> AdviserPort | None:
    """Return whom to ask: what was said of this very evidence before a crash, else the model of the settings."""
    recorded = workspace.store.decisions.get(context.run) if context.run else None
    if recorded and recorded.result.evidence_hash == sha256(dumps(context)).hexdigest():
        return Remembered(recorded.result) if recorded.result.fallback or recorded.result.proposal else None
    return adviser_of(workspace.settings)


def evidence(workspace: Workspace, run_id: str) -> DecisionContext:
    """Read the run's report and audit from their files, the history from the store, and check the ledger."""
    layout = workspace.layout
    context = assemble(
        read_report(content_of(layout.run_file(run_id, "run_report"))),
        read_quality(content_of(layout.run_file(run_id, "ge_results"))),
        history(workspace, run_id),
        now=clock.now().isoformat(),
    )
    problem = ledger_problem(workspace, context)
    return kept_evidence(
        workspace, run_id, replace(context, problem=anomaly(Problem.CONTRADICTION, problem)) if problem else context
    )


def kept_evidence(workspace: Workspace, run_id: str, fresh: DecisionContext) -> DecisionContext:
    """Return the evidence of the decision that is on record about these documents, else keep the fresh one.

    From the same evidence comes the same decision with the same acts: a crash between decision and acts, or between
    acts and rows, decides nothing anew.
    """
    path, recorded = workspace.layout.run_file(run_id, "evidence"), workspace.store.decisions.get(run_id)
    content = content_of(path)
    if content is not None and recorded is not None and recorded.result.evidence_hash == sha256(content).hexdigest():
        kept = loads(DecisionContext, content)
        if (kept.run_report, kept.ge_results) == (fresh.run_report, fresh.ge_results):
            return kept
        # Another decision takes its place; its own evidence stays, for who wants to derive it again.
        write_atomic(path.with_name(f"evidence-{sha256(content).hexdigest()}.json"), content)
    write_atomic(path, dumps(fresh))
    fault_point("evidence_kept")
    return fresh


def ledger_problem(workspace: Workspace, context: DecisionContext) -> str | None:
    """Return what does not add up: in the report, or between this run's ranges and those of other runs."""
    report, ledger = context.run_report, workspace.store.ledger
    sums = check_sums(report) if isinstance(report, RunReport) else ()
    gaps = [one for one in ledger.gaps(workspace.pipeline.name) if one.run_id == context.run and one.kind == "gap"]
    gaps += ledger.overlaps(context.run) if context.run else ()
    holes = list(missing_events(report)) if isinstance(report, RunReport) and not workspace.pipeline.sparse else []
    found = [str(one) for one in (*sums, *gaps)] + holes
    return "; ".join(found[:3]) if found else None


def missing_events(report: RunReport) -> Iterator[str]:
    """Name the partitions that have offsets without an event; normal only where a topic is compacted."""
    for part in report.partitions:
        width = part.until_offset - part.from_offset
        if part.records < width:
            where = f"{part.topic}/{part.partition} [{part.from_offset}, {part.until_offset})"
            yield (
                f"{where}: {width - part.records} offsets carry no event "
                "(set 'sparse: true' in the pipeline file if the topic is compacted or transactional)"
            )


def history(workspace: Workspace, run_id: str | None) -> History:
    """Return what came before."""
    store, name = workspace.store, workspace.pipeline.name
    now = clock.now()
    log = incident_log(store, workspace.layout.ops)
    incidents = log.get_recent_incidents(at=now, days=INCIDENT_DAYS)
    storms = storm_cause(name, "")
    failures = store.runs.consecutive_failures(name, store.brakes.last_closed(name))
    return History(
        run_id=run_id,
        timestamp=now.isoformat(),
        recent_incidents=tuple(brief(one) for one in [one for one in incidents if one.parent is None][:10]),
        open_storms=tuple((one.cause or "").removeprefix(storms) for one in log.open_incidents(storms)),
        pipeline_config=limits_of(workspace.pipeline) | earned(workspace, run_id),
        consecutive_failures=failures,
        circuit_open=store.brakes.circuit(name) is not None,
    )


def brief(incident: Incident) -> dict[str, Any]:
    """Return an incident without its own history, which would be told again in the next one's."""
    context = {name: value for name, value in incident.context.items() if name != "recent_incidents"}
    return to_dict(replace(incident, context=context, transitions=()))


def limits_of(pipeline: Pipeline) -> dict[str, Any]:
    """Return what the pipeline asks of the matrix: fields that it refuses are not added by the machine."""
    return {"schema_drift_auto_remap": False} if pipeline.unknown_fields == "reject" else {}


def earned(workspace: Workspace, run_id: str | None) -> dict[str, Any]:
    """Return the limits of remedies that did not help, and that no person has allowed since."""
    run = workspace.store.runs.get(run_id) if run_id else None
    return limits_earned(workspace, run.report if run else None)


def content_of(path: Path) -> bytes | None:
    """Return a file's bytes, None if there is none."""
    return path.read_bytes() if path.exists() else None


def contract_fields(workspace: Workspace) -> tuple[MappedField, ...]:
    """Return the contract as the first version of the mapping."""
    return contract_of(workspace.pipeline)


def settle_run(workspace: Workspace, run_id: str, decision: DecisionResult) -> DecisionResult:
    """Put every event where the decision wants it, count it there, and write the counts into the ledger.

    Rows that were not moved as the decision's acts predicted call a person, which the returned decision says.
    """
    rows = Rows.HOLD if decision.rows is Rows.NOTHING else decision.rows
    replaced = workspace.store.runs.replaces(run_id)
    if replaced and rows is Rows.HOLD:
        give_up(workspace, run_id, decision)
    fill_added(workspace, run_id)
    for one in replaced:
        retire(workspace.layout, workspace.sink, one)
    ranges, at = workspace.store.ledger.ranges(run_id), clock.now()
    manifest = begun(
        run_id, workspace.pipeline.name, ranges, settled_at=at.isoformat(), sparse=workspace.pipeline.sparse
    )
    manifest = replace(manifest, replaces=tuple(replaced))
    settle(workspace.layout, workspace.sink, manifest, rows, decision.hold, decision.paused)
    fault_point("published")
    wrong = [one for one in check_rows(workspace, run_id, decision) if not one.ok]
    published, held = workspace.sink.count(run_id), held_rows(workspace.layout, run_id)
    paused = {(one.topic, one.partition) for one in decision.paused}
    # A paused partition has its incident: that it published nothing is no failure of the pipeline.
    read = (part.read for part in ranges)
    accepted = sum(part.places.accepted for part in read if (part.topic, part.partition) not in paused)
    state = RunState.HELD if rows is Rows.HOLD else RunState.PUBLISHED
    with workspace.store.transaction():
        workspace.store.ledger.settle(run_id, published, held)
        workspace.store.runs.advance(run_id, state, at, published_rows=published.total() if accepted else None)
        owe_dead_letters(workspace, run_id)
        workspace.store.runs.replace(run_id, at)
    score_after_run(workspace, run_id)
    return replace(decision, escalation_required=True) if wrong else decision


def fill_added(workspace: Workspace, run_id: str) -> None:
    """Fill the columns that entered the mapping since the run was staged, before any of its rows is moved."""
    current, staged = workspace.store.mappings.current(workspace.pipeline.name), workspace.layout.staged(run_id)
    run = workspace.store.runs.get(run_id)
    if current is None or run is None or current.version == (run.mapping_version or 1) or not staged.exists():
        return
    before = workspace.store.mappings.get(workspace.pipeline.name, run.mapping_version or 1)
    known = {one.name for one in (added_fields(workspace.pipeline, before) if before else ())}
    new = [one for one in added_fields(workspace.pipeline, current) if one.name not in known]
    if new:
        fill_files(staged / "accepted", new, current.version)


def give_up(workspace: Workspace, run_id: str, decision: DecisionResult) -> NoReturn:
    """Leave the runs alone that were to be replaced: nothing is taken from readers for rows that would be held."""
    workspace.store.runs.abandon(run_id, decision.reasoning, clock.now())
    shutil.rmtree(workspace.layout.staged(run_id), ignore_errors=True)
    why = f"the rows read again would be held, so nothing was replaced: {decision.reasoning}"
    raise UserError(f"{run_id}: {why}", exit_code=3)
