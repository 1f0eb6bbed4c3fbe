"""`mend watch`: the health of a pipeline, looked at again and again."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mend.runtime.settings import Settings
    from orchestration.health import Finding


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(watch)


def watch(
    pipeline: Annotated[str, typer.Option(help="A pipeline's name, or the path of its file.")] = "customers",
    every: Annotated[str, typer.Option(help="How often to look, such as 30s or 5m.")] = "60s",
    once: Annotated[bool, typer.Option("--once", help="Look once; exit code 1 when something is not well.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list a look.")] = False,
) -> None:
    """Look at broker, lag, checkpoint, last run, disk, dead letters and the pace of runs until Ctrl-C.

    What is not well becomes one incident, which is resolved when it is well again.
    Thresholds: orchestration/health.yml.

    [dim]Examples:[/dim] mend watch · mend watch --once --json · mend watch --pipeline orders --every 5m
    """
    from cli.stream import length_of
    from mend.runtime.settings import load_settings
    from orchestration.stream import Stop, graceful

    pause, settings, stop = length_of("--every", every), load_settings(), Stop()
    with graceful(stop):
        while not stop.asked.is_set():
            found = looked(settings, pipeline)
            show(found, as_json=as_json)
            if once:
                raise typer.Exit(1 if found else 0)
            stop.asked.wait(pause)


def looked(settings: "Settings", pipeline: str) -> "list[Finding]":
    """Look once; a store that is away is a finding, too, whose incident lies in a file until the store is back."""
    from mend.runtime.pipeline_file import find_pipeline, load_pipeline
    from mend.store.database import StoreUnavailable
    from orchestration.watch import look, look_without_store
    from orchestration.workspace import open_workspace

    try:
        with open_workspace(settings, pipeline) as workspace:
            return look(workspace)
    except StoreUnavailable as error:
        name = load_pipeline(find_pipeline(settings.pipelines, pipeline)).name
        return look_without_store(settings, name, error)


def show(found: "list[Finding]", *, as_json: bool) -> None:
    """Print what was found."""
    from dataclasses import asdict

    import orjson

    if as_json:
        typer.echo(orjson.dumps([asdict(one) for one in found]).decode())
        return
    for one in found:
        typer.echo(f"{one.severity.value:<8} {one.check}: {one.said}")
    if not found:
        typer.echo("all is well")
