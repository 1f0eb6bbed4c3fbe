"""A problem with a life cycle (not an alert: that is a message about it)."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mend.contracts.codec import STRICT


class Severity(StrEnum):
    """How bad, mildest first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class IncidentStatus(StrEnum):
    """Where in its life an incident is."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    CLOSED = "closed"


LIVE = (IncidentStatus.OPEN, IncidentStatus.ACKNOWLEDGED)
"""While it is one of these, what comes of the same cause is told to the incident and is no other one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A step in the life of an incident: who took it, when, why. Of a resolution, `helped` is whether it did."""

    __pydantic_config__ = STRICT
    status: IncidentStatus
    at: str
    who: str
    note: str = ""
    helped: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Times are ISO 8601 in UTC. `cause` says what it is about, whatever run; of a cause one incident is live.

    What came of the same cause, or of this incident, has it as its `parent` and is counted in its `occurrences`.
    `outage` is the part that was away; `previous` is the incident that was about the same before.
    """

    __pydantic_config__ = STRICT
    id: str
    incident_type: str
    summary: str
    severity: Severity
    status: IncidentStatus
    created_at: str
    updated_at: str
    context: dict[str, Any] = field(default_factory=dict)
    resolved_at: str | None = None
    escalated: bool = False
    escalated_at: str | None = None
    resolution_notes: str | None = None
    created_by: str = "pipeline_agent"
    cause: str | None = None
    fingerprint: str | None = None
    error_kind: str | None = None
    outage: str | None = None
    parent: str | None = None
    previous: str | None = None
    occurrences: int = 1
    last_seen_at: str | None = None
    acknowledged_at: str | None = None
    closed_at: str | None = None
    transitions: tuple[Transition, ...] = ()

    @property
    def live(self) -> bool:
        """Whether it is not over."""
        return self.status in LIVE
