"""`mend quarantine repair`: try a repair on everything that it is meant for, or propose some."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.quarantine_options import (
    By,
    Columns,
    Dry,
    From,
    Json,
    Partition,
    Pipeline,
    Places,
    Reasons,
    Until,
    What,
    Yes,
    agreed,
    opened,
    selected,
    show_json,
)  # fmt: skip
from mend.runtime.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mend.contracts.quarantine import Selection, Step
    from mend.quarantine.wishes import Wishes
    from mend.quarantine.work import Bench
    from orchestration.workspace import Workspace


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(repair)


def repair(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    what: What = None, pipeline: Pipeline = "customers", reasons: Reasons = None, columns: Columns = None,
    places: Places = None, partition: Partition = None, from_offset: From = None, until_offset: Until = None,
    mapping: Annotated[list[str] | None, typer.Option(help="FIELD=OBSERVED, or a file of such: read it from there.")]
    = None,
    cast: Annotated[list[str] | None, typer.Option(help="FIELD=KIND: int, double, trim, epoch_ms:%d.%m.%Y, x1000 …")]
    = None,
    default: Annotated[list[str] | None, typer.Option(help="FIELD=JSON, where it is missing or null.")] = None,
    enum_map: Annotated[list[str] | None, typer.Option("--enum-map", help="FIELD:OLD=NEW.")] = None,
    sql: Annotated[list[str] | None, typer.Option(help="FIELD=EXPRESSION over the event's fields, as texts.")] = None,
    edited: Annotated[Path | None, typer.Option(help="An export with edited events.")] = None,
    by: By = "", dry_run: Dry = False, yes: Yes = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Try a repair on all rows that are meant; without one, propose those that help. With --yes it is accepted.

    An accepted repair is used by the next replay, for the runs that were there when it was accepted; it moves no row
    itself. Exit code 3: its trial refuses it.

    [dim]Examples:[/dim] mend quarantine repair · mend quarantine repair 44a3d4ed --cast signup_at=int --dry-run
    · mend quarantine repair --column plan --mapping plan=tariff --yes
    """
    from mend.quarantine.wishes import Wishes

    wishes = Wishes(mapping=mapping or (), cast=cast or (), default=default or (), enum_map=enum_map or (),
                    sql=sql or ())  # fmt: skip
    offsets = (partition, from_offset, until_offset)
    with opened(pipeline) as (workspace, bench):
        selection = selected(bench, what, reasons, columns, places, offsets)
        if not wishes and edited is None:
            propose(bench, selection, as_json=as_json)
            return
        steps = wished(workspace, bench, selection, wishes, edited)
        tried(workspace, bench, selection, steps, by, dry_run=dry_run, yes=yes, as_json=as_json)


def wished(
    workspace: "Workspace", bench: "Bench", selection: "Selection", wishes: "Wishes", edited: Path | None
) -> "tuple[Step, ...]":
    """Make steps of the options."""
    from mend.quarantine.trial import seen_fields
    from mend.quarantine.wishes import steps_of
    from orchestration.held import keep_edits

    if edited is not None and not edited.is_file():
        raise UserError(f"--edited {edited}: there is no such file. Make one with: mend quarantine export")
    first = (keep_edits(workspace, edited),) if edited is not None else ()
    return (*first, *steps_of(bench.plan, wishes, seen_fields(bench, selection)))


def propose(bench: "Bench", selection: "Selection", *, as_json: bool) -> None:
    """Say what would help."""
    from cli.quarantine_view import proposal_document, proposal_lines
    from mend.quarantine.propose import proposals

    found = list(proposals(bench, selection))
    if as_json:
        show_json([proposal_document(one, bench.plan) for one in found])
    else:
        typer.echo("\n".join(proposal_lines(found, bench)) or "Nothing suggests itself. See: mend quarantine group")


def tried(  # noqa: PLR0913 - the options of the command
    workspace: "Workspace", bench: "Bench", selection: "Selection", steps: "Sequence[Step]", by: str, *,
    dry_run: bool, yes: bool, as_json: bool,
) -> None:  # fmt: skip
    """Try steps, show what they do, and accept them if that is wanted."""
    from cli.person import who
    from cli.quarantine_view import sample_pairs, trial_document, trial_text
    from orchestration.held import accept, remedy_of, trial_of

    trial = trial_of(workspace, selection, steps)
    remedy = remedy_of(workspace, selection, steps)
    examples = sample_pairs(bench, remedy)
    if not as_json:
        typer.echo(trial_text(trial, examples), err=True)
    made = None
    if not trial.refused and agreed("Accept this repair?", dry_run=dry_run, yes=yes):
        made = accept(workspace, selection, steps, trial, who(by))
    if as_json:
        show_json(trial_document(trial, examples) | {"accepted": made.id if made else None})
    elif made:
        typer.echo(
            f"repair {made.id} is accepted. Use it: mend quarantine replay --pipeline {bench.plan.pipeline.name}"
        )
    elif not trial.refused:
        typer.echo("nothing was changed: say --yes, or answer yes at a terminal.")
    raise typer.Exit(3 if trial.refused else 0)
