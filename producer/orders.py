"""Orders of ten stores and what becomes of them: an endless stream of events, pure, the same for the same arguments.

Each order is placed, paid and shipped; (store, order number, status) is never the same twice. Order numbers go on from
the time of the start, so that two runs do not repeat each other, and are larger than a double can count.
"""

# ruff: noqa: S311 - chance that can be repeated is the point

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from producer.customers import times
from producer.names import PEOPLE, written

STATUSES = ("placed", "paid", "shipped")
CHANNELS = ("web", "app", "phone", "counter")
METHODS = ("card", "transfer", "wallet")
STORES: dict[str, tuple[str, int]] = {
    "berlin-1": ("DE", 60), "paris-2": ("FR", 60), "london-1": ("GB", 0), "boston-3": ("US", -300),
    "toronto-1": ("CA", -300), "tokyo-4": ("JP", 540), "pune-1": ("IN", 330), "sydney-2": ("AU", 660),
    "natal-1": ("BR", -180), "puebla-1": ("MX", -360),
}  # fmt: skip
"""Country, and minutes ahead of UTC, of each store."""
BASKETS = 1000
CENT = Decimal("0.01")
VOUCHER_VERSION = 2
POINTS_VERSION = 3
NUMBERS_A_MS = 1_000_000
SKU = "{}-{:04d}"


@dataclass(frozen=True, slots=True)
class Basket:
    """What somebody buys and where: the part of an order that does not change."""

    store: str
    channel: str
    buyer: dict[str, Any]
    lines: list[dict[str, Any]]
    total: Decimal
    delivery: dict[str, Any] | None
    method: str
    reference: str | int
    weight: float | None
    attributes: dict[str, str]


class Event(NamedTuple):
    """What happened to an order and when (epoch ms); `marks` names the counters of what was done to it on purpose."""

    basket: Basket
    number: int
    status: str
    event_ts: int
    version: int = 1
    discount: Decimal | None = None
    points: int | None = None
    missing: str = ""
    marks: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """Return whose event it is."""
        return self.basket.store

    @property
    def key(self) -> str:
        """Return the key of its message: events of one order keep their order."""
        return f"{self.basket.store}/{self.number}"

    def at(self, event_ts: int) -> "Event":
        """Return the event at another time."""
        return self._replace(event_ts=event_ts)

    def marked(self, mark: str) -> "Event":
        """Return the event with one more mark."""
        return self._replace(marks=(*self.marks, mark))

    def incomplete(self, chance: Random) -> "Event":
        """Return the event without store or channel."""
        return self._replace(missing=chance.choice(("store", "channel")))

    def evolved(self, chance: Random) -> "Event":
        """Return the event in version 2, which has a voucher, or 3, which has loyalty points as well."""
        return self._replace(
            version=chance.choice((VOUCHER_VERSION, POINTS_VERSION)),
            discount=chance.choice((None, Decimal(chance.randrange(100, 2000)) * CENT)),
            points=chance.choice((None, chance.randrange(500))),
        )

    def spoiled(self) -> "Event":
        """Return the event with a total that is not the sum of its lines."""
        return self._replace(basket=replace(self.basket, total=self.basket.total + 1))

    def complete_fields(self) -> dict[str, Any]:
        """Return all fields; an enum cannot be empty, so an incomplete event has an empty store."""
        return self._replace(missing="").fields() | ({"store": ""} if self.missing else {})

    def fields(self) -> dict[str, Any]:
        """Return the fields that this version of the event has, in the order of the schema, without the missing one."""
        basket = self.basket
        present: dict[str, Any] = {
            "store": basket.store,
            "order_no": self.number,
            "status": self.status,
            "happened_at": self._local_time(),
            "channel": basket.channel,
            "total": basket.total,
            "buyer": basket.buyer,
            "lines": basket.lines,
            "payment": self._payment(),
            "delivery": basket.delivery,
            "weight_kg": basket.weight,
            "attributes": basket.attributes,
            "version": self.version,
        }
        if self.version >= VOUCHER_VERSION:
            present["voucher"] = None if self.discount is None else {"code": "SPRING", "discount": self.discount}
        if self.version >= POINTS_VERSION:
            present["loyalty_points"] = self.points
        present.pop(self.missing, None)
        return present

    def _local_time(self) -> str:
        """Return when it happened, on the store's clock."""
        zone = timezone(timedelta(minutes=STORES[self.basket.store][1]))
        return (EPOCH + timedelta(milliseconds=self.event_ts)).astimezone(zone).isoformat(timespec="milliseconds")

    def _payment(self) -> dict[str, Any] | None:
        if self.status == "placed":
            return None
        basket = self.basket
        return {
            "method": basket.method,
            "amount": basket.total,
            "paid_at": self.event_ts * 1000,
            "reference": basket.reference,
        }


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def baskets(seed: int) -> tuple[Basket, ...]:
    """Return the thousand baskets from which orders are made, the same ones for the same seed."""
    chance = Random(f"baskets-{seed}")
    return tuple(_basket(chance) for _ in range(BASKETS))


def _basket(chance: Random) -> Basket:
    store = chance.choice(list(STORES))
    lines = [_line(chance) for _ in range(chance.choice((1, 1, 2, 2, 3, 5)))]
    channel = chance.choice(CHANNELS)
    return Basket(
        store=store,
        channel=channel,
        buyer=_buyer(STORES[store][0], chance),
        lines=lines,
        total=sum((line["quantity"] * line["unit_price"] for line in lines), Decimal(0)),
        delivery=None if channel == "counter" else _delivery(chance),
        method=chance.choice(METHODS),
        reference=chance.choice((f"R{chance.getrandbits(40):x}", chance.getrandbits(60))),
        weight=None if chance.random() < 0.2 else chance.randrange(50, 20_000) / 1000,  # noqa: PLR2004
        attributes={} if chance.random() < 0.5 else {"campaign": chance.choice(("mail", "search"))},  # noqa: PLR2004
    )


def _line(chance: Random) -> dict[str, Any]:
    return {
        "sku": SKU.format(chance.choice(("BK", "TY", "GR")), chance.randrange(10_000)),
        "quantity": chance.randrange(1, 5),
        "unit_price": Decimal(chance.randrange(99, 50_000)) * CENT,
        "tags": chance.sample(("fragile", "gift", "sale"), chance.randrange(3)),
    }


def _buyer(country: str, chance: Random) -> dict[str, Any]:
    first, last = (written(chance.choice(names.split())) for names in PEOPLE[country])
    born = None if chance.random() < 0.3 else chance.randrange(-10_000, 13_000)  # noqa: PLR2004
    return {"id": str(UUID(int=chance.getrandbits(128), version=4)), "full_name": f"{first} {last}", "born": born}


def _delivery(chance: Random) -> dict[str, Any]:
    return {
        "street": f"{chance.randrange(1, 200)} Main Street",
        "postcode": f"{chance.randrange(10_000):05d}",
        "floor": chance.choice((None, 1, 2, 14)),
        "not_before": chance.choice((28_800_000, 43_200_000)),
    }


def events(seed: int, *, start_ts: int, rate: float = 0.0) -> Iterator[Event]:
    """Yield clean events for ever, `rate` to a second of event time from `start_ts` (epoch ms) on; 0 is full speed."""
    base = baskets(seed)
    chance = Random(f"orders-{seed}")
    first = start_ts * NUMBERS_A_MS
    for index, event_ts in enumerate(times(start_ts, rate)):
        step, status = divmod(index, len(STATUSES))
        if status == 0:
            basket = chance.choice(base)
        yield Event(basket, first + step, STATUSES[status], event_ts)
