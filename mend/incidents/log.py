"""The incident log: the functions that users' scripts know, over the database or the file."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mend.contracts.incident import Incident, Severity
from mend.incidents import lifecycle
from mend.incidents.fold import Windows, folded
from mend.incidents.lifecycle import AGENT, IncidentStats
from mend.incidents.text import Context, name
from mend.runtime.errors import UserError
from mend.runtime.logging import get_logger
from mend.store.database import StoreUnavailable
from mend.store.engine import Store
from mend.store.incident_file import JsonlIncidents
from mend.store.incident_rows import Change, Fold, IncidentRows
from mend.store.incidents import SqlIncidents, take_back

T = TypeVar("T")
FILE = "incidents.jsonl"
WINDOWS = Windows()


class IncidentLog:
    """Incidents by the functions of the interface; ids and times are arguments.

    Values of the columns in `pii` are hidden in every context that is kept.
    """

    def __init__(self, rows: IncidentRows, *, pii: Collection[str] = (), windows: Windows = WINDOWS) -> None:
        self.rows = rows
        self.pii = pii
        self.windows = windows

    def log_incident(
        self,
        incident_id: str,
        incident_type: str,
        summary: str,
        severity: Severity,
        at: datetime,
        *,
        context: dict[str, Any] | None = None,
        created_by: str = AGENT,
    ) -> Incident:
        """Keep an incident of its own, whatever else is open; durable on return."""
        incident = lifecycle.opened(
            incident_id, incident_type, summary, severity, at, context=context, created_by=created_by
        )
        kept = self._without_personal(incident)
        self.rows.add(kept)
        return kept

    def open_incident(self, incident: Incident) -> Incident:
        """Open an incident, and return the one that stands for it; durable on return, the same id again is a no-op.

        What is live about its cause counts it, what was resolved of late is open again; else it stands for itself,
        under what it comes of, or over what came of it.
        """
        fold = partial(folded, windows=self.windows)
        kept = replace(self._without_personal(incident), cause=name(incident.cause) if incident.cause else None)
        return self.rows.fold(kept, lifecycle.created(kept) - self.windows.fold, fold)

    def get_incident(self, incident_id: str) -> Incident | None:
        """Return the incident, or None."""
        return self.rows.find(incident_id)

    def named(self, beginning: str) -> Incident:
        """Return the incident whose id begins so; none, or more than one, is a UserError."""
        found = self.rows.named(beginning) if beginning else ()
        if len(found) == 1 or any(one.id == beginning for one in found):
            return next((one for one in found if one.id == beginning), found[0])
        several = f"begins {len(found)} ids: give more of it" if found else "is the id of no incident"
        raise UserError(f"'{name(beginning)}' {several}. See them with: mend incident ls")

    def get_recent_incidents(self, *, at: datetime, days: float = 7) -> tuple[Incident, ...]:
        """Return the incidents created in the last days, newest first, folded ones too."""
        return self.rows.created_since(at - timedelta(days=days))

    def folded_under(self, incident_id: str) -> tuple[Incident, ...]:
        """Return what was folded into an incident, oldest first."""
        return self.rows.below(incident_id)

    def open_incidents(self, causes: str) -> tuple[Incident, ...]:
        """Return the live incidents whose cause begins so, oldest first."""
        return self.rows.open_about(causes)

    def find_open(self, cause: str) -> Incident | None:
        """Return the live incident of a cause, or None."""
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

    def acknowledge_incident(self, incident_id: str, note: str, at: datetime, *, who: str) -> Incident:
        """Say that a person is on it."""
        return self.rows.change(incident_id, partial(lifecycle.acknowledged, at=at, who=who, note=note))

    def resolve_incident(self, incident_id: str, notes: str, at: datetime, *, who: str = AGENT) -> Incident:
        """Resolve it, and all that is folded under it; refused for one that is over."""
        below = partial(lifecycle.resolved, notes=f"with {incident_id}: {notes}", at=at, who=who)
        return self.rows.change(incident_id, partial(lifecycle.resolved, notes=notes, at=at, who=who), below)

    def close_incident(self, incident_id: str, note: str, at: datetime, *, who: str) -> Incident:
        """Close a resolved one: it is never opened again."""
        return self.rows.change(incident_id, partial(lifecycle.closed, at=at, who=who, note=note))

    def reopen_incident(self, incident_id: str, note: str, at: datetime, *, who: str) -> Incident:
        """Open a resolved one again; its resolution is marked as one that did not help."""
        return self.rows.change(incident_id, partial(lifecycle.reopened, at=at, who=who, note=note))

    def judge_resolution(self, incident_id: str, *, helped: bool) -> Incident:
        """Mark the last resolution as one that helped or did not."""
        return self.rows.change(incident_id, partial(lifecycle.marked, helped=helped))

    def get_incident_stats(self, *, at: datetime, days: int = 30) -> IncidentStats:
        """Count the incidents created in the last days, without what was folded into others."""
        return lifecycle.statistics(self.rows.created_since(at - timedelta(days=days)), days, at)

    def _without_personal(self, incident: Incident) -> Incident:
        return replace(incident, context=Context(self.pii).cut(incident.context))


class FirstThatWorks:
    """The database while it answers, else the file; what the file holds goes into the database when that is back."""

    def __init__(self, database: SqlIncidents, file: JsonlIncidents, windows: Windows = WINDOWS) -> None:
        self.database = database
        self.file = file
        self.windows = windows

    def add(self, incident: Incident) -> None:
        """Keep it in the database, or in the file."""
        self._opened(lambda rows: rows.add(incident), incident)

    def fold(self, new: Incident, since: datetime, fold: Fold) -> Incident:
        """Keep it in the database, or in the file."""
        return self._opened(lambda rows: rows.fold(new, since, fold), new)

    def find(self, incident_id: str) -> Incident | None:
        """Look in the file first: it is small, and what is in it is in no other place."""
        return self.file.find(incident_id) or self._tried(lambda rows: rows.find(incident_id))

    def named(self, beginning: str) -> tuple[Incident, ...]:
        """Look in both."""
        return self._both(lambda rows: rows.named(beginning))

    def below(self, incident_id: str) -> tuple[Incident, ...]:
        """Look in both, oldest first."""
        return tuple(sorted(self._both(lambda rows: rows.below(incident_id)), key=lifecycle.created))

    def change(self, incident_id: str, change: Change, below: Change | None = None) -> Incident:
        """Change it where it lies."""
        self._take_back()
        rows: IncidentRows = self.file if self.file.find(incident_id) else self.database
        return rows.change(incident_id, change, below)

    def created_since(self, start: datetime) -> tuple[Incident, ...]:
        """Return those of both, newest first."""
        return tuple(sorted(self._both(lambda rows: rows.created_since(start)), key=lifecycle.created, reverse=True))

    def open_about(self, causes: str) -> tuple[Incident, ...]:
        """Return those of both, oldest first."""
        return tuple(sorted(self._both(lambda rows: rows.open_about(causes)), key=lifecycle.created))

    def _both(self, ask: Callable[[IncidentRows], tuple[Incident, ...]]) -> tuple[Incident, ...]:
        stored = self._tried(ask)
        return tuple({one.id: one for one in (*stored, *ask(self.file))}.values())

    def _opened(self, keep: Callable[[IncidentRows], T], incident: Incident) -> T:
        """Keep it; while the database is away the log says so: people hear of it when that is back."""
        self._take_back()
        try:
            return keep(self.database)
        except StoreUnavailable:
            get_logger().error("incident_waits_in_file", incident=incident.id, summary=incident.summary)
            return keep(self.file)

    def _tried(self, ask: Callable[[IncidentRows], T]) -> T:
        self._take_back()
        try:
            return ask(self.database)
        except StoreUnavailable:
            return ask(self.file)

    def _take_back(self) -> None:
        """Empty the file into the database; not inside a transaction, which may still be rolled back."""
        if self.database.database.joined:
            return
        take = partial(take_back, self.database, since=self._since, fold=partial(folded, windows=self.windows))
        try:
            self.file.empty_into(take)
        except StoreUnavailable:
            return

    def _since(self, incident: Incident) -> datetime:
        return lifecycle.created(incident) - self.windows.fold


def incident_log(store: Store | None, ops: Path, *, pii: Collection[str] = ()) -> IncidentLog:
    """Return the log over the store, with `incidents.jsonl` in the ops folder for when the database is away.

    None for a store that could not even be opened.
    """
    file = JsonlIncidents(ops / FILE)
    return IncidentLog(file if store is None else FirstThatWorks(store.incidents, file), pii=pii)
