"""`mend chaos`: play troubles on a running pipeline, to see what Mend does about them."""

from typing import Annotated

import typer

cli = typer.Typer(help="Troubles to play on a running pipeline: list, run.", no_args_is_help=True)
Pipeline = Annotated[str, typer.Option(help="customers or orders, or the path of such a pipeline's file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@cli.command()
def ls(pipeline: Pipeline = "customers", as_json: Json = False) -> None:
    """List the scenarios: what each sends, and what Mend is expected to do.

    [dim]Example:[/dim] mend chaos ls --pipeline orders
    """
    import orjson
    from rich.console import Console
    from rich.table import Table

    from mend.runtime.pipeline_file import find_pipeline, load_pipeline
    from mend.runtime.settings import load_settings
    from orchestration.chaos import kind_of
    from producer.scenarios import scenarios

    kind = kind_of(load_pipeline(find_pipeline(load_settings().pipelines, pipeline)))
    known = scenarios(kind).values()
    if as_json:
        typer.echo(orjson.dumps([{"name": one.name, "sends": one.sends, "expects": one.expects} for one in known]))
        return
    table = Table("scenario", "sends", "then", box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for one in known:
        table.add_row(one.name, one.sends, one.expects)
    Console().print(table)


@cli.command()
def run(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    scenario: Annotated[str, typer.Argument(help="A scenario: mend chaos ls")],
    pipeline: Pipeline = "customers",
    topic: Annotated[str, typer.Option(help="Refuse to send anywhere else; it must be the pipeline's.")] = "",
    events: Annotated[int, typer.Option("--events", min=1, help="How many events to send.")] = 5_000,
    seed: Annotated[int, typer.Option(help="The same seed, the same owners of the events.")] = 42,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Send a trouble to the topic of a pipeline at KAFKA_BROKER, after a question; the next run or stream reads it.

    What was sent stays in the topic and in the data: `mend undo` takes a run back. Exit code 3: another topic than the
    pipeline's, or a pipeline that has other events.

    [dim]Examples:[/dim] mend chaos run bad-segment · mend chaos run rename --events 2000 --yes · mend chaos run late
    --pipeline orders --topic orders --dry-run
    """
    import orjson

    from cli.quarantine_options import agreed
    from mend.runtime.errors import UserError
    from mend.runtime.pipeline_file import find_pipeline, load_pipeline
    from mend.runtime.settings import load_settings
    from orchestration.chaos import kind_of, send, trouble
    from producer.scenarios import scenario as named

    settings = load_settings()
    found = load_pipeline(find_pipeline(settings.pipelines, pipeline))
    planned = trouble(settings, found, named(kind_of(found), scenario), events, topic=topic, seed=seed)
    typer.echo(f"{planned}\nexpected: {planned.scenario.expects}", err=True)
    if dry_run:
        return
    if not agreed("Send them?", dry_run=False, yes=yes):
        raise UserError("nothing was sent: say --yes, or answer yes at a terminal.")
    counters = send(planned)
    if as_json:
        typer.echo(orjson.dumps({"scenario": scenario, "topic": planned.options.topic} | counters.document()))
    else:
        typer.echo(
            f"{counters.delivered_events:,} events sent. See what becomes of them: mend run --pipeline {pipeline}"
        )
