"""`mend backfill`: read offsets again, and replace exactly what they cover."""

import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mend.runtime.errors import UserError

if TYPE_CHECKING:
    from mend.contracts.backfill import Backfill, Span
    from orchestration.backfill import Asked
    from orchestration.workspace import Workspace


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(backfill)


def backfill(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    pipeline: Annotated[str, typer.Option(help="A pipeline's name, or the path of its file.")] = "customers",
    begin: Annotated[
        str, typer.Option("--from", help="A time in ISO 8601 (UTC unless it says so), or an offset with --partition.")
    ] = "",
    end: Annotated[
        str,
        typer.Option("--to", help="The time or offset up to which, itself not included; by default all that was read."),
    ] = "",
    partition: Annotated[int | None, typer.Option(min=0, help="Only this partition.")] = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="Only what is missing: gaps, and runs whose files are gone.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be read again and replaced.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read a range of the topic again, and let one new run take the place of every run that it touches.

    Their events outside the range are carried over unchanged. Nothing is replaced if the new rows would be held.
    Exit code 1: a job failed, or a person was called. 3: Kafka no longer holds the range, or the rows would be held.

    [dim]Examples:[/dim] mend backfill --from 2026-11-20T10:00 --to 2026-11-20T11:00 --dry-run
    · mend backfill --partition 2 --from 100 --to 200 --yes · mend backfill --missing --yes --json
    """
    import orjson

    from cli.spark_choice import spark_for
    from mend.runtime.settings import load_settings
    from orchestration.storage import at_work, refusals_told
    from orchestration.workspace import open_workspace

    asked = None if missing else asked_for(begin, end, partition)
    platform = None if dry_run else spark_for("run_spark_job")
    with (
        refusals_told(),
        open_workspace(load_settings(), pipeline, platform) as opened,
        nullcontext(opened) if dry_run else at_work(opened) as workspace,
    ):
        if not dry_run:
            finish_begun(workspace)
        done = [perform(workspace, spans, dry_run=dry_run, yes=yes) for spans in wanted(workspace, asked)]
    if as_json:
        typer.echo(orjson.dumps(done).decode())
    elif not done:
        typer.echo("Nothing to read again.")
    raise typer.Exit(1 if any(one.get("escalated") for one in done) else 0)


def asked_for(begin: str, end: str, partition: int | None) -> "Asked":
    """Read the two ends: both times, or both offsets of one partition."""
    from orchestration.backfill import Asked

    if not begin:
        raise UserError("say from where: --from with a time or an offset, or --missing.")
    first, last = boundary("--from", begin), boundary("--to", end) if end else None
    if isinstance(first, int) != isinstance(last, int) and last is not None:
        raise UserError("--from and --to: expected two times or two offsets, came one of each.")
    if isinstance(first, int) and partition is None:
        raise UserError(f"--from {begin} is an offset: say of which partition, with --partition.")
    if last is not None and last <= first:  # type: ignore[operator]
        raise UserError(f"--to {end} is not after --from {begin}.")
    return Asked(begin=first, end=last, partition=partition)


def boundary(option: str, text: str) -> datetime | int:
    """Read an offset or a time."""
    if text.isdigit():
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"{option} {text}: expected a time such as 2026-11-20T10:00, or an offset.") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def finish_begun(workspace: "Workspace") -> None:
    """Take to its end what an earlier command left unfinished, a backfill perhaps."""
    from orchestration.backfill import finish_backfill
    from orchestration.steps import unfinished_runs

    for run_id in unfinished_runs(workspace):
        finish_backfill(workspace, run_id)


def wanted(workspace: "Workspace", asked: "Asked | None") -> list[tuple["Span", ...]]:
    """Say which offsets are to be read again, for each run that it takes."""
    from orchestration.backfill import asked_spans, missing_spans
    from orchestration.spans import rounds

    return list(rounds(missing_spans(workspace) if asked is None else asked_spans(workspace, asked)))


def perform(workspace: "Workspace", spans: tuple["Span", ...], *, dry_run: bool, yes: bool) -> dict[str, Any]:
    """Plan, ask, do."""
    from orchestration.backfill import plan_backfill, run_backfill

    plan = plan_backfill(workspace, spans)
    facts = facts_of(workspace, plan)
    sys.stderr.write(said(plan, facts) + "\n")
    if dry_run:
        return facts | {"done": False}
    if not yes and not (sys.stdin.isatty() and typer.confirm("Replace them?", err=True)):
        raise UserError("nothing was replaced: say --yes, or answer yes at a terminal.")
    _, decided, loaded = run_backfill(workspace, plan)
    return facts | {
        "done": True,
        "decision": decided.facts.get("decision"),
        "escalated": decided.outcome == "escalated",
        "readable": loaded.facts.get("rows"),
    }


def facts_of(workspace: "Workspace", plan: "Backfill") -> dict[str, Any]:
    """Return what would be done, with counts."""
    ranges = [part for one in plan.replaces for part in workspace.store.ledger.ranges(one)]
    return {
        "run_id": plan.run_id,
        "reads_again": [
            {"topic": plan.topic, "partition": one.partition, "from_offset": one.from_offset,
             "until_offset": one.until_offset, "events": one.count}
            for one in plan.spans
        ],
        "events": sum(one.count for one in plan.spans),
        "replaces": list(plan.replaces),
        "carried_over": sum(one.count for one in plan.covers) - sum(one.count for one in plan.spans),
        "readable_before": sum(part.published or 0 for part in ranges),
    }  # fmt: skip


def said(plan: "Backfill", facts: dict[str, Any]) -> str:
    """Say in lines what would be done."""
    spans = "\n".join(
        f"  {plan.topic}/{one.partition} [{one.from_offset}, {one.until_offset}): {one.count} offsets"
        for one in plan.spans
    )
    return (
        f"read again:\n{spans}\nreplaced: {len(plan.replaces)} runs with {facts['readable_before']} readable events "
        f"({', '.join(plan.replaces) or 'none'})\ncarried over unchanged: {facts['carried_over']} events"
    )
