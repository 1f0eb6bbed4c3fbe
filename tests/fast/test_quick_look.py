"""The quick look at the usual shape: it never says of an event what the closer look would not say."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mend.curate.curator import Curated, Curator
from mend.curate.decode import decode_json
from mend.curate.plan import Plan

pytestmark = pytest.mark.spark

MILLIS = 1_772_366_400_000
EVENT: dict[str, Any] = {
    "id": "c-1", "name": "Ada", "email": "a@b.co", "signup_ts": MILLIS - 9_000_000, "country": "US", "plan": "free",
    "event_ts": MILLIS, "version": 1,
}  # fmt: skip
ODD = [
    b"1", b"-1", b"1.0", b"1e3", b"-0", b"true", b"null", b'"1"', b'""', b'"\\u0041"', b'"a\\"b"', b'"a\\/b"', b'"\\n"',
    '"é"'.encode(), b'"NaN"', b"NaN", b"2147483648", b"9223372036854775808", b"1e400", b"[]", b"{}", b'"x@y"', b'"ZZ"',
    b'"X","id":"Y"', b'"X","new":1', b'"X" ', b'"X",', b"253402300800000", b"12e1", b"1e2", b"007", b"100", b'"true"',
    b'"a\x00b"', b'"\x01"', b'"\\\\"', b'"a\\\\\\"b"', b'"\\u0000"', b'"\\ud800"', b'"\\ud83d\\ude00"',
    b'"\\\\","name":"x"', b'"x\\","name":"y"', b"9" * 20, b"-9223372036854775808",
]  # fmt: skip
"""Values, and what no encoder writes: a field twice, an unknown one, white space, a comma too many."""


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Draw the text of an event in the usual form or with one value that is odd, missing or renamed."""
    members = [(name, orjson.dumps(value)) for name, value in EVENT.items()]
    at = draw(st.integers(0, len(members) - 1))
    kind = draw(st.sampled_from(["usual", "odd", "odd", "odd", "missing", "moved", "renamed"]))
    name, value = members[at]
    if kind == "odd":
        members[at] = (name, draw(st.sampled_from(ODD)))
    elif kind == "missing":
        del members[at]
    elif kind == "moved":
        members.insert(0, members.pop(at))
    elif kind == "renamed":
        members[at] = (name.upper(), value)
    number = draw(st.integers(0, 5))
    return (
        b"{"
        + b",".join(b'"%s":%s' % (key.encode(), one) for key, one in members).replace(b"c-1", b"c-%d" % number)
        + draw(st.sampled_from([b"}"] * 8 + [b"", b"}}", b" }", b",}"]))
    )


def curated(plan: Plan, batches: list[pa.Table], now: datetime, *, quick: bool) -> tuple[list[Curated], Curator]:
    """Curate batches with or without the quick look."""
    curator = Curator(plan, decode_json, run_id="r", now=now)
    found = []
    for batch in batches:
        found.append(curator.curate(batch))
        curator.usual = curator.usual if quick else ()
    return found, curator


def contents(one: Curated) -> dict[str, Any]:
    """Return everything that a batch became."""
    tables = (one.accepted, one.rejected, one.dead_letters, one.duplicates, one.keys)
    return {
        "tables": [table.to_pylist() for table in tables],
        "counts": replace(one.tally, fields=()),
        "fields": sorted(one.tally.fields, key=str),
        "rules": sorted(one.tally.rules, key=str),
    }


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(batch=st.lists(texts(), min_size=30, max_size=60))
def test_a_quick_look_finds_what_a_closer_one_finds(
    records: Callable[..., pa.Table], customers: Plan, now: datetime, batch: list[bytes]
) -> None:
    """Rows, reasons, places and counts are the same to the byte, whatever arrives."""
    usual = [orjson.dumps(EVENT | {"id": "first"}), orjson.dumps(EVENT | {"id": "second"})]
    batches = [records(usual), records(batch + [orjson.dumps(EVENT)] * len(batch), first=2)]
    quick, _ = curated(customers, batches, now, quick=True)
    close, _ = curated(customers, batches, now, quick=False)
    for ours, theirs in zip(quick, close, strict=True):
        left, right = contents(ours), contents(theirs)
        left["counts"], right["counts"] = (ordered(one["counts"]) for one in (left, right))
        assert left == right


def ordered(tally: Any) -> Any:
    """Return a tally whose lists are in one order."""
    return replace(tally, rules=(), segments=tuple(sorted(tally.segments, key=str)))


def test_most_events_get_the_quick_look_only(records: Callable[..., pa.Table], customers: Plan, now: datetime) -> None:
    """Of a usual stream only what differs is looked at closely; a stream of another form is not looked at twice."""
    closely: list[int] = []

    class Watched(Curator):
        def look_closely(self, events: pa.Table) -> Any:
            closely.append(events.num_rows)
            return super().look_closely(events)

    def batch(spaced: str, first: int) -> pa.Table:
        return records([
            orjson.dumps(EVENT | {"id": f"c-{first + number}"}).replace(b",", spaced.encode() + b",")
            for number in range(100)
        ], first=first)  # fmt: skip

    usual = Watched(customers, decode_json, run_id="r", now=now)
    for first in (0, 100):
        usual.curate(batch("", first))
    assert closely == [0, 0]
    closely.clear()
    spaced = Watched(customers, decode_json, run_id="r", now=now)
    for first in (0, 100):
        spaced.curate(batch(" ", first))
    assert closely == [100, 100]
    assert (len(usual.usual), spaced.usual) == (1, ())


def test_shapes_that_are_forgotten_are_not_the_usual_ones(
    records: Callable[..., pa.Table], customers: Plan, now: datetime
) -> None:
    """After a storm of ten thousand shapes the usual events are counted as before."""
    curator = Curator(customers, decode_json, run_id="r", now=now)
    first = 0
    for odd, usual in ((0, 10), (10_001, 10_010), (1, 10), (0, 10)):
        numbers = range(first, first + odd + usual)
        events = [EVENT | {"id": f"c-{at}"} | ({f"new_{at}": 1} if at < first + odd else {}) for at in numbers]
        found = curator.curate(records([orjson.dumps(one) for one in events], first=first))
        assert (found.accepted.num_rows, found.tally.drifted) == (odd + usual, odd)
        first += odd + usual
    assert len(curator.shapes) < 10
