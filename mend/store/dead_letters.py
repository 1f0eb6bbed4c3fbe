"""What of each run's dead letters is owed to their topic, and what was sent: each run's are sent once it is settled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, true, update

from mend.store.database import Database, insert_once
from mend.store.tables import dead_letter_sends as sends

MOST_OFFSETS = 1_000
"""Offsets named of messages that the broker refused; their number is always told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """Dead letters of one partition of a run that are to be sent to a topic. `attempts` counts failures up to now."""

    run_id: str
    topic: str
    partition: int
    target: str
    events: int
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was sent of a partition of a run, and the offsets of what the broker takes in no case, with its word."""

    sent: int
    refused: tuple[int, ...] = ()
    error: str | None = None


class DeadLetterSends:
    """The dead letters of all pipelines that go to a topic."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def owe(self, run_id: str, pipeline: str, target: str, events: Mapping[tuple[str, int], int], at: datetime) -> None:
        """Note what is to be sent of a run, by topic and partition; what was noted before stays as it is."""
        with self.database.transaction() as connection:
            for (topic, partition), many in events.items():
                row = {"run_id": run_id, "topic": topic, "partition": partition, "pipeline": pipeline}
                new = {"target": target, "events": many, "attempts": 0, "updated_at": at}
                insert_once(connection, sends, row | new)

    def owed(self, pipeline: str | None = None) -> tuple[Owed, ...]:
        """Return what is still to be sent, of one pipeline or of all, in the order in which it was noted."""
        columns = [sends.c[name] for name in Owed.__dataclass_fields__]
        wanted = select(*columns).where(sends.c.pipeline == pipeline if pipeline else true(), sends.c.sent.is_(None))
        with self.database.reading() as connection:
            rows = connection.execute(wanted.order_by(sends.c.run_id, sends.c.topic, sends.c.partition)).mappings()
            return tuple(Owed(**row) for row in rows)

    def record(self, owed: Owed, sent: Sent, at: datetime) -> None:
        """Note that it was sent: it is owed no more."""
        refused = {"messages": len(sent.refused), "offsets": list(sent.refused[:MOST_OFFSETS])}
        self._change(owed, {"sent": sent.sent, "refused": refused, "error": sent.error, "updated_at": at})

    def record_failure(self, owed: Owed, error: str, at: datetime) -> None:
        """Note that it could not be sent: it stays owed."""
        self._change(owed, {"attempts": sends.c.attempts + 1, "error": error, "updated_at": at})

    def of_run(self, run_id: str) -> tuple[dict[str, Any], ...]:
        """Return all that is noted about a run, for people."""
        with self.database.reading() as connection:
            rows: Sequence[Any] = connection.execute(
                select(sends).where(sends.c.run_id == run_id).order_by(sends.c.topic, sends.c.partition)
            ).mappings().all()  # fmt: skip
            return tuple(dict(row) for row in rows)

    def _change(self, owed: Owed, values: dict[str, Any]) -> None:
        row = sends.c
        this = (row.run_id == owed.run_id, row.topic == owed.topic, row.partition == owed.partition)
        with self.database.transaction() as connection:
            connection.execute(update(sends).where(*this).values(values))
