"""`mend status`: the last runs and what became of them."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cli.run_view import RunLine
    from mend.store.engine import Store
    from mend.store.proofs import Verified


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(status)


def status(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many runs.")] = 10,
    pipeline: Annotated[str | None, typer.Option(help="Only the runs of this pipeline, by its name or file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the last runs: state, events, published, held, decision; and how far each partition is proven.

    [dim]Examples:[/dim] mend status · mend status -n 50 --json
    """
    import orjson

    from cli.run_view import unsent
    from mend.runtime.pipeline_file import find_pipeline, load_pipeline
    from mend.runtime.settings import load_settings
    from mend.store.engine import open_store

    settings = load_settings()
    name = load_pipeline(find_pipeline(settings.pipelines, pipeline)).name if pipeline else None
    lines: list[RunLine] = []
    proven: tuple[Verified, ...] = ()
    waiting = ""
    if settings.store_exists:
        with open_store(settings.store_url) as store:
            lines, proven = run_lines(store, name, limit), store.proofs.all(name)
            waiting = unsent(store.dead_letters.owed(name))
    if as_json:
        typer.echo(orjson.dumps([as_json_line(line) for line in lines], option=orjson.OPT_INDENT_2).decode())
        return
    from rich.console import Console

    from cli.proof_view import verified_lines
    from cli.run_view import history
    from mend.runtime.clock import now

    console = Console()
    console.print(history(lines))
    if lines:
        console.print()
        console.print(verified_lines(proven, now()))
    if waiting:
        console.print(waiting)


def run_lines(store: "Store", pipeline: str | None, limit: int) -> list["RunLine"]:
    """Put each run together with its decision and its ledger."""
    from cli.run_view import RunLine
    from mend.runtime.clock import now

    lines = []
    for run in store.runs.recent(pipeline, limit):
        decision = store.decisions.get(run.run_id)
        ranges = store.ledger.ranges(run.run_id)
        lines.append(
            RunLine(
                run_id=run.run_id,
                state=run.state.value,
                pipeline=run.pipeline,
                events=run.report.total_records if run.report else None,
                published=run.published_rows,
                held=sum(part.held or 0 for part in ranges) if ranges else None,
                decision=decision.result.decision if decision else "",
                age=now() - run.updated_at,
            )
        )
    return lines


def as_json_line(line: "RunLine") -> dict[str, object]:
    """Return a run for scripts; its age in seconds."""
    return asdict(line) | {"age": line.age.total_seconds() if line.age else None}
