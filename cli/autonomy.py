"""`mend autonomy`: how far each remedy may go alone, and letting one go on after it missed."""

from typing import Annotated

import typer

cli = typer.Typer(help="Autonomy: how far each remedy may go alone, and allow one again.", no_args_is_help=True)

Pipeline = Annotated[str, typer.Option(help="A pipeline's name, or the path of its file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@cli.command()
def show(pipeline: Pipeline = "customers", as_json: Json = False) -> None:
    """Show by cause how often its remedy helped, the lower bound of its success rate, and what follows.

    [dim]Example:[/dim] mend autonomy show --json
    """
    from dataclasses import asdict

    from cli.mapping import opened, show_json
    from orchestration.autonomy import standings

    with opened(pipeline) as workspace:
        found = standings(workspace)
    if as_json:
        show_json([asdict(one) for one in found])
        return
    for one in found:
        typer.echo(
            f"{one.cause}: {one.level.value.replace('_', ' ')} ({one.hits} helped, {one.misses} did not, "
            f"{one.pending} not known yet; at least {one.lower_bound:.0%} help)"
        )
    if not found:
        typer.echo("No remedy was taken yet: each is taken alone, and can be undone.")


@cli.command()
def allow(
    cause: Annotated[str, typer.Argument(help="A cause, as `mend autonomy show` names it.")],
    pipeline: Pipeline = "customers",
    by: Annotated[str, typer.Option("--by", help="Who allows it; by default the user of this machine.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with it.")] = "",
    as_json: Json = False,
) -> None:
    """Let the remedy of a cause be taken alone again; its misses count no more.

    [dim]Example:[/dim] mend autonomy allow drift_additive --reason "the registry was wrong, not the remedy"
    """
    from cli.mapping import opened, show_json
    from cli.person import noted, who
    from mend.runtime.clock import now
    from mend.runtime.errors import UserError
    from mend.runtime.nearest import nearest
    from orchestration.autonomy import standings

    at = now()
    with opened(pipeline) as workspace:
        known = [one.cause for one in standings(workspace)]
        if cause not in known:
            raise UserError(f"no remedy was ever taken for '{cause}'.{nearest(cause, known)}")
        name = workspace.pipeline.name
        workspace.store.remedies.allow(name, cause, at, by=who(by), reason=reason)
        noted(workspace.layout, "allowed", f"{name}: {cause}" + (f": {reason}" if reason else ""), at, by=who(by))
    if as_json:
        show_json({"pipeline": name, "cause": cause, "allowed_at": at.isoformat(), "by": who(by)})
    else:
        typer.echo(f"{name}: the remedy for {cause} is taken alone again")
