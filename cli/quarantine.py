"""`mend quarantine`: what waits, why, what repairs it, and its replay."""

from pathlib import Path
from typing import Annotated

import typer

from cli import quarantine_repair
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
    Why,
    Yes,
    agreed,
    opened,
    selected,
    show,
    show_json,
)  # fmt: skip
from mend.runtime.errors import UserError

cli = typer.Typer(
    help="The quarantine: ls, group, show, repair, replay, discard, export, undo, review.", no_args_is_help=True
)
quarantine_repair.register(cli)


@cli.command()
def ls(pipeline: Pipeline = "customers", as_json: Json = False) -> None:
    """List the runs of which something is in the quarantine, and files there that no run knows, or that are gone.

    [dim]Example:[/dim] mend quarantine ls --json
    """
    from cli.quarantine_view import shelf_document, shelf_table
    from mend.contracts.quarantine import Selection
    from mend.quarantine.groups import shelves

    with opened(pipeline) as (_, bench):
        found, strange = shelves(bench.index, Selection()), [str(one) for one in bench.index.strange]
    if as_json:
        show_json({"runs": [shelf_document(one) for one in found], "strange": strange})
    else:
        show(shelf_table(found, strange))


@cli.command()
def group(
    what: What = None, pipeline: Pipeline = "customers", reasons: Reasons = None, columns: Columns = None,
    places: Places = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Count what waits by its cause, over all runs, with an example of each: personal and unknown values are masked.

    [dim]Examples:[/dim] mend quarantine group · mend quarantine group --column signup_at --json
    """
    from cli.quarantine_view import group_document, group_table, with_examples
    from mend.quarantine.groups import groups

    with opened(pipeline) as (_, bench):
        selection = selected(bench, what, reasons, columns, places)
        found = with_examples(bench, groups(bench.index, selection))
    if as_json:
        show_json([group_document(one, example) for one, example in found])
    else:
        show(group_table(found))


@cli.command(name="show")
def show_one(
    what: Annotated[str, typer.Argument(help="A cause, a run, or a replay.")], pipeline: Pipeline = "customers",
    sample: Annotated[int, typer.Option("--sample", min=0, max=100, help="Show so many events, masked.")] = 0,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Show a cause or a run: its rows, its causes, events of it. Of a replay: its certificate.

    [dim]Examples:[/dim] mend quarantine show 44a3d4ed --sample 5 · mend quarantine show customers-replay-5ec888c7b966-1
    """
    from cli.quarantine_view import certificate_text, group_document, group_table, sample_lines
    from mend.quarantine.groups import groups
    from orchestration.certificate import as_document, certificate_of
    from orchestration.replay_step import replay_of

    with opened(pipeline) as (workspace, bench):
        plan = replay_of(workspace, what)
        if plan is not None:
            made = certificate_of(workspace, plan)
            show_json(as_document(made)) if as_json else typer.echo(certificate_text(made))
            return
        selection = selected(bench, [what])
        found, events = groups(bench.index, selection), sample_lines(bench, selection, sample)
    if as_json:
        show_json({"causes": [group_document(one, None) for one in found], "events": events})
        return
    show(group_table([(one, None) for one in found]))
    for line in events:
        typer.echo(f"{line['partition']}/{line['offset']} {line['event']}")


@cli.command()
def replay(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    what: What = None, pipeline: Pipeline = "customers", reasons: Reasons = None, columns: Columns = None,
    places: Places = None, partition: Partition = None, from_offset: From = None, until_offset: Until = None,
    by: By = "", reason: Why = "repaired", dry_run: Dry = False, yes: Yes = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Validate waiting rows again, with the repairs that were accepted, and publish those that pass, as a run.

    Rows that a decision held are meant only where they are named (by cause, or --place held); `mend run release` takes
    a whole run. Pressing it again publishes nothing twice. Exit code 1: rows still wait. 3: the audit refused.

    [dim]Examples:[/dim] mend quarantine replay --dry-run · mend quarantine replay 44a3d4ed --yes --json
    """
    from cli.person import who
    from cli.quarantine_view import certificate_text, trial_document, trial_text
    from mend.quarantine.groups import groups
    from orchestration.certificate import as_document
    from orchestration.held import replay_rows, what_would_pass

    offsets = (partition, from_offset, until_offset)
    with opened(pipeline, at_work=not dry_run) as (workspace, bench):
        selection = selected(bench, what, reasons, columns, places, offsets, for_replay=True)
        rows = sum(one.rows for one in groups(bench.index, selection))
        if dry_run:
            trial = what_would_pass(workspace, selection) if rows else None
            told = trial_text(trial, []) if trial else "No row waits."
            show_json(trial_document(trial, []) if trial else {"rows": 0}) if as_json else typer.echo(told)
            return
        if rows and not agreed(f"Replay {rows} rows?", dry_run=False, yes=yes):
            raise UserError("nothing was replayed: say --yes, or answer yes at a terminal.")
        made = replay_rows(workspace, selection, by=who(by), reason=reason)
    if as_json:
        show_json(as_document(made) if made else {"held": 0, "published": 0, "still_held": 0})
    else:
        typer.echo(certificate_text(made) if made else "No row waits.")
    raise typer.Exit(0 if made is None or (made.proven and not made.still_held) else 1)


@cli.command()
def discard(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    by: Annotated[str, typer.Option("--by", help="Who gives them up.")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    what: What = None, pipeline: Pipeline = "customers", reasons: Reasons = None, columns: Columns = None,
    places: Places = None, partition: Partition = None, from_offset: From = None, until_offset: Until = None,
    dry_run: Dry = False, yes: Yes = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Give rows up: they wait no more. Their bytes stay until retention ends, and the proof still counts them.

    [dim]Example:[/dim] mend quarantine discard 44a3d4ed --by ada --reason "test events of the shop" --yes
    """
    from mend.contracts.codec import to_dict
    from mend.quarantine.groups import groups
    from orchestration.held import discard as give_up

    offsets = (partition, from_offset, until_offset)
    with opened(pipeline, at_work=not dry_run) as (workspace, bench):
        selection = selected(bench, what, reasons, columns, places, offsets)
        rows = sum(one.rows for one in groups(bench.index, selection))
        if not agreed(f"Give {rows} rows up?", dry_run=dry_run, yes=yes):
            typer.echo(f"{rows} rows would be given up. Nothing was changed: say --yes.")
            return
        made = give_up(workspace, selection, by=by, reason=reason)
    if as_json:
        show_json(to_dict(made))
    else:
        typer.echo(f"{made.rows} rows are given up by {made.by}: {made.reason}")


@cli.command()
def export(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    out: Annotated[Path, typer.Option("--out", "-o", help="The file; only its owner may read it.")],
    what: What = None, pipeline: Pipeline = "customers", reasons: Reasons = None, columns: Columns = None,
    places: Places = None, partition: Partition = None, from_offset: From = None, until_offset: Until = None,
) -> None:  # fmt: skip
    """Write waiting events into a file, a line each with its position, to be edited and given to `repair --edited`.

    Nothing is masked in it: it is the data.

    [dim]Example:[/dim] mend quarantine export 44a3d4ed --out events.jsonl
    """
    from mend.quarantine.export import write_export

    with opened(pipeline) as (_, bench):
        selection = selected(bench, what, reasons, columns, places, (partition, from_offset, until_offset))
        many = write_export(bench, selection, out)
    typer.echo(f"{many} events are in {out}. Edit `event`, then: mend quarantine repair --edited {out}")


@cli.command()
def undo(
    run_id: Annotated[str, typer.Argument(help="A replay.")],
    by: Annotated[str, typer.Option("--by", help="Who takes it back.")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")], pipeline: Pipeline = "customers",
) -> None:  # fmt: skip
    """Take a replay back: its rows leave the readable set in one step, and wait again.

    [dim]Example:[/dim] mend quarantine undo customers-replay-5ec888c7b966-1 --by ada --reason "wrong unit"
    """
    from orchestration.held import undo_replay

    with opened(pipeline, at_work=True) as (workspace, _):
        undo_replay(workspace, run_id, by=by, reason=reason)
    typer.echo(f"{run_id} is taken back; its rows wait again.")


@cli.command()
def review(pipeline: Pipeline = "customers", by: By = "") -> None:
    """Walk through the causes at a terminal: see old and new side by side, pick a repair, replay.

    Everything that it does is said as the command that does the same.

    [dim]Example:[/dim] mend quarantine review
    """
    from cli.person import who
    from cli.quarantine_review import walk

    with opened(pipeline, at_work=True) as (workspace, _):
        walk(workspace, who(by))
