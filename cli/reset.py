"""`mend reset-data`: back to an empty MEND_HOME."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mend.runtime.errors import UserError

if TYPE_CHECKING:
    from mend.runtime.settings import Settings

MADE = ("staging", "out", "quarantine", "dead_letters", "duplicates", "keys", "replaced", "checkpoints", "ops")
"""Folders of MEND_HOME that Mend makes; nothing else in it is touched."""


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command("reset-data")(reset_data)


def reset_data(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Destroy all data, reports and history of this MEND_HOME; asks first. The next run reads topics from their start.

    [dim]Examples:[/dim] mend reset-data · mend reset-data --yes
    """
    from mend.runtime.settings import load_settings
    from orchestration.storage import nobody_at_work, refusals_told

    settings = load_settings()
    if settings.database_url:
        raise UserError(
            "DATABASE_URL names a store that would still know the runs. Drop its tables, unset the variable, "
            "and call this again. In containers: make down-v.",
            exit_code=3,
        )
    with refusals_told(), nobody_at_work(settings):
        doomed = [path for path in made(settings) if path.exists()]
        if not doomed:
            typer.echo(f"nothing to destroy in {settings.home}")
            return
        typer.echo("destroys:", err=True)
        for path in doomed:
            typer.echo(f"  {path}", err=True)
        if not yes:
            typer.confirm("There is no way back. Destroy it all?", abort=True, err=True)
        for path in doomed:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    typer.echo(f"empty: {settings.home}")


def made(settings: "Settings") -> Iterator[Path]:
    """Return what Mend made: readable runs first, so that nobody reads what has no history any more."""
    yield from sorted(settings.published.glob("run=*"))
    yield from (settings.home / name for name in MADE)
    if settings.home not in settings.checkpoints.parents:
        yield settings.checkpoints
    yield from sorted(settings.home.glob("mend.db*"))
