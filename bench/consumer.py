"""The Spark job against a Python consumer that takes record by record: confluent-kafka, json, pyarrow, one process.

The consumer only decodes and writes Parquet, in tables of 50,000 rows; it polls one record at a time, as the client's
guide shows it, with the client's default settings.
"""

import json
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Consumer, TopicPartition

from bench.arena import CUSTOMERS, CUSTOMERS_TOPIC, PARTITIONS, arena, fill_customers
from bench.measure import Wish, compare, show, wish

ROWS_AT_ONCE = 50_000
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "name", "email")),
        ("signup_ts", pa.int64()),
        *((name, pa.string()) for name in ("country", "plan")),
        ("event_ts", pa.int64()),
        ("version", pa.int32()),
    ]
)
numbers = count()


def peer(broker: str, folder: Path, events: int) -> float:
    """Return the seconds in which a consumer reads the topic; what it cannot decode or write is left out."""
    client = Consumer({"bootstrap.servers": broker, "group.id": "bench", "auto.offset.reset": "earliest"})
    client.assign([TopicPartition(CUSTOMERS_TOPIC, partition, 0) for partition in range(PARTITIONS)])
    began, taken, rows = monotonic(), 0, []
    with pq.ParquetWriter(folder / f"consumer-{next(numbers)}.parquet", SCHEMA) as out:
        while taken < events:
            record = client.poll(10.0)
            if record is None or record.error():
                raise RuntimeError("the topic ended early: no measurement")
            taken += 1
            rows.append(decoded(record.value()))
            if len(rows) == ROWS_AT_ONCE or taken == events:
                out.write_table(pa.Table.from_pylist([row for row in rows if row], SCHEMA))
                rows = []
    client.close()
    return monotonic() - began


def decoded(value: bytes | None) -> dict[str, Any] | None:
    """Return an event whose fields have their types, or nothing."""
    try:
        event = json.loads(value or b"")
        numbers_fit = all(isinstance(event.get(name), int) for name in ("signup_ts", "event_ts", "version"))
    except (ValueError, AttributeError):
        return None
    return event if numbers_fit and isinstance(event.get("name"), str) else None


def measure(asked: Wish) -> dict[str, Any]:
    """Compare over the same topic."""
    events, runs = asked.events or (200_000 if asked.quick else 1_000_000), 3 if asked.quick else 5
    with arena() as place:
        fill_customers(place.broker, events)
        place.ours(CUSTOMERS)
        return compare(
            "consumer",
            ">= 4 x a consumer record by record",
            "events/s",
            lambda: events / place.ours(CUSTOMERS),
            lambda: events / peer(place.broker, place.folder, events),
            runs,
        )


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
