"""A decision, explained to people: what happened, why, what the model added, what would have flipped it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from agent.decide import ROWS, Act, Judgement
from agent.flip import flips
from agent.matrix import Matrix
from agent.phrases import clean, listed, quoted
from mend.contracts.decision import Action, DecisionResult, Fallback

MOST_FLIPS = 5
ACTIONS = {
    Action.CONTINUE: "goes on as it is",
    Action.REMAP: "gets its new fields mapped",
    Action.RETRIGGER: "is run again",
    Action.QUARANTINE: "has failing rows set aside",
    Action.ESCALATE: "needs a person",
}
FALLBACKS = {
    Fallback.NOT_ASKED: "was not asked: there is nothing to choose",
    Fallback.NOT_CONFIGURED: "could not be asked: its key is missing (OPENAI_API_KEY)",
    Fallback.TIME_OUT: "did not answer in time",
    Fallback.UNREACHABLE: "could not be reached",
    Fallback.RATE_LIMITED: "has too many requests",
    Fallback.SERVER_ERROR: "failed on its server",
    Fallback.REFUSED: "refused the request (wrong key, or no such model)",
    Fallback.REDIRECTED: "answered with another address, which is not followed",
    Fallback.TOO_LARGE: "answered more than is read",
    Fallback.TOO_MANY_CALLS: "kept calling tools",
    Fallback.NOT_AN_ANSWER: "gave no usable answer",
    Fallback.OTHER_RUN: "answered about another run",
    Fallback.LOW_CONFIDENCE: "was not sure enough",
    Fallback.OUTSIDE: "proposed what the table does not allow",
    Fallback.MILDER: "proposed something milder than the table",
    Fallback.FAILED: "failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The parts of an explanation, each a line or lines for people."""

    happened: str
    facts: tuple[str, ...]
    model: str
    flips: tuple[str, ...]
    next: tuple[str, ...]

    def __str__(self) -> str:
        """Return all of it as text."""
        parts = {"Because": self.facts, "Model": (self.model,), "Otherwise": self.flips, "Next": self.next}
        lines = [self.happened]
        for name, said in parts.items():
            lines += [f"{name}:", *(f"  - {one}" for one in said)] if said else []
        return "\n".join(lines)


def explain(judgement: Judgement, matrix: Matrix) -> Explanation:
    """Explain a judgement that was made by this matrix. Texts from data stand in quotes, on one line."""
    decision, verdict = judgement.decision, judgement.verdict
    told = zip(verdict.rules, verdict.reasons, strict=True)
    near = flips(judgement.signals, matrix)[:MOST_FLIPS] if judgement.signals else ()
    return Explanation(
        happened=happened(decision),
        facts=tuple(f"{why} [{rule.id}]" for rule, why in told),
        model=model(decision),
        flips=tuple(f"with {one}" for one in near),
        next=(ROWS[decision.rows], *(act_in_words(one) for one in judgement.acts)),
    )


def happened(decision: DecisionResult) -> str:
    """Say what was decided about which run."""
    run = f"Run {quoted(decision.run_id)}" if decision.run_id else "The run"
    return f"{run} {listed(ACTIONS[one] for one in decision.actions)}."


def model(decision: DecisionResult) -> str:
    """Say what the model added."""
    said = f": {quoted_reason(decision)}" if decision.proposal and decision.proposal.reason else ""
    if decision.fallback:
        return f"the model {FALLBACKS[decision.fallback]}, so the rules decided alone{said}"
    if decision.proposal is None:
        return "no model was asked"
    sure = f"({decision.proposal.confidence:.0%} sure)"
    return f"the model proposed '{decision.proposal.action.value}' {sure}, and was followed{said}"


def quoted_reason(decision: DecisionResult) -> str:
    """Return the model's reason in quotes."""
    return f"'{clean(decision.proposal.reason, 400)}'" if decision.proposal else ""


def act_in_words(act: Act) -> str:
    """Say what an act does."""
    return next(words_of(act), f"{act.tool} is called")


def words_of(act: Act) -> Iterator[str]:
    """Return the words for an act of Mend's own tools."""
    params = act.params
    if act.tool == "retrigger_task":
        start = f", not before {params.get('execution_date')}" if params.get("execution_date") else ""
        yield f"the job is run again{start}"
    if act.tool == "apply_schema_remap":
        yield f"these fields enter the mapping: {listed(quoted(one) for one in params.get('mapping', ()))}"
    if act.tool == "quarantine_records":
        yield f"rows are set aside in quarantine ({clean(params.get('reason', ''))})"
    if act.tool == "escalate_incident":
        yield f"a person is called (severity {clean(params.get('severity', 'medium'))}, {clean(act.target)})"
    if act.tool == "resolve_incident":
        yield f"the incident about {clean(act.target)} is resolved"
