"""The kinds of events that the producer can make: each is a stream of events, a topic and a schema."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from producer import customers, orders


class KindName(StrEnum):
    """What the events are about."""

    CUSTOMERS = "customers"
    ORDERS = "orders"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind; `events(seed, start_ts=…, rate=…)` is its endless stream, `schema` the name of its schema file."""

    topic: str
    schema: str
    events: Callable[..., Iterator[Any]]


CUSTOMERS = Kind("customers", "customer_events.avsc", customers.events)
ORDERS = Kind("orders", "order_events.avsc", orders.events)
KINDS = {KindName.CUSTOMERS: CUSTOMERS, KindName.ORDERS: ORDERS}
