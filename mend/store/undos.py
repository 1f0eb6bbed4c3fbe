"""Decisions that a person undid, and undos that were undone in their turn."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from mend.store.database import Database
from mend.store.tables import undos


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """An undo of a decision, or one that takes back another (`back`): it brings the decision's effects again.

    `mapping_version` is the version that it made, `rows` how many it moved; `ended_at` is None while it is at work.
    """

    id: int
    pipeline: str
    run_id: str
    decision: int
    at: datetime
    by: str
    reason: str
    takes_back: int | None = None
    mapping_version: int | None = None
    rows: int | None = None
    ended_at: datetime | None = None
    back: bool = False

    @property
    def name(self) -> str:
        """Return how people call it."""
        return f"undo-{self.id}"


_COLUMNS = [undos.c[name] for name in Undo.__dataclass_fields__]


class Undos:
    """All undos. Those of a decision follow each other: rows go, come back, go again."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def begin(self, **facts: Any) -> Undo:
        """Write down that an undo begins; durable on return (or at the end of the open transaction)."""
        with self.database.transaction() as connection:
            key: Any = connection.execute(undos.insert().values(facts)).inserted_primary_key
            number = int(key[0])
            return next(one for one in self._all(undos.c.id == number))

    def end(self, number: int, at: datetime, rows: int) -> None:
        """Write down that it is done."""
        with self.database.transaction() as connection:
            connection.execute(update(undos).where(undos.c.id == number).values(ended_at=at, rows=rows))

    def get(self, number: int) -> Undo | None:
        """Return one, or None."""
        return next(iter(self._all(undos.c.id == number)), None)

    def of_decision(self, decision: int) -> tuple[Undo, ...]:
        """Return the undos of a decision, oldest first."""
        return self._all(undos.c.decision == decision)

    def of_run(self, run_id: str) -> tuple[Undo, ...]:
        """Return the undos of a run's decisions, oldest first."""
        return self._all(undos.c.run_id == run_id)

    def begun(self, pipeline: str) -> tuple[Undo, ...]:
        """Return those that somebody began and nobody ended, oldest first."""
        return self._all(undos.c.pipeline == pipeline, undos.c.ended_at.is_(None))

    def _all(self, *conditions: Any) -> tuple[Undo, ...]:
        wanted = select(*_COLUMNS).where(*conditions).order_by(undos.c.id)
        with self.database.reading() as connection:
            return tuple(Undo(**row) for row in connection.execute(wanted).mappings())
