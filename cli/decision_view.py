"""Decisions as people read them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.explain import Explanation
from agent.phrases import clean
from cli.wording import clip, count
from mend.contracts.decision import ActionTaken, DecisionResult
from mend.store.brakes import Approval
from mend.store.decisions import RecordedDecision
from orchestration.replay import Comparison, name_of

NEXT = {
    "audited": "its acts wait for the end of a pause: mend resume",
    "decided": "its rows wait for the next run, which moves them",
    "held": "its rows wait in quarantine for a person",
    "disputed": "its recount does not agree: mend prove --run",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is shown of one decision; `why` is None where what it was made from is not kept any more."""

    recorded: RecordedDecision
    done: DecisionResult
    state: str | None
    people: tuple[Approval, ...]
    why: Explanation | None


def listing(found: Sequence[RecordedDecision]) -> RenderableType:
    """Return decisions as a table, newest first."""
    if not found:
        return Text("No decision is on record.")
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for name in ("id", "when (UTC)", "run", "decision", "rows", "rules"):
        table.add_column(name, no_wrap=True)
    for one in found:
        table.add_row(
            str(one.id),
            f"{one.decided_at:%Y-%m-%d %H:%M:%S}",
            clip(one.run_id or "-", 40),
            one.result.decision,
            one.result.rows.value,
            clip(", ".join(one.result.rules), 60),
        )
    return table


def told(facts: Told) -> RenderableType:
    """Return everything about one decision, in the order in which it happened."""
    return Group(*(Text(line) for line in lines(facts)))


def lines(facts: Told) -> Iterator[str]:
    """Return a decision line by line."""
    one, done = facts.recorded, facts.done
    yield f"{name_of(one)}, {one.decided_at:%Y-%m-%d %H:%M:%S} UTC"
    yield from happened(facts.why)
    yield f"what was decided   {' + '.join(done.actions)}; rows: {done.rows.value}"
    yield f"why                {clean(done.reasoning, 2000)}"
    yield f"rules              {', '.join(done.rules)}"
    yield f"who decided        {done.decided_by} (could have been: {', '.join(done.allowed) or '-'})"
    yield from flipped(facts.why)
    yield f"evidence, matrix   {str(done.evidence_hash)[:12]}, {str(done.matrix_hash)[:12]}"
    for said in done.predictions:
        yield f"predicted          {said.tool}: {clean(said.effect, 400)}"
    for act in done.actions_taken:
        yield from act_lines(act)
    for person in facts.people:
        verb = "approved" if person.approved else "rejected"
        yield f"a person           {person.by} {verb}, {person.at:%Y-%m-%d %H:%M} UTC {clean(person.reason, 400)}"
    yield f"what happens next  {happens_next(facts)}"


def happened(why: Explanation | None) -> Iterator[str]:
    """Say what happened, and each fact that decided."""
    if why is not None:
        yield f"what happened      {why.happened}"
        yield from (f"fact               {clean(one, 400)}" for one in why.facts)


def flipped(why: Explanation | None) -> Iterator[str]:
    """Say what the model added, and what would have flipped the decision."""
    if why is None:
        yield "explanation        what it was made from is not kept any more"
        return
    yield f"the model          {clean(why.model, 500)}"
    yield from (f"otherwise          {clean(one, 400)}" for one in why.flips)


def act_lines(act: ActionTaken) -> Iterator[str]:
    """Return an act with its result and its check."""
    outcome = "waits" if act.paused else "done" if act.result.success else "FAILED"
    yield f"act                {act.tool}: {outcome}: {clean(act.result.message, 400)}"
    if act.result.check:
        mark = "as predicted" if act.result.check.ok else "NOT as predicted"
        yield f"check              {act.tool}: {mark}: {clean(act.result.check.found, 400)}"


def happens_next(facts: Told) -> str:
    """Say what comes after the decision."""
    if facts.state in NEXT:
        return NEXT[facts.state]
    if facts.done.escalation_required:
        return "a person looks at its incident"
    retrigger = next((one for one in facts.done.predictions if one.tool == "retrigger_task"), None)
    return retrigger.effect if retrigger else "nothing more"


def comparison(found: Comparison) -> RenderableType:
    """Return what another matrix would have changed."""
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for name in ("id", "run", "was", "would be", "rules then", "readable rows", "alerts"):
        table.add_column(name, no_wrap=True)
    for one in found.differences:
        table.add_row(
            str(one.id),
            clip(one.run_id or "-", 40),
            f"{one.before}, {one.rows_before.value}",
            f"{one.after}, {one.rows_after.value}",
            clip(", ".join(one.rules_after), 40),
            signed(one.published),
            signed(one.alerts),
        )
    rows, alerts = (sum(getattr(one, name) for one in found.differences) for name in ("published", "alerts"))
    end = (
        f"{count(len(found.differences))} of {count(found.decisions)} decisions would differ: "
        f"{signed(rows)} readable rows, {signed(alerts)} alerts"
    )
    gone = f" ({count(found.missing)} could not be judged again: their evidence is gone)" if found.missing else ""
    return Group(*([table] if found.differences else []), Text(end + gone))


def signed(number: int) -> str:
    """Return a number with its sign."""
    return f"{number:+,}" if number else "0"
