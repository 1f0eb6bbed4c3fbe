"""What waits for a person, done in that person's name."""

from dataclasses import replace
from hashlib import sha256

from agent.decide import log_line
from agent.decision_agent import act
from agent.diagnose import load_policy
from agent.fix import approved_acts, mapping_version, plan, question
from agent.monitor import Before
from agent.tools import load_tools
from agent.wiring import retriggers_of, store_journal, store_ports
from mend.contracts.codec import dumps
from mend.contracts.decision import Action, DecisionResult, Rows
from mend.contracts.task_event import Assessment, Diagnosis, Effect, Strategy
from mend.runtime import clock
from mend.runtime.errors import UserError
from mend.store.task_events import KeptEvent
from orchestration.brakes import refuse_pause
from orchestration.decision_step import contract_fields, history
from orchestration.workspace import Workspace


def approve(workspace: Workspace, event_id: str, by: str) -> KeptEvent:
    """Do what waits for a person, in that person's name. Refused where nothing waits, and while a pause holds."""
    kept = workspace.store.task_events.get(event_id)
    if kept is None:
        raise UserError(f"no event '{event_id}'. See the known ones with: mend event ls")
    known = kept.answer
    if known is None or known.diagnosis is None or not known.waits:
        raise UserError(f"{event_id}: nothing waits for approval. See: mend event show {event_id}", exit_code=3)
    refuse_pause(workspace)
    decision = carried_out(workspace, kept, (known.assessment, known.diagnosis), by)
    failed = [one for one in decision.actions_taken if not one.result.success]
    if failed:
        raise UserError(f"{event_id}: {failed[0].tool} failed: {failed[0].result.message}", exit_code=1)
    done = replace(
        known,
        waits=False,
        approved_by=by,
        decision=decision.decision,
        strategy=known.diagnosis.strategy if mapping_version(decision.actions_taken) else Strategy.RETRY_TASK,
        effect=Effect.PENDING,
        mapping=mapping_version(decision.actions_taken),
    )
    workspace.store.task_events.answered(event_id, done)
    return workspace.store.task_events.known(event_id)


def carried_out(workspace: Workspace, kept: KeptEvent, found: tuple[Assessment, Diagnosis], by: str) -> DecisionResult:
    """Record a person's decision, then act."""
    layout, now = workspace.layout, clock.now().isoformat()
    acts = approved_acts(kept.event, found[1])
    about = (*found, plan(kept.event, found[1], load_policy()))
    context = question(kept.id, kept.event, about, Before(), history(workspace, kept.id), now=now)
    decision = DecisionResult(
        decision=Action.RETRIGGER.value,
        actions=(Action.REMAP, Action.RETRIGGER) if len(acts) > 1 else (Action.RETRIGGER,),
        rows=Rows.NOTHING,
        rules=("approved",),
        reasoning=f"{by} approved: {', '.join(one.tool for one in acts)}.",
        confidence=1.0,
        escalation_required=False,
        timestamp=now,
        run_id=kept.id,
        evidence_hash=sha256(dumps(context)).hexdigest(),
        decided_by="person",
    )
    journal = store_journal(
        workspace.store, layout.run_file(kept.id, "agent_decision"), layout.ops / "decision_log.jsonl"
    )
    name = workspace.pipeline.name
    ports = store_ports(workspace.store, layout.ops, name, contract_fields(workspace))
    ports = replace(ports, retriggers=retriggers_of(workspace.settings, layout.ops, name))
    journal.record(decision, log_line(context, decision))
    decision = replace(decision, actions_taken=act(acts, load_tools(), ports, context))
    journal.finish(decision)
    return decision
