from collections import Counter
from functools import cache
from hashlib import sha256
from itertools import islice
from random import Random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producer.anomalies import (
    JSON_DAMAGES,
    LATE_SLOTS,
    SLOT_STEP,
    Anomalies,
    BackDating,
    Damage,
    Message,
    changed,
    gaps,
)
from producer.avro import OWN_SCHEMA
from producer.customers import FULL_SPEED, Customer, Event, customers, events
from producer.messages import Format, json_bytes, messages

START = 1_767_225_600_000
HOUR_MS = 3_600_000
ALL = Anomalies(late=0.2, drift_frequency=7, missing=0.1, malformed=0.1, duplicate=0.1)
NONE = Anomalies(late=0, drift_frequency=0, missing=0)
V1 = {"id", "name", "email", "signup_ts", "country", "plan", "event_ts", "version"}
shares = st.sampled_from([0.0, 0.01, 0.3, 1.0])
versions = st.sampled_from([1, 2, 3])


@cache
def customer() -> Customer:
    """Return one of the base."""
    return customers(42)[0]


def sent(anomalies: Anomalies, count: int, *, seed: int = 42, rate: float = 0.0) -> list[Message]:
    """Return the first records of a stream."""
    return list(islice(messages(seed, start_ts=START, rate=rate, anomalies=anomalies), count))


def counted(records: list[Message], *, rate: float = 0.0) -> Counter[str]:
    """Count what a consumer finds in the bytes, without looking at the marks."""
    seen: set[bytes] = set()
    found: Counter[str] = Counter()
    for number, record in enumerate(records):
        try:
            event = orjson.loads(record.value)
        except orjson.JSONDecodeError:
            found["malformed_events"] += 1
            continue
        if record.value in seen:
            found["duplicate_events"] += 1
            continue
        seen.add(record.value)
        due = START + number * 1000 / (rate or FULL_SPEED)
        found["late_events"] += event["event_ts"] < due - 15 * 60_000
        found["schema_drift_events"] += not event.keys() <= V1
        found["missing_field_events"] += not event.keys() >= V1
    return +found


def marked(records: list[Message]) -> Counter[str]:
    """Count the marks, as the producer does."""
    return Counter(mark for record in records for mark in record.marks)


@given(
    st.builds(
        Anomalies,
        late=shares,
        drift_frequency=st.sampled_from([0, 1, 3, 100]),
        missing=shares,
        malformed=shares,
        duplicate=shares,
    ),
    st.integers(0, 2**32),
    st.sampled_from([0.0, 3.0, 5000.0]),
)
@settings(max_examples=25, deadline=None)
def test_counters_equal_what_a_consumer_counts_in_the_bytes(anomalies: Anomalies, seed: int, rate: float) -> None:
    """Late, drifted, incomplete, malformed and repeated records are found in the bytes as often as they are marked."""
    records = sent(anomalies, 400, seed=seed, rate=rate)
    assert counted(records, rate=rate) == marked(records)


@given(st.integers(0, 2**32), st.sampled_from([0.001, 0.5, 900.0, 0.0]))
@settings(max_examples=10, deadline=None)
def test_no_two_sound_events_share_id_and_time(seed: int, rate: float) -> None:
    """With every second event late and hours of event time, (id, event_ts) still names one event."""
    records = sent(Anomalies(late=0.5, drift_frequency=3), 3000, seed=seed, rate=rate)
    keys = {(event["id"], event["event_ts"]) for event in map(orjson.loads, (record.value for record in records))}
    assert len(keys) == len(records)


def test_late_events_of_a_customer_differ_even_when_they_start_from_the_same_hour() -> None:
    """A hundred thousand late events of one customer, 2 ms apart, have times of their own, all on odd milliseconds."""
    move = BackDating(42)
    times = {move(Event(customer(), START + 2 * number)).event_ts for number in range(100_000)}
    assert len(times) == 100_000
    assert all(time % 2 for time in times)


def test_the_slots_of_late_events_repeat_only_after_all_were_used() -> None:
    """The step through the slots is coprime to their number, so it visits each of them before it repeats one."""
    assert pow(SLOT_STEP, -1, LATE_SLOTS) > 0


