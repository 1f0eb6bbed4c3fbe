"""Remedies that were taken alone, how each did, and what a person allowed again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from mend.store.database import Database, insert_once
from mend.store.tables import Score, permissions, remedies


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """A remedy that was taken for a cause; `key` is the key of its act, `expected` what it was to bring about."""

    key: str
    pipeline: str
    cause: str
    run_id: str | None
    expected: str
    at: datetime
    score: Score = Score.PENDING
    found: str | None = None
    scored_at: datetime | None = None


class Remedies:
    """The remedies of all pipelines."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def take(self, remedy: Remedy) -> None:
        """Write down that it was taken; the same act again changes nothing."""
        with self.database.transaction() as connection:
            insert_once(connection, remedies, {name: getattr(remedy, name) for name in Remedy.__dataclass_fields__})

    def score(self, key: str, score: Score, found: str, at: datetime) -> None:
        """Write down how it did."""
        values = {"score": score, "found": found, "scored_at": at}
        with self.database.transaction() as connection:
            connection.execute(update(remedies).where(remedies.c.key == key).values(values))

    def pending(self, pipeline: str) -> tuple[Remedy, ...]:
        """Return those of which nobody knows yet how they did, oldest first."""
        return self._all(remedies.c.pipeline == pipeline, remedies.c.score == Score.PENDING)

    def of_run(self, run_id: str) -> tuple[Remedy, ...]:
        """Return those that were taken for a run."""
        return self._all(remedies.c.run_id == run_id)

    def since_allowed(self, pipeline: str) -> dict[str, tuple[Remedy, ...]]:
        """Return the remedies of each cause since a person last allowed it, oldest first."""
        allowed = select(permissions.c.cause, permissions.c.at).where(permissions.c.pipeline == pipeline)
        with self.database.reading() as connection:
            last = {row.cause: row.at for row in connection.execute(allowed.order_by(permissions.c.id))}
        found: dict[str, list[Remedy]] = {cause: [] for cause in last}
        for one in self._all(remedies.c.pipeline == pipeline):
            if one.cause not in last or one.at > last[one.cause]:
                found.setdefault(one.cause, []).append(one)
        return {cause: tuple(some) for cause, some in found.items()}

    def allow(self, pipeline: str, cause: str, at: datetime, *, by: str, reason: str) -> None:
        """Let a remedy be taken alone again; what came before counts no more."""
        row = {"pipeline": pipeline, "cause": cause, "by": by, "reason": reason, "at": at}
        with self.database.transaction() as connection:
            connection.execute(permissions.insert().values(row))

    def _all(self, *conditions: Any) -> tuple[Remedy, ...]:
        wanted = select(remedies).where(*conditions).order_by(remedies.c.at, remedies.c.key)
        with self.database.reading() as connection:
            return tuple(Remedy(**row) for row in connection.execute(wanted).mappings())
