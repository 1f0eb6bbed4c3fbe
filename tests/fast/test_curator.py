"""The pass over a batch: every event ends in exactly one place, with its bytes and its reasons."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mend.contracts.rules import Rule
from mend.curate.curator import MOST_SHAPES, Curated, Curator
from mend.curate.decode import decode_json
from mend.curate.plan import Plan, make_plan
from mend.curate.segment_sums import MOST_SEGMENTS
from mend.curate.tally import MOST_NAMES, merge

pytestmark = pytest.mark.spark

DEEP = b"[" * 100_000 + b"]" * 100_000
MINUTE = 60_000
MILLIS = 1_772_366_400_000
"""The processing time of all runs in epoch milliseconds: 2026-03-01T12:00:00Z."""


def spliced(event: bytes, text: bytes) -> bytes:
    """Return an event with a member that no JSON writer would add."""
    return event[:-1] + b"," + text + b"}"


def places(curated: Curated) -> dict[str, pa.Table]:
    """Return the kept records by place, with the words of the report."""
    return {"rejected": curated.rejected, "dead_letter": curated.dead_letters, "duplicate": curated.duplicates}


def offsets(curated: Curated) -> list[int]:
    """Return the offsets of all places."""
    kept = [offset for table in places(curated).values() for offset in table["offset"].to_pylist()]
    return sorted([*curated.accepted["kafka_offset"].to_pylist(), *kept])


# --- where events end ------------------------------------------------------------------------------------------------

WHERE: dict[str, tuple[Callable[..., bytes | None], str]] = {
    "a good event": (lambda event: event(), "accepted"),
    "an unknown field": (lambda event: event(nickname="A"), "accepted"),
    "an empty name of a field": (lambda event: event(**{"": 1}), "accepted"),
    "an asterisk as a field": (lambda event: event(**{"*": 1}), "accepted"),
    "signs as fields": (lambda event: event(**{'"': 1, "\\": 1, "/": 1, "~": 1, "$.a": 1}), "accepted"),
    "NUL and emoji in fields and values": (lambda event: event(name="😀\0", **{"\0": "\0", "😀": 1}), "accepted"),
    "another spelling of a field": (lambda event: event(ID="c-2"), "accepted"),
    "a null in an unknown field": (lambda event: event(nickname=None), "accepted"),
    "deep nesting in an unknown field": (lambda event: spliced(event(), b'"x":' + DEEP), "accepted"),
    "an unknown field twice": (lambda event: spliced(event(), b'"x":1,"x":2'), "accepted"),
    "a number beyond all types in an unknown field": (lambda event: spliced(event(), b'"x":1e400'), "accepted"),
    "no version, which has a default": (lambda event: event(version=...), "accepted"),
    "the year 9999": (lambda event: event(signup_ts=253_402_300_799_999), "accepted"),
    "the year 1969": (lambda event: event(signup_ts=-1), "accepted"),
    "white space around": (lambda event: b" \n\t" + event() + b"\r\n ", "accepted"),
    "a value of 10 MB": (lambda event: event(name="x" * 10_000_000), "accepted"),
    "a rule of quality fails": (lambda event: event(email="nobody"), "accepted"),
    "a missing field": (lambda event: event(country=...), "rejected"),
    "a null": (lambda event: event(name=None), "rejected"),
    "a null where the default is": (lambda event: event(version=None), "rejected"),
    "text for a number": (lambda event: event(event_ts="1"), "rejected"),
    "a number for text": (lambda event: event(name=1), "rejected"),
    "a truth value for a number": (lambda event: event(version=True), "rejected"),
    "a fraction for a whole number": (lambda event: event(version=1.0), "rejected"),
    "an object for text": (lambda event: event(plan={"a": 1}), "rejected"),
    "an array for text": (lambda event: event(plan=[]), "rejected"),
    "deep nesting in a field": (lambda event: event(id="?").replace(b'"?"', DEEP), "rejected"),
    "a field twice": (lambda event: spliced(event(), b'"id":"c-2"'), "rejected"),
    "a number beyond its type": (lambda event: event(version=2**31), "rejected"),
    "a number beyond all types": (lambda event: event(version="?").replace(b'"?"', b"1e400"), "rejected"),
    "more digits than any type": (lambda event: event(signup_ts="?").replace(b'"?"', b"9" * 40), "rejected"),
    "NaN": (lambda event: event(signup_ts="?").replace(b'"?"', b"NaN"), "rejected"),
    "the year 10000": (lambda event: event(event_ts=253_402_300_800_000), "rejected"),
    "before the year 1": (lambda event: event(event_ts=-62_135_596_800_001), "rejected"),
    "the last of all numbers as a time": (lambda event: event(event_ts=2**63 - 1), "rejected"),
    "an empty object": (lambda _: b"{}", "rejected"),
    "a tombstone": (lambda _: None, "dead_letter"),
    "nothing": (lambda _: b"", "dead_letter"),
    "white space only": (lambda _: b"  ", "dead_letter"),
    "no JSON": (lambda _: b"hello", "dead_letter"),
    "half an event": (lambda event: event()[:-5], "dead_letter"),
    "two events in one": (lambda event: event() + event(), "dead_letter"),
    "not UTF-8": (lambda event: event(name="?").replace(b"?", b"\xff"), "dead_letter"),
    "half a surrogate pair": (lambda event: event(name="?").replace(b"?", rb"\ud800"), "dead_letter"),
    "a byte order mark": (lambda event: b"\xef\xbb\xbf" + event(), "dead_letter"),
    "an array": (lambda event: b"[" + event() + b"]", "dead_letter"),
    "a number": (lambda _: b"1", "dead_letter"),
    "a text": (lambda _: b'"{}"', "dead_letter"),
    "null": (lambda _: b"null", "dead_letter"),
    "deep nesting": (lambda _: DEEP, "dead_letter"),
    "deep nesting without an end": (lambda _: b'{"a":' * 100_000, "dead_letter"),
}  # fmt: skip
REASONS = {
    "a missing field": ("required", "country", "string", "missing"),
    "a null": ("not_null", "name", "string", "null"),
    "a null where the default is": ("not_null", "version", "int", "null"),
    "text for a number": ("type", "event_ts", "timestamp-millis", "VARCHAR"),
    "a fraction for a whole number": ("type", "version", "int", "DOUBLE"),
    "a field twice": ("repeated", "id", "one value", "several"),
    "a number beyond its type": ("range", "version", "int", "UBIGINT"),
    "NaN": ("type", "signup_ts", "timestamp-millis", "DOUBLE"),
    "the year 10000": ("range", "event_ts", "timestamp-millis", "UBIGINT"),
    "a tombstone": ("tombstone", "", "an event", "NULL"),
    "nothing": ("empty", "", "an event", "nothing"),
    "half an event": ("not_json", "", "an event", "bytes"),
    "not UTF-8": ("not_utf8", "", "an event", "bytes"),
    "an array": ("not_an_object", "", "an event", "ARRAY"),
}


@pytest.fixture(scope="module")
def values(event: Callable[..., bytes]) -> list[bytes | None]:
    """Return one value of each kind; the keys differ, so that none is a duplicate by chance."""

    def numbered(number: int) -> Callable[..., bytes]:
        return lambda **changes: event(**({"id": f"c-{number}"} | changes))

    return [make(numbered(number)) for number, (make, _) in enumerate(WHERE.values())]


@pytest.fixture(scope="module")
def mixed(values: list[bytes | None], curate: Callable[..., Curated]) -> Curated:
    """Curate one event of each kind in one batch."""
    return curate(*values)


@pytest.fixture(scope="module")
def found(mixed: Curated) -> dict[str, tuple[str, list[dict[str, str]]]]:
    """Return place and reasons of each kind of event."""
    names = list(WHERE)
    placed: dict[str, tuple[str, list[dict[str, str]]]] = {
        names[offset]: ("accepted", []) for offset in mixed.accepted["kafka_offset"].to_pylist()
    }
    for place, table in places(mixed).items():
        rows = zip(table["offset"].to_pylist(), table["reasons"].to_pylist(), strict=True)
        placed |= {names[offset]: (place, reasons) for offset, reasons in rows}
    return placed


@pytest.mark.parametrize("kind", WHERE)
def test_each_kind_of_event_has_its_place(found: dict[str, tuple[str, list[Any]]], kind: str) -> None:
    """An event is accepted, rejected or a dead letter, whatever stands beside it in the batch."""
    assert found[kind][0] == WHERE[kind][1]


@pytest.mark.parametrize("kind", REASONS)
def test_the_reason_says_rule_column_expected_and_found(found: dict[str, tuple[str, list[Any]]], kind: str) -> None:
    """The first reason of a record that is not accepted names what was expected and what came."""
    assert tuple(found[kind][1][0][key] for key in ("rule", "column", "expected", "found")) == REASONS[kind]


def test_no_event_is_lost_and_none_counted_twice(mixed: Curated, values: list[bytes | None]) -> None:
    """The offsets of all places are the offsets read, and the counts are those of the tables."""
    assert offsets(mixed) == list(range(len(values)))
    counted = mixed.tally.places
    assert counted.total == mixed.tally.partitions[0].records == len(values)
    assert (counted.accepted, counted.rejected) == (mixed.accepted.num_rows, mixed.rejected.num_rows)
    assert (counted.dead_letter, counted.duplicate) == (mixed.dead_letters.num_rows, 0)


def test_records_that_are_not_accepted_keep_their_bytes(mixed: Curated, values: list[bytes | None]) -> None:
    """Value, key, partition and offset stay as they came, byte for byte."""
    for table in places(mixed).values():
        for row in table.to_pylist():
            assert row["value"] == values[row["offset"]]
            assert (row["key"], row["partition"], row["topic"], row["run_id"]) == (b"key", 0, "customers", "run-1")


def test_no_reason_holds_a_value(event: Callable[..., bytes], curate: Callable[..., Curated]) -> None:
    """Reasons and counts name types and columns; what stood in the payload is nowhere in them."""
    secret = "s3cr3t"
    out = curate(
        event(name=[secret]), event(email=None, plan=secret), event(event_ts=secret), event(country=..., id=secret)
    )
    assert out.tally.places.rejected == 4
    assert secret not in str(out.rejected["reasons"].to_pylist())
    assert secret not in str((out.tally.fields, out.tally.rules))


# --- what accepted rows look like ------------------------------------------------------------------------------------


def row_of(curated: Curated) -> dict[str, Any]:
    """Return the only accepted row."""
    rows: list[dict[str, Any]] = curated.accepted.to_pylist()
    assert len(rows) == 1, curated.rejected.to_pylist()
    return rows[0]


def test_a_row_has_the_published_columns_in_order(
    event: Callable[..., bytes], curate: Callable[..., Curated], customers: Plan
) -> None:
    """Kafka's columns, the contract's fields, the derived columns and Mend's own, in the order of the plan."""
    table = curate(event()).accepted
    assert table.column_names == [*customers.columns, "event_date"]
    types = {field.name: str(field.type) for field in table.schema}
    times = {"kafka_timestamp", "signup_timestamp", "event_timestamp", "processing_timestamp"}
    assert {types[name] for name in times} == {"timestamp[us, tz=UTC]"}
    assert (types["event_ts"], types["version"], types["is_late_arrival"]) == ("int64", "int32", "bool")
    assert types["event_date"] == "date32[day]"