@given(st.integers(0, 2**32), st.integers(START // 2, START * 2))
def test_a_late_event_is_one_to_twenty_four_hours_late(seed: int, half: int) -> None:
    """Moving back is by at least one and at most 24 hours."""
    event = Event(customer(), 2 * half)
    back = event.event_ts - BackDating(seed)(event).event_ts
    assert HOUR_MS <= back <= 24 * HOUR_MS


def test_lateness_is_spread_over_all_23_hours() -> None:
    """Every hour from the first to the 23rd back gets its part of the late events."""
    late = [
        (START - event["event_ts"]) // HOUR_MS
        for event in map(orjson.loads, (record.value for record in sent(Anomalies(late=1), 5000)))
    ]
    assert set(late) == set(range(1, 24))
    assert min(Counter(late).values()) > 5000 / 23 / 2


@given(st.integers(0, 2**32), st.sampled_from(list(Format)))
@settings(max_examples=6, deadline=None)
def test_the_same_arguments_give_the_same_bytes(seed: int, form: Format) -> None:
    """Keys and values are equal to the byte and in the same order, in JSON and in Avro."""

    def stream(seed: int) -> list[Message]:
        return list(
            islice(messages(seed, start_ts=START, anomalies=ALL, form=form, schema_path=OWN_SCHEMA), 300),
        )

    assert stream(seed) == stream(seed)
    assert stream(seed) != stream(seed + 1)


def test_the_bytes_are_the_same_in_every_process_and_version() -> None:
    """Neither the interpreter's version nor its hash seed moves a byte; a change on purpose is written down here."""
    stream = b"".join(record.key + record.value for record in sent(ALL, 2000))
    assert sha256(stream).hexdigest() == "44c94ed271c96095479540b2d9b7d6cf69fcc8ea0b89556ea4e968dd2801034f"


def test_kinds_are_independent_of_each_other() -> None:
    """Switching malformed records on does not move the late ones."""
    places = [
        [number for number, record in enumerate(sent(anomalies, 2000)) if "late_events" in record.marks]
        for anomalies in (Anomalies(late=0.1), Anomalies(late=0.1, missing=0.5, drift_frequency=3))
    ]
    assert places[0] == places[1]


def test_every_nth_event_has_a_later_version() -> None:
    """With a frequency of 20, events 20, 40, … are of version 2 or 3 and carry its fields; no other is."""
    found = [orjson.loads(record.value) for record in sent(Anomalies(late=0, drift_frequency=20, missing=0), 2000)]
    assert [number for number, event in enumerate(found, start=1) if event["version"] > 1] == list(range(20, 2001, 20))
    drifted = found[19::20]
    assert {event["version"] for event in drifted} == {2, 3}
    assert {event["marketing_opt_in"] for event in drifted} == {True, False, None}
    segments = {event["customer_segment"] for event in drifted if event["version"] == 3}
    assert segments == {"high_value", "standard", "churn_risk", None}
    assert not any("customer_segment" in event for event in drifted if event["version"] == 2)


def test_an_incomplete_event_lacks_country_or_plan_and_nothing_else() -> None:
    """Both occur, and one event lacks only one of them."""
    missing = [V1 - orjson.loads(record.value).keys() for record in sent(Anomalies(0, 0, missing=1), 200)]
    assert set(map(frozenset, missing)) == {frozenset({"country"}), frozenset({"plan"})}


def test_without_anomalies_every_record_is_a_clean_event() -> None:
    """Rates of zero mean none: the records are the plain stream of events, unmarked."""
    records = sent(NONE, 3000)
    assert [record.value for record in records] == [
        json_bytes(event) for event in islice(events(42, start_ts=START), 3000)
    ]
    assert not counted(records)
    assert not marked(records)


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5])
def test_a_rate_is_met(share: float) -> None:
    """Over 200,000 draws the share that is picked is the rate, within five standard deviations."""
    draws, picked, place = 200_000, 0, -1
    for gap in gaps(share, Random(1)):
        place += gap + 1
        if place >= draws:
            break
        picked += 1
    assert abs(picked - draws * share) < 5 * (draws * share * (1 - share)) ** 0.5


def test_changed_ends_with_its_items() -> None:
    """Gaps that never end do not keep a stream that ends from ending."""
    assert list(changed(iter(range(5)), gaps(1.0, Random(1)), lambda item: -item)) == [0, -1, -2, -3, -4]
    assert list(changed(iter(range(5)), iter([3, 3, 3]), lambda item: -item)) == [0, 1, 2, -3, 4]


def test_a_duplicate_repeats_an_earlier_sound_record_with_its_key() -> None:
    """Key and value are those of a record that was sent before and can be decoded."""
    earlier: set[tuple[bytes, bytes]] = set()
    for record in sent(ALL, 3000):
        if record.marks == ("duplicate_events",):
            assert (record.key, record.value) in earlier
        elif "malformed_events" not in record.marks:
            earlier.add((record.key, record.value))


def test_keys_are_customer_ids_even_of_malformed_records() -> None:
    """A record that cannot be decoded still goes to its customer's partition."""
    ids = {customer.id.encode() for customer in customers(42)}
    records = sent(Anomalies(malformed=0.5), 500)
    assert {record.key for record in records} <= ids
    for record in records:
        if not record.marks:
            assert orjson.loads(record.value)["id"].encode() == record.key


@pytest.mark.parametrize("damage", JSON_DAMAGES)
@given(seed=st.integers(0, 2**32), version=versions)
@settings(max_examples=50, deadline=None)
def test_damaged_json_cannot_be_decoded(damage: Damage, seed: int, version: int) -> None:
    """Whatever place chance picks, a strict reader refuses the bytes, and there are some."""
    broken = damage(json_bytes(Event(customer(), START, version, customer_segment="standard")), Random(seed))
    assert broken
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(broken)


def test_malformed_records_vary() -> None:
    """Truncated, foreign text, broken UTF-8 and wrong nesting all occur."""
    values = [record.value for record in sent(Anomalies(malformed=1), 400)]
    assert any(value.startswith(b"ERROR") for value in values)
    assert any(b"\xff" in value for value in values)
    assert any(value.endswith(b"]") for value in values)
    assert any(value.startswith(b"{") and not value.endswith((b"}", b"]")) for value in values)
