"""The life of an incident (pure): open, escalated, graver, resolved. Times and ids are arguments."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from mend.contracts.incident import Incident, IncidentStatus, Severity
from mend.runtime.errors import UserError

GRAVITY = {severity: rank for rank, severity in enumerate(Severity)}


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
    created_by: str = "pipeline_agent",
) -> Incident:
    """Return a new, open incident."""
    return Incident(
        id=incident_id,
        incident_type=incident_type,
        summary=summary,
        severity=Severity(severity),
        status=IncidentStatus.OPEN,
        created_at=instant(at),
        updated_at=instant(at),
        context=dict(context or {}),
        created_by=created_by,
    )


MOST_NOTES = 20


def noted(incident: Incident, note: str, at: datetime) -> Incident:
    """Return it with the note, its last ones kept, and seen once more."""
    refuse_resolved(incident, "updated")
    notes = [*incident.context.get("notes", []), note][-MOST_NOTES:]
    seen = incident.context.get("seen", 1) + 1
    return replace(incident, updated_at=instant(at), context={**incident.context, "notes": notes, "seen": seen})


def raised(incident: Incident, severity: Severity, at: datetime) -> Incident:
    """Return it with at least this severity; an incident never becomes milder."""
    refuse_resolved(incident, "made graver")
    if GRAVITY[severity] <= GRAVITY[incident.severity]:
        return incident
    return replace(incident, severity=severity, updated_at=instant(at))


def escalated(incident: Incident, notes: str, at: datetime) -> Incident:
    """Return it escalated, with the notes added to its context; the first escalation's time is kept."""
    refuse_resolved(incident, "escalated")
    earlier = incident.context.get("escalation_notes", [])
    return replace(
        incident,
        escalated=True,
        escalated_at=incident.escalated_at or instant(at),
        updated_at=instant(at),
        context={**incident.context, "escalation_notes": [*earlier, notes]} if notes else incident.context,
    )


def resolved(incident: Incident, notes: str, at: datetime) -> Incident:
    """Return it resolved. That is its end: what comes back is a new incident."""
    refuse_resolved(incident, "resolved again")
    return replace(
        incident,
        status=IncidentStatus.RESOLVED,
        resolved_at=instant(at),
        updated_at=instant(at),
        resolution_notes=notes,
    )


def refuse_resolved(incident: Incident, verb: str) -> None:
    """Raise for an incident whose life is over."""
    if incident.status is IncidentStatus.RESOLVED:
        raise UserError(
            f"Incident {incident.id} was resolved at {incident.resolved_at} and cannot be {verb}. Log a new incident.",
            exit_code=3,
        )


def statistics(incidents: Iterable[Incident], days: int, at: datetime) -> IncidentStats:
    """Count the incidents created in the `days` before the given time."""
    counted = [incident for incident in incidents if at - timedelta(days=days) <= created(incident) <= at]
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


def instant(at: datetime) -> str:
    """Return the time as the record writes it; a naive one is refused."""
    if at.tzinfo is None:
        raise ValueError(f"a time needs a zone, came {at.isoformat()}")
    return at.astimezone(UTC).isoformat()