def test_a_row_can_be_traced_to_its_bytes(
    records: Callable[..., pa.Table], event: Callable[..., bytes], customers: Plan, now: datetime
) -> None:
    """Topic, partition, offset, run and version of the mapping stand in each row."""
    curator = Curator(customers, decode_json, run_id="run-7", now=now)
    row = curator.curate(records([event()], partitions=[3], first=41, topic="t")).accepted.to_pylist()[0]
    assert (row["kafka_topic"], row["kafka_partition"], row["kafka_offset"], row["kafka_key"]) == ("t", 3, 41, "key")
    assert (row["run_id"], row["mapping_version"], row["kafka_timestamp"]) == ("run-7", 1, now)


def test_derived_columns(event: Callable[..., bytes], curate: Callable[..., Curated], now: datetime) -> None:
    """The derived columns of the pipeline file are computed from the event and the processing time."""
    row = row_of(curate(event(signup_ts=1_700_000_000_123)))
    assert row["signup_timestamp"] == datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)
    assert row["event_timestamp"] == now - timedelta(minutes=1)
    assert row["processing_timestamp"] == now
    assert (row["region"], row["email_domain"]) == ("North America", "example.com")
    assert row["customer_age_days"] == (now.date() - date(2023, 11, 14)).days
    assert row["event_date"] == date(2026, 3, 1)


