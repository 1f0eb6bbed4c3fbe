"""Events about failed tasks, and what came of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from mend.contracts.task_event import Answer, TaskEvent
from mend.store.database import Database, insert_once
from mend.store.tables import task_events


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEvent:
    """An event as it came in. `answer` is None while nobody has dealt with it."""

    id: str
    pipeline: str
    task: str
    cause: str | None
    received_at: datetime
    event: TaskEvent
    answer: Answer | None


_COLUMNS = [task_events.c[name] for name in KeptEvent.__dataclass_fields__]


class TaskEvents:
    """The history of events."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def keep(self, kept: KeptEvent) -> KeptEvent:
        """Keep an event, durably; one that is there already stays, and is returned as it stands."""
        row = {name: getattr(kept, name) for name in KeptEvent.__dataclass_fields__}
        with self.database.transaction() as connection:
            insert_once(connection, task_events, row)
            return self.known(kept.id)

    def get(self, event_id: str) -> KeptEvent | None:
        """Return an event, or None."""
        found = self._all(select(*_COLUMNS).where(task_events.c.id == event_id))
        return found[0] if found else None

    def known(self, event_id: str) -> KeptEvent:
        """Return an event that is there."""
        with self.database.reading() as connection:
            row = connection.execute(select(*_COLUMNS).where(task_events.c.id == event_id)).mappings().one()
            return KeptEvent(**row)

    def answered(self, event_id: str, answer: Answer) -> None:
        """Write what came of an event; again replaces it."""
        with self.database.transaction() as connection:
            connection.execute(update(task_events).where(task_events.c.id == event_id).values(answer=answer))

    def of_task(self, pipeline: str, task: str, limit: int = 50) -> tuple[KeptEvent, ...]:
        """Return the newest events of a task, newest first."""
        wanted = select(*_COLUMNS).where(task_events.c.pipeline == pipeline, task_events.c.task == task)
        return self._all(wanted.order_by(task_events.c.received_at.desc(), task_events.c.id).limit(limit))

    def since(self, start: datetime) -> tuple[KeptEvent, ...]:
        """Return the events since a time, newest first."""
        wanted = select(*_COLUMNS).where(task_events.c.received_at >= start)
        return self._all(wanted.order_by(task_events.c.received_at.desc(), task_events.c.id))

    def recent(self, limit: int = 20) -> tuple[KeptEvent, ...]:
        """Return the newest events, newest first."""
        return self._all(select(*_COLUMNS).order_by(task_events.c.received_at.desc(), task_events.c.id).limit(limit))

    def _all(self, wanted: Any) -> tuple[KeptEvent, ...]:
        with self.database.reading() as connection:
            return tuple(KeptEvent(**row) for row in connection.execute(wanted).mappings())
