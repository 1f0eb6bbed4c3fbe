"""`mend incident`: what went wrong, whether somebody is on it, what ended such things before."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mend.contracts.incident import Incident
    from mend.incidents.log import IncidentLog
    from mend.incidents.similar import Similar

cli = typer.Typer(help="Incidents: list, show, acknowledge, resolve, close, compare, count.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The incident's id, or the first characters of it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Note = Annotated[str, typer.Option("--note", "-m", help="Why, or by what; it stays with the incident.")]
Days = Annotated[float, typer.Option("--days", "-d", min=0.01, help="Opened in the last days.")]
YEARS = 3_650


@cli.command()
def ls(  # noqa: PLR0913, PLR0917 - each is a filter of the command
    days: Days = 7,
    live: Annotated[bool, typer.Option("--open", help="Only open and acknowledged ones, however old.")] = False,
    status: Annotated[str | None, typer.Option(help="open, acknowledged, resolved or closed.")] = None,
    severity: Annotated[str | None, typer.Option(help="At least: low, medium, high or critical.")] = None,
    kind: Annotated[str | None, typer.Option("--type", help="Only incidents of this type.")] = None,
    run: Annotated[str | None, typer.Option(help="Only incidents about this run.")] = None,
    folded: Annotated[bool, typer.Option("--all", "-a", help="Also what is folded into others.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", "-k", min=1, help="How many at most.")] = 50,
    as_json: Json = False,
) -> None:
    """List incidents, newest first; what recurs or follows from one is counted in it.

    [dim]Examples:[/dim] mend incident ls --open · mend incident ls --days 30 --severity high --json
    """
    from mend.contracts.incident import IncidentStatus, Severity
    from mend.incidents.lifecycle import GRAVITY
    from mend.runtime.clock import now

    status, least = word("--status", status, IncidentStatus), word("--severity", severity, Severity)
    with log() as incidents:
        recent = incidents.get_recent_incidents(at=now(), days=YEARS if live else days)
    chosen = [
        one
        for one in recent
        if (folded or run or one.parent is None)
        and (one.live or not live)
        and (status is None or one.status == status)
        and (least is None or GRAVITY[one.severity] >= GRAVITY[Severity(least)])
        and (kind is None or one.incident_type == kind)
        and (run is None or one.context.get("run_id") == run)
    ]
    if as_json:
        echo([document(one) for one in chosen[:limit]])
        return
    from cli.incident_view import listed

    show_on_terminal(listed(chosen[:limit], len(chosen), now()))


@cli.command()
def fingerprint(
    message: Annotated[
        str | None, typer.Option("--message", "-m", help="The error. Without it, stdin is read.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what makes an error the same problem as others, what kind it is, and whether another try may help.

    Ids, numbers, offsets, times and addresses do not count. Nothing is stored.

    [dim]Examples:[/dim] mend incident fingerprint -m "Connection to node -1 refused" --json · tail -40 spark.log |
    mend incident fingerprint
    """
    import sys

    from mend.incidents.classes import classify
    from mend.incidents.fingerprint import fingerprint as mark
    from mend.incidents.fingerprint import masked

    text = sys.stdin.read() if message is None else message
    found = classify(text)
    told = {
        "fingerprint": mark(text),
        "cause": found.signs if found.signs != "none" else "unknown",
        "category": found.kind.value,
        "retriable": found.retriable,
        "lasting": found.lasting.value,
        "part": found.part.value,
        "side": found.side.value,
        "masked": masked(text),
    }
    if as_json:
        echo(told)
        return
    for name, value in told.items():
        typer.echo(f"{name:<12} {value}")


@cli.command()
def show(incident: Id, as_json: Json = False) -> None:
    """Show an incident: its facts, its life, what is folded into it, and why that is thought to belong to it.

    [dim]Examples:[/dim] mend incident show 3f2a · mend incident show 3f2a --json
    """
    from mend.incidents.fold import explained

    with log() as incidents:
        one = incidents.named(incident)
        below = incidents.folded_under(one.id)
    explanation = explained(one, below)
    if as_json:
        echo(document(one) | {"explanation": explanation, "folded": [document(child) for child in below]})
        return
    from cli.incident_view import page

    show_on_terminal(page(one, below, explanation))


