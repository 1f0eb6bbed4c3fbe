"""A run that finds nothing new, against bare Spark that finds nothing new; the session runs already on both sides."""

from typing import Any

from bench.arena import CUSTOMER_FIELDS, CUSTOMERS, CUSTOMERS_TOPIC, arena, fill_customers
from bench.measure import Wish, compare, show, wish


def measure(asked: Wish) -> dict[str, Any]:
    """Run over a topic whose events are all staged."""
    with arena() as place:
        fill_customers(place.broker, 1_000)
        settings = place.settings()
        place.job(CUSTOMERS, settings)
        home = place.folder / "bare"
        place.bare(CUSTOMERS_TOPIC, CUSTOMER_FIELDS, home)
        return compare(
            "empty_run",
            "<= 3 s beyond Spark's start",
            "s",
            lambda: place.job(CUSTOMERS, settings)[0],
            lambda: place.bare(CUSTOMERS_TOPIC, CUSTOMER_FIELDS, home),
            3 if asked.quick else 5,
        )


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
