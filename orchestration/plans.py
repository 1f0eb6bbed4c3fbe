"""A plan is a decision about a run that waits for a person; what they say counts for exactly that plan, once."""

from dataclasses import dataclass, replace
from hashlib import sha256

from mend.contracts.codec import dumps
from mend.contracts.decision import DecisionResult
from mend.runtime import clock
from mend.runtime.errors import UserError
from mend.store.brakes import Approval
from mend.store.engine import Store
from mend.store.tables import RunState

REFUSED = 3
WAITING = {RunState.AUDITED, RunState.DECIDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be done about a run, for a person to read, and the hash of it."""

    run_id: str
    plan_hash: str
    subject: str
    body: str


def hash_of(decision: DecisionResult) -> str:
    """Return the hash of what was decided, whatever was done of it already."""
    return sha256(dumps(replace(decision, actions_taken=()))).hexdigest()


def plan_of(run_id: str, decision: DecisionResult, why: str) -> Plan:
    """Return the plan of a run that waits."""
    actions = ", ".join(action.value for action in decision.actions)
    plan = hash_of(decision)
    body = [
        f"**{run_id}** waits: {why}",
        f"Decided: **{decision.decision}** ({actions}) by {', '.join(decision.rules) or 'no rule'}",
        decision.reasoning,
        f"*Approve*: exactly this is carried out now. *Reject*: nothing of it; the rows are held. Plan `{plan[:16]}`",
    ]
    return Plan(run_id=run_id, plan_hash=plan, subject=f"{run_id}: {decision.decision}?", body="\n\n".join(body))


def answer(store: Store, run_id: str, plan: str, *, approved: bool, by: str, reason: str) -> Approval:
    """Record what a person said to a plan; the same again changes nothing, anything else is refused (code 3)."""
    with store.transaction():
        known, run = store.decisions.get(run_id), store.runs.get(run_id)
        if known is None or run is None or hash_of(known.result) != plan:
            raise UserError(
                f"{run_id}: this is not its plan any more. Look at the new one: mend decision show {run_id}",
                exit_code=REFUSED,
            )
        given = given_answer(store, run_id, plan)
        if given and given.approved == approved:
            return given
        if given:
            said = "approved" if given.approved else "rejected"
            raise UserError(
                f"{run_id}: {given.by} {said} this plan already. A plan is answered once.", exit_code=REFUSED
            )
        if run.state not in WAITING:
            raise UserError(f"{run_id}: nothing waits, it is {run.state.value}. See: mend status", exit_code=REFUSED)
        return store.brakes.approve(run_id, clock.now(), approved=approved, by=by, reason=reason, plan_hash=plan)


def given_answer(store: Store, run_id: str, plan: str) -> Approval | None:
    """Return what a person said to exactly this plan."""
    return next((one for one in store.brakes.approvals(run_id) if one.plan_hash == plan), None)