def test_regions(event: Callable[..., bytes], curate: Callable[..., Curated]) -> None:
    """Countries are grouped into regions, unknown ones into Other."""
    rows = curate(*(event(id=country, country=country) for country in ("MX", "DE", "IN", "BR", "ZZ"))).accepted
    assert rows["region"].to_pylist() == ["North America", "Europe", "APAC", "South America", "Other"]


def test_a_missing_field_takes_the_contracts_default(
    event: Callable[..., bytes], curate: Callable[..., Curated]
) -> None:
    """A field with a default may be missing; that is no drift, and the row carries the default."""
    row = row_of(curate(event(version=...)))
    assert (row["version"], row["schema_drift_detected"], row["rescued"]) == (1, False, None)


def test_unknown_fields_are_rescued(event: Callable[..., bytes], curate: Callable[..., Curated]) -> None:
    """Unknown fields are kept as JSON text with all their digits; fields of the contract do not stand there."""
    odd = b'"x":{"y":[1,null]},"":null,"n":123456789012345678901234567890'
    row = row_of(curate(spliced(event(), odd)))
    assert row["schema_drift_detected"] is True
    assert row["rescued"].encode() == b"{" + odd + b"}"


def test_unknown_fields_are_counted_by_event_and_type(
    event: Callable[..., bytes], curate: Callable[..., Curated]
) -> None:
    """A field that an event names twice counts once; the first and last offset of each type are known."""
    out = curate(event(), spliced(event(id="c-2"), b'"x":1,"x":2'), event(id="c-3", x=None), event(id="c-4", x=3))
    found = {(one.name, one.found): (one.count, one.first_offset, one.last_offset) for one in out.tally.fields}
    assert found == {("x", "UBIGINT"): (2, 1, 3), ("x", "NULL"): (1, 2, 2)}
    assert out.tally.drifted == 3


