"""The producer of a campaign: sends all the time, in portions, and remembers what the broker confirmed."""

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import Any, Self

from bench.chaos.count import Position
from producer.anomalies import Anomalies, Message
from producer.avro import default_schema_path
from producer.messages import Format, messages

CLIENT = {
    "enable.idempotence": True,
    "acks": "all",
    "linger.ms": 5,
    "delivery.timeout.ms": 300_000,
    "reconnect.backoff.max.ms": 500,
    "log_level": 0,
}
ANOMALIES = Anomalies(late=0.03, drift_frequency=0, missing=0.005, malformed=0.005, duplicate=0.01)
"""Something for every place, and late events, so that each run has an act to do."""
SLICE = 200


@dataclass
class Sender:
    """Sends a portion over some seconds whenever it is asked; `sent` is what the broker confirmed, by its own word."""

    broker: str
    topic: str
    seed: int
    sent: set[Position] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Send nothing yet."""
        self.portions: queue.Queue[tuple[int, float] | None] = queue.Queue()
        self.thread = threading.Thread(target=self.work, name="sender", daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what was asked for; wait for it unless something failed."""
        self.portions.put(None)
        if kind is None:
            self.thread.join()

    def send(self, events: int, seconds: float) -> None:
        """Ask for a portion."""
        self.portions.put((events, seconds))

    def drained(self) -> None:
        """Wait until all that was asked for is confirmed."""
        self.portions.join()

    def work(self) -> None:
        """Send portion after portion."""
        from confluent_kafka import Producer

        client = Producer(CLIENT | {"bootstrap.servers": self.broker})
        stream = messages(
            self.seed,
            start_ts=int(time.time() * 1000),
            anomalies=ANOMALIES,
            form=Format.JSON,
            schema_path=default_schema_path(),
        )
        while (portion := self.portions.get()) is not None:
            self.portion(client, stream, *portion)
            self.portions.task_done()
        self.portions.task_done()

    def portion(self, client: Any, stream: Iterator[Message], events: int, seconds: float) -> None:
        """Send one portion evenly, and wait for its confirmations."""
        pause = seconds * SLICE / events
        while events > 0:
            for one in islice(stream, min(SLICE, events)):
                client.produce(self.topic, one.value, one.key, on_delivery=self.confirmed)
            events -= SLICE
            client.poll(pause)
        client.flush()

    def confirmed(self, error: Any, record: Any) -> None:
        """Note where a record stands."""
        if error is None:
            self.sent.add((record.partition(), record.offset()))
        else:
            self.failed.append(error.str())
