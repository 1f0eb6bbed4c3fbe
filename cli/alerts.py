"""`mend alerts`: what waits to be told to people, and whether it gets through."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from mend.runtime.settings import Settings
    from mend.store.deliveries import ChannelState, Delivery
    from mend.store.engine import Store

cli = typer.Typer(
    help="Alerts to people: what waits, what was sent, and whether the channels work.", no_args_is_help=True
)
LONGEST_PASS = 600
JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@cli.command()
def send(
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and look every few seconds.")] = False,
    every: Annotated[float, typer.Option(help="Seconds between two looks with --watch.", min=1)] = 5.0,
    as_json: JSON = False,
) -> None:
    """Send what is due. Exit code 1: something could not be sent (it is tried again).

    [dim]Examples:[/dim] mend alerts send · mend alerts send --watch
    """
    import time
    from dataclasses import asdict
    from datetime import timedelta

    import orjson

    from mend.alerts.wiring import courier_of

    with opened() as (settings, store):
        while True:
            tally = courier_of(settings, store).work(timedelta(seconds=LONGEST_PASS))
            if not watch or tally.sent or tally.failed:
                told = f"sent {tally.sent}, failed {tally.failed}, given up {tally.parked}"
                typer.echo(orjson.dumps(asdict(tally)).decode() if as_json else told)
            if not watch:
                raise typer.Exit(1 if tally.failed else 0)
            time.sleep(every)


@cli.command()
def ls(
    everything: Annotated[bool, typer.Option("--all", help="Sent ones, too.")] = False, as_json: JSON = False
) -> None:
    """Show what waits or was given up, and how the channels do. Exit code 1: something was given up.

    [dim]Examples:[/dim] mend alerts ls · mend alerts ls --all --json
    """
    import orjson
    from rich.console import Console
    from rich.table import Table

    with opened() as (_, store):
        found = store.deliveries.recent() if everything else store.deliveries.unsent()
        channels = store.deliveries.channels()
    rows = [as_row(one) for one in found]
    if as_json:
        document = {"deliveries": rows, "channels": [as_channel(one) for one in channels]}
        typer.echo(orjson.dumps(document).decode())
    else:
        table = Table("id", "channel", "state", "tries", "severity", "title", "error", box=None)
        for row in rows:
            table.add_row(
                *(str(row[name] or "") for name in ("id", "channel", "state", "attempts", "severity", "title", "error"))
            )
        console = Console(markup=False)
        console.print(table if rows else "Nothing waits.")
        for one in channels:
            if one.failures:
                console.print(
                    f"{one.channel}: failed {one.failures} times in a row, next try {one.next_at:%H:%M:%S} UTC"
                )
    raise typer.Exit(1 if any(one.state == "parked" for one in found) else 0)


@cli.command()
def retry(
    delivery: Annotated[str | None, typer.Argument(help="The beginning of its id; by default all.")] = None,
) -> None:
    """Make what waits or was given up due now.

    [dim]Examples:[/dim] mend alerts retry · mend alerts retry 3f2a
    """
    from mend.runtime import clock

    with opened() as (_, store):
        many = store.deliveries.retry(clock.now(), delivery)
    typer.echo(f"due now: {many}; send them with: mend alerts send")


@cli.command()
def digest(
    since: Annotated[str, typer.Option(help="Of a length of time, such as 24h or 7d.")] = "24h",
    send: Annotated[bool, typer.Option("--send", help="Send it by e-mail, too.")] = False,
    as_json: JSON = False,
) -> None:
    """Sum up runs, decisions and incidents of some hours. Exit code 1: it could not be sent yet (it is tried again).

    [dim]Examples:[/dim] mend alerts digest · 0 7 * * * mend alerts digest --since 24h --send
    """
    from datetime import timedelta

    import orjson

    from cli.prove import start
    from mend.alerts.wiring import courier_of
    from mend.contracts.codec import to_dict
    from mend.incidents.log import incident_log
    from mend.runtime.clock import now
    from mend.runtime.layout import Layout
    from orchestration.digest import as_alert, send_digest
    from orchestration.digest import digest as sum_up

    until = now()
    with opened() as (settings, store):
        found = sum_up(store, incident_log(store, Layout(settings).ops), start(since, until), until)
        alert, failed = as_alert(found), 0
        if send:
            send_digest(store, found)
            failed = courier_of(settings, store).work(timedelta(seconds=LONGEST_PASS)).failed
    if as_json:
        typer.echo(orjson.dumps(to_dict(alert)).decode())
    else:
        typer.echo("\n".join([alert.title, alert.message, *(f"{name}: {fact}" for name, fact in alert.facts.items())]))
    raise typer.Exit(1 if failed else 0)


@cli.command("test")
def try_out(
    severity: Annotated[str, typer.Option(help="info, warning, error or critical.")] = "info", as_json: JSON = False
) -> None:
    """Send a message through every channel that is set up. Exit code 1: one does not work.

    [dim]Example:[/dim] mend alerts test
    """
    import orjson

    from mend.alerts.notify import severity_of, try_channels
    from mend.contracts.alert import Alert
    from mend.runtime.settings import load_settings

    alert = Alert(
        title="Test of Mend's alerts",
        severity=severity_of(severity),
        message="If you can read this, alerts arrive here.",
        todo="Nothing.",
    )
    found = try_channels(alert, load_settings())
    for name, result in found.items():
        typer.echo(f"{name}: {result}", err=as_json)
    if as_json:
        typer.echo(orjson.dumps(found).decode())
    raise typer.Exit(0 if set(found.values()) == {"sent"} else 1)


@cli.command()
def watch(
    every: Annotated[float | None, typer.Option(help="Stay, and look every so many seconds.", min=1)] = None,
) -> None:
    """Look whether the pipelines still run, and call people if not. Exit code 1: one does not.

    Start it by cron, or with --every as a service of its own: not by what it watches. For a machine that is gone
    set HEARTBEAT_URL, too.

    [dim]Examples:[/dim] */5 * * * * mend alerts watch · mend alerts watch --every 60
    """
    import time

    from mend.runtime import clock
    from mend.runtime.settings import load_settings
    from orchestration.dead_man import look

    settings = load_settings()
    while True:
        silent = look(settings, clock.now())
        if silent:
            typer.echo(f"no sign of life: {', '.join(silent)}", err=True)
        if every is None:
            raise typer.Exit(1 if silent else 0)
        time.sleep(every)


def opened() -> "AbstractContextManager[tuple[Settings, Store]]":
    """Open the store of the settings."""
    from contextlib import contextmanager

    from mend.runtime.settings import load_settings
    from mend.store.engine import open_store

    @contextmanager
    def both() -> "Iterator[tuple[Settings, Store]]":
        settings = load_settings()
        with open_store(settings.store_url) as store:
            yield settings, store

    return both()


def as_row(one: "Delivery") -> dict[str, Any]:
    """Return a delivery for people and scripts."""
    from mend.alerts.words import headline

    return {
        "id": one.id,
        "channel": one.channel,
        "state": str(one.state),
        "attempts": one.attempts,
        "severity": str(one.alert.severity),
        "title": headline(one.alert),
        "error": one.error,
        "created_at": one.created_at.isoformat(),
        "due_at": one.due_at.isoformat(),
        "sent_at": one.sent_at.isoformat() if one.sent_at else None,
        "run_id": one.alert.run_id,
        "incident_id": one.alert.incident_id,
    }


def as_channel(one: "ChannelState") -> dict[str, Any]:
    """Return how a channel does."""
    next_at = one.next_at.isoformat() if one.next_at else None
    return {"channel": one.channel, "failures": one.failures, "next_at": next_at}
