"""`mend circuit`, `mend pause` and `mend resume`: what keeps the machine from acting."""

from typing import TYPE_CHECKING, Annotated

import typer

from mend.runtime.errors import UserError

if TYPE_CHECKING:
    from datetime import timedelta

cli = typer.Typer(help="Circuits: which pipelines wait for a person, open one, close one.", no_args_is_help=True)

Pipeline = Annotated[str, typer.Argument(help="A pipeline's name.")]
Who = Annotated[str, typer.Option("--by", help="Who does it; by default the user of this machine.")]
Why = Annotated[str, typer.Option("--reason", help="Why; kept with it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(main: typer.Typer) -> None:
    """Add the commands."""
    main.add_typer(cli, name="circuit")
    main.command()(pause)
    main.command()(resume)


@cli.command()
def ls(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many.")] = 20, as_json: Json = False
) -> None:
    """List circuits, newest first, and the pauses that hold now.

    [dim]Example:[/dim] mend circuit ls --json
    """
    from dataclasses import asdict

    from cli.decision import opened, show_json
    from mend.runtime.clock import now

    with opened() as (_, store):
        circuits, pauses = store.brakes.circuits(limit), store.brakes.pauses(None, now())
    if as_json:
        show_json({"circuits": [asdict(one) for one in circuits], "pauses": [asdict(one) for one in pauses]})
        return
    for one in circuits:
        closed = (
            f"closed {one.closed_at:%Y-%m-%d %H:%M} by {one.closed_by}: {one.closed_why}" if one.closed_at else "OPEN"
        )
        typer.echo(
            f"{one.pipeline}: {one.cause}, {one.opened_at:%Y-%m-%d %H:%M} UTC by {one.opened_by}: {one.why}: {closed}"
        )
    for pause in pauses:
        typer.echo(f"{pause.pipeline or 'all pipelines'}: {pause}")
    if not circuits and not pauses:
        typer.echo("No circuit was ever open, and nothing is paused.")


@cli.command(name="open")
def open_(pipeline: Pipeline, reason: Why = "", by: Who = "", as_json: Json = False) -> None:
    """Let scheduled runs of a pipeline wait until somebody closes the circuit.

    [dim]Example:[/dim] mend circuit open customers --reason "the source is being migrated"
    """
    from dataclasses import asdict

    from cli.decision import opened, show_json
    from cli.person import noted, who
    from mend.runtime.clock import now

    name, at = known(pipeline), now()
    with opened() as (layout, store):
        made = store.brakes.open_circuit(name, "person", reason or "opened by hand", at, by=who(by))
        if made.opened_at == at:
            noted(layout, "circuit_opened", f"{name}: {made.why}", at, by=made.opened_by)
    if as_json:
        show_json(asdict(made))
    else:
        typer.echo(f"{name}: the circuit is open. Close it with: mend circuit close {name}")


@cli.command()
def close(pipeline: Pipeline, reason: Why = "", by: Who = "", as_json: Json = False) -> None:
    """Let runs of a pipeline go on; its failures are counted anew from now.

    [dim]Example:[/dim] mend circuit close customers --reason "the disk has room again"
    """
    from dataclasses import asdict

    from cli.decision import opened, show_json
    from cli.person import noted, who
    from mend.runtime.clock import now

    name = known(pipeline)
    with opened() as (layout, store):
        made = store.brakes.close_circuit(name, reason, now(), by=who(by))
        if made and made.closed_at and made.closed_by:
            noted(layout, "circuit_closed", f"{name}: {reason}", made.closed_at, by=made.closed_by)
    if as_json:
        show_json(asdict(made) if made else None)
    else:
        typer.echo(f"{name}: the circuit is closed" if made else f"{name}: no circuit is open")


def pause(
    span: Annotated[
        str, typer.Option("--for", help="How long, such as 2h or 30min; by default until mend resume.")
    ] = "",
    reason: Why = "",
    by: Who = "",
    pipeline: Annotated[str, typer.Option(help="Only this pipeline; by default all.")] = "",
    as_json: Json = False,
) -> None:
    """Stop the machine: no new act is done and no run is published, also in a stream that is at work.

    Runs are still read, audited and decided; acts and rows wait for `mend resume`. People are still called.

    [dim]Example:[/dim] mend pause --for 2h --reason "maintenance of the warehouse"
    """
    from dataclasses import asdict

    from cli.decision import opened, show_json
    from cli.person import noted, who
    from mend.runtime.clock import now

    at, of_it = now(), known(pipeline) if pipeline else None
    until = at + length(span) if span else None
    with opened() as (layout, store):
        made = store.brakes.pause(at, by=who(by), reason=reason, until=until, pipeline=of_it)
        noted(layout, "paused", f"{of_it or 'all pipelines'}: {made}", at, by=made.by)
    if as_json:
        show_json(asdict(made))
    else:
        typer.echo(f"{of_it or 'all pipelines'}: {made}. Go on with: mend resume")


def resume(
    by: Who = "",
    pipeline: Annotated[str, typer.Option(help="Only the pauses of this pipeline; by default all.")] = "",
    as_json: Json = False,
) -> None:
    """End the pauses. What waits is done by the next run, or at once by a stream that is at work.

    [dim]Example:[/dim] mend resume
    """
    from dataclasses import asdict

    from cli.decision import opened, show_json
    from cli.person import noted, who
    from mend.runtime.clock import now

    at = now()
    with opened() as (layout, store):
        ended = store.brakes.resume(at, by=who(by), pipeline=known(pipeline) if pipeline else None)
        for one in ended:
            noted(layout, "resumed", f"{one.pipeline or 'all pipelines'}: {one}", at, by=who(by))
    if as_json:
        show_json([asdict(one) for one in ended])
    else:
        typer.echo(f"{len(ended)} pauses ended" if ended else "nothing was paused")


def known(pipeline: str) -> str:
    """Return the name of a pipeline that there is."""
    from mend.runtime.pipeline_file import find_pipeline, load_pipeline
    from mend.runtime.settings import load_settings

    return load_pipeline(find_pipeline(load_settings().pipelines, pipeline)).name


def length(span: str) -> "timedelta":
    """Return a length of time such as 2h."""
    import re
    from datetime import timedelta

    units = {"d": "days", "h": "hours", "min": "minutes", "m": "minutes", "s": "seconds"}
    found = re.fullmatch(r"(\d{1,5})\s*(d|h|min|m|s)", span.strip())
    if not found or not int(found[1]):
        raise UserError(f"--for: '{span}' is no length of time above 0. Write it like 2h, 30min or 90s.")
    return timedelta(**{units[found[2]]: int(found[1])})
