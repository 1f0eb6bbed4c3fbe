"""The life of an incident (pure): open, acknowledged, resolved, closed; re-opened. Times and ids are arguments."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from mend.contracts.incident import Incident, IncidentStatus, Severity, Transition
from mend.incidents import text
from mend.incidents.classes import Part, classify
from mend.incidents.fingerprint import fingerprint
from mend.runtime.errors import UserError

GRAVITY = {severity: rank for rank, severity in enumerate(Severity)}
AGENT = "pipeline_agent"

S = IncidentStatus
NEXT = {
    S.OPEN: (S.ACKNOWLEDGED, S.RESOLVED),
    S.ACKNOWLEDGED: (S.RESOLVED,),
    S.RESOLVED: (S.CLOSED, S.OPEN),
    S.CLOSED: (),
}
"""What may follow; from resolved to open is a recurrence."""
VERBS = {S.OPEN: "re-opened", S.ACKNOWLEDGED: "acknowledged", S.RESOLVED: "resolved", S.CLOSED: "closed"}
STAMPS = {S.ACKNOWLEDGED: "acknowledged_at", S.RESOLVED: "resolved_at", S.CLOSED: "closed_at"}
MOST_NOTES = 20
MOST_TRANSITIONS = 100
OUTAGES = (Part.BROKER, Part.REGISTRY, Part.STORE, Part.STORAGE, Part.SINK)
"""Parts that many runs share: while one is away, all that fails for it is one incident."""


class IncidentStats(TypedDict):
    """Counts over a period that ends at `generated_at`."""

    period_days: int
    total_incidents: int
    escalated_incidents: int
    by_type: dict[str, int]
    by_severity: dict[str, int]
    by_status: dict[str, int]
    generated_at: str


def opened(
    incident_id: str,
    incident_type: str,
    summary: str,
    severity: Severity,
    at: datetime,
    *,
    context: dict[str, Any] | None = None,
    created_by: str = AGENT,
) -> Incident:
    """Return a new, open incident with its texts bounded."""
    kind, says = text.name(incident_type), text.bounded(summary)
    error = classify(str((context or {}).get("error") or says))
    return Incident(
        id=incident_id,
        incident_type=kind,
        summary=says,
        severity=Severity(severity),
        status=S.OPEN,
        created_at=instant(at),
        updated_at=instant(at),
        context=text.Context().cut(context or {}),
        created_by=text.name(created_by),
        fingerprint=fingerprint(f"{kind} {says}"),
        error_kind=error.kind,
        outage=error.part if error.retriable and error.part in OUTAGES else None,
        last_seen_at=instant(at),
        transitions=(Transition(status=S.OPEN, at=instant(at), who=text.name(created_by)),),
    )


def moved(incident: Incident, status: IncidentStatus, at: datetime, *, who: str = AGENT, note: str = "") -> Incident:
    """Return it one step further in its life; a step that is not allowed is refused with those that are."""
    if status not in NEXT[incident.status]:
        raise refused(incident, VERBS[status])
    step = Transition(status=status, at=instant(at), who=text.name(who), note=text.bounded(note))
    stamp = {STAMPS[status]: instant(at)} if status in STAMPS else {"resolved_at": None, "acknowledged_at": None}
    steps = (*incident.transitions, step)
    kept = steps if len(steps) <= MOST_TRANSITIONS else (steps[0], *steps[1 - MOST_TRANSITIONS :])
    return replace(incident, status=status, updated_at=instant(at), transitions=kept, **stamp)


def noted(incident: Incident, note: str, at: datetime) -> Incident:
    """Return it with the note, its last ones kept, and seen once more."""
    refuse_over(incident, "updated")
    notes = [*incident.context.get("notes", []), text.bounded(note)][-MOST_NOTES:]
    seen = incident.context.get("seen", 1) + 1
    context = {**incident.context, "notes": notes, "seen": seen}
    return replace(incident, updated_at=instant(at), last_seen_at=instant(at), context=context)


def raised(incident: Incident, severity: Severity, at: datetime) -> Incident:
    """Return it with at least this severity; an incident never becomes milder."""
    refuse_over(incident, "made graver")
    if GRAVITY[severity] <= GRAVITY[incident.severity]:
        return incident
    return replace(incident, severity=severity, updated_at=instant(at))


def escalated(incident: Incident, notes: str, at: datetime) -> Incident:
    """Return it escalated, with the notes added to its context; the first escalation's time is kept."""
    refuse_over(incident, "escalated")
    told = [*incident.context.get("escalation_notes", []), text.bounded(notes)][-MOST_NOTES:]
    return replace(
        incident,
        escalated=True,
        escalated_at=incident.escalated_at or instant(at),
        updated_at=instant(at),
        context={**incident.context, "escalation_notes": told} if notes else incident.context,
    )


