"""The Spark job against Spark reading the same topic and doing nothing with it: how much of the way is left."""

from typing import Any

from bench.arena import CUSTOMERS, CUSTOMERS_TOPIC, arena, fill_customers
from bench.measure import Wish, compare, show, wish


def measure(asked: Wish) -> dict[str, Any]:
    """Compare over the same topic, both warm."""
    events, runs = asked.events or (200_000 if asked.quick else 1_000_000), 3 if asked.quick else 5
    with arena() as place:
        fill_customers(place.broker, events)
        place.ours(CUSTOMERS)
        place.raw(CUSTOMERS_TOPIC)
        return compare(
            "raw_read",
            "share of Kafka -> noop",
            "events/s",
            lambda: events / place.ours(CUSTOMERS),
            lambda: events / place.raw(CUSTOMERS_TOPIC),
            runs,
        )


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
