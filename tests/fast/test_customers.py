from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.customers import CUSTOMERS, EARLIEST_START_MS, FULL_SPEED, PLANS, Event, customers, events
from producer.messages import json_bytes

START = 1_767_225_600_000
COUNTRIES = {"US", "CA", "GB", "DE", "FR", "AU", "JP", "IN", "BR", "MX"}
FIELDS = ["id", "name", "email", "signup_ts", "country", "plan", "event_ts", "version"]


def test_the_base_is_a_thousand_distinct_customers_of_ten_countries_and_four_plans() -> None:
    """Ids and addresses are distinct; every country and plan occurs."""
    base = customers(42)
    assert len({customer.id for customer in base}) == len({customer.email for customer in base}) == CUSTOMERS == 1000
    assert {customer.country for customer in base} == COUNTRIES
    assert {customer.plan for customer in base} == set(PLANS)


def test_names_are_written_as_people_write_them_and_addresses_in_plain_lower_case() -> None:
    """Names outside ASCII occur; every address is a valid lower-case one of a domain that is reserved for examples."""
    base = customers(42)
    assert sum(not customer.name.isascii() for customer in base) > 100
    for customer in base:
        mailbox, domain = customer.email.split("@")
        first, last = mailbox.split(".")
        assert first.isalpha()
        assert last.isalnum()
        assert mailbox.isascii()
        assert mailbox == mailbox.lower()
        assert domain.endswith(("example.com", "example.org", "example.net"))


def test_customers_signed_up_after_2019_and_more_than_a_day_before_any_event() -> None:
    """A signup lies in 2020 or later, and before an event that is moved back by 24 hours from the earliest start."""
    signups = [customer.signup_ts for customer in customers(7)]
    assert min(signups) >= 1_577_836_800_000
    assert max(signups) < EARLIEST_START_MS - 24 * 3_600_000


def test_the_base_depends_on_the_seed_alone() -> None:
    """The same seed gives the same customers, another one gives others."""
    assert customers(42) == customers(42)
    assert not {customer.id for customer in customers(42)} & {customer.id for customer in customers(43)}


@given(seed=st.integers(0, 2**32), rate=st.sampled_from([0.0, 0.5, 10.0, 7_000.0, 123_456.7, FULL_SPEED]))
@settings(max_examples=12, deadline=None)
def test_a_customer_never_has_two_events_at_one_time(seed: int, rate: float) -> None:
    """Whatever the rate, the times of one customer strictly grow: (id, event_ts) names one event."""
    last: dict[str, int] = {}
    for event in islice(events(seed, start_ts=START, rate=rate), 5000):
        assert last.get(event.customer.id, 0) < event.event_ts
        last[event.customer.id] = event.event_ts


@given(
    rate=st.floats(0.1, FULL_SPEED) | st.just(0.0),
    start=st.integers(EARLIEST_START_MS, 2_000_000_000_000),
    number=st.integers(0, 3000),
)
@settings(max_examples=30, deadline=None)
def test_no_event_is_later_than_the_time_it_is_due(rate: float, start: int, number: int) -> None:
    """Event n happens no later than n / rate seconds after the start, and less than 4 ms before that."""
    event = next(islice(events(1, start_ts=start, rate=rate), number, None))
    due = start + number * 1000 / (rate or FULL_SPEED)
    assert due - 4 < event.event_ts < due + 0.01


def test_a_million_events_at_full_speed_are_seconds_apart_not_minutes() -> None:
    """The clock of full speed spreads a million events over less than three seconds, far inside the lateness limit."""
    assert 1_000_000 / FULL_SPEED < 3


def test_the_order_of_customers_changes_and_everyone_gets_a_turn() -> None:
    """In a thousand events every customer occurs once; the next thousand come in another order."""
    ids = [event.customer.id for event in islice(events(42, start_ts=START), 2000)]
    assert set(ids[:1000]) == set(ids[1000:]) == {customer.id for customer in customers(42)}
    assert ids[:1000] != ids[1000:]


@pytest.mark.parametrize(
    ("version", "fields"),
    [
        (1, FIELDS),
        (2, [*FIELDS, "marketing_opt_in"]),
        (3, [*FIELDS, "marketing_opt_in", "customer_segment"]),
    ],
)
def test_an_event_has_the_fields_of_its_version(version: int, fields: list[str]) -> None:
    """Version 2 adds marketing_opt_in, version 3 customer_segment as well; both may be null."""
    event = Event(customers(42)[0], START, version)
    assert list(event.fields()) == fields
    assert event.fields().get("marketing_opt_in") is None


def test_json_is_one_object_in_utf_8() -> None:
    """A name outside ASCII stands in the bytes as UTF-8, not as escapes, and numbers are plain epoch milliseconds."""
    customer = next(customer for customer in customers(42) if not customer.name.isascii())
    written = json_bytes(Event(customer, START)).decode()
    assert customer.name in written
    assert written.endswith(f'"event_ts":{START},"version":1}}')
