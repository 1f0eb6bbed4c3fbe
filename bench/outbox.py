"""500 alerts while Slack is away for ten minutes: all arrive, and not twice. Time and Slack are simulated."""

import random
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.measure import Wish, cores, show, wish
from mend.alerts.channel import Away, Message
from mend.alerts.courier import Courier
from mend.alerts.policy import Policy
from mend.contracts.alert import Alert, AlertSeverity
from mend.store.engine import open_store

ALERTS = 500
OUTAGE = timedelta(minutes=10)
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TORN = 0.005
"""Share of messages that arrive although the line is cut before the answer."""


@dataclass
class Clock:
    """A time that passes by waiting."""

    at: datetime = START

    def now(self) -> datetime:
        """Return the time."""
        return self.at

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)


@dataclass
class Flaky:
    """A Slack that is away, then asks for pauses, and now and then cuts the line after it took a message."""

    now: Callable[[], datetime]
    chance: random.Random
    pace: float = 1.0
    arrived: Counter[str] = field(default_factory=Counter)
    last: datetime = START - timedelta(hours=1)

    def send(self, message: Message) -> str | None:
        """Take it, unless it is away or asked too often."""
        at = self.now()
        if at < START + OUTAGE:
            raise Away("away")
        if at - self.last < timedelta(seconds=1):
            raise Away("429", 30)
        self.last = at
        self.arrived[message.alert.title] += 1
        if self.chance.random() < TORN:
            raise Away("cut")
        return None


def measure(asked: Wish) -> dict[str, Any]:
    """Put the alerts in during the outage, work every five seconds until nothing waits; peer is what was asked for."""
    runs = [one_run(seed) for seed in range(1 if asked.quick else 3)]
    return {
        "name": "outbox",
        "target": f"{ALERTS} delivered, <= 1 % doubled (absolute; the peer is what was put in)",
        "unit": f"alerts ({max(run['doubled'] for run in runs) / ALERTS:.1%} doubled)",
        "runs": [{"ours": run["delivered"], "peer": ALERTS} for run in runs],
        "median_ratio": round(min(run["delivered"] for run in runs) / ALERTS, 3),
        "doubled": [run["doubled"] for run in runs],
        "minutes_after_the_outage": [run["minutes"] for run in runs],
        "cores": cores(),
    }


def one_run(seed: int) -> dict[str, float]:
    """Play the outage once."""
    clock, chance = Clock(), random.Random(seed)
    slack = Flaky(clock.now, chance)
    with tempfile.TemporaryDirectory() as folder, open_store(f"sqlite:///{Path(folder)}/mend.db") as store:
        courier = Courier(
            store=store, channels={"slack": slack}, policy=Policy(), now=clock.now, sleep=clock.sleep, chance=chance
        )
        with store.transaction():
            for number in range(ALERTS):
                alert = Alert(title=f"alert {number}", severity=AlertSeverity.INFO)
                store.outbox.put(alert, START + OUTAGE * number / ALERTS)
        while clock.at < START + OUTAGE or store.deliveries.unsent():
            courier.work(timedelta(minutes=1))
            clock.sleep(5)
    doubled = sum(many - 1 for many in slack.arrived.values())
    minutes = (slack.last - START - OUTAGE).total_seconds() / 60
    return {"delivered": len(slack.arrived), "doubled": doubled, "minutes": round(minutes, 1)}


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
