"""`mend serve-metrics`: what Prometheus scrapes."""

import errno
from typing import TYPE_CHECKING, Annotated

import typer

from mend.runtime.errors import UserError

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

    from prometheus_client import CollectorRegistry

LOOPBACK = "127.0.0.1"


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command("serve-metrics")(serve_metrics)


def serve_metrics(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on loopback; 0 takes a free one.")] = 8000,
    once: Annotated[bool, typer.Option("--once", help="Print the metrics on stdout and end.")] = False,
) -> None:
    """Serve metrics as Prometheus text on loopback until Ctrl-C or SIGTERM, which end it with code 0.

    [dim]Examples:[/dim] mend serve-metrics · mend serve-metrics --port 9100 · mend serve-metrics --once
    """
    from prometheus_client import CollectorRegistry, generate_latest

    from mend.runtime.layout import Layout
    from mend.runtime.settings import load_settings
    from mend.store.engine import open_store
    from orchestration.exposition import StoreCollector
    from orchestration.stream import Stop, graceful

    settings = load_settings()
    registry = CollectorRegistry()
    with open_store(settings.store_url) as store:
        registry.register(StoreCollector(store, Layout(settings).ops))
        if once:
            typer.echo(generate_latest(registry).decode(), nl=False)
            return
        stop = Stop()
        with graceful(stop):
            server = listening(port, registry)
            typer.echo(f"metrics at http://{LOOPBACK}:{server.server_port}/metrics, Ctrl-C ends it", err=True)
            stop.asked.wait()
            server.shutdown()
            server.server_close()


def listening(port: int, registry: "CollectorRegistry") -> "WSGIServer":
    """Return a server that answers on loopback; a port that cannot be had is a UserError."""
    from prometheus_client import start_http_server

    try:
        return start_http_server(port, addr=LOOPBACK, registry=registry)[0]
    except OSError as error:
        why = "something listens there already" if error.errno == errno.EADDRINUSE else error.strerror
        raise UserError(f"port {port} cannot be opened on {LOOPBACK}: {why}. Choose another with --port.") from error
