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
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Times are ISO 8601 in UTC. `cause` says what it is about, whatever run; of a cause one incident is open."""

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
