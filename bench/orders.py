"""A nested pipeline against bare Spark: records, lists, maps, times as text, decimals; same nested schema."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import orjson
from confluent_kafka import Producer

from bench.arena import PARTITIONS, ROOT, arena
from bench.measure import Wish, compare, show, wish
from embedded.kafka_broker import create_topic
from mend.runtime.clock import now

ORDERS, TOPIC = ROOT / "tests" / "fast" / "data" / "orders" / "orders.yml", "shop.orders"
ADDRESS = "STRUCT<street: STRING, zip: STRING, floor: INT>"
FIELDS = (
    "order_no BIGINT, line INT, placed_at STRING, via STRING, amount STRING, weight DOUBLE, "
    f"billing {ADDRESS}, shipping {ADDRESS}, items ARRAY<STRUCT<sku: STRING, qty: INT>>, labels ARRAY<STRING>, "
    "counts MAP<STRING, BIGINT>"
)


def orders(start: datetime) -> Iterator[bytes]:
    """Yield orders without end, the same for the same start; one in twenty has no second address."""
    chance = random.Random(42)
    for number in count():
        address = {"street": f"Hill {chance.randrange(900)}", "zip": f"{chance.randrange(10**5):05}", "floor": 2}
        order: dict[str, Any] = {
            "order_no": 2**53 + number // 3, "line": number % 3,
            "placed_at": (start - timedelta(milliseconds=chance.randrange(10**6))).isoformat(),
            "via": chance.choice(("web", "app", "phone")), "amount": f"{chance.randrange(10**6) / 100:.2f}",
            "weight": chance.randrange(1, 400) / 4, "billing": address,
            "shipping": address if chance.random() < 0.95 else None,  # noqa: PLR2004
            "items": [{"sku": f"A-{chance.randrange(999)}", "qty": 1 + number % 4} for _ in range(1 + number % 3)],
            "labels": ["new"], "counts": {"seen": number % 9},
        }  # fmt: skip
        yield orjson.dumps(order)


def fill(broker: str, events: int) -> None:
    """Send orders to all partitions."""
    create_topic(broker, TOPIC, PARTITIONS)
    client = Producer({"bootstrap.servers": broker, "linger.ms": 20, "compression.type": "lz4", "acks": "all"})
    for number, value in zip(range(events), orders(datetime.fromtimestamp(now().timestamp(), UTC)), strict=False):
        client.produce(TOPIC, value, partition=number % PARTITIONS)
        if number % 10_000 == 0:
            client.flush()
    client.flush()


def measure(asked: Wish) -> dict[str, Any]:
    """Compare over the same topic, both warm."""
    events, runs = asked.events or (100_000 if asked.quick else 1_000_000), 3 if asked.quick else 5
    with arena() as place:
        fill(place.broker, events)
        place.ours(ORDERS)
        place.bare(TOPIC, FIELDS)
        return compare(
            "orders",
            ">= 1.2 x bare Spark",
            "events/s",
            lambda: events / place.ours(ORDERS),
            lambda: events / place.bare(TOPIC, FIELDS),
            runs,
        )


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
