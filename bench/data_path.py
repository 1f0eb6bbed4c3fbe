"""The Spark job over whole topics against bare Spark: Kafka → from_json → Parquet, same broker, session and topic.

Both read every partition from its first offset to its last, both warm. Ours also checks the contract, finds drift and
duplicates, keeps rejects with their bytes, counts, profiles and writes the run report.
"""

from typing import Any

from bench.arena import CUSTOMER_FIELDS, CUSTOMERS, CUSTOMERS_TOPIC, arena, fill_customers
from bench.measure import Wish, compare, show, wish


def measure(asked: Wish) -> dict[str, Any]:
    """Start a broker and a session, fill the topic, warm both sides up, compare."""
    events, runs = asked.events or (200_000 if asked.quick else 3_000_000), 3 if asked.quick else 5
    with arena() as place:
        fill_customers(place.broker, events)
        place.ours(CUSTOMERS)
        place.bare(CUSTOMERS_TOPIC, CUSTOMER_FIELDS)
        return compare(
            "data_path",
            ">= 1.5 x bare Spark",
            "events/s",
            lambda: events / place.ours(CUSTOMERS),
            lambda: events / place.bare(CUSTOMERS_TOPIC, CUSTOMER_FIELDS),
            runs,
        )


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