def test_where_the_end_of_a_partition_begins_to_differ(
    records: Callable[..., pa.Table], event: Callable[..., bytes], customers: Plan, now: datetime
) -> None:
    """Over the batches of a task the last unbroken run of events without a field is known, strays before it or not."""
    curator = Curator(customers, decode_json, run_id="r", now=now)
    lacking = {5, *range(14, 30)}
    values = [
        event(id=f"c-{n}", country=... if n in lacking else "US", plan=1 if n in {16, 27} else "free")
        for n in range(30)
    ]
    tallies = [curator.curate(records(values[n : n + 10], first=n)).tally for n in (0, 10, 20)]
    for order in (tallies, tallies[::-1]):
        (country,) = [one for one in merge(order).fields if one.name == "country"]
        assert (country.count, country.first_offset, country.run_from, country.last_offset) == (17, 5, 14, 29)


def test_an_optional_field_in_no_event_is_counted(event: Callable[..., bytes], curate: Callable[..., Curated]) -> None:
    """It is no fault of an event; where one event of the batch has it nothing is counted."""
    (absent,) = curate(event(version=...), event(id="c-2", version=...)).tally.fields
    assert (absent.kind, absent.name, absent.count, absent.last_offset) == ("absent", "version", 2, 1)
    assert curate(event(version=...), event(id="c-2")).tally.fields == ()


