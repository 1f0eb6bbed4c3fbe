"""The whole producer at full speed against confluent-kafka sending constant bytes of the same size."""

import os
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from time import monotonic

from confluent_kafka import Producer

from bench.measure import Wish, compare, show, wish
from embedded.jars import cache_folder, resolve_jars
from embedded.java import find_java
from embedded.kafka_broker import KafkaBroker, create_topic
from mend.runtime.clock import now
from mend.runtime.kafka_access import KafkaAccess
from producer.anomalies import Anomalies
from producer.messages import messages
from producer.publisher import SETTINGS
from producer.session import Options, produce

TOPIC = "bench-producer"
PARTITIONS = 4
ANOMALIES = Anomalies(malformed=0.01, duplicate=0.01)


def ours(broker: str, count: int) -> float:
    """Return events a second of a whole run: made, disturbed, encoded, sent, confirmed."""
    start_ts = int(now().timestamp() * 1000)
    counters = produce(Options(KafkaAccess(broker), TOPIC, start_ts, rate=0.0, count=count, anomalies=ANOMALIES))
    _confirmed(counters.delivered_events, count)
    return counters.rate


def peer(broker: str, count: int) -> float:
    """Return events a second of the bare client with the same settings and the same value every time."""
    failures: list[object] = []
    settings = {**SETTINGS, "bootstrap.servers": broker, "on_delivery": lambda error, _: failures.append(error)}
    client = Producer(settings)
    client.list_topics(TOPIC, timeout=10)
    value, keys = b"x" * typical_size(), [f"{number:036}".encode() for number in range(1000)]
    began = monotonic()
    for number in range(count):
        _send(client, value, keys[number % 1000])
    left = client.flush(60)
    seconds = monotonic() - began
    _confirmed(count - left - len(failures), count)
    return count / seconds


def typical_size() -> int:
    """Return the mean size of an event's value in bytes."""
    return round(mean(len(record.value) for record in islice(messages(42, start_ts=0, anomalies=ANOMALIES), 5000)))


def measure(asked: Wish) -> dict[str, object]:
    """Start a broker, warm it up, and compare."""
    count, runs = (100_000, 3) if asked.quick else (500_000, 5)
    environ = dict(os.environ)
    java, cache = find_java(environ), cache_folder(environ)
    jars = resolve_jars(java, cache, environ=environ)
    with TemporaryDirectory(prefix="mend-bench-") as folder, KafkaBroker(java, jars.kafka, Path(folder)) as broker:
        create_topic(broker.bootstrap, TOPIC, PARTITIONS)
        sides: list[Callable[[str, int], float]] = [ours, peer]
        for side in sides * 2:
            side(broker.bootstrap, count // 2)
        return compare(
            "producer",
            ">= 80,000 events/s in one process",
            "events/s",
            lambda: ours(broker.bootstrap, count),
            lambda: peer(broker.bootstrap, count),
            runs,
        )


def _send(client: Producer, value: bytes, key: bytes) -> None:
    while True:
        try:
            client.produce(TOPIC, value, key)
        except BufferError:
            client.poll(0.2)
        else:
            return


def _confirmed(delivered: int, count: int) -> None:
    if delivered != count:
        sys.exit(f"only {delivered} of {count} events were confirmed: no measurement")


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
