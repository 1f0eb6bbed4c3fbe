"""The outbox: alerts are written in the transaction of what they tell about, and looked at by a worker later."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

from sqlalchemy import and_, delete, exists, or_, select, update

from mend.contracts.alert import Alert
from mend.store.database import Database, insert_once
from mend.store.tables import AlertState, DeliveryState, deliveries, outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An alert in the outbox; `repeats` equal ones came up to `last_at` and are not told yet."""

    id: int
    fold_key: str
    thread: str | None
    alert: Alert
    state: AlertState
    repeats: int
    at: datetime
    last_at: datetime


_COLUMNS = [outbox.c[name] for name in Entry.__dataclass_fields__]
Due = dict[str, datetime]
"""Channel → not before when."""


def fold_key(alert: Alert) -> str:
    """Return what makes alerts equal: their cause, or incident, or else title and pipeline."""
    about = alert.cause or alert.incident_id or f"{alert.title}\0{alert.pipeline or ''}"
    return sha256(about.encode("utf-8", "replace")).hexdigest()


class Outbox:
    """Alerts of all pipelines, in the order in which they came."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def put(self, alert: Alert, at: datetime, *, once: str | None = None) -> bool:
        """Keep an alert for delivery, with the open transaction or durably on return; nothing is sent here.

        The same `once` again changes nothing and returns False.
        """
        thread = sha256(alert.incident_id.encode("utf-8", "replace")).hexdigest() if alert.incident_id else None
        row = {"once": once, "fold_key": fold_key(alert), "thread": thread, "alert": alert}
        new = {"state": AlertState.NEW, "repeats": 0, "at": at, "last_at": at}
        with self.database.transaction() as connection:
            return insert_once(connection, outbox, row | new)

    def new(self, limit: int = 1000) -> tuple[Entry, ...]:
        """Return the oldest alerts that nobody looked at; inside a transaction nobody else gets them."""
        wanted = select(*_COLUMNS).where(outbox.c.state == AlertState.NEW).order_by(outbox.c.id).limit(limit)
        return self._read(wanted.with_for_update())

    def head(self, key: str) -> Entry | None:
        """Return the newest alert of the key that was told."""
        told = select(*_COLUMNS).where(outbox.c.state == AlertState.TOLD, outbox.c.fold_key == key)
        found = self._read(told.order_by(outbox.c.id.desc()).limit(1))
        return found[0] if found else None

    def head_of(self, cause: str) -> Entry | None:
        """Return the newest alert of a cause that was told."""
        return self.head(sha256(cause.encode("utf-8", "replace")).hexdigest())

    def named(self, once: str) -> Entry | None:
        """Return the alert that was put with this key."""
        found = self._read(select(*_COLUMNS).where(outbox.c.once == once))
        return found[0] if found else None

    def fold(self, entry: Entry, into: Entry) -> None:
        """Count an alert as a repeat of a told one."""
        more = {"repeats": outbox.c.repeats + 1, "last_at": entry.at}
        with self.database.transaction() as connection:
            connection.execute(update(outbox).where(outbox.c.id == entry.id).values(state=AlertState.FOLDED))
            connection.execute(update(outbox).where(outbox.c.id == into.id).values(more))

    def tell(self, entry: Entry, alert: Alert, due: Due, at: datetime) -> None:
        """Hand an alert over to its channels; what it says may have grown."""
        with self.database.transaction() as connection:
            values = {"state": AlertState.TOLD, "alert": alert}
            connection.execute(update(outbox).where(outbox.c.id == entry.id).values(values))
            self.deliver_to(entry.id, entry.thread, due, at)

    def tell_again(self, head: Entry, alert: Alert, due: Due, at: datetime) -> None:
        """Hand over an alert about the repeats of a told one; it becomes the one that later repeats fold into."""
        row = {"fold_key": head.fold_key, "thread": head.thread, "alert": alert, "state": AlertState.TOLD}
        with self.database.transaction() as connection:
            self.counted(head)
            new = row | {"repeats": 0, "at": at, "last_at": at}
            key: Any = connection.execute(outbox.insert().values(new)).inserted_primary_key
            self.deliver_to(int(key[0]), head.thread, due, at)

    def deliver_to(self, alert_id: int, thread: str | None, due: Due, at: datetime) -> None:
        """Add channels to an alert; one that it has already stays as it is."""
        with self.database.transaction() as connection:
            for channel, due_at in due.items():
                row = {"id": uuid4().hex, "alert_id": alert_id, "channel": channel, "thread": thread}
                new = {"state": DeliveryState.WAITING, "attempts": 0, "created_at": at, "due_at": due_at}
                insert_once(connection, deliveries, row | new)

    def counted(self, head: Entry) -> None:
        """Note that the repeats up to now are told."""
        with self.database.transaction() as connection:
            connection.execute(update(outbox).where(outbox.c.id == head.id).values(repeats=0))

    def calm(self, last_before: datetime, begun_before: datetime) -> tuple[Entry, ...]:
        """Return told alerts with untold repeats, of which none came since a time or that began before another."""
        # An incident is told at its beginning and its end; in between a reminder is enough.
        quiet = or_(and_(outbox.c.thread.is_(None), outbox.c.last_at < last_before), outbox.c.at < begun_before)
        wanted = select(*_COLUMNS).where(outbox.c.state == AlertState.TOLD, outbox.c.repeats > 0, quiet)
        return self._read(wanted.order_by(outbox.c.id).with_for_update())

    def forget(self, before: datetime) -> None:
        """Remove old alerts that wait for nothing."""
        waiting = exists().where(deliveries.c.alert_id == outbox.c.id, deliveries.c.state != DeliveryState.SENT)
        old = (outbox.c.last_at < before, outbox.c.state != AlertState.NEW, outbox.c.repeats == 0)
        with self.database.transaction() as connection:
            gone = connection.scalars(select(outbox.c.id).where(*old, ~waiting)).all()
            for part in batches(gone):
                connection.execute(delete(deliveries).where(deliveries.c.alert_id.in_(part)))
                connection.execute(delete(outbox).where(outbox.c.id.in_(part)))

    def _read(self, wanted: Any) -> tuple[Entry, ...]:
        # Joins the transaction of who wants the rows for itself; by itself it takes no lock.
        with self.database.reading() as connection:
            return tuple(Entry(**row) for row in connection.execute(wanted).mappings())


def batches(ids: Iterable[int], size: int = 500) -> Iterable[list[int]]:
    """Cut a list into parts that fit into a statement."""
    whole = list(ids)
    return (whole[start : start + size] for start in range(0, len(whole), size))
