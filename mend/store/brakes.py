"""What keeps the machine from acting: circuits, which its own failures open, and pauses, which a person begins."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, or_, select, update

from mend.store.database import Database
from mend.store.tables import approvals, circuits, pauses


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """Scheduled runs of the pipeline wait while it is open, which is until somebody closes it."""

    id: int
    pipeline: str
    cause: str
    why: str
    opened_at: datetime
    opened_by: str
    run_id: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    closed_why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """No act is done, and no run is published, until it is over; without a pipeline that holds for all of them."""

    id: int
    pipeline: str | None
    since: datetime
    until: datetime | None
    by: str
    reason: str
    ended_at: datetime | None = None
    ended_by: str | None = None

    def __str__(self) -> str:
        """Return it as a person reads it."""
        until = f" until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else ""
        return f"paused{until} by {self.by}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What a person decided about a run that was brought before them; `plan_hash` is of what they were shown."""

    id: int
    run_id: str
    approved: bool
    by: str
    reason: str
    at: datetime
    plan_hash: str | None = None


class Brakes:
    """Circuits, pauses, and what people decided."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def open_circuit(
        self, pipeline: str, cause: str, why: str, at: datetime, *, by: str, run_id: str | None = None
    ) -> Circuit:
        """Open the pipeline's circuit; one that is open stays as it is and is returned."""
        with self.database.transaction() as connection:
            known = _open_circuit(connection, pipeline)
            if known:
                return known
            row = {"pipeline": pipeline, "cause": cause, "why": why, "run_id": run_id}
            return Circuit(**_inserted(connection, circuits, row | {"opened_at": at, "opened_by": by}))

    def close_circuit(self, pipeline: str, why: str, at: datetime, *, by: str) -> Circuit | None:
        """Close the pipeline's circuit; None if none is open."""
        with self.database.transaction() as connection:
            known = _open_circuit(connection, pipeline)
            if known is None:
                return None
            closed = {"closed_at": at, "closed_by": by, "closed_why": why}
            connection.execute(update(circuits).where(circuits.c.id == known.id).values(closed))
            return Circuit(**_row(connection, circuits, known.id))

    def circuit(self, pipeline: str) -> Circuit | None:
        """Return the pipeline's open circuit."""
        with self.database.reading() as connection:
            return _open_circuit(connection, pipeline)

    def open_circuits(self) -> tuple[Circuit, ...]:
        """Return the open circuits of all pipelines."""
        wanted = select(circuits).where(circuits.c.closed_at.is_(None)).order_by(circuits.c.id)
        return tuple(Circuit(**row) for row in self._newest(wanted, 1000))

    def circuits(self, limit: int = 20) -> tuple[Circuit, ...]:
        """Return the newest circuits, open and closed, newest first."""
        return tuple(Circuit(**row) for row in self._newest(select(circuits).order_by(circuits.c.id.desc()), limit))

    def last_closed(self, pipeline: str) -> datetime | None:
        """Return when a person last closed the pipeline's circuit: failures are counted anew from then on."""
        closed = select(circuits).where(circuits.c.pipeline == pipeline, circuits.c.closed_at.is_not(None))
        found = self._newest(closed.order_by(circuits.c.closed_at.desc()), 1)
        return found[0]["closed_at"] if found else None

    def pause(
        self, at: datetime, *, by: str, reason: str = "", until: datetime | None = None, pipeline: str | None = None
    ) -> Pause:
        """Begin a pause; durable on return, and seen before the next act."""
        row = {"pipeline": pipeline, "since": at, "until": until, "by": by, "reason": reason}
        with self.database.transaction() as connection:
            return Pause(**_inserted(connection, pauses, row))

    def resume(self, at: datetime, *, by: str, pipeline: str | None = None) -> tuple[Pause, ...]:
        """End all pauses, or those of one pipeline; returns the ones that were still going."""
        of_it = pauses.c.pipeline == pipeline if pipeline else pauses.c.id.is_not(None)
        with self.database.transaction() as connection:
            rows = connection.execute(select(pauses).where(_going(at), of_it)).mappings().all()
            ended = {"ended_at": at, "ended_by": by}
            connection.execute(update(pauses).where(_going(at), of_it).values(ended))
            return tuple(Pause(**{**row, **ended}) for row in rows)

    def pauses(self, pipeline: str | None, at: datetime) -> tuple[Pause, ...]:
        """Return the pauses that hold for a pipeline now; without one, all that hold."""
        of_it = or_(pauses.c.pipeline == pipeline, pauses.c.pipeline.is_(None)) if pipeline else pauses.c.id > 0
        return tuple(Pause(**row) for row in self._newest(select(pauses).where(_going(at), of_it), 100))

    def why_paused(self, pipeline: str, at: datetime) -> str | None:
        """Return who paused the pipeline and why, None if nobody did."""
        found = self.pauses(pipeline, at)
        return str(found[0]) if found else None

    def approve(
        self, run_id: str, at: datetime, *, approved: bool, by: str, reason: str, plan_hash: str | None = None
    ) -> Approval:
        """Record what a person decided about a run."""
        row = {"run_id": run_id, "approved": approved, "by": by, "reason": reason, "at": at, "plan_hash": plan_hash}
        with self.database.transaction() as connection:
            return Approval(**_inserted(connection, approvals, row))

    def approvals(self, run_id: str) -> tuple[Approval, ...]:
        """Return what people decided about a run, oldest first."""
        wanted = select(approvals).where(approvals.c.run_id == run_id).order_by(approvals.c.id)
        return tuple(Approval(**row) for row in self._newest(wanted, 1000))

    def _newest(self, wanted: Select[Any], limit: int) -> list[dict[str, Any]]:
        with self.database.reading() as connection:
            return [dict(row) for row in connection.execute(wanted.limit(limit)).mappings()]


def _going(at: datetime) -> ColumnElement[bool]:
    return and_(pauses.c.ended_at.is_(None), or_(pauses.c.until.is_(None), pauses.c.until > at))


def _open_circuit(connection: Connection, pipeline: str) -> Circuit | None:
    wanted = select(circuits).where(circuits.c.pipeline == pipeline, circuits.c.closed_at.is_(None))
    row = connection.execute(wanted.order_by(circuits.c.id).limit(1)).mappings().one_or_none()
    return Circuit(**row) if row else None


def _inserted(connection: Connection, table: Table, row: dict[str, Any]) -> dict[str, Any]:
    key: Any = connection.execute(table.insert().values(row)).inserted_primary_key
    return _row(connection, table, int(key[0]))


def _row(connection: Connection, table: Table, key: int) -> dict[str, Any]:
    return dict(connection.execute(select(table).where(table.c.id == key)).mappings().one())
