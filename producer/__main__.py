"""`python -m producer`: sends made-up events to Kafka, with mistakes on purpose."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import isfinite
from pathlib import Path
from signal import SIG_DFL, SIGINT, SIGTERM, signal
from threading import Event as Flag
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from mend.runtime.clock import now
from mend.runtime.errors import UserError
from mend.runtime.logging import configure_logging
from mend.runtime.schema_registry import registry_address
from mend.runtime.settings import load_settings
from producer.anomalies import Anomalies
from producer.avro import OWN_SCHEMA, default_schema_path
from producer.customers import EARLIEST_START_MS, FULL_SPEED
from producer.kinds import KINDS, KindName
from producer.messages import Format
from producer.session import Counters, Options, produce

PROGRAM = "python -m producer"
EXAMPLES = """\b
Examples:
  Ten a second for a minute
    python -m producer --duration 60
  A hundred thousand at full speed, into a topic that may not be there yet
    python -m producer --rate 0 --count 100000 --topic trial --create-topic
  The same bytes every time
    python -m producer --rate 0 --count 1000 --seed 7 --start-ts 1767225600000
  Orders and their payments instead of customers
    python -m producer --events orders --create-topic --count 1000
  A new field in every third, one country gone bad, a field under another name
    python -m producer --drift-frequency 3 --bad-segment country=DE --rename plan:tariff
  Everything that can go wrong, in Avro
    python -m producer --format avro --malformed-rate 0.01 --duplicate-rate 0.02