@cli.command("open")
def open_(
    kind: Annotated[str, typer.Argument(help="Its type, such as airflow_task_failure.")],
    summary: Annotated[str, typer.Option(help="What happened, in a line.")],
    severity: Annotated[str, typer.Option(help="low, medium, high or critical.")] = "medium",
    pipeline: Annotated[str, typer.Option(help="A pipeline's name, or the path of its file.")] = "customers",
    cause: Annotated[
        str | None, typer.Option(help="What it is about: of a cause one is open at a time. Default: of the summary.")
    ] = None,
    facts: Annotated[list[str] | None, typer.Option("--fact", help="name=value; may be given often.")] = None,
    as_json: Json = False,
) -> None:
    """Open an incident and tell people, as a scheduler does whose task failed. The same cause again is counted in it.

    [dim]Example:[/dim] mend incident open airflow_task_failure --severity high --summary "validate_load: timed out"
    """
    from mend.contracts.incident import Severity
    from mend.runtime.settings import load_settings
    from orchestration.alerts import told_incident
    from orchestration.workspace import open_workspace

    level = Severity(str(word("--severity", severity, Severity)))
    context = dict(fact.partition("=")[::2] for fact in facts or [])
    with open_workspace(load_settings(), pipeline) as workspace:
        said(told_incident(workspace, kind, summary, level, context, cause=cause), as_json=as_json)


@cli.command()
def ack(incident: Id, note: Note = "", as_json: Json = False) -> None:
    """Say that you are on it.

    [dim]Example:[/dim] mend incident ack 3f2a -m "I look at the broker"
    """
    with log() as incidents:
        said(incidents.acknowledge_incident(named(incidents, incident), note, at(), who=person()), as_json=as_json)


