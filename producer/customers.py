"""A thousand made-up customers and the endless stream of their events: pure, the same for the same arguments.

Two events never share (customer, event time), however long the stream runs: customers take turns in ten shifts of a
hundred, shuffled within the shift, so that events of one customer are at least 901 apart; and the event clock gives
at most 900 events to each of its ticks. It ticks on even milliseconds only: odd ones are left to late events.
"""

# ruff: noqa: S311 - chance that can be repeated is the point

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from producer.names import PEOPLE, ascii_letters, written

PLANS = ("free", "basic", "premium", "enterprise")
MAIL_DOMAINS = ("example.com", "example.org", "example.net", "mail.example.com", "post.example.org")
OPT_IN_VERSION = 2
SEGMENT_VERSION = 3
SEGMENTS = ("high_value", "standard", "churn_risk", None)
CUSTOMERS = 1000
SHIFT = 100
TICK_MS = 2
FULL_SPEED = 450_000.0
"""Events a second that the event clock can hold; `--rate 0` runs against this clock."""
FIRST_SIGNUP_MS = 1_577_836_800_000  # 2020-01-01
LAST_SIGNUP_MS = 1_735_689_599_999  # end of 2024
EARLIEST_START_MS = LAST_SIGNUP_MS + 25 * 3_600_000
"""A late event goes back 24 hours at most, so from here on every event is later than its customer's signup."""


@dataclass(frozen=True, slots=True)
class Customer:
    """One of the base; `id` is also the key of the customer's messages."""

    id: str
    name: str
    email: str
    signup_ts: int
    country: str
    plan: str


class Event(NamedTuple):
    """What happened to a customer and when (epoch ms); `marks` names the counters of what was done to it on purpose."""

    customer: Customer
    event_ts: int
    version: int = 1
    marketing_opt_in: bool | None = None
    customer_segment: str | None = None
    missing: str = ""
    marks: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """Return whose event it is."""
        return self.customer.id

    @property
    def key(self) -> str:
        """Return the key of its message."""
        return self.customer.id

    def at(self, event_ts: int) -> "Event":
        """Return the event at another time."""
        return self._replace(event_ts=event_ts)

    def marked(self, mark: str) -> "Event":
        """Return the event with one more mark."""
        return self._replace(marks=(*self.marks, mark))

    def incomplete(self, chance: Random) -> "Event":
        """Return the event without country or plan."""
        return self._replace(missing=chance.choice(("country", "plan")))

    def evolved(self, chance: Random) -> "Event":
        """Return the event in version 2 or 3."""
        return self._replace(
            version=chance.choice((OPT_IN_VERSION, SEGMENT_VERSION)),
            marketing_opt_in=chance.choice((True, False, None)),
            customer_segment=chance.choice(SEGMENTS),
        )

    def spoiled(self) -> "Event":
        """Return the event with an address that is none."""
        customer = self.customer
        return self._replace(customer=replace(customer, email=customer.email.replace("@", " at ")))

    def complete_fields(self) -> dict[str, Any]:
        """Return all fields; an enum cannot be empty, so an incomplete event has an empty country."""
        return self.fields() | ({"country": "", "plan": self.customer.plan} if self.missing else {})

    def fields(self) -> dict[str, Any]:
        """Return the fields that this version of the event has, in the order of the schema, without the missing one."""
        customer = self.customer
        present: dict[str, Any] = {
            "id": customer.id,
            "name": customer.name,
            "email": customer.email,
            "signup_ts": customer.signup_ts,
            "country": customer.country,
            "plan": customer.plan,
            "event_ts": self.event_ts,
            "version": self.version,
        }
        if self.version >= OPT_IN_VERSION:
            present["marketing_opt_in"] = self.marketing_opt_in
        if self.version >= SEGMENT_VERSION:
            present["customer_segment"] = self.customer_segment
        present.pop(self.missing, None)
        return present


@lru_cache(maxsize=8)
def customers(seed: int) -> tuple[Customer, ...]:
    """Return the base: a thousand customers with distinct ids and addresses, the same ones for the same seed."""
    chance = Random(f"customers-{seed}")
    return tuple(_customer(number, chance) for number in range(CUSTOMERS))


def _customer(number: int, chance: Random) -> Customer:
    country = chance.choice(list(PEOPLE))
    first, last = (chance.choice(names.split()) for names in PEOPLE[country])
    return Customer(
        id=str(UUID(int=chance.getrandbits(128), version=4)),
        name=f"{written(first)} {written(last)}",
        email=f"{ascii_letters(first)}.{ascii_letters(last)}{number}@{chance.choice(MAIL_DOMAINS)}",
        signup_ts=chance.randrange(FIRST_SIGNUP_MS, LAST_SIGNUP_MS),
        country=country,
        plan=chance.choice(PLANS),
    )


def events(seed: int, *, start_ts: int, rate: float = 0.0) -> Iterator[Event]:
    """Yield clean events for ever, `rate` to a second of event time from `start_ts` (epoch ms) on; 0 is full speed.

    Event number n is never later than start_ts + n / rate seconds, so that whoever sends it no earlier than
    that never sends an event from the future. Times of one customer only grow.
    """
    for customer, event_ts in zip(_turns(seed), times(start_ts, rate), strict=False):
        yield Event(customer, event_ts)


def times(start_ts: int, rate: float) -> Iterator[int]:
    """Yield the time of each event, on even milliseconds."""
    ticks_per_event = 1000 / TICK_MS / (rate or FULL_SPEED)
    start = start_ts - start_ts % TICK_MS
    for number in count():
        yield start + TICK_MS * int(number * ticks_per_event)


def _turns(seed: int) -> Iterator[Customer]:
    """Yield whose turn it is: every customer once in a thousand turns, in an order that changes."""
    base = customers(seed)
    chance = Random(f"turns-{seed}")
    shifts = [list(base[first : first + SHIFT]) for first in range(0, CUSTOMERS, SHIFT)]
    while True:
        for shift in shifts:
            chance.shuffle(shift)
            yield from shift
