"""A thousand made-up customers and the endless stream of their events: pure, the same for the same arguments.

Two events never share (customer, event time), however long the stream runs: customers take turns in ten shifts of a
hundred, shuffled within the shift, so that events of one customer are at least 901 apart; and the event clock gives
at most 900 events to each of its ticks. It ticks on even milliseconds only: odd ones are left to late events.
"""

# ruff: noqa: S311 - chance that can be repeated is the point

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from producer.names import PEOPLE, ascii_letters, written

PLANS = ("free", "basic", "premium", "enterprise")
MAIL_DOMAINS = ("example.com", "example.org", "example.net", "mail.example.com", "post.example.org")
OPT_IN_VERSION = 2
SEGMENT_VERSION = 3
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
    ticks_per_event = 1000 / TICK_MS / (rate or FULL_SPEED)
    start = start_ts - start_ts % TICK_MS
    for number, customer in enumerate(_turns(seed)):
        yield Event(customer, start + TICK_MS * int(number * ticks_per_event))


def _turns(seed: int) -> Iterator[Customer]:
    """Yield whose turn it is: every customer once in a thousand turns, in an order that changes."""
    base = customers(seed)
    chance = Random(f"turns-{seed}")
    shifts = [list(base[first : first + SHIFT]) for first in range(0, CUSTOMERS, SHIFT)]
    while True:
        for shift in shifts:
            chance.shuffle(shift)
            yield from shift
