"""Incidents in the database."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, case, select, text, update
from sqlalchemy.exc import IntegrityError

from mend.contracts import codec
from mend.contracts.incident import Incident
from mend.runtime.errors import UserError
from mend.store.database import Database, insert_once
from mend.store.incident_rows import (
    MOST_LIVE,
    Change,
    Fold,
    Folded,
    Known,
    already_there,
    another_is_live,
    by_age,
    known_of,
    levels,
    unknown,
)
from mend.store.tables import ALIVE, incidents

Told = Callable[[Incident | None, Incident], None]
"""Is told what changed, before and after, inside the transaction; before is None for a new incident."""

TIMES = ("created_at", "updated_at", "resolved_at", "escalated_at", "last_seen_at", "acknowledged_at", "closed_at")
ADVISORY_LOCK = 0x494E4344  # "INCD"
TRIES = 3


class SqlIncidents:
    """Incidents in the database. `told` hears of each change in its transaction."""

    def __init__(self, database: Database, told: Told = lambda _before, _after: None) -> None:
        self.database = database
        self.told = told

    def add(self, incident: Incident) -> None:
        """Insert a row."""
        with self.database.transaction() as connection:
            if not insert_once(connection, incidents, _row(incident)):
                raise already_there(incident.id)
            self.told(None, incident)

    def fold(self, new: Incident, since: datetime, fold: Fold) -> Incident:
        """Read what is known, insert and update, one after the other process."""
        with self.database.transaction() as connection:
            alone(connection)
            for _ in range(TRIES):
                known = self.find(new.id)
                if known is not None:
                    return self.standing_for(known)
                folded = fold(new, self._known(new, since))
                # The unique index on live causes: who opened it meanwhile without the lock is found at the next try.
                if insert_once(connection, incidents, _row(folded.new)):
                    self._write_folded(connection, folded)
                    return folded.stands
        raise UserError(f"Incident {new.id} cannot be opened: its cause {new.cause} is opened by others all the time.")

    def standing_for(self, incident: Incident) -> Incident:
        """Return the incident that a recurrence was counted in; any other stands for itself."""
        return (incident.parent and incident.cause is None and self.find(incident.parent)) or incident

    def find(self, incident_id: str) -> Incident | None:
        """Read a row."""
        return next(iter(self._read(select(incidents).where(incidents.c.id == incident_id))), None)

    def named(self, beginning: str) -> tuple[Incident, ...]:
        """Read rows by the primary key."""
        wanted = select(incidents).where(incidents.c.id.startswith(beginning, autoescape=True))
        return self._read(wanted.order_by(incidents.c.id).limit(10))

    def below(self, incident_id: str) -> tuple[Incident, ...]:
        """Read level by level from an index on the parent."""
        return tuple(sorted(levels(incident_id, self._under), key=by_age))

    def change(self, incident_id: str, change: Change, below: Change | None = None) -> Incident:
        """Read, change and write under a lock."""
        with self.database.transaction() as connection:
            alone(connection)
            before = self.find(incident_id)
            if before is None:
                raise unknown(incident_id)
            changed = change(before)
            self._write(connection, changed)
            for one in self.below(incident_id) if below else ():
                if below and one.live:
                    self._write(connection, below(one))
            self.told(before, changed)
            return changed

    def created_since(self, start: datetime) -> tuple[Incident, ...]:
        """Read the rows from an index on time."""
        wanted = select(incidents).where(incidents.c.created_at >= start)
        return self._read(wanted.order_by(incidents.c.created_at.desc(), incidents.c.id))

    def open_about(self, causes: str) -> tuple[Incident, ...]:
        """Read the rows from an index on the cause."""
        wanted = select(incidents).where(incidents.c.cause.startswith(causes, autoescape=True), ALIVE)
        return self._read(wanted.order_by(incidents.c.created_at, incidents.c.id))

    def _known(self, new: Incident, since: datetime) -> Known:
        alive_first = case((ALIVE, 0), else_=1)
        about = select(incidents).where(incidents.c.cause == new.cause)
        same = self._read(about.order_by(alive_first, incidents.c.created_at.desc(), incidents.c.id).limit(1))
        roots = select(incidents).where(ALIVE, incidents.c.parent.is_(None), incidents.c.last_seen_at >= since)
        live = self._read(roots.order_by(incidents.c.last_seen_at.desc(), incidents.c.id).limit(MOST_LIVE))
        return known_of(same[0] if same else None, live, self.find)

    def _write_folded(self, connection: Connection, folded: Folded) -> None:
        before = {one.id: self.find(one.id) for one in folded.changed}
        for one in folded.changed:
            self._write(connection, one)
        self.told(before.get(folded.stands.id), folded.stands)

    def _write(self, connection: Connection, incident: Incident) -> None:
        try:
            connection.execute(update(incidents).where(incidents.c.id == incident.id).values(_row(incident)))
        except IntegrityError as error:
            raise another_is_live(incident) from error

    def _under(self, parents: list[str]) -> Iterable[Incident]:
        return self._read(select(incidents).where(incidents.c.parent.in_(parents)))

    def _read(self, wanted: Select[Any]) -> tuple[Incident, ...]:
        with self.database.reading() as connection:
            return tuple(_incident(row) for row in connection.execute(wanted).mappings())


def alone(connection: Connection) -> None:
    """Let no other process open or change an incident until the transaction ends; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})


def _row(incident: Incident) -> dict[str, Any]:
    document = codec.to_dict(incident)
    times = {name: datetime.fromisoformat(document[name]) for name in TIMES if document[name]}
    return {**document, "severity": incident.severity, "status": incident.status, **times}


def _incident(row: Any) -> Incident:
    document = {name: row[name] for name in Incident.__dataclass_fields__}
    times = {name: row[name].isoformat() for name in TIMES if row[name]}
    return codec.parse(Incident, document | times)


def take_back(
    database: SqlIncidents, spilled: Iterable[Incident], since: Callable[[Incident], datetime], fold: Fold
) -> None:
    """Bring incidents of the file into the database, in one transaction; those that are there already stay as they are.

    A live one is folded as if it came now, with all that was folded into it.
    """
    with database.database.transaction() as connection:
        alone(connection)
        for one in spilled:
            if database.find(one.id) is not None:
                continue
            if one.live and one.parent is None:
                database.fold(one, since(one), fold)
            elif not insert_once(connection, incidents, _row(one)):
                # Its cause's name is taken by a live one.
                insert_once(connection, incidents, _row(replace(one, cause=None)))
