"""Deliveries of alerts through channels: who works on a channel, what is due, and what came of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, exists, or_, select, update

from mend.contracts.alert import Alert
from mend.store.database import Database, insert_once
from mend.store.tables import DeliveryState, alert_channels, deliveries, outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One alert on its way through one channel. `id` stays over all attempts."""

    id: str
    alert_id: int
    channel: str
    thread: str | None
    state: DeliveryState
    attempts: int
    created_at: datetime
    due_at: datetime
    sent_at: datetime | None
    reference: str | None
    error: str | None
    alert: Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """How a channel does: nothing is sent through it before `next_at`; `failures` of the last attempts in a row."""

    channel: str
    worker: str | None
    next_at: datetime | None
    failures: int


_COLUMNS = [deliveries.c[name] for name in Delivery.__dataclass_fields__ if name != "alert"]
_JOINED = select(*_COLUMNS, outbox.c.alert).join(outbox, outbox.c.id == deliveries.c.alert_id)
_STATE = [alert_channels.c[name] for name in ChannelState.__dataclass_fields__]


class Deliveries:
    """The deliveries of all alerts."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def lease(self, channel: str, worker: str, now: datetime, length: timedelta) -> ChannelState | None:
        """Take or renew the right to send through a channel; None while another worker has it."""
        row = alert_channels.c
        free = or_(row.worker.is_(None), row.worker == worker, row.leased_until < now)
        mine = {"worker": worker, "leased_until": now + length}
        with self.database.transaction() as connection:
            insert_once(connection, alert_channels, {"channel": channel, "failures": 0})
            taken: Any = connection.execute(update(alert_channels).where(row.channel == channel, free).values(mine))
            if not taken.rowcount:
                return None
            found = connection.execute(select(*_STATE).where(row.channel == channel)).mappings().one()
            return ChannelState(**found)

    def leased_by(self, channel: str) -> str | None:
        """Return who has the right to send through a channel."""
        wanted = select(alert_channels.c.worker).where(alert_channels.c.channel == channel)
        with self.database.reading() as connection:
            found: str | None = connection.scalar(wanted)
            return found

    def release(self, channel: str, worker: str) -> None:
        """Give the right back."""
        row = alert_channels.c
        mine = update(alert_channels).where(row.channel == channel, row.worker == worker)
        with self.database.transaction() as connection:
            connection.execute(mine.values(worker=None, leased_until=None))

    def due(self, channel: str, now: datetime, limit: int = 1000) -> tuple[Delivery, ...]:
        """Return what is to be sent, oldest first; what is told in a thread comes after what waits before it there."""
        earlier = deliveries.alias("earlier")
        before = exists().where(
            and_(
                earlier.c.thread == deliveries.c.thread,
                earlier.c.channel == deliveries.c.channel,
                earlier.c.state == DeliveryState.WAITING,
                earlier.c.alert_id < deliveries.c.alert_id,
            )
        )
        of_channel = (deliveries.c.channel == channel, deliveries.c.state == DeliveryState.WAITING)
        return self._read(_JOINED.where(*of_channel, deliveries.c.due_at <= now, ~before), limit)

    def unexplained(self, channel: str, now: datetime) -> tuple[Delivery, ...]:
        """Return what is due and waits without a word why."""
        row = deliveries.c
        waits = (row.channel == channel, row.state == DeliveryState.WAITING, row.due_at <= now, row.error.is_(None))
        return self._read(_JOINED.where(*waits), None)

    def sent(self, delivery: Delivery, reference: str | None, at: datetime, next_at: datetime) -> None:
        """Note that it arrived: the channel works."""
        values = {"state": DeliveryState.SENT, "sent_at": at, "reference": reference, "error": None}
        with self.database.transaction():
            self._change(delivery, values | {"attempts": delivery.attempts + 1})
            self.channel(delivery.channel, next_at, failures=0)

    def failed(self, delivery: Delivery, error: str, due_at: datetime, *, parked: bool) -> None:
        """Note that it did not arrive; it is tried again, unless it is parked."""
        state = DeliveryState.PARKED if parked else DeliveryState.WAITING
        attempts = delivery.attempts + 1
        self._change(delivery, {"attempts": attempts, "error": error, "due_at": due_at, "state": state})

    def note(self, delivery: Delivery, error: str) -> None:
        """Note why it waits, without an attempt."""
        self._change(delivery, {"error": error})

    def channel(self, name: str, next_at: datetime, failures: int) -> None:
        """Note how the channel does."""
        values = {"next_at": next_at, "failures": failures}
        with self.database.transaction() as connection:
            connection.execute(update(alert_channels).where(alert_channels.c.channel == name).values(values))

    def of_alert(self, alert_id: int) -> tuple[Delivery, ...]:
        """Return the deliveries of an alert."""
        return self._read(_JOINED.where(deliveries.c.alert_id == alert_id), None)

    def root(self, delivery: Delivery) -> str | None:
        """Return the reference of the first message of its thread on its channel; None where it is the first."""
        if delivery.thread is None:
            return None
        row = deliveries.c
        sent = (row.thread == delivery.thread, row.channel == delivery.channel, row.reference.is_not(None))
        first = select(row.reference).where(*sent, row.alert_id < delivery.alert_id).order_by(row.alert_id).limit(1)
        with self.database.reading() as connection:
            found: str | None = connection.scalar(first)
            return found

    def unsent(self) -> tuple[Delivery, ...]:
        """Return all that waits or is parked, oldest first."""
        return self._read(_JOINED.where(deliveries.c.state != DeliveryState.SENT), None)

    def recent(self, limit: int = 50) -> tuple[Delivery, ...]:
        """Return the newest deliveries, newest first."""
        return self._read(_JOINED, limit, newest_first=True)

    def channels(self) -> tuple[ChannelState, ...]:
        """Return how the channels do."""
        with self.database.reading() as connection:
            rows = connection.execute(select(*_STATE).order_by(alert_channels.c.channel)).mappings()
            return tuple(ChannelState(**row) for row in rows)

    def retry(self, at: datetime, delivery_id: str | None = None) -> int:
        """Make what waits or is parked due now, all or one; return how many."""
        unsent = deliveries.c.state != DeliveryState.SENT
        chosen = unsent if delivery_id is None else and_(unsent, deliveries.c.id.startswith(delivery_id))
        values = {"state": DeliveryState.WAITING, "due_at": at, "created_at": at}
        with self.database.transaction() as connection:
            connection.execute(update(alert_channels).values(next_at=None))
            return int(connection.execute(update(deliveries).where(chosen).values(values)).rowcount)

    def _change(self, delivery: Delivery, values: dict[str, Any]) -> None:
        with self.database.transaction() as connection:
            connection.execute(update(deliveries).where(deliveries.c.id == delivery.id).values(values))

    def _read(self, wanted: Any, limit: int | None, *, newest_first: bool = False) -> tuple[Delivery, ...]:
        by = deliveries.c.alert_id.desc() if newest_first else deliveries.c.alert_id
        with self.database.reading() as connection:
            rows = connection.execute(wanted.order_by(by, deliveries.c.channel).limit(limit)).mappings()
            return tuple(Delivery(**row) for row in rows)
