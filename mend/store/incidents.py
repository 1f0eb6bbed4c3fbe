"""Where incidents are kept: in the database, or as JSON lines with the same keys while it is away."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from sqlalchemy import select, update

from mend.contracts import codec
from mend.contracts.incident import Incident, IncidentStatus
from mend.runtime.errors import UserError
from mend.store.database import Database, insert_once
from mend.store.tables import incidents

Change = Callable[[Incident], Incident]

TIMES = ("created_at", "updated_at", "resolved_at", "escalated_at")


class IncidentRows(Protocol):
    """A place for incidents."""

    def add(self, incident: Incident) -> None:
        """Keep a new incident, durably; its id must be new."""

    def find(self, incident_id: str) -> Incident | None:
        """Return the incident as it stands, or None."""

    def change(self, incident_id: str, change: Change) -> Incident:
        """Replace the incident by the changed one; nobody else can change it in between."""

    def created_since(self, start: datetime) -> tuple[Incident, ...]:
        """Return the incidents created at or after a time, newest first."""

    def open_about(self, causes: str) -> tuple[Incident, ...]:
        """Return the open incidents whose cause begins with a text, oldest first."""


class SqlIncidents:
    """Incidents in the database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, incident: Incident) -> None:
        """Insert a row."""
        with self.database.transaction() as connection:
            if not insert_once(connection, incidents, _row(incident)):
                raise already_there(incident.id)

    def find(self, incident_id: str) -> Incident | None:
        """Read a row."""
        with self.database.reading() as connection:
            row = connection.execute(select(incidents).where(incidents.c.id == incident_id)).mappings().one_or_none()
            return _incident(row) if row else None

    def change(self, incident_id: str, change: Change) -> Incident:
        """Read, change and write a row under its lock."""
        this = incidents.c.id == incident_id
        with self.database.transaction() as connection:
            row = connection.execute(select(incidents).where(this).with_for_update()).mappings().one_or_none()
            if row is None:
                raise unknown(incident_id)
            changed = change(_incident(row))
            connection.execute(update(incidents).where(this).values(_row(changed)))
            return changed

    def created_since(self, start: datetime) -> tuple[Incident, ...]:
        """Read the rows from an index on time."""
        wanted = select(incidents).where(incidents.c.created_at >= start)
        with self.database.reading() as connection:
            rows = connection.execute(wanted.order_by(incidents.c.created_at.desc(), incidents.c.id)).mappings()
            return tuple(_incident(row) for row in rows)

    def open_about(self, causes: str) -> tuple[Incident, ...]:
        """Read the rows from an index on the cause."""
        about = incidents.c.cause.startswith(causes, autoescape=True)
        wanted = select(incidents).where(about, incidents.c.status == IncidentStatus.OPEN)
        with self.database.reading() as connection:
            rows = connection.execute(wanted.order_by(incidents.c.created_at, incidents.c.id)).mappings()
            return tuple(_incident(row) for row in rows)


def _row(incident: Incident) -> dict[str, Any]:
    document = codec.to_dict(incident)
    times = {name: datetime.fromisoformat(document[name]) for name in TIMES if document[name]}
    return {**document, "severity": incident.severity, "status": incident.status, **times}


def _incident(row: Any) -> Incident:
    document = {name: row[name] for name in Incident.__dataclass_fields__}
    times = {name: row[name].isoformat() for name in TIMES if row[name]}
    return codec.parse(Incident, document | times)


class JsonlIncidents:
    """Incidents as lines of a file: each change appends the whole record, the last line of an id is how it stands."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, incident: Incident) -> None:
        """Append a line."""
        with self._alone() as lines:
            if incident.id in standing(lines):
                raise already_there(incident.id)
            append(lines, incident)

    def find(self, incident_id: str) -> Incident | None:
        """Read the file."""
        return self._read().get(incident_id)

    def change(self, incident_id: str, change: Change) -> Incident:
        """Append the changed record under the file's lock."""
        with self._alone() as lines:
            known = standing(lines).get(incident_id)
            if known is None:
                raise unknown(incident_id)
            changed = change(known)
            append(lines, changed)
            return changed

    def created_since(self, start: datetime) -> tuple[Incident, ...]:
        """Read the file."""
        recent = [one for one in self._read().values() if datetime.fromisoformat(one.created_at) >= start]
        by_id = sorted(recent, key=lambda one: one.id)
        return tuple(sorted(by_id, key=lambda one: datetime.fromisoformat(one.created_at), reverse=True))

    def open_about(self, causes: str) -> tuple[Incident, ...]:
        """Read the file."""
        found = (one for one in self._read().values() if one.status is IncidentStatus.OPEN)
        about = (one for one in found if one.cause is not None and one.cause.startswith(causes))
        return tuple(sorted(about, key=lambda one: (datetime.fromisoformat(one.created_at), one.id)))

    def _read(self) -> dict[str, Incident]:
        if not self.path.exists():
            return {}
        with self.path.open("rb") as lines:
            return standing(lines)

    @contextmanager
    def _alone(self) -> Iterator[BinaryIO]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as lines:
            fcntl.flock(lines, fcntl.LOCK_EX)
            yield lines


def standing(lines: BinaryIO) -> dict[str, Incident]:
    """Return each incident as its last whole line says; a line torn by a crash is passed over."""
    found: dict[str, Incident] = {}
    lines.seek(0)
    for line in lines:
        try:
            incident = codec.loads(Incident, line)
        except codec.ContractError:
            continue
        found[incident.id] = incident
    return found


def append(lines: BinaryIO, incident: Incident) -> None:
    """Append a line and fsync it; a torn line before it is ended first, so that it swallows nothing."""
    end = lines.seek(0, os.SEEK_END)
    if end and os.pread(lines.fileno(), 1, end - 1) != b"\n":
        lines.write(b"\n")
    lines.write(codec.dumps(incident) + b"\n")
    lines.flush()
    os.fsync(lines.fileno())


def unknown(incident_id: str) -> UserError:
    """Return the error for an id that nobody logged."""
    return UserError(f"Incident {incident_id} is not known. See the recent ones with: mend status")


def already_there(incident_id: str) -> UserError:
    """Return the error for an id that is taken."""
    return UserError(f"Incident {incident_id} was logged already: a new incident needs a new id.")
