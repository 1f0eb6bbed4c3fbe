"""Whether the acts of a decision moved the rows that it said: counted in the files when all are in their places."""

from dataclasses import replace

from agent.adapters.store import StoreIncidents
from agent.decide import Act, act_key
from mend.contracts.codec import ContractError, loads, to_dict
from mend.contracts.decision import ActionTaken, Check, DecisionResult, Prediction, Rows
from mend.contracts.incident import Severity
from mend.incidents.log import incident_log
from mend.runtime import clock, decision_log
from mend.runtime.files import write_json
from orchestration.load_check import count_files
from orchestration.settle import held_rows
from orchestration.workspace import Workspace

FAILED = "check_failed"


def check_rows(workspace: Workspace, run_id: str, decision: DecisionResult) -> tuple[Check, ...]:
    """Compare what was moved with what was predicted, and record it with the acts; a difference calls a person.

    Repeated after a crash it finds the same, and calls once.
    """
    moving = [one for one in decision.predictions if one.place and one.rows is not None]
    if not moving:
        return ()
    held = held_rows(workspace.layout, run_id).total()
    rejected = count_files(workspace.layout.quarantine(run_id)) - held
    checks = {one.target: check(one, decision, held, rejected) for one in moving}
    for target, found in checks.items():
        key = act_key(run_id, Act(tool="quarantine_records", target=target, params={}))
        workspace.store.decisions.add_check(key, found)
        if not found.ok:
            call(workspace, run_id, f"{key}:{FAILED}", f"{run_id}: expected: {found.predicted}; found: {found.found}")
    write_down(workspace, run_id, checks)
    return tuple(checks.values())


def check(said: Prediction, decision: DecisionResult, held: int, rejected: int) -> Check:
    """Judge one prediction: rejected rows to the row, held ones but for those that were rejected, too."""
    expected = said.rows or 0
    if said.place == "rejected":
        ok, found = rejected == expected, f"{rejected} rejected rows are in quarantine"
    else:
        all_held = decision.rows is Rows.HOLD
        ok, found = all_held or expected - rejected <= held <= expected, f"{held} rows are held"
    return Check(predicted=said.effect, found=found, ok=ok, at=clock.now().isoformat())


def call(workspace: Workspace, run_id: str, key: str, text: str) -> None:
    """Open one incident, and note it in the log of decisions."""
    at = clock.now()
    incidents = StoreIncidents(incident_log(workspace.store, workspace.layout.ops))
    incident = incidents.open(FAILED, text, {"run_id": run_id}, Severity.HIGH, at, key=key)
    line = decision_log.note(FAILED, text, incident.created_at, run_id=run_id)
    decision_log.append(workspace.layout.ops / "decision_log.jsonl", line)


def write_down(workspace: Workspace, run_id: str, checks: dict[str, Check]) -> None:
    """Add the checks to the decision's files; where these are gone, the store has them."""
    path = workspace.layout.run_file(run_id, "agent_decision")
    try:
        written = loads(DecisionResult, path.read_bytes())
    except (OSError, ContractError):
        return
    acts = tuple(with_check(one, checks) for one in written.actions_taken)
    document = to_dict(replace(written, actions_taken=acts))
    write_json(path, document)
    workspace.layout.write_latest("agent_decision", document)


def with_check(act: ActionTaken, checks: dict[str, Check]) -> ActionTaken:
    """Return the act with its check."""
    if act.tool != "quarantine_records" or act.target not in checks:
        return act
    return replace(act, result=replace(act.result, check=checks[act.target]))
