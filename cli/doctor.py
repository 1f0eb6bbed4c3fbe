"""`mend doctor`: what is here, what is missing, and how to get it; a line each."""

import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated

import typer

from mend.runtime.errors import UserError

if TYPE_CHECKING:
    from mend.runtime.settings import Settings

PACKAGES = ("pyspark", "duckdb", "great-expectations", "confluent-kafka", "sqlalchemy")
LEAST_DISK_GB = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. `needed` says whether the shipped demo works without it."""

    what: str
    good: bool
    said: str
    needed: bool = True


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(doctor)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say what is here, what is missing and how to get it. Exit code 1 when something needed is missing.

    [dim]Example:[/dim] mend doctor
    """
    import orjson

    from mend.runtime.settings import load_settings

    findings = list(examine(load_settings()))
    if as_json:
        typer.echo(orjson.dumps([asdict(one) for one in findings], option=orjson.OPT_INDENT_2).decode())
    else:
        for one in findings:
            mark = "good   " if one.good else ("MISSING" if one.needed else "absent ")
            typer.echo(f"{mark} {one.what}: {one.said}")
    if any(one.needed and not one.good for one in findings):
        raise typer.Exit(1)


def examine(settings: "Settings") -> Iterator[Finding]:
    """Look at everything that a run needs, cheapest first."""
    yield Finding(what="python", good=sys.version_info >= (3, 11), said=platform.python_version())
    for package in PACKAGES:
        yield installed(package)
    yield writable(settings)
    yield disk(settings)
    yield tried("java", java)
    yield tried("jars", jars)
    yield tried("store", lambda: store(settings))
    yield tried("pipeline files", lambda: pipelines(settings))
    yield broker(settings)
    yield tried("model", lambda: model(settings), needed=False)
    yield tried("Docker", docker, needed=False)


def tried(what: str, look: Callable[[], str], *, needed: bool = True) -> Finding:
    """Turn an error that says what to do into a finding."""
    try:
        return Finding(what=what, good=True, said=look(), needed=needed)
    except UserError as error:
        return Finding(what=what, good=False, said=str(error), needed=needed)


def installed(package: str) -> Finding:
    """Look for a Python package."""
    try:
        return Finding(what=package, good=True, said=version(package))
    except PackageNotFoundError:
        return Finding(what=package, good=False, said="not installed. Run: make install-deps")


def writable(settings: "Settings") -> Finding:
    """Try to write where everything is written."""
    home = settings.home
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    good = os.access(there, os.W_OK)
    return Finding(what="MEND_HOME", good=good, said=str(home) if good else f"{there} is not writable. Set MEND_HOME.")


def disk(settings: "Settings") -> Finding:
    """Look at the free space."""
    home = settings.home
    free = shutil.disk_usage(next(folder for folder in (home, *home.parents) if folder.exists())).free / 2**30
    hint = "" if free >= LEAST_DISK_GB else f" (at least {LEAST_DISK_GB} GB are needed: free some, or set MEND_HOME)"
    return Finding(what="disk", good=free >= LEAST_DISK_GB, said=f"{free:.0f} GB free{hint}")


def java() -> str:
    """Find the Java that Kafka and Spark would run on."""
    from embedded.java import find_java

    found = find_java(os.environ)
    return f"{found.major} ({found.source}: {found.home})"


def jars() -> str:
    """Look at the jars of the broker and the connector."""
    from embedded.jars import missing_jars

    missing = missing_jars(os.environ)
    return (
        "all there" if not missing else f"{missing} not fetched yet; the first `mend run` or `make demo` fetches them"
    )


def store(settings: "Settings") -> str:
    """Open the store."""
    from mend.store.engine import open_store

    with open_store(settings.store_url):
        return "SQLite in MEND_HOME" if not settings.database_url else settings.database_url.split("@")[-1]


def pipelines(settings: "Settings") -> str:
    """Check every pipeline file."""
    from orchestration.check import check_pipeline

    files = sorted(settings.pipelines.glob("*.yml"))
    if not files:
        raise UserError(f"none in {settings.pipelines.absolute()}. Run mend where they are, or set MEND_PIPELINES.")
    return ", ".join(check_pipeline(path).pipeline.name for path in files)


def broker(settings: "Settings") -> Finding:
    """See whether something listens at KAFKA_BROKER; the demo brings a broker of its own."""
    host, _, port = settings.kafka_broker.split(",")[0].rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=2):
            return Finding(what="Kafka", good=True, said=settings.kafka_broker, needed=False)
    except (OSError, ValueError):
        said = f"nothing answers at {settings.kafka_broker}. Set KAFKA_BROKER; `make demo` needs none"
        return Finding(what="Kafka", good=False, said=said, needed=False)


def docker() -> str:
    """See what Docker is there and what it may use; Mend works without it."""
    from orchestration.containers import docker_resources

    return docker_resources()


def model(settings: "Settings") -> str:
    """See whether the model that may propose decisions answers; without one the rules decide alone."""
    from agent.llm.probe import probe
    from agent.wiring import provider_of
    from mend.runtime.settings import LlmProvider

    if settings.llm_provider is LlmProvider.NONE:
        return "none: the rules decide alone (LLM_PROVIDER)"
    return probe(provider_of(settings))
