"""How the quarantine is shown: tables for people, documents for scripts."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mend.contracts.codec import to_dict
from mend.quarantine.trial import masked, samples, shown_fields
from mend.quarantine.wishes import as_options
from mend.quarantine.work import Remedy

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mend.contracts.quarantine import Selection, Step, Trial
    from mend.curate.plan import Plan
    from mend.quarantine.groups import Group, Shelf
    from mend.quarantine.propose import Proposal
    from mend.quarantine.work import Bench
    from orchestration.certificate import Certificate

Example = str | None
Pair = tuple[str | None, str | None]
DRIFTING = 30


def shelf_document(one: "Shelf") -> dict[str, Any]:
    """Return a run for scripts."""
    return {
        "run_id": one.run_id, "read_at": one.read_at.isoformat(), "waiting": one.waiting, "gone": one.gone,
        "missing": list(one.missing), "foreign": list(one.foreign),
    }  # fmt: skip


def shelf_table(found: "Sequence[Shelf]", strange: Sequence[str]) -> "RenderableType":
    """Show the runs, and below them what is wrong with their folders."""
    from rich.console import Group as Together
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("run", "read", "held", "rejected", "dead", "gone"):
        table.add_column(name, justify="left" if name in {"run", "read"} else "right", no_wrap=name == "run")
    for one in found:
        counts = (str(one.waiting.get(place, 0)) for place in ("held", "rejected", "dead_letter"))
        table.add_row(one.run_id, f"{one.read_at:%Y-%m-%d %H:%M}", *counts, str(one.gone))
    wrong = [
        *(f"gone: {path}" for one in found for path in one.missing),
        *(f"in no manifest, and never replayed: {path}" for one in found for path in one.foreign),
        *(f"of no run that is known: {path}" for path in strange),
    ]
    return Together(table if found else "Nothing is in the quarantine.", *wrong)


def with_examples(bench: "Bench", found: "Sequence[Group]") -> "list[tuple[Group, Example]]":
    """Add a masked event to each of the first causes."""
    return [(one, example(bench, one) if n < DRIFTING else None) for n, one in enumerate(found)]


def example(bench: "Bench", one: "Group") -> Example:
    """Return one event of a cause."""
    from mend.contracts.quarantine import Selection

    some = samples(bench, Remedy(selection=Selection(causes=(one.cause.id,)), steps=()), 1)
    return masked(some[0].before, shown_fields(bench.plan)) if some else None


def group_document(one: "Group", shown: Example) -> dict[str, Any]:
    """Return a cause for scripts."""
    cause = one.cause
    return {
        "id": cause.id, "place": cause.place, "reason": cause.rule, "column": cause.column,
        "expected": cause.expected, "found": cause.found, "rows": one.rows, "runs": sorted(one.runs),
        "mapping_versions": sorted(one.mappings), "first_read": one.first.isoformat() if one.first else None,
        "last_read": one.last.isoformat() if one.last else None, "example": shown,
    }  # fmt: skip


def group_table(found: "Sequence[tuple[Group, Example]]") -> "RenderableType":
    """Show the causes, then an event of each."""
    from rich.console import Group as Together
    from rich.table import Table
    from rich.text import Text

    if not found:
        return "Nothing waits."
    table = Table(box=None, pad_edge=False)
    for name in ("cause", "rows", "runs", "place", "reason", "column", "expected", "came"):
        table.add_column(name, justify="right" if name in {"rows", "runs"} else "left")
    for one, _ in found:
        cause = one.cause
        words = (cause.place, cause.rule, cause.column, clipped(cause.expected, 40), clipped(cause.found, 40))
        table.add_row(cause.id, str(one.rows), str(len(one.runs)), *(Text(word) for word in words))
    examples = (Text(f"{one.cause.id}  {shown}", style="dim", overflow="fold") for one, shown in found if shown)
    return Together(table, *examples)


def clipped(text: str, length: int) -> str:
    """Cut a long text."""
    return text if len(text) <= length else text[: length - 1] + "…"


def sample_lines(bench: "Bench", selection: "Selection", many: int) -> list[dict[str, Any]]:
    """Return masked events with their positions."""
    shown = shown_fields(bench.plan)
    some = samples(bench, Remedy(selection=selection, steps=()), many) if many else []
    return [{"partition": one.partition, "offset": one.offset, "event": masked(one.before, shown)} for one in some]


def sample_pairs(bench: "Bench", remedy: "Remedy") -> list[Pair]:
    """Return masked events before and after; a field that the repair writes is shown as the contract allows."""
    shown = shown_fields(bench.plan)
    return [(masked(one.before, shown), masked(one.after, shown)) for one in samples(bench, remedy)]


def trial_document(trial: "Trial", examples: Sequence[Pair]) -> dict[str, Any]:
    """Return a trial for scripts."""
    return to_dict(trial) | {"samples": [{"before": old, "after": new} for old, new in examples]}


def trial_text(trial: "Trial", examples: Sequence[Pair]) -> str:
    """Say what a repair would do."""
    counts = (
        f"{trial.rows} rows: {trial.passes} would pass ({trial.before} do without it), {trial.still} still fail, "
        f"{trial.repeats} repeat others, {trial.failing_quality} that pass fail a quality rule"
    )
    lines = [counts]
    lines += [f"  still: {why}: {many}" for why, many in trial.reasons.items()]
    lines += [line for old, new in examples for line in (f"  before {old}", f"  after  {new}")]
    return "\n".join([*lines, *([f"refused by its trial: {trial.refused}"] if trial.refused else [])])


def command(verb: str, what: Sequence[str], plan: "Plan", *more: str) -> str:
    """Write the command that does the same."""
    return shlex.join(["mend", "quarantine", verb, *what, "--pipeline", plan.pipeline.name, *more])


def options_of(steps: "Sequence[Step]", plan: "Plan") -> list[str]:
    """Write steps as options."""
    return [word for one in steps for word in as_options(one, plan)]


def proposal_document(one: "Proposal", plan: "Plan") -> dict[str, Any]:
    """Return a proposal for scripts."""
    return {
        "cause": one.cause.id, "why": one.why, "steps": [to_dict(step) for step in one.steps],
        "trial": to_dict(one.trial),
        "command": command("repair", [one.cause.id], plan, *options_of(one.steps, plan), "--yes"),
    }  # fmt: skip


def proposal_lines(found: "Sequence[Proposal]", bench: "Bench") -> list[str]:
    """Say what would help, each as the command that accepts it."""
    return [
        line
        for one in found
        for line in (
            f"{one.cause.id} {one.cause.rule} {one.cause.column}: {one.why}; {passing(one)}",
            "  " + command("repair", [one.cause.id], bench.plan, *options_of(one.steps, bench.plan), "--yes"),
        )
    ]


def passing(one: "Proposal") -> str:
    """Say how many rows a proposal helps."""
    return f"{one.trial.passes} of {one.trial.rows} rows would pass"


def certificate_text(made: "Certificate") -> str:
    """Write a certificate."""
    counts = (
        f"{made.run_id}: {made.held} rows waited: {made.published} are published, {made.duplicates} are duplicates, "
        f"{made.still_held} still wait; {made.lost} lost, {made.twice} twice"
    )
    lines = [
        counts,
        *(f"  still: {why}: {many}" for why, many in made.still_because.items()),
        "proven: every offset is in exactly one place" if made.proven else f"NOT proven: {made.finding}",
    ]
    return "\n".join(lines)
