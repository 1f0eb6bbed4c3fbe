"""`mend event`: failed tasks of any source, what was made of them, and what waits for a person."""

from typing import TYPE_CHECKING, Annotated

import typer

from mend.runtime.errors import UserError

if TYPE_CHECKING:
    from mend.contracts.task_event import TaskEvent
    from mend.store.task_events import KeptEvent

cli = typer.Typer(help="Failed tasks of any source: diagnosed, decided about, followed.", no_args_is_help=True)
MOST_BYTES = 1_000_000
Pipeline = Annotated[str, typer.Option(help="The pipeline that the task belongs to, by its name or file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@cli.command()
def take(
    file: Annotated[str, typer.Argument(help="A JSON file with the event; - reads it from stdin.")],
    pipeline: Pipeline = "customers",
    as_json: AsJson = False,
) -> None:
    """Take in an event: {source, task, error, retry_count, log_excerpt, …} as docs/schemas/task_event.schema.json says.

    Exit code 1: a person was called. The same event again is dealt with once.

    [dim]Examples:[/dim] mend event take failure.json · curl -s … | mend event take - --json
    """
    from mend.runtime.settings import load_settings
    from orchestration.task_events import take_event
    from orchestration.workspace import open_workspace

    event = parsed(content_of(file), file)
    with open_workspace(load_settings(), pipeline) as workspace:
        kept = take_event(workspace, event)
    show_events((kept,), as_json=as_json)
    raise typer.Exit(1 if kept.answer and kept.answer.waits else 0)


@cli.command("ls")
def list_events(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many events.")] = 20, as_json: AsJson = False
) -> None:
    """Show the newest events.

    [dim]Example:[/dim] mend event ls -n 5
    """
    from mend.runtime.settings import load_settings
    from mend.store.engine import open_store

    with open_store(load_settings().store_url) as store:
        show_events(store.task_events.recent(limit), as_json=as_json)


@cli.command()
def show(event_id: Annotated[str, typer.Argument(help="The event's id.")], as_json: AsJson = False) -> None:
    """Show one event with its root cause, suggestions and what came of it.

    [dim]Example:[/dim] mend event show event-1c9b20d3fa6f5bd1a9e0
    """
    from mend.runtime.settings import load_settings
    from mend.store.engine import open_store

    with open_store(load_settings().store_url) as store:
        kept = store.task_events.get(event_id)
    if kept is None:
        raise UserError(f"no event '{event_id}'. See the known ones with: mend event ls")
    show_events((kept,), as_json=as_json)


@cli.command()
def approve(
    event_id: Annotated[str, typer.Argument(help="The event's id.")],
    by: Annotated[str, typer.Option(help="Who approves; it is written into the decision log.")],
    pipeline: Pipeline = "customers",
    as_json: AsJson = False,
) -> None:
    """Do what waits for a person: update the schema where the event names new fields, and run the task again.

    Exit code 3: nothing waits.

    [dim]Example:[/dim] mend event approve event-1c9b20d3fa6f5bd1a9e0 --by ada
    """
    from mend.runtime.settings import load_settings
    from orchestration.approval import approve as carry_out
    from orchestration.workspace import open_workspace

    with open_workspace(load_settings(), pipeline) as workspace:
        show_events((carry_out(workspace, event_id, by),), as_json=as_json)


def content_of(file: str) -> bytes:
    """Read the event; more than a megabyte is none."""
    import sys
    from pathlib import Path

    try:
        with sys.stdin.buffer if file == "-" else Path(file).open("rb") as source:
            content = source.read(MOST_BYTES + 1)
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}). Check the path.") from error
    if len(content) > MOST_BYTES:
        raise UserError(f"{file}: is larger than {MOST_BYTES:,} bytes. Send an excerpt of the log.")
    return content


def parsed(content: bytes, file: str) -> "TaskEvent":
    """Read an event; what is wrong in it is a UserError."""
    from mend.contracts import codec
    from mend.contracts.task_event import TaskEvent

    try:
        return codec.loads(TaskEvent, content)
    except codec.ContractError as error:
        raise UserError(f"{file}: is no event of a task: {error}. See docs/schemas/task_event.schema.json") from error


def show_events(events: "tuple[KeptEvent, ...]", *, as_json: bool) -> None:
    """Print events for people, or as a JSON list."""
    import orjson

    if as_json:
        typer.echo(orjson.dumps([as_document(one) for one in events]).decode())
        return
    if not events:
        typer.echo("No event of a task came in.")
    for one in events:
        typer.echo("\n".join(told(one)))


def as_document(kept: "KeptEvent") -> dict[str, object]:
    """Return an event for scripts."""
    from mend.contracts.codec import to_dict

    return {
        "id": kept.id,
        "pipeline": kept.pipeline,
        "received_at": kept.received_at.isoformat(),
        "event": to_dict(kept.event),
        "answer": to_dict(kept.answer) if kept.answer else None,
    }


def told(kept: "KeptEvent") -> list[str]:
    """Return an event in lines."""
    from cli.wording import clip, moment

    event, answer = kept.event, kept.answer
    lines = [f"{kept.id}  {moment(kept.received_at.isoformat())}  {clip(kept.task, 60)} {event.status}"]
    if answer is None:
        return [*lines, "  not answered yet: send it again"]
    lines.append(f"  severity   {answer.assessment.severity.value}: {clip(answer.assessment.why, 200)}")
    if answer.diagnosis:
        found = answer.diagnosis
        lines.append(f"  cause      {found.root_cause} [{found.pattern}, confidence {found.confidence:.2f}]")
        lines += [f"  suggested  {one}" for one in found.suggestions]
    if answer.decision:
        lines.append(f"  decision   {answer.decision}: {clip(answer.reasoning, 280)}")
    lines.append(f"  effect     {answer.effect.value.replace('_', ' ')}")
    if answer.rollback:
        lines.append(f"  rollback   {answer.rollback}")
    if answer.waits:
        lines.append(f"  waits      for a person: mend event approve {kept.id} --by NAME")
    return lines
