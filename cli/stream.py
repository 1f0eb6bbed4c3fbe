"""`mend stream`: a pipeline that stays, a run at every trigger."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from mend.runtime.errors import UserError

if TYPE_CHECKING:
    from mend.runtime.pipeline_file import Pipeline
    from orchestration.stream import News, Tell
    from orchestration.workspace import Workspace

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
TRIGGER = re.compile(r"(\d{1,6})\s*(ms|s|m|h)")


def register(cli: typer.Typer) -> None:
    """Add the command."""
    cli.command()(stream)


def stream(
    pipeline: Annotated[str, typer.Option(help="A pipeline's name, or the path of its file.")] = "customers",
    trigger: Annotated[
        str, typer.Option(help="How often a run begins, such as 5s or 2m; by default `trigger` of the pipeline file.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line a run.")] = False,
) -> None:
    """Read the topic until stopped: each micro-batch is a run, audited, decided, published and recounted.

    Ctrl-C or SIGTERM finishes the micro-batch at work and ends with code 0; a second one does not wait.
    Exit code 1: a job failed and another try would not help, or a person is needed.

    [dim]Examples:[/dim] mend stream · mend stream --pipeline orders --trigger 5s --json >> runs.jsonl
    """
    from cli.spark_choice import spark_for
    from cli.stream_view import shown
    from mend.runtime.settings import load_settings
    from orchestration.storage import at_work, refusals_told
    from orchestration.stream import Stop
    from orchestration.stream import stream as read
    from orchestration.workspace import open_workspace

    settings = load_settings()
    platform = spark_for("run_spark_job")
    with refusals_told(), open_workspace(settings, pipeline, platform) as opened, at_work(opened) as workspace:
        seconds = seconds_between(trigger, workspace.pipeline)
        with shown(workspace, as_json=as_json) as tell:
            read(workspace, trigger=seconds, stop=Stop(), tell=with_pages(workspace, tell))


def with_pages(workspace: "Workspace", tell: "Tell") -> "Tell":
    """Return what writes the pages of a finished run, as `mend run` does, before it is told."""
    from cli.gather import gather
    from cli.run import write_page

    def written(news: "News") -> None:
        if news.run_id:
            write_page(workspace, gather(workspace, news.run_id))
        tell(news)

    return written


def seconds_between(text: str, pipeline: "Pipeline") -> float:
    """Return the seconds between two triggers."""
    return length_of("--trigger", text) if text else pipeline.trigger.total_seconds()


def length_of(option: str, text: str) -> float:
    """Read a length of time in seconds."""
    found = TRIGGER.fullmatch(text.strip())
    if found is None or int(found[1]) == 0:
        raise UserError(f"{option}: '{text}' is no length of time above 0. Write it like 500ms, 5s or 2m.")
    return int(found[1]) * SECONDS[found[2]]
