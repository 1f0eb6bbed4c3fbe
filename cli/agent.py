"""`mend agent`: what the decision service did, in figures."""

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from mend.runtime.errors import UserError

if TYPE_CHECKING:
    from agent.performance import Past, Performance
    from mend.runtime.settings import Settings

cli = typer.Typer(help="What the decision service did.", no_args_is_help=True)
UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@cli.callback()
def group() -> None:
    """Keep `metrics` a sub-command."""


@cli.command()
def metrics(
    since: Annotated[str, typer.Option(help="How far back: 12h, 30d or 4w.")] = "30d",
    next_runs: Annotated[
        int, typer.Option(min=1, help="A remedy helped if its cause stayed away for so many runs.")
    ] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show decisions by rule and by who made them, what the remedies did, and how long everything took.

    [dim]Examples:[/dim] mend agent metrics · mend agent metrics --since 7d --json
    """
    import orjson

    from agent.matrix_file import load_matrix
    from agent.performance import performance
    from mend.runtime.settings import load_settings

    settings = load_settings()
    matrix = load_matrix()
    causes = {rule.id: frozenset(rule.actions) for rule in (*matrix.rules, matrix.fallback)}
    figures = performance(past(settings, span(since)), causes, next_runs)
    if as_json:
        typer.echo(orjson.dumps(asdict(figures), option=orjson.OPT_INDENT_2).decode())
        return
    show(figures)


def span(text: str) -> timedelta:
    """Read a length of time."""
    number, unit = text[:-1], text[-1:]
    if unit not in UNITS or not number.isascii() or not number.isdigit() or not 0 < int(number) <= 10_000:  # noqa: PLR2004
        raise UserError(f"--since: '{text}' is no length of time. Write it like 12h, 30d or 4w.")
    return timedelta(**{UNITS[unit]: int(number)})


def past(settings: "Settings", length: timedelta) -> "Past":
    """Read what happened; where there is no store yet, nothing did."""
    from agent.performance import Past
    from mend.incidents.log import incident_log
    from mend.runtime.clock import now
    from mend.runtime.layout import Layout
    from mend.store.engine import open_store

    until = now()
    start = until - length
    if not settings.store_exists:
        return Past(since=start, until=until, decisions=(), runs=(), failures=(), incidents=(), quarantined_batches=0)
    with open_store(settings.store_url) as store:
        found = incident_log(store, Layout(settings).ops).rows.created_since(start)
        return Past(
            since=start,
            until=until,
            decisions=store.measures.decisions_since(start),
            runs=store.measures.ends_since(start),
            failures=tuple(store.measures.failures_since(start)),
            incidents=found,
            quarantined_batches=store.measures.quarantined_since(start),
            tasks=tuple(one.answer for one in store.task_events.since(start) if one.answer),
        )


def show(figures: "Performance") -> None:
    """Print the figures for people."""
    from rich.console import Console

    from cli.performance_view import pictured

    Console().print(pictured(figures))
