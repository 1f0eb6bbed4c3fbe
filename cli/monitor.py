"""`mend monitor`: how everything stands, live."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mend.runtime.settings import Settings


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(monitor)


def monitor(
    every: Annotated[str, typer.Option(help="How often to look, such as 2s or 1m.")] = "2s",
    once: Annotated[bool, typer.Option("--once", help="Look once, print, end; without a terminal always.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --once: print JSON.")] = False,
) -> None:
    """Show lag, throughput, last runs and decisions, quarantine, incidents, circuits and services; q ends it.

    [dim]Examples:[/dim] mend monitor · mend monitor --every 5s · mend monitor --once --json
    """
    import sys

    from cli.stream import length_of
    from mend.runtime.errors import UserError
    from mend.runtime.settings import load_settings

    if as_json and not once:
        raise UserError("--json goes with --once.")
    pause, settings = length_of("--every", every), load_settings()
    if once or not (sys.stdout.isatty() and sys.stdin.isatty()):
        look_once(settings, as_json=as_json)
        return
    from cli.monitor_live import live

    live(settings, pause)


def look_once(settings: "Settings", *, as_json: bool) -> None:
    """Look, print, end; a store that is away is an error, as in every command."""
    from dataclasses import asdict

    import orjson
    from rich.console import Console

    from cli.monitor_view import drawn
    from mend.runtime.clock import now
    from mend.store.engine import open_store
    from orchestration.overview import overview

    with open_store(settings.store_url) as store:
        seen = overview(settings, store, now())
    if as_json:
        found = asdict(seen) | {"waiting": seen.waiting, "quarantined": seen.quarantined}
        for pipeline, state in zip(found["pipelines"], seen.pipelines, strict=True):
            pipeline["lags"] = [asdict(one) | {"lag": one.lag, "lost": one.lost} for one in state.lags]
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        console = Console()
        console.print(drawn(seen, None, height=10_000))
