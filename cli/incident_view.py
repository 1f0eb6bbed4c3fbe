"""What a terminal shows of incidents. Text that came from data is one clean line, and markup in it is text."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.run_view import Plain
from cli.wording import NOT_KNOWN, age, clip, count, duration, moment, plural
from mend.contracts.incident import Incident, IncidentStatus, Severity
from mend.incidents.lifecycle import last_seen
from mend.incidents.similar import Remedy, Similar
from mend.incidents.trends import Trends

TONES = {Severity.CRITICAL: "bold red", Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.LOW: "dim"}
SHORT = 8
BAR = 30
FOLDED_SHOWN = 20
FACT = 200


def listed(incidents: Sequence[Incident], many: int, now: datetime) -> RenderableType:
    """Return a line for each."""
    if not incidents:
        return Text("No incidents. Longer ago: mend incident ls --days 30", style="dim")
    table = plain_table("id", "age", "severity", "status", "type", "seen", "summary")
    for one in incidents:
        table.add_row(
            short(one), age(now - last_seen(one)), severity(one), one.status.value, data(one.incident_type, 24),
            count(one.occurrences), data(one.summary, 60),
        )  # fmt: skip
    more = [Text(f"and {many - len(incidents)} more: --limit {many}", style="dim")] if many > len(incidents) else []
    return Plain(Group(table, *more))


def page(incident: Incident, below: Sequence[Incident], explanation: str) -> RenderableType:
    """Return all about one incident."""
    head = Text(f"{clip(incident.incident_type, 60)} ", style="bold")
    head.append_text(severity(incident)).append(f" {incident.status.value}")
    facts = plain_table("", "")
    for name, value in facts_of(incident).items():
        facts.add_row(name, data(value, FACT))
    parts: list[RenderableType] = [
        head,
        data(incident.summary, 1000),
        Text(),
        facts,
        Text(),
        Text("life", style="bold"),
    ]
    life = plain_table("when", "who", "status", "note")
    for step in incident.transitions:
        note = step.note + {True: " (helped)", False: " (did not help)", None: ""}[step.helped]
        life.add_row(moment(step.at), data(step.who, 24), step.status.value, data(note, 80))
    parts += [life, Text(), Text("why", style="bold"), data(explanation, 1000)]
    if below:
        parts += [Text(), Text(f"folded into it: {len(below)}", style="bold"), folded(below)]
    if incident.context:
        parts += [Text(), Text("context", style="bold"), context(incident.context)]
    return Plain(Group(*parts))


def facts_of(incident: Incident) -> dict[str, Any]:
    """Return what is known, with names for people; what is not known is left out."""
    facts = {
        "id": incident.id,
        "opened": f"{moment(incident.created_at)} by {incident.created_by}",
        "seen": f"{plural(incident.occurrences, 'time')}, last {moment(incident.last_seen_at)}",
        "kind of error": incident.error_kind,
        "away": incident.outage,
        "cause": incident.cause,
        "folded into": incident.parent,
        "before": incident.previous,
        "resolved by": incident.resolution_notes,
    }
    return {name: value for name, value in facts.items() if value}


def folded(below: Sequence[Incident]) -> RenderableType:
    """Return the first of what is folded into an incident."""
    table = plain_table("id", "when", "type", "run", "summary")
    for one in below[:FOLDED_SHOWN]:
        run = data(one.context.get("run_id") or NOT_KNOWN, 32)
        table.add_row(short(one), moment(one.created_at), data(one.incident_type, 24), run, data(one.summary, 40))
    more = len(below) - FOLDED_SHOWN
    return Group(table, Text(f"and {more} more: --json", style="dim")) if more > 0 else table


def context(facts: Mapping[str, Any]) -> RenderableType:
    """Return the context, a line each."""
    table = plain_table("", "")
    for name, value in facts.items():
        shown = value if isinstance(value, str) else orjson.dumps(value).decode()
        table.add_row(data(name, 32), data(shown, FACT))
    return table


def alike(incident: Incident, found: Sequence[Similar], remedies: Sequence[Remedy]) -> RenderableType:
    """Return similar incidents and what ended them."""
    if not found and not remedies:
        return Text(f"Nothing like {short(incident).plain} is known.", style="dim")
    table = plain_table("like", "id", "when", "status", "type", "ended by")
    for one in found:
        ended = one.incident.resolution_notes or NOT_KNOWN
        when, status = moment(one.incident.created_at), one.incident.status.value
        kind = data(one.incident.incident_type, 24)
        table.add_row(f"{one.likeness:.0%}", short(one.incident), when, status, kind, data(ended, 50))
    advice = plain_table("what ended them", "times", "helped", "did not")
    for each in remedies:
        advice.add_row(data(each.note, 70), count(each.times), count(each.helped), count(each.failed))
    return Plain(Group(table, Text(), advice) if remedies else table)


def charts(found: Trends) -> RenderableType:
    """Return the figures with small bars."""
    over = f"{count(found.live)} not over, {count(found.folded)} folded into them"
    head = f"{plural(found.incidents, 'incident')} in {plural(found.period_days, 'day')}, {over}"
    judged = found.resolutions_helped + found.resolutions_failed
    figures = plain_table("", "")
    figures.add_row("to acknowledge (mean)", duration(found.mtta_seconds))
    figures.add_row("to resolve (mean)", duration(found.mttr_seconds))
    figures.add_row("opened again", count(found.reopened))
    figures.add_row("came back later", count(found.recurred))
    figures.add_row("resolutions that helped", f"{count(found.resolutions_helped)} of {count(judged)} that were judged")
    parts: list[RenderableType] = [Text(head, style="bold"), figures]
    for title, counts in (("type", found.by_type), ("severity", found.by_severity)):
        parts += [Text(), bars(title, counts)]
    name = "week from" if found.step_days > 1 else "day"
    return Plain(Group(*parts, Text(), bars(name, dict(found.periods))))


def bars(title: str, counts: Mapping[str, int]) -> Table:
    """Return a bar for each count, the longest for the most."""
    table = plain_table(title, "", "")
    most = max(counts.values(), default=0)
    for name, value in counts.items():
        width = max(1, round(value * BAR / most)) if value else 0
        table.add_row(data(name, 32), count(value), Text("━" * width, style="cyan"))
    return table


def plain_table(*columns: str) -> Table:
    """Return a table without lines."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0), show_header=any(columns))
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def data(text: object, width: int) -> Text:
    """Return foreign text as one clean line in which nothing is markup."""
    return Text(clip(text, width))


def short(incident: Incident) -> Text:
    """Return the first characters of its id."""
    return Text(clip(incident.id, SHORT + 1).rstrip("…")[:SHORT])


def severity(incident: Incident) -> Text:
    """Return how bad it is, in its colour while it is not over."""
    over = incident.status in {IncidentStatus.RESOLVED, IncidentStatus.CLOSED}
    return Text(incident.severity.value, style="dim" if over else TONES[incident.severity])