def test_a_version_alone_is_no_drift(event: Callable[..., bytes], curate: Callable[..., Curated]) -> None:
    """Drift is what arrived, not what the event says of itself: version 3 with the fields of version 1 is none."""
    out = curate(event(version=3), event(id="c-2", version=1, extra=True))
    drifted = dict(
        zip(out.accepted["version"].to_pylist(), out.accepted["schema_drift_detected"].to_pylist(), strict=True)
    )
    assert drifted == {3: False, 1: True}
    assert out.tally.drifted == 1
    assert [one.name for one in out.tally.fields] == ["extra"]


def test_late_is_older_than_the_limit(event: Callable[..., bytes], curate: Callable[..., Curated]) -> None:
    """Exactly 15 minutes is not late, a millisecond more is; late rows are published and counted."""
    ages = [15 * MINUTE, 15 * MINUTE + 1, 24 * 60 * MINUTE, 0, -MINUTE]
    out = curate(*(event(event_ts=MILLIS - age) for age in ages))
    late = dict(zip(out.accepted["kafka_offset"].to_pylist(), out.accepted["is_late_arrival"].to_pylist(), strict=True))
    assert late == {0: False, 1: True, 2: True, 3: False, 4: False}
    assert out.tally.late == 2


def test_a_time_before_now_in_another_zone_is_the_same_moment(
    records: Callable[..., pa.Table], event: Callable[..., bytes], customers: Plan, now: datetime
) -> None:
    """The processing time may come in any zone: rows carry it in UTC."""
    from zoneinfo import ZoneInfo

    curator = Curator(customers, decode_json, run_id="r", now=now.astimezone(ZoneInfo("Asia/Tokyo")))
    assert curator.curate(records([event()])).accepted["processing_timestamp"].to_pylist() == [now]


# --- rules -----------------------------------------------------------------------------------------------------------


def test_a_row_that_fails_a_quality_rule_is_published_and_counted(
    event: Callable[..., bytes], curate: Callable[..., Curated]
) -> None:
    """The row says which rules it fails; a row that fails none says so with true, never with null."""
    out = curate(event(email="nobody", plan="gold"), event(id="c-2"))
    bad, good = sorted(out.accepted.to_pylist(), key=lambda row: bool(row["dq_passed"]))
    assert (bad["dq_passed"], good["dq_passed"]) == (False, True)
    assert (sorted(bad["dq_failed_rules"]), good["dq_failed_rules"]) == (["email.match_regex", "plan.in_set"], None)
    assert (bad["dq_email_valid"], bad["dq_plan_valid"], good["dq_email_valid"]) == (False, False, True)
    assert out.tally.failed == 1
    counted = {(one.rule, one.severity): one.failures for one in out.tally.rules}
    assert counted == {("email.match_regex", "quality"): 1, ("plan.in_set", "quality"): 1}


def test_segments_count_rows_and_failing_rows(event: Callable[..., bytes], curate: Callable[..., Curated]) -> None:
    """Rejected and failing rows count against their segment's value; a missing value is a value of its own."""
    out = curate(event(), event(id="c-2", email="nobody"), event(id="c-3", country="DE"), event(id="c-4", country=...))
    counted = {(one.column, one.value): (one.rows, one.failures) for one in out.tally.segments}
    assert counted == {
        ("country", "US"): (2, 1), ("country", "DE"): (1, 0), ("country", "(missing)"): (1, 1),
        ("plan", "free"): (4, 2),
    }  # fmt: skip