"""
TITLES = {
    "total_events": "sent",
    "delivered_events": "confirmed by Kafka",
    "errors": "errors",
    "late_events": "late",
    "schema_drift_events": "of a later schema version",
    "missing_field_events": "without a field that must be there",
    "malformed_events": "malformed",
    "duplicate_events": "duplicates",
    "bad_segment_events": "of a segment gone bad",
}
app = typer.Typer(add_completion=False, rich_markup_mode=None)


def _finite(value: float | None) -> float | None:
    if value is not None and not isfinite(value):
        raise typer.BadParameter(f"{value} is not a number to work with.")
    return value


def _share(flag: str, meaning: str) -> Any:
    return typer.Option(flag, min=0.0, max=1.0, help=f"Share of the events, 0 to 1, that {meaning}.")


def _pairs(flag: str, texts: list[str] | None, between: str) -> tuple[tuple[str, str], ...]:
    found = []
    for text in texts or ():
        name, sign, value = text.partition(between)
        if not (name and sign and value):
            raise typer.BadParameter(f"'{text}' is not NAME{between}VALUE.", param_hint=flag)
        found.append((name, value))
    return tuple(found)


@app.command(epilog=EXAMPLES)
def main(  # noqa: PLR0913 - one parameter a flag
    *,
    events: Annotated[KindName, typer.Option(help="What happens in them.")] = KindName.CUSTOMERS,
    broker: Annotated[str | None, typer.Option(help="HOST:PORT of Kafka. [KAFKA_BROKER, else localhost:9092]")] = None,
    topic: Annotated[
        str | None, typer.Option(help="Topic to write to. [KAFKA_TOPIC, else customers; for other events their name]")
    ] = None,
    create_topic: Annotated[bool, typer.Option("--create-topic", help="Create the topic if it is not there.")] = False,
    schema_path: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help=f"Avro schema, its versions beside it. [{'/'.join(OWN_SCHEMA.parts[-3:])}]",
        ),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="How events are written; avro uses SCHEMA_REGISTRY_URL if it is set.")
    ] = Format.JSON,
    rate: Annotated[float, typer.Option(min=0.0, max=FULL_SPEED, help="Events a second; 0: as fast as it can.")] = 10.0,
    count: Annotated[int | None, typer.Option(min=0, help="Stop after so many events.")] = None,
    duration: Annotated[
        float | None, typer.Option(min=0.0, callback=_finite, help="Stop after so many seconds. [endless]")
    ] = None,
    late_rate: Annotated[float, _share("--late-rate", "come 1 to 24 hours late")] = 0.05,
    drift_frequency: Annotated[
        int, typer.Option(min=0, help="Every so many events one is of schema version 2 or 3; 0: none.")
    ] = 100,
    missing_rate: Annotated[
        float, _share("--missing-rate", "lack a field: country or plan, or store or channel")
    ] = 0.02,
    malformed_rate: Annotated[float, _share("--malformed-rate", "cannot be decoded")] = 0.0,
    duplicate_rate: Annotated[float, _share("--duplicate-rate", "repeat an earlier one byte for byte")] = 0.0,
    bad_segment: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="All events with that value break a rule of quality. Repeatable."),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD:NEW", help="Send a field under another name; only in JSON. Repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed and start give the same bytes.")] = 42,
    start_ts: Annotated[
        int | None, typer.Option(min=EARLIEST_START_MS, help="Epoch ms at which event times begin. [now]")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the counters as one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no table.")] = False,
) -> int:
    """Send made-up events to a Kafka topic, some of them wrong on purpose.

    Ctrl-C stops it: what is on its way is waited for, and the counters are printed.
    """
    configure_logging(quiet=quiet)
    settings = load_settings()
    kind = KINDS[events]
    options = Options(
        kafka=replace(settings.kafka, broker=broker) if broker else settings.kafka,
        topic=topic or (settings.kafka_topic if events is KindName.CUSTOMERS else kind.topic),
        start_ts=int(now().timestamp() * 1000) if start_ts is None else start_ts,
        rate=rate,
        count=count,
        duration=duration,
        seed=seed,
        form=form,
        schema_path=schema_path or default_schema_path(kind.schema),
        anomalies=Anomalies(
            *(late_rate, drift_frequency, missing_rate, malformed_rate, duplicate_rate),
            bad_segments=_pairs("--bad-segment", bad_segment, "="),
            renames=_pairs("--rename", rename, ":"),
        ),
        create=create_topic,
        kind=kind,
        registry=registry_address(settings),
    )
    with _stop_on_signals() as stop, _progress_bar(options, quiet=quiet) as progress:
        counters = produce(options, stop=stop, progress=progress)
    _show(options, counters, as_json=json, quiet=quiet)
    return 1 if counters.errors else 0


@contextmanager
def _stop_on_signals() -> Iterator[Flag]:
    """Set the flag on the first Ctrl-C or SIGTERM; the second one ends the process as usual."""
    stop = Flag()

    def on_signal(number: int, _frame: Any) -> None:
        signal(number, SIG_DFL)
        stop.set()

    before = {number: signal(number, on_signal) for number in (SIGINT, SIGTERM)}
    try:
        yield stop
    finally:
        for number, action in before.items():
            signal(number, action)


@contextmanager
def _progress_bar(options: Options, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task(f"events to {escape(options.topic)}", total=options.expected)
        yield lambda size: bar.update(task, advance=size)


def _show(options: Options, counters: Counters, *, as_json: bool, quiet: bool) -> None:
    if counters.errors:
        reason = counters.first_error
        typer.echo(f"{counters.errors} of {counters.total_events} events were not confirmed: {reason}", err=True)
    if as_json:
        run = {"broker": options.kafka.broker, "topic": options.topic, "format": options.form, "seed": options.seed}
        typer.echo(orjson.dumps(run | {"start_ts": options.start_ts} | counters.document()))
    elif not quiet:
        table = Table(title=f"{escape(options.topic)} at {escape(options.kafka.broker)}", title_justify="left")
        table.add_column("events")
        table.add_column("count", justify="right")
        for name, title in TITLES.items():
            table.add_row(title, f"{getattr(counters, name):,}")
        table.add_row("a second", f"{counters.rate:,.0f}")
        Console().print(table)


def run(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code; what a person must correct is one line on stderr."""
    try:
        return int(app(arguments, prog_name=PROGRAM, standalone_mode=False) or 0)
    except typer.TyperException as error:
        line, code = f"{error.format_message().rstrip('.')}. See {PROGRAM} --help.", error.exit_code
    except UserError as error:
        line, code = str(error), error.exit_code
    typer.echo(f"error: {' '.join(line.split())}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(run())