@cli.command()
def resolve(
    incident: Id,
    note: Annotated[str, typer.Option("--note", "-m", help="By what it was resolved: others are shown it later.")],
    helped: Annotated[
        bool | None, typer.Option("--helped/--did-not-help", help="Mark that it helped, if that is known already.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Resolve it, and all that is folded into it. Called again with --helped, mark what was done as useful or not.

    [dim]Examples:[/dim] mend incident resolve 3f2a -m "restarted the broker" · mend incident helped 3f2a
    """
    with log() as incidents:
        found = named(incidents, incident)
        one = incidents.resolve_incident(found, note, at(), who=person())
        said(incidents.judge_resolution(found, helped=helped) if helped is not None else one, as_json=as_json)


@cli.command()
def helped(
    incident: Id,
    no: Annotated[bool, typer.Option("--no", help="It did not help.")] = False,
    as_json: Json = False,
) -> None:
    """Mark an incident's last resolution as one that helped; `mend incident similar` ranks by it.

    [dim]Examples:[/dim] mend incident helped 3f2a · mend incident helped 3f2a --no
    """
    with log() as incidents:
        said(incidents.judge_resolution(named(incidents, incident), helped=not no), as_json=as_json)


@cli.command()
def close(incident: Id, note: Note = "", as_json: Json = False) -> None:
    """Close a resolved one: if its cause comes back, that is a new incident.

    [dim]Example:[/dim] mend incident close 3f2a
    """
    with log() as incidents:
        said(incidents.close_incident(named(incidents, incident), note, at(), who=person()), as_json=as_json)


@cli.command()
def reopen(incident: Id, note: Note = "", as_json: Json = False) -> None:
    """Open a resolved one again; what was done counts as one that did not help.

    [dim]Example:[/dim] mend incident reopen 3f2a -m "it is back"
    """
    with log() as incidents:
        said(incidents.reopen_incident(named(incidents, incident), note, at(), who=person()), as_json=as_json)


@cli.command()
def similar(
    incident: Id,
    limit: Annotated[int, typer.Option("--limit", "-n", "-k", min=1, help="How many at most.")] = 5,
    as_json: Json = False,
) -> None:
    """Show incidents like this one, and what ended them, the most useful first.

    [dim]Example:[/dim] mend incident similar 3f2a
    """
    from mend.incidents.similar import recommended
    from mend.incidents.similar import similar as like

    with log() as incidents:
        one = incidents.named(incident)
        known = incidents.get_recent_incidents(at=at(), days=YEARS)
    found = like(one, known, limit=max(limit, 100))
    remedies = recommended([*found, *itself(one)])
    if as_json:
        echo(
            {
                "similar": [similar_document(each) for each in found[:limit]],
                "remedies": [asdict(each) for each in remedies],
            }
        )
        return
    from cli.incident_view import alike

    show_on_terminal(alike(one, found[:limit], remedies))


@cli.command()
def stats(
    days: Annotated[
        int, typer.Option("--days", "-d", min=1, max=YEARS, help="Of the last days; weekly from 60 on.")
    ] = 30,
    as_json: Json = False,
) -> None:
    """Count incidents by type, severity and day, how fast they were acknowledged and resolved, what came back.

    [dim]Examples:[/dim] mend incident stats · mend incident stats --days 90 --json
    """
    from mend.incidents.trends import trends

    with log() as incidents:
        moment = at()
        counts = incidents.get_incident_stats(at=moment, days=days)
        found = trends(incidents.get_recent_incidents(at=moment, days=days), days, moment)
    if as_json:
        echo(counts | {"trends": asdict(found)})
        return
    from cli.incident_view import charts

    show_on_terminal(charts(found))


@contextmanager
def log() -> Iterator["IncidentLog"]:
    """Open the incident log: the store, and the file beside it; a home without a store has the file alone."""
    from mend.incidents.log import incident_log
    from mend.runtime.layout import Layout
    from mend.runtime.settings import load_settings
    from mend.store.database import StoreUnavailable
    from mend.store.engine import open_store

    settings = load_settings()
    ops = Layout(settings).ops
    try:
        store = open_store(settings.store_url) if settings.store_exists else None
    except StoreUnavailable as error:
        typer.echo(f"note: {error} Shown is what was kept meanwhile in {ops}.", err=True)
        store = None
    try:
        yield incident_log(store, ops)
    finally:
        if store:
            store.close()


def named(incidents: "IncidentLog", beginning: str) -> str:
    """Return the whole id."""
    return incidents.named(beginning).id


def at() -> Any:
    """Return the time."""
    from mend.runtime.clock import now

    return now()


def person() -> str:
    """Return who is at the terminal."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return "somebody"


def word(option: str, value: str | None, kind: Any) -> str | None:
    """Return a word of an enumeration; another is a UserError with the nearest."""
    from mend.runtime.errors import UserError
    from mend.runtime.nearest import nearest

    if value is not None and value not in list(kind):
        raise UserError(f"{option}: '{value}' is none.{nearest(value, list(kind))}")
    return value


def itself(incident: "Incident") -> tuple["Similar", ...]:
    """Return the incident as one like itself: what ended it before is a remedy, too."""
    from mend.incidents.similar import SAME, Similar

    return (Similar(incident=incident, likeness=SAME),)


def said(incident: "Incident", *, as_json: bool) -> None:
    """Say how it stands now."""
    if as_json:
        echo(document(incident))
        return
    last = incident.transitions[-1] if incident.transitions else None
    from cli.wording import clip

    typer.echo(
        f"{clip(incident.id, 80)} is {incident.status.value}"
        + (f", says {clip(last.who, 40)} at {last.at}" if last else "")
    )


def document(incident: "Incident") -> dict[str, Any]:
    """Return the record."""
    from mend.contracts.codec import to_dict

    return to_dict(incident)


def similar_document(one: "Similar") -> dict[str, Any]:
    """Return a similar incident as its record with the likeness."""
    return {"likeness": round(one.likeness, 3), "incident": document(one.incident)}


def echo(value: Any) -> None:
    """Print JSON; control characters in texts are escaped."""
    import orjson

    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def show_on_terminal(shown: Any) -> None:
    """Print for people."""
    from rich.console import Console

    Console().print(shown)
