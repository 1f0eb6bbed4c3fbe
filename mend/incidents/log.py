"""The incident log: the functions that users' scripts know, over the database or the file."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mend.contracts.incident import Incident, Severity
from mend.incidents import lifecycle
from mend.incidents.lifecycle import IncidentStats
from mend.store.database import StoreUnavailable
from mend.store.engine import Store
from mend.store.incidents import Change, IncidentRows, JsonlIncidents

T = TypeVar("T")
FILE = "incidents.jsonl"


class IncidentLog:
    """Incidents by the functions of the interface; ids and times are arguments."""

    def __init__(self, rows: IncidentRows) -> None:
        self.rows = rows

    def log_incident(
        self,
        incident_id: str,
        incident_type: str,
        summary: str,
        severity: Severity,
        at: datetime,
        *,
        context: dict[str, Any] | None = None,
        created_by: str = "pipeline_agent",
    ) -> Incident:
        """Open an incident; durable on return."""
        incident = lifecycle.opened(
            incident_id, incident_type, summary, severity, at, context=context, created_by=created_by
        )
        return self.add_incident(incident)

    def add_incident(self, incident: Incident) -> Incident:
        """Keep an incident that was opened elsewhere; durable on return."""
        self.rows.add(incident)
        return incident

    def get_incident(self, incident_id: str) -> Incident | None:
        """Return the incident, or None."""
        return self.rows.find(incident_id)

    def get_recent_incidents(self, *, at: datetime, days: int = 7) -> tuple[Incident, ...]:
        """Return the incidents created in the last days, newest first."""
        return self.rows.created_since(at - timedelta(days=days))

    def open_incidents(self, causes: str) -> tuple[Incident, ...]:
        """Return the open incidents whose cause begins so, oldest first."""
        return self.rows.open_about(causes)

    def find_open(self, cause: str) -> Incident | None:
        """Return the open incident of a cause, or None."""
        return next((one for one in self.rows.open_about(cause) if one.cause == cause), None)

    def note_incident(self, incident_id: str, note: str, at: datetime) -> Incident:
        """Add a note to it; the last ones are kept."""
        return self.rows.change(incident_id, partial(lifecycle.noted, note=note, at=at))

    def escalate_incident(self, incident_id: str, notes: str, at: datetime) -> Incident:
        """Mark it as brought before a person; again adds the notes only."""
        return self.rows.change(incident_id, partial(lifecycle.escalated, notes=notes, at=at))

    def raise_severity(self, incident_id: str, severity: Severity, at: datetime) -> Incident:
        """Make it at least as grave."""
        return self.rows.change(incident_id, partial(lifecycle.raised, severity=severity, at=at))

    def resolve_incident(self, incident_id: str, notes: str, at: datetime) -> Incident:
        """End it; refused for one that has ended."""
        return self.rows.change(incident_id, partial(lifecycle.resolved, notes=notes, at=at))

    def get_incident_stats(self, *, at: datetime, days: int = 30) -> IncidentStats:
        """Count the incidents created in the last days."""
        return lifecycle.statistics(self.rows.created_since(at - timedelta(days=days)), days, at)


class FirstThatWorks:
    """The database while it answers, else the file; what lies in the file is found either way."""

    def __init__(self, database: IncidentRows, file: IncidentRows) -> None:
        self.database = database
        self.file = file

    def add(self, incident: Incident) -> None:
        """Keep it in the database, or in the file."""
        self._tried(lambda rows: rows.add(incident))

    def find(self, incident_id: str) -> Incident | None:
        """Look in the file first: it is small, and what is in it is in no other place."""
        return self.file.find(incident_id) or self._tried(lambda rows: rows.find(incident_id))

    def change(self, incident_id: str, change: Change) -> Incident:
        """Change it where it lies."""
        rows = self.file if self.file.find(incident_id) else self.database
        return rows.change(incident_id, change)

    def created_since(self, start: datetime) -> tuple[Incident, ...]:
        """Return those of both, newest first."""
        stored = self._tried(lambda rows: rows.created_since(start))
        both = {one.id: one for one in (*stored, *self.file.created_since(start))}
        return tuple(sorted(both.values(), key=lifecycle.created, reverse=True))

    def open_about(self, causes: str) -> tuple[Incident, ...]:
        """Return those of both, oldest first."""
        stored = self._tried(lambda rows: rows.open_about(causes))
        both = {one.id: one for one in (*stored, *self.file.open_about(causes))}
        return tuple(sorted(both.values(), key=lifecycle.created))

    def _tried(self, ask: Callable[[IncidentRows], T]) -> T:
        try:
            return ask(self.database)
        except StoreUnavailable:
            return ask(self.file)


def incident_log(store: Store | None, ops: Path) -> IncidentLog:
    """Return the log over the store, with `incidents.jsonl` in the ops folder for when the database is away.

    None for a store that could not even be opened.
    """
    file = JsonlIncidents(ops / FILE)
    return IncidentLog(file if store is None else FirstThatWorks(store.incidents, file))
