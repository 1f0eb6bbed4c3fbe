"""`mend demo`: the whole pipeline on this machine, with a broker of its own and events that have everything wrong."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest

if TYPE_CHECKING:
    from embedded.kafka_broker import KafkaBroker
    from mend.runtime.settings import Settings

PIPELINES = ("customers", "orders")
PARTITIONS = 4
ANOMALIES = {
    "--late-rate": 0.05,
    "--drift-frequency": 100,
    "--missing-rate": 0.02,
    "--malformed-rate": 0.01,
    "--duplicate-rate": 0.01,
}


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(demo)


def demo(
    events: Annotated[int, typer.Option("--events", min=1, help="How many events to send.")] = 20_000,
    pipeline: Annotated[str, typer.Option(help="customers, or orders with their payments.")] = "customers",
    folder: Annotated[Path, typer.Option("--folder", help="Where the demo writes; emptied first.")] = Path("data/demo"),
) -> None:
    """Start a Kafka broker, send events with anomalies, run the whole pipeline, show what happened.

    Needs nothing beforehand: no Docker, no Java, no account. Everything listens on loopback and ends with the demo.

    [dim]Example:[/dim] mend demo --events 100000 · mend demo --pipeline orders
    """
    from rich.console import Console

    from cli.run import run_everything, show, write_page
    from cli.run_steps import progress
    from cli.spark_choice import fetched_platform
    from embedded.kafka_broker import KafkaBroker, create_topic
    from embedded.spark_platform import spark_platform
    from orchestration.storage import at_work, refusals_told
    from orchestration.workspace import open_workspace

    if pipeline not in PIPELINES:
        raise UserError(f"no made-up events for '{pipeline}'.{nearest(pipeline, PIPELINES)}")
    with refusals_told(), ExitStack() as stack:
        home = emptied(folder)
        java, jars = fetched_platform()
        steps = stack.enter_context(progress(Console(stderr=True)))
        with steps.step("start Kafka") as shown:
            broker_ = stack.enter_context(KafkaBroker(java, jars.kafka, home / "kafka"))
            shown.note(broker_.bootstrap)
        with steps.step("send events") as shown:
            create_topic(broker_.bootstrap, pipeline, PARTITIONS)
            send(broker_, events, pipeline)
            shown.note(f"{events} events, some late, drifted, incomplete, broken or sent twice")
        settings = demo_settings(home, broker_)
        with (
            open_workspace(settings, pipeline, spark_platform(java, jars, prepare=False)) as opened,
            at_work(opened) as workspace,
        ):
            runs = run_everything(workspace, steps)
            pages = [write_page(workspace, one) for one in runs]
    show(Console(), runs, pages)


def emptied(folder: Path) -> Path:
    """Return the demo's folder, made anew; a folder that no demo made is left alone."""
    import shutil

    home = folder.absolute()
    mark = home / ".mend-demo"
    if home.exists() and any(home.iterdir()) and not mark.exists():
        raise UserError(f"{home} is not empty and no demo made it. Name another with --folder.")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    mark.touch()
    return home


def send(broker: "KafkaBroker", events: int, pipeline: str) -> None:
    """Run the producer as users do."""
    options = [str(word) for pair in ANOMALIES.items() for word in pair]
    command = [sys.executable, "-m", "producer", "--broker", broker.bootstrap, "--events", pipeline,
               "--topic", pipeline, "--rate", "0",
               "--count", str(events), "--quiet", *options]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=dict(os.environ))
    if done.returncode != 0:
        raise UserError(f"the producer failed: {done.stderr.strip() or done.stdout.strip()}", exit_code=1)


def demo_settings(home: Path, broker: "KafkaBroker") -> "Settings":
    """Return settings for the demo alone: nothing of the user's own .env leads out of its folder."""
    from mend.runtime.settings import SinkMode, load_settings

    return load_settings(
        mend_home=home / "data",
        MEND_PIPELINES=Path(__file__).parent.parent / "pipelines",
        kafka_broker=broker.bootstrap,
        kafka_topic="customers",
        sink_mode=SinkMode.PARQUET,
        parquet_out=None,
        spark_master="local[*]",
        spark_checkpoint_location=None,
        database_url="",
    )
