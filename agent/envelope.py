"""The model in its envelope: a proposal is followed inside what the table allows, and never to be milder. Pure."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

from agent.conditions import AllOf
from agent.decide import Act, Judgement, plan, reasoning
from agent.matrix import Rule, united
from agent.phrases import clean, quoted
from mend.contracts import codec
from mend.contracts.codec import ContractError
from mend.contracts.decision import Action, Fallback, Proposal
from mend.contracts.drift import RenameCandidate
from mend.contracts.incident import Severity
from mend.contracts.report import RunReport

MODEL_RULE = "model_escalates"
LONGEST_REASON = 400
CAUTION = list(Action)


def reference(judgement: Judgement) -> str:
    """Return what a model calls the run: the hash of its evidence, for a run's id may be anybody's words."""
    return (judgement.decision.evidence_hash or "")[:16]


def parse_proposal(document: Any, run: str) -> Proposal | Fallback:
    """Read a model's answer about a run; whatever is not exactly a proposal about it is none."""
    try:
        proposal = codec.parse(Proposal, document)
    except (ContractError, TypeError, ValueError):
        return Fallback.NOT_AN_ANSWER
    if proposal.run_id != run:
        return Fallback.OTHER_RUN
    return replace(proposal, reason=clean(proposal.reason, LONGEST_REASON))


def settle(
    table: Judgement, proposal: Proposal | None, why_not: Fallback | None, seconds: float | None = None
) -> Judgement:
    """Follow a proposal where the table leaves the choice; else the table's own judgement stands, and says why.

    A proposal either names the table's own decision, or calls a person, which is always more cautious. It may also
    pick which rename a person is offered. Nothing else of it is followed. `seconds` is how long the model took.
    """
    refusal = why_not or (refused(table, proposal) if proposal else None)
    noted = replace(table.decision, proposal=proposal, fallback=refusal, model_seconds=seconds)
    if proposal is None or refusal:
        return replace(table, decision=noted)
    noted = replace(noted, decided_by="model", confidence=proposal.confidence)
    followed = replace(table, decision=noted)
    if proposal.action is Action.ESCALATE and not noted.escalation_required:
        followed = escalated(followed, proposal)
    return replace(followed, acts=tuple(advised(act, followed, proposal) for act in followed.acts))


def refused(table: Judgement, proposal: Proposal) -> Fallback | None:
    """Return why a proposal is not followed, None if it is."""
    decision, signals = table.decision, table.signals
    if signals is None:
        return Fallback.FAILED
    if proposal.run_id != reference(table):
        return Fallback.OTHER_RUN
    if proposal.action not in decision.allowed:
        return Fallback.OUTSIDE
    if CAUTION.index(proposal.action) < CAUTION.index(table.verdict.decision):
        return Fallback.MILDER
    if proposal.offer is not None and proposal.offer > len(offers(table)):
        return Fallback.OUTSIDE
    # By its decimal digits: 0.7 is the threshold, not a little less.
    unsure = Fraction(str(proposal.confidence)) < signals.limits.confidence_threshold
    return Fallback.LOW_CONFIDENCE if unsure else None


def offers(judgement: Judgement) -> tuple[RenameCandidate, ...]:
    """Return the renames of which a person may be offered one: none where the machine applies them itself."""
    report = judgement.context.run_report
    asks = Action.ESCALATE in judgement.decision.actions
    drift = report.drift if isinstance(report, RunReport) and asks else None
    return drift.renamed_candidates if drift else ()


def escalated(table: Judgement, proposal: Proposal) -> Judgement:
    """Call a person, too; that cancels what a machine would try on its own. The rows stay as the table has them."""
    if table.signals is None:
        return table
    rule = Rule(
        id=MODEL_RULE,
        when=AllOf(()),
        actions=(Action.ESCALATE,),
        rows=table.verdict.rows,
        severity=Severity.MEDIUM,
        reason="",
    )
    rules = (*table.verdict.rules, rule)
    reasons = (*table.verdict.reasons, f"the model asks for a person: {quoted(proposal.reason)}")
    verdict = replace(table.verdict, rules=rules, reasons=reasons, actions=united(list(rules)))
    decision = replace(
        table.decision,
        decision=verdict.decision.value,
        actions=verdict.actions,
        rules=tuple(one.id for one in rules),
        reasoning=reasoning(verdict),
        escalation_required=True,
    )
    acts = plan(table.context, verdict, decision, table.signals)
    return replace(table, verdict=verdict, decision=decision, acts=acts)


def advised(act: Act, judgement: Judgement, proposal: Proposal) -> Act:
    """Show the person who is called what the model said, and the rename that it would offer."""
    if act.tool != "escalate_incident":
        return act
    facts = {**act.params["context"], "model": proposal.reason}
    if proposal.offer is not None:
        one = offers(judgement)[proposal.offer - 1]
        facts["offer"] = {"old": clean(one.old), "new": clean(one.new), "score": one.score}
    return replace(act, params={**act.params, "context": facts})
