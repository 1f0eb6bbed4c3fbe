"""`mend demo`: a story in four acts on this machine, with a broker of its own and real data flowing."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cli.demo_facts import ShownAct, ShownRun
    from embedded.kafka_broker import KafkaBroker
    from mend.runtime.settings import Settings
    from orchestration.story import Played
    from orchestration.workspace import Workspace

PIPELINES = ("customers", "orders")
PARTITIONS = 4


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(demo)


def demo(
    events: Annotated[int, typer.Option("--events", min=1, help="How many events to send in all.")] = 20_000,
    act: Annotated[int | None, typer.Option("--act", min=1, max=4, help="Play only this act.")] = None,
    pipeline: Annotated[str, typer.Option(help="customers, or orders with their payments; both play all acts.")] = (
        "customers"
    ),
    folder: Annotated[Path, typer.Option("--folder", help="Where the demo writes; emptied first.")] = Path("data/demo"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Start a Kafka broker and Spark, and play four acts: a healthy run, a new field, a bad segment, a rename.

    Needs nothing beforehand: no Docker, no Java, no account. Everything listens on loopback and ends with the demo.

    In act 4 the demo itself says yes to the mapping that Mend proposes, in your name; played alone, the act begins with
    a healthy run, to compare with. Exit code 1: the proof at the end does not hold.

    [dim]Examples:[/dim] mend demo · mend demo --act 3 · mend demo --events 100000 --json · mend demo --pipeline orders
    """
    import orjson
    from rich.console import Console

    from cli.demo_facts import as_document
    from cli.demo_page import write_pages
    from cli.demo_view import narrator, summary
    from cli.person import who
    from cli.run_steps import progress
    from cli.spark_choice import fetched_platform
    from embedded.kafka_broker import KafkaBroker, create_topic
    from embedded.spark_platform import spark_platform
    from mend.proof.prove import Scope
    from mend.runtime import clock
    from orchestration.prove import certify
    from orchestration.storage import at_work, refusals_told
    from orchestration.story import ACTS, Story
    from orchestration.workspace import open_workspace

    if pipeline not in PIPELINES:
        raise UserError(f"no made-up events for '{pipeline}'.{nearest(pipeline, PIPELINES)}")
    acts = [one for one in ACTS if act in {None, one.number}]
    with refusals_told(), ExitStack() as stack:
        home = emptied(folder)
        java, jars = fetched_platform()
        with progress(Console(stderr=True)) as steps, steps.step("start Kafka") as shown:
            broker_ = stack.enter_context(KafkaBroker(java, jars.kafka, home / "kafka"))
            create_topic(broker_.bootstrap, pipeline, PARTITIONS)
            shown.note(broker_.bootstrap)
        settings = demo_settings(home, broker_)
        opened = stack.enter_context(open_workspace(settings, pipeline, spark_platform(java, jars, prepare=False)))
        workspace = stack.enter_context(at_work(opened))
        with narrator(workspace) as audience:
            played = Story(workspace, acts, events, who(""), audience).play()
        proof = certify(settings, workspace.store, Scope(), now=clock.now(), pipelines=[workspace.pipeline])
        shown_acts = with_pages(workspace, played)
        page = write_pages(home / "pages", shown_acts, proof)
    if as_json:
        typer.echo(orjson.dumps(as_document(shown_acts, proof, page)).decode())
    else:
        Console().print(summary(shown_acts, proof, page), soft_wrap=True)
    raise typer.Exit(0 if proof.proof.holds else 1)


def with_pages(workspace: "Workspace", played: "Sequence[Played]") -> "tuple[ShownAct, ...]":
    """Write the pages of all runs of the acts."""
    from cli.demo_facts import ShownAct

    return tuple(
        ShownAct(
            played=one,
            runs=tuple(with_page(workspace, run_id) for run_id in one.run_ids),
            replay=with_page(workspace, one.healing.certificate.run_id)
            if one.healing and one.healing.certificate and one.healing.certificate.published
            else None,
        )
        for one in played
    )


def with_page(workspace: "Workspace", run_id: str) -> "ShownRun":
    """Write the page of a run."""
    from cli.demo_facts import ShownRun
    from cli.gather import gather
    from cli.run import write_page

    facts = gather(workspace, run_id)
    return ShownRun(facts=facts, page=Path(write_page(workspace, facts)))


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


def demo_settings(home: Path, broker: "KafkaBroker") -> "Settings":
    """Return settings for the demo alone: nothing of the user's own .env leads out of its folder."""
    from mend.runtime.settings import LlmProvider, SinkMode, load_settings

    return load_settings(
        mend_home=home / "data",
        MEND_PIPELINES=Path(__file__).parent.parent / "pipelines",
        kafka_broker=broker.bootstrap,
        kafka_security_protocol="PLAINTEXT",
        kafka_topic="customers",
        sink_mode=SinkMode.PARQUET,
        parquet_out=None,
        spark_master="local[*]",
        spark_checkpoint_location=None,
        database_url="",
        schema_registry_url="",
        alert_slack_webhook_url="",
        slack_bot_token="",
        alert_email="",
        heartbeat_url="",
        llm_provider=LlmProvider.NONE,
    )