def acknowledged(incident: Incident, at: datetime, *, who: str, note: str = "") -> Incident:
    """Return it as known to a person."""
    return moved(incident, S.ACKNOWLEDGED, at, who=who, note=note)


def resolved(incident: Incident, notes: str, at: datetime, *, who: str = AGENT) -> Incident:
    """Return it resolved; the notes say by what."""
    return replace(moved(incident, S.RESOLVED, at, who=who, note=notes), resolution_notes=text.bounded(notes))


def closed(incident: Incident, at: datetime, *, who: str, note: str = "") -> Incident:
    """Return it closed. That is its end: what comes back is a new incident."""
    return moved(incident, S.CLOSED, at, who=who, note=note)


def reopened(incident: Incident, at: datetime, *, who: str = AGENT, note: str = "") -> Incident:
    """Return it open again; its last resolution did not help."""
    return moved(judged(incident, helped=False), S.OPEN, at, who=who, note=note)


def judged(incident: Incident, *, helped: bool) -> Incident:
    """Return it with its last resolution marked; one that was never resolved stays as it is."""
    steps = list(incident.transitions)
    for at in reversed(range(len(steps))):
        if steps[at].status is S.RESOLVED:
            steps[at] = replace(steps[at], helped=helped)
            break
    return replace(incident, transitions=tuple(steps))


def marked(incident: Incident, *, helped: bool) -> Incident:
    """Return it with its last resolution marked; refused for one that was never resolved."""
    if not any(step.status is S.RESOLVED for step in incident.transitions):
        raise UserError(f"Incident {incident.id} was never resolved: there is nothing that helped.", exit_code=3)
    return judged(incident, helped=helped)


def refuse_over(incident: Incident, verb: str) -> None:
    """Raise for an incident that is over."""
    if not incident.live:
        raise refused(incident, verb)


def refused(incident: Incident, verb: str) -> UserError:
    """Return the error for a step that is not allowed now."""
    since = incident.closed_at or incident.resolved_at or incident.acknowledged_at or incident.created_at
    stands = "opened" if incident.status is S.OPEN else VERBS[incident.status]
    allowed = " or ".join(VERBS[one] for one in NEXT[incident.status])
    todo = f"It can be {allowed} now." if allowed else "What comes back is a new incident."
    return UserError(f"Incident {incident.id} was {stands} at {since} and cannot be {verb}. {todo}", exit_code=3)


def statistics(incidents: Iterable[Incident], days: int, at: datetime) -> IncidentStats:
    """Count the incidents created in the `days` before the given time; what was folded into one is not counted."""
    recent = [incident for incident in incidents if at - timedelta(days=days) <= created(incident) <= at]
    counted = [one for one in recent if one.parent is None]
    return IncidentStats(
        period_days=days,
        total_incidents=len(counted),
        escalated_incidents=sum(incident.escalated for incident in counted),
        by_type=dict(Counter(incident.incident_type for incident in counted)),
        by_severity=dict(Counter(str(incident.severity) for incident in counted)),
        by_status=dict(Counter(str(incident.status) for incident in counted)),
        generated_at=instant(at),
    )


def created(incident: Incident) -> datetime:
    """Return when it was opened."""
    return datetime.fromisoformat(incident.created_at)


def last_seen(incident: Incident) -> datetime:
    """Return when it happened last."""
    return datetime.fromisoformat(incident.last_seen_at or incident.created_at)


def instant(at: datetime) -> str:
    """Return the time as the record writes it; a naive one is refused."""
    if at.tzinfo is None:
        raise ValueError(f"a time needs a zone, came {at.isoformat()}")
    return at.astimezone(UTC).isoformat()
