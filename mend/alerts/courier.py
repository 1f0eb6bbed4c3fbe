"""The worker: looks at new alerts, and carries what is due through the channels, at least once and in order."""

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from mend.alerts import fold
from mend.alerts.channel import Away, Channel, Message, Refused
from mend.alerts.policy import Policy
from mend.contracts.alert import Alert
from mend.runtime import clock
from mend.runtime.logging import get_logger
from mend.runtime.pause import back_off
from mend.store.deliveries import Delivery
from mend.store.engine import Store
from mend.store.outbox import Due
from mend.store.tables import DeliveryState

LEASE = timedelta(minutes=2)
"""Longer than the longest time-out of one message: a lease that ran out belongs to a worker that died."""
KEPT = timedelta(days=30)
LAST_RESORT = "console"


@dataclass(slots=True)
class Tally:
    """What a pass did."""

    sent: int = 0
    failed: int = 0
    parked: int = 0


@dataclass(frozen=True, kw_only=True)
class Courier:
    """One worker. Time, waiting and chance are its own, so that an hour of trouble can be played in a moment."""

    store: Store
    channels: Mapping[str, Channel]
    policy: Policy
    now: Callable[[], datetime] = clock.now
    sleep: Callable[[float], None] = time.sleep
    chance: random.Random = field(default_factory=random.SystemRandom)
    name: str = field(default_factory=lambda: uuid4().hex)

    def work(self, budget: timedelta) -> Tally:
        """Tell what is new and send what is due, for no longer than the budget (and one time-out)."""
        until, tally = self.now() + budget, Tally()
        self.tell()
        # The last resort comes last: what fell back on it in this pass is said in this pass.
        for name in sorted(self.channels, key=lambda one: one == LAST_RESORT):
            self._through(name, until, tally)
        return tally

    def tell(self) -> None:
        """Hand new alerts to their channels, count those that repeat, and say how many there were once it is calm."""
        outbox, now = self.store.outbox, self.now()
        calm = (now - self.policy.deduplicate, now - self.policy.remind)
        if not (outbox.new(limit=1) or outbox.calm(*calm)):
            return
        with self.store.transaction():
            while new := outbox.new():
                for entry in new:
                    head = outbox.head(entry.fold_key)
                    if fold.folds(entry, head, self.policy):
                        outbox.fold(entry, head)  # type: ignore[arg-type]
                        continue
                    alert = fold.with_repeats(entry.alert, head)
                    if head is not None:
                        outbox.counted(head)
                    outbox.tell(entry, alert, self.route(alert, now), now)
            for head in outbox.calm(*calm):
                alert = fold.reminder(head, now, self.policy)
                outbox.tell_again(head, alert, self.route(alert, now), now)
            outbox.forget(now - KEPT)

    def route(self, alert: Alert, now: datetime) -> Due:
        """Return where an alert goes and when; where none of its channels is set up, to the last resort."""
        wanted = alert.channels or self.policy.routes[alert.severity]
        there = [name for name in wanted if name in self.channels] or list(self.channels)[:1]
        return dict.fromkeys(there, self.policy.not_before(alert, now))

    def _through(self, name: str, until: datetime, tally: Tally) -> None:
        deliveries = self.store.deliveries
        try:
            while self._one(name, until, tally):
                pass
        finally:
            if deliveries.leased_by(name) == self.name:
                deliveries.release(name, self.name)

    def _one(self, name: str, until: datetime, tally: Tally) -> bool:
        """Send the next one; False when there is none, another worker is at it, or the channel must not be used now."""
        deliveries = self.store.deliveries
        if not deliveries.due(name, self.now(), limit=1):
            return False
        state = deliveries.lease(name, self.name, self.now(), LEASE)
        due = deliveries.due(name, self.now(), limit=1) if state else ()
        if state is None or not due:
            return False
        if state.next_at is not None and state.next_at > self.now():
            if state.failures:
                self._elsewhere(deliveries.unexplained(name, self.now()), f"{name} is away")
            if state.failures or state.next_at > until:
                return False
            self.sleep((state.next_at - self.now()).total_seconds())
            return True
        return self._send(due[0], state.failures, tally)

    def _send(self, delivery: Delivery, failures: int, tally: Tally) -> bool:
        """Send one and note what came of it; returns whether the channel can be used on."""
        deliveries, channel = self.store.deliveries, self.channels[delivery.channel]
        message = Message(
            id=delivery.id,
            alert=delivery.alert,
            at=delivery.created_at,
            root=deliveries.root(delivery),
            links=self.policy.links_of(delivery.alert),
        )
        try:
            reference = channel.send(message)
        except Refused as error:
            self._failed(delivery, str(error), tally, None)
            return True
        except Away as error:
            pause = self._failed(delivery, str(error), tally, error.retry_after)
            deliveries.channel(delivery.channel, self.now() + pause, failures + 1)
            self._elsewhere(deliveries.unexplained(delivery.channel, self.now()), str(error))
            return False
        at = self.now()
        deliveries.sent(delivery, reference, at, at + timedelta(seconds=channel.pace))
        tally.sent += 1
        return True

    def _failed(self, delivery: Delivery, error: str, tally: Tally, asked: float | None) -> timedelta:
        pause = max(back_off(delivery.attempts + 1, self.chance), timedelta(seconds=asked or 0))
        at = self.now()
        parked = at - delivery.created_at > self.policy.give_up
        with self.store.transaction():
            self.store.deliveries.failed(delivery, error, at + pause, parked=parked)
            self._elsewhere([delivery], error)
        tally.failed += 1
        if parked:
            tally.parked += 1
            get_logger().error("alert_parked", delivery=delivery.id, channel=delivery.channel,
                               title=delivery.alert.title, error=error)  # fmt: skip
        return pause

    def _elsewhere(self, waiting: Iterable[Delivery], error: str) -> None:
        """Let another channel tell what one cannot tell now, unless one does already."""
        with self.store.transaction():
            for delivery in (one for one in waiting if one.error is None):
                self.store.deliveries.note(delivery, error)
                self._fall_back(delivery)

    def _fall_back(self, delivery: Delivery) -> None:
        others = [one for one in self.store.deliveries.of_alert(delivery.alert_id) if one.id != delivery.id]
        if any(one.state is DeliveryState.SENT or one.error is None for one in others):
            return
        used = {delivery.channel, *(one.channel for one in others)}
        left = [name for name in self.channels if name not in used]
        if left:
            self.store.outbox.deliver_to(delivery.alert_id, delivery.thread, {left[0]: self.now()}, self.now())