def test_pairs_of_segments_are_counted(event: Callable[..., bytes], curate: Callable[..., Curated]) -> None:
    """Rows and failing rows by both values; a missing value is in no pair, a row that does not count in none."""
    out = curate(
        event(), event(), event(id="c-2", email="nobody"), event(id="c-3", country="DE"),
        event(id="c-4", country="DE", plan="basic"), event(id="c-5", country=...),
    )  # fmt: skip
    counted = {one.values: (one.rows, one.failures) for one in out.tally.pairs}
    assert counted == {("US", "free"): (2, 1), ("DE", "free"): (1, 0), ("DE", "basic"): (1, 0)}
    assert {one.columns for one in out.tally.pairs} == {("country", "plan")}


def test_rejected_rows_are_counted_by_reason(event: Callable[..., bytes], curate: Callable[..., Curated]) -> None:
    """Each reason of a rejected row counts for its rule and column."""
    out = curate(event(country=...), event(country=..., version=2**31))
    counted = {(one.rule, one.column): one.failures for one in out.tally.rules if one.severity == "contract"}
    assert counted == {("required", "country"): 2, ("range", "version"): 1}
    assert out.tally.failed == 2


# --- duplicates ------------------------------------------------------------------------------------------------------


def test_the_first_event_of_a_key_wins(event: Callable[..., bytes], curate: Callable[..., Curated]) -> None:
    """Events with equal keys are one: the first offset is accepted, the others are kept aside and count nowhere."""
    out = curate(event(name="one"), event(name="two", email="x", late=True), event(event_ts=MILLIS))
    assert out.accepted["kafka_offset"].to_pylist() == [0, 2]
    assert out.duplicates["offset"].to_pylist() == [1]
    assert out.duplicates["reason"].to_pylist() == ["duplicate"]
    assert (out.tally.failed, sum(one.rows for one in out.tally.segments if one.column == "plan")) == (0, 2)


def test_a_key_is_remembered_between_batches(
    records: Callable[..., pa.Table], event: Callable[..., bytes], customers: Plan, now: datetime
) -> None:
    """A curator knows the keys of its earlier batches."""
    curator = Curator(customers, decode_json, run_id="r", now=now)
    first = curator.curate(records([event()]))
    again = curator.curate(records([event(), event(id="c-2")], first=1))
    assert (first.tally.places.accepted, again.tally.places.accepted, again.tally.places.duplicate) == (1, 1, 1)
    assert again.keys["kafka_offset"].to_pylist() == [2]


def test_a_rejected_event_takes_no_key(event: Callable[..., bytes], curate: Callable[..., Curated]) -> None:
    """The good event with the key of a rejected one is the first of its key."""
    out = curate(event(name=None), event())
    assert (out.tally.places.rejected, out.tally.places.accepted) == (1, 1)


def test_keys_of_other_parts_differ(event: Callable[..., bytes], curate: Callable[..., Curated]) -> None:
    """Parts of a key are not run together: ('a1', 23) is not ('a', 123)."""
    keys = [("a1", 23), ("a", 123), ("a12", 3), ("a1:", 23), ("a", 23), ("a1\0", 23), ("", 123)]
    out = curate(*(event(id=name, event_ts=time) for name, time in keys))
    assert out.tally.places.accepted == len(keys)


# --- many batches ----------------------------------------------------------------------------------------------------


def test_an_empty_batch_is_nothing(curate: Callable[..., Curated], customers: Plan) -> None:
    """No records give tables without rows but with all columns."""
    out = curate()
    assert (out.accepted.num_rows, out.tally.places.total, out.tally.partitions) == (0, 0, ())
    assert out.accepted.column_names == [*customers.columns, "event_date"]


def test_rows_keep_the_order_of_their_offsets(
    records: Callable[..., pa.Table], event: Callable[..., bytes], customers: Plan, now: datetime
) -> None:
    """Accepted rows, keys and kept records stand in the order read, however many shapes are known."""
    curator = Curator(customers, decode_json, run_id="r", now=now)
    curator.curate(records([event(**{f"f{number}": 1}) for number in range(40)]))
    kinds: list[dict[str, Any]] = [{"f7": 1}, {"f1": 1}, {"plan": ...}, {}, {"f30": 1}, {"name": 1}, {"f2": 1}]
    out = curator.curate(records([event(**({"id": f"x-{number}"} | one)) for number, one in enumerate(kinds)]))
    assert out.accepted["kafka_offset"].to_pylist() == out.keys["kafka_offset"].to_pylist() == [0, 1, 3, 4, 6]
    assert out.rejected["offset"].to_pylist() == [2, 5]


