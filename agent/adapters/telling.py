"""Incidents and notices that people hear of: an alert goes into the outbox in the same transaction."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from agent.ports import IncidentPort
from mend.alerts.about import about_incident
from mend.contracts.alert import Alert, AlertKind, AlertSeverity
from mend.contracts.incident import Incident, Severity
from mend.runtime.logging import get_logger
from mend.store.database import StoreUnavailable
from mend.store.engine import Store

Found = TypeVar("Found", Incident, Incident | None)


class TellingIncidents:
    """Incidents whose beginning and end are told; while the database is away they are kept, and the log tells them."""

    def __init__(self, incidents: IncidentPort, store: Store, pipeline: str) -> None:
        self.incidents = incidents
        self.store = store
        self.pipeline = pipeline

    def open(
        self,
        incident_type: str,
        summary: str,
        context: dict[str, Any],
        severity: Severity,
        at: datetime,
        *,
        key: str = "",
        cause: str | None = None,
    ) -> Incident:
        """Open it and tell it; what comes to an open one is counted with it."""

        def opened() -> Incident:
            return self.incidents.open(incident_type, summary, context, severity, at, key=key, cause=cause)

        return self._told(opened, AlertKind.PROBLEM, at, f"opened:{key}" if key else None)

    def note(self, cause: str, note: str, at: datetime) -> Incident | None:
        """Note it; nobody is called."""
        return self.incidents.note(cause, note, at)

    def resolve(self, cause: str, notes: str, at: datetime) -> Incident | None:
        """Resolve it and say so."""
        return self._told(lambda: self.incidents.resolve(cause, notes, at), AlertKind.RESOLVED, at, None)

    def is_open(self, incident_id: str) -> bool:
        """Ask the incidents."""
        return self.incidents.is_open(incident_id)

    def _told(self, change: Callable[[], Found], kind: AlertKind, at: datetime, once: str | None) -> Found:
        try:
            with self.store.transaction():
                incident = change()
                if incident is not None:
                    self.store.outbox.put(about_incident(incident, kind, self.pipeline), at, once=once)
                return incident
        except StoreUnavailable:
            incident = change()
            if incident is not None:
                get_logger().error("incident_told_by_the_log_only", incident=incident.id, summary=incident.summary)
            return incident


class OutboxNotices:
    """Notices go to people through the outbox."""

    def __init__(self, store: Store, pipeline: str, clock: Callable[[], datetime]) -> None:
        self.store = store
        self.pipeline = pipeline
        self.clock = clock

    def say(self, message: str, severity: str, title: str) -> str:
        """Keep it for delivery; durable on return."""
        alert = Alert(title=title, message=message, severity=AlertSeverity(severity), pipeline=self.pipeline)
        self.store.outbox.put(alert, self.clock())
        return "the outbox"
