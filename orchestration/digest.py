"""A summary of some hours for people: runs, decisions, incidents, and what still waits."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from mend.contracts.alert import Alert, AlertSeverity
from mend.contracts.incident import Incident
from mend.incidents.lifecycle import created
from mend.incidents.log import IncidentLog
from mend.store.engine import Store
from mend.store.tables import Outcome

MOST_INCIDENTS = 20
ALL = 3_650


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What happened from `since` until `until`; incidents without those folded into others, newest first."""

    since: datetime
    until: datetime
    published: int
    held: int
    failed: int
    decisions: dict[str, int]
    opened: tuple[Incident, ...]
    resolved: int
    live: tuple[Incident, ...]
    alerts_waiting: int


def digest(store: Store, log: IncidentLog, since: datetime, until: datetime) -> Digest:
    """Count what the store has of a time; nothing is written."""
    ends = store.measures.ends_since(since)
    known = [one for one in log.get_recent_incidents(at=until, days=ALL) if one.parent is None]
    opened = tuple(one for one in known if created(one) >= since)
    published = sum(one.outcome is Outcome.PUBLISHED for one in ends)
    return Digest(
        since=since,
        until=until,
        published=published,
        held=len(ends) - published,
        failed=len(store.measures.failures_since(since)),
        decisions=dict(Counter(one.result.decision for one in store.measures.decisions_since(since)).most_common()),
        opened=opened,
        resolved=sum(not one.live for one in opened),
        live=tuple(one for one in known if one.live),
        alerts_waiting=len(store.deliveries.unsent()),
    )


def as_alert(found: Digest) -> Alert:
    """Return the summary as a message; e-mail is its channel."""
    hours = (found.until - found.since).total_seconds() / 3600
    facts = {
        "runs": f"{found.published} published, {found.held} held, {found.failed} failed jobs",
        "decisions": counted(found.decisions) or "none",
        "incidents": f"{len(found.opened)} opened, {found.resolved} of them resolved",
        "still open": named(found.live) or "none",
    }
    waiting = {"alerts not sent": str(found.alerts_waiting)} if found.alerts_waiting else {}
    return Alert(
        title=f"Summary of {hours:g} hours, until {found.until:%Y-%m-%d %H:%M} UTC",
        severity=AlertSeverity.INFO,
        message=headline(found),
        todo="Look at what is open: mend incident ls --open" if found.live else "",
        cause=f"digest:{found.until.isoformat()}",
        channels=("email",),
        facts=facts | waiting | {f"incident {one.id[:8]}": worded(one) for one in found.opened[:MOST_INCIDENTS]},
    )


def headline(found: Digest) -> str:
    """Say how it went in one sentence."""
    if not (found.published or found.held or found.failed):
        return "No run was settled."
    trouble = len(found.live)
    return (
        f"{found.published} runs were published; {trouble or 'no'} incident{'s are' if trouble != 1 else ' is'} open."
    )


def counted(counts: dict[str, int]) -> str:
    """Return counts by name."""
    return ", ".join(f"{many} {name}" for name, many in counts.items())


def named(incidents: Iterable[Incident]) -> str:
    """Return the first incidents by type."""
    return counted(dict(Counter(one.incident_type for one in incidents).most_common(MOST_INCIDENTS)))


def worded(incident: Incident) -> str:
    """Return an incident in a line."""
    again = f", {incident.occurrences} times" if incident.occurrences > 1 else ""
    return f"{incident.severity} {incident.incident_type}, {incident.status}{again}: {incident.summary}"


def send_digest(store: Store, found: Digest) -> None:
    """Put the summary into the outbox; the same one again changes nothing."""
    store.outbox.put(as_alert(found), found.until, once=f"digest:{found.since.isoformat()}:{found.until.isoformat()}")
