"""`mend quarantine review`: a walk through the causes, with nothing that a command could not do."""

from typing import TYPE_CHECKING

import typer

from cli.quarantine_view import certificate_text, clipped, command, options_of, sample_pairs, trial_text
from mend.quarantine.work import Remedy

if TYPE_CHECKING:
    from rich.console import Console

    from mend.contracts.quarantine import Selection
    from mend.quarantine.groups import Group
    from mend.quarantine.propose import Proposal
    from mend.quarantine.work import Bench
    from orchestration.workspace import Workspace

HELP = "number = that repair · r = replay as it is · d = discard · s or Enter = next · q = end"


def walk(workspace: "Workspace", by: str) -> None:
    """Go through the causes, most rows first, until the person ends it."""
    from rich.console import Console

    from mend.contracts.quarantine import Selection
    from mend.quarantine.groups import groups
    from orchestration.held import bench_of, meant

    console, bench = Console(), bench_of(workspace)
    found = groups(bench.index, Selection())
    if not found:
        console.print("Nothing waits.")
    for number, one in enumerate(found, start=1):
        console.rule(f"{number} of {len(found)}")
        selection = Selection(causes=(one.cause.id,))
        meant(bench, selection)
        if not look(console, workspace, selection, one, by):
            return
    console.print("That was all. What waits now: mend quarantine group")


def look(console: "Console", workspace: "Workspace", selection: "Selection", one: "Group", by: str) -> bool:
    """Show a cause and its repairs, and do what the person picks; False to end."""
    from mend.quarantine.propose import proposals
    from orchestration.held import bench_of

    bench = bench_of(workspace)
    cause = one.cause
    console.print(f"{cause.id}  {one.rows} rows of {len(one.runs)} runs  {cause.place}", highlight=False)
    console.print(
        f"{cause.rule} {cause.column}: expected {cause.expected or '-'}, came {cause.found or '-'}", markup=False
    )
    offers = list(proposals(bench, selection))
    for number, offer in enumerate(offers, start=1):
        side_by_side(console, bench, selection, number, offer)
    if not offers:
        console.print("No repair suggests itself.")
    while True:
        answer: str = typer.prompt(HELP, default="s", show_default=False).strip().lower()
        if answer in {"s", "q"}:
            return answer == "s"
        if answer in {"r", "d"} or (answer.isdecimal() and 0 < int(answer) <= len(offers)):
            act(console, workspace, selection, answer, offers, by)
            return True


def side_by_side(console: "Console", bench: "Bench", selection: "Selection", number: int, offer: "Proposal") -> None:
    """Show old and new beside each other, then the trial."""
    from rich.table import Table
    from rich.text import Text

    table = Table("as it came", f"with repair {number}", title=f"{number}: {offer.why}", title_justify="left")
    for old, new in sample_pairs(bench, Remedy(selection=selection, steps=offer.steps)):
        table.add_row(Text(clipped(old or "", 400)), Text(clipped(new or "", 400)))
    console.print(table)
    console.print(trial_text(offer.trial, []), markup=False)


def act(
    console: "Console", workspace: "Workspace", selection: "Selection", answer: str, offers: "list[Proposal]", by: str
) -> None:
    """Do what was picked, and say the command that does the same."""
    from orchestration.held import accept, bench_of, discard, replay_rows

    bench, what = bench_of(workspace), list(selection.causes)
    if answer == "d":
        reason = typer.prompt("Why are they given up?")
        made = discard(workspace, selection, by=by, reason=reason)
        console.print(f"{made.rows} rows are given up.")
        said(console, command("discard", what, bench.plan, "--by", by, "--reason", reason, "--yes"))
        return
    if answer != "r":
        offer = offers[int(answer) - 1]
        accept(workspace, selection, offer.steps, offer.trial, by)
        said(console, command("repair", what, bench.plan, *options_of(offer.steps, bench.plan), "--by", by, "--yes"))
    if not typer.confirm("Replay them now?", default=True):
        return
    certificate = replay_rows(workspace, selection, by=by, reason="reviewed")
    console.print(certificate_text(certificate) if certificate else "No row waits.", markup=False)
    said(console, command("replay", what, bench.plan, "--by", by, "--reason", "reviewed", "--yes"))


def said(console: "Console", line: str) -> None:
    """Print a command as it is."""
    console.print(f"$ {line}", markup=False, highlight=False, soft_wrap=True)