def test_a_storm_of_field_names_does_not_fill_the_memory(
    records: Callable[..., pa.Table], event: Callable[..., bytes], customers: Plan, now: datetime
) -> None:
    """Shapes are forgotten when they are too many, rare names are not counted, and events are still judged rightly."""
    curator = Curator(customers, decode_json, run_id="r", now=now)
    storm = [event(id=f"c-{number}", common=1, **{f"f{number}": 1}) for number in range(MOST_SHAPES + 1)]
    before = curator.curate(records(storm))
    assert len(curator.shapes) > MOST_SHAPES
    assert len(before.tally.fields) == MOST_NAMES
    assert before.tally.fields[0].name == "common"
    assert before.tally.fields[0].count == before.tally.drifted == MOST_SHAPES + 1
    after = curator.curate(
        records([event(id="x"), event(id="y", country=...), event(id="z", f0=1), event(id="v", new=1)])
    )
    assert (after.tally.places.accepted, after.tally.places.rejected, after.tally.drifted) == (3, 1, 3)
    assert len(curator.shapes) == 4


NUMBERS = st.sampled_from([0, 1, -1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**30, 1.5, -0.0])
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
FIELDS = ("id", "name", "email", "signup_ts", "country", "plan", "event_ts", "version", "new", "", "*")


@st.composite
def events(draw: st.DrawFn) -> bytes | None:
    """Draw an event: a good one with some fields changed, dropped or added, or bytes that are none."""
    import json

    base = {"id": draw(st.sampled_from("abc")), "name": "n", "email": "a@b.co", "signup_ts": MILLIS, "country": "US",
            "plan": "free", "event_ts": MILLIS, "version": 1}  # fmt: skip
    changed = base | draw(st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES, max_size=2))
    for name in draw(st.lists(st.sampled_from(FIELDS), max_size=1)):
        changed.pop(name, None)
    text = json.dumps(changed).encode("utf-8", "surrogatepass")
    damage = draw(st.sampled_from(["none"] * 6 + ["cut", "bytes", "null", "empty", "not_utf8", "scalar"]))
    return {
        "none": text, "cut": text[: draw(st.integers(0, len(text)))], "bytes": draw(st.binary(max_size=8)),
        "null": None, "empty": b"", "not_utf8": text.replace(b"n", b"\xff"), "scalar": b"NaN",
    }[damage]  # fmt: skip


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(batch=st.lists(events(), min_size=20, max_size=40))
def test_every_event_has_exactly_one_place(curate: Callable[..., Curated], batch: list[bytes | None]) -> None:
    """Whatever arrives: all offsets are in exactly one place, counts are those of the tables, bytes are kept."""
    out = curate(*batch)
    assert offsets(out) == list(range(len(batch)))
    counted = out.tally.places
    tables = places(out)
    assert counted.accepted == out.accepted.num_rows == out.keys.num_rows
    assert {place: getattr(counted, place) for place in tables} == {place: len(rows) for place, rows in tables.items()}
    for rows in tables.values():
        assert rows["value"].to_pylist() == [batch[offset] for offset in rows["offset"].to_pylist()]
    for row in out.accepted.to_pylist():
        assert row["dq_passed"] is (row["dq_failed_rules"] is None)
        assert row["is_late_arrival"] is not None
        assert (row["rescued"] is None) is (row["schema_drift_detected"] is False)
        rescued = orjson.loads(row["rescued"]) if row["rescued"] and "Infinity" not in row["rescued"] else {}
        assert not rescued.keys() & {*FIELDS[:8]}


