"""`mend undo`: take back what a decision did."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from orchestration.undo import Wish


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(undo)


def undo(
    name: Annotated[
        str, typer.Argument(metavar="DECISION", help="A decision's number, its run, or an undo (undo-7) to take back.")
    ],
    by: Annotated[str, typer.Option("--by", help="Who undoes it; by default the user of this machine.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with it.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Take the rows of a decision's run out of the readable set in one step, and bring the former mapping back.

    The rows are held, not deleted, and an undo can be undone. Undoing what is undone changes nothing. Runs go on.

    [dim]Examples:[/dim] mend undo customers-1a2b3c4d-000007 --reason "wrong currency" · mend undo undo-1
    """
    import orjson

    from cli.person import who
    from mend.runtime.settings import load_settings
    from mend.store.engine import open_store
    from orchestration.storage import refusals_told
    from orchestration.undo import pipeline_of, wish
    from orchestration.undo import undo as do
    from orchestration.workspace import open_workspace

    settings = load_settings()
    with open_store(settings.store_url) as store:
        pipeline = pipeline_of(store, name)
    with refusals_told(), open_workspace(settings, pipeline) as workspace:
        asked = wish(workspace, name)
        if not asked.done and not dry_run:
            typer.echo(f"{said(asked)} …", err=True)
            asked = do(workspace, name, by=who(by), reason=reason)
    if as_json:
        typer.echo(orjson.dumps(as_document(asked, dry_run=dry_run), option=orjson.OPT_INDENT_2).decode())
    else:
        typer.echo(said(asked))


def said(asked: "Wish") -> str:
    """Say what an undo does, or that it is done."""
    if asked.done:
        what = "again as the decision wanted it" if asked.done.back else "undone"
        how = f"{asked.done.rows} rows {'are readable again' if asked.done.back else 'are held'}"
        version = f", mapping version {asked.done.mapping_version} is used" if asked.done.mapping_version else ""
        return (
            f"{asked.run_id} is {what} ({asked.done.name} by {asked.done.by}, {asked.done.at:%Y-%m-%d %H:%M} UTC): "
            f"{how}{version}. Take it back with: mend undo {asked.done.name}"
        )
    rows = f"{asked.rows} rows {'come back into' if asked.back else 'leave'} the readable set" if asked.rows else ""
    mapping = "; ".join(str(one) for one in asked.changed)
    return f"{asked.run_id}: " + ", ".join(
        one for one in (rows, f"the mapping changes ({mapping})" if mapping else "") if one
    )


def as_document(asked: "Wish", *, dry_run: bool) -> dict[str, Any]:
    """Return it for scripts."""
    from dataclasses import asdict

    return {
        "run_id": asked.run_id,
        "decision": asked.decision,
        "dry_run": dry_run,
        "done": asdict(asked.done) | {"name": asked.done.name} if asked.done else None,
        "rows": asked.rows,
        "takes_back": asked.takes_back,
        "mapping": [str(one) for one in asked.changed],
    }