def test_a_strict_pipeline_rejects_unknown_fields(
    customers: Plan, event: Callable[..., bytes], curate: Callable[..., Curated]
) -> None:
    """With `unknown_fields: reject` an event is rejected with each name; drift is counted all the same."""
    strict = replace(customers, pipeline=replace(customers.pipeline, unknown_fields="reject"))
    values = (event(id="a", nick="A", age=3), event(id="b"))
    kept, refused = curate(*values), curate(*values, plan=strict)
    assert (kept.accepted.num_rows, refused.accepted.num_rows) == (2, 1)
    (reasons,) = refused.rejected["reasons"].to_pylist()
    assert [(one["rule"], one["column"]) for one in reasons] == [("unknown_field", "nick"), ("unknown_field", "age")]
    assert {one.name for one in refused.tally.fields} == {one.name for one in kept.tally.fields} == {"nick", "age"}


def test_a_failed_rule_is_named_with_its_bounds_and_the_type_that_came(
    customers: Plan, event: Callable[..., bytes], curate: Callable[..., Curated]
) -> None:
    """A reject says what the rule asks, and what type came in the column, of the contract or derived; no value."""

    def rule(name: str, column: str, expectation: str, **arguments: Any) -> Rule:
        return Rule(name=name, expectation=expectation, columns=(column,), severity="contract", arguments=arguments)

    between = rule("a", "version", "expect_column_values_to_be_between", min_value=5, strict_min=True)
    in_set = rule("b", "email_domain", "expect_column_values_to_be_in_set", value_set=["example.org"])
    plan = make_plan(customers.pipeline, replace(customers.rules, rules=(between, in_set)))
    (reasons,) = curate(event(version=1), plan=plan).rejected["reasons"].to_pylist()
    assert [(one["expected"], one["found"]) for one in reasons] == [
        ("expect_column_values_to_be_between(min_value=5, strict_min=true)", "UBIGINT"),
        ('expect_column_values_to_be_in_set(value_set=["example.org"])', "VARCHAR"),
    ]


def test_segments_without_end_are_counted_together(event: Callable[..., bytes], curate: Callable[..., Curated]) -> None:
    """A thousand values and the rest; a value as long as an event is not named at all."""
    events = [event(id=f"s-{one}", country=f"c{one}") for one in range(MOST_SEGMENTS + 20)]
    long = [event(id=f"l-{one}", country="x" * 1_000) for one in range(3)]
    counts = [one for one in curate(*events, *long).tally.segments if one.column == "country"]
    assert len(counts) == MOST_SEGMENTS
    assert {one.value: one.rows for one in counts}["(other)"] == 24


def test_rare_pairs_are_not_counted(event: Callable[..., bytes], curate: Callable[..., Curated]) -> None:
    """Of more pairs than a thousand the rarest are left out; values that have no name are in no pair."""
    events = [event(id=f"s-{one}", country=f"c{one % 600}", plan=f"p{one % 7}") for one in range(1_500)]
    others = [event(id=f"o-{one}", country="(other)") for one in range(9)]
    often = [event(id=f"f-{one}", country="US") for one in range(5)]
    counts = curate(*events, *others, *often).tally.pairs
    assert len(counts) == MOST_SEGMENTS
    assert ("US", "free") in {one.values for one in counts}
    assert not [one for one in counts if "(other)" in one.values]


def test_events_of_thousands_of_fields_are_counted_in_time(
    event: Callable[..., bytes], curate: Callable[..., Curated]
) -> None:
    """200 events of 1000 fields each, 10,000 names in all: counted by name up to the limit, the others by number."""
    fields = [{f"f{(number * 50 + one) % 10_000}": one for one in range(1_000)} for number in range(200)]
    found = curate(*(event(id=f"w-{number}", **one) for number, one in enumerate(fields))).tally
    assert len({one.name for one in found.fields}) == MOST_NAMES
    assert found.unnamed == 10_000 - MOST_NAMES
    assert {one.count for one in found.fields} == {20}
