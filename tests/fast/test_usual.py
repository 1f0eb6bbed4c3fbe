"""The quick look at nested events: it never says of an event what the closer look would not say."""

from collections.abc import Callable
from datetime import datetime
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pyarrow as pa
import pytest

from mend.curate.check import checked_plan
from mend.curate.curator import Curator
from mend.curate.decode import decode_json
from mend.curate.plan import Plan
from mend.quality.rules import load_rules
from mend.runtime.pipeline_file import load_pipeline
from producer.anomalies import Anomalies
from producer.kinds import ORDERS
from producer.messages import messages
from tests.fast.test_quick_look import contents, ordered
from tests.fast.test_types import plan_for

pytestmark = pytest.mark.spark

ROOT = Path(__file__).parents[2]
STARTED = 1_772_366_000_000
ODD = [
    b"1", b"-1", b"1.0", b"1e3", b"-0", b"-0.0", b"true", b"null", b'"1"', b'""', b'"\\u0041"', b'"a\\"b"', b'"a\\/b"',
    b'"\\n"', '"é"'.encode(), b'"NaN"', b"NaN", b"2147483648", b"9223372036854775808", b"1e400", b"[]", b"{}",
    b"[null]", b"[[]]", b'{"x":null}', b'"12.345"', b'"1e2"', b'"12.3"', b"12.30", b"0.30000000000000004",
    b"1234567890.123456789", b'"zip\\":null,"', b"86400000", b'"ffffffff-ffff-ffff-ffff-ffffffffffff"', b'{"zip":null}',
    b'[{"zip":null}]',    b'"2026-01-01T00:00:00+14:00"', b'"2026-02-30"', b'{"a":1,"a":1}', b'{"a":"1","a":"1"}',
]  # fmt: skip
KEYS = ["", "zip", "floor", "x", "id", 'a"b', "é"]


class Members(list[tuple[str, Any]]):
    """The members of an object, of which one may be there twice."""


def tree(value: Any) -> Any:
    """Return a value in the form in which it is changed: members as pairs, what has no parts as its text."""
    if isinstance(value, dict):
        return Members((key, tree(one)) for key, one in value.items())
    return [tree(one) for one in value] if isinstance(value, list) else orjson.dumps(value)


def text(found: Any) -> bytes:
    """Write a value as every encoder does."""
    if isinstance(found, bytes):
        return found
    if isinstance(found, Members):
        return b"{" + b",".join(orjson.dumps(key) + b":" + text(one) for key, one in found) + b"}"
    return b"[" + b",".join(map(text, found)) + b"]"


def insides(found: Any) -> list[Any]:
    """Return all objects and lists in a value."""
    if isinstance(found, bytes):
        return []
    parts = [one for _, one in found] if isinstance(found, Members) else found
    return [found, *(inner for one in parts for inner in insides(one))]


CHANGES = ["odd", "odd", "null", "null", "spaced", "drop", "twice", "add", "move", "name"]


def change(found: Any, chance: Random) -> None:
    """Change one part somewhere."""
    place = chance.choice(insides(found))
    named = isinstance(place, Members)
    at, kind = chance.randrange(len(place) or 1), chance.choice(CHANGES if place else ["add"])
    name, value = place[at] if named and place else ("x", place[at] if place else b"1")
    odd = b"null" if kind == "null" else chance.choice(ODD)
    if kind in {"drop", "move"}:
        del place[at]
    if kind in {"odd", "null", "spaced"}:
        value = text(value) + b" " if kind == "spaced" else odd
    if kind == "name":
        name = chance.choice([name.upper(), *KEYS])
    if kind == "add":
        name, value = chance.choice(KEYS), odd
    if kind in {"odd", "null", "spaced", "name"}:
        place[at] = (name, value) if named else value
    elif kind != "drop":
        place.insert(0 if kind == "move" else at, (name, value) if named else value)


OPTIONAL = {*"abcdefsu", "zip", "floor", "born", "m"}


def thinned(found: Any, share: float, chance: Random) -> Any:
    """Leave this share of the optional members out that are null."""
    if isinstance(found, bytes):
        return found
    if not isinstance(found, Members):
        return [thinned(one, share, chance) for one in found]
    kept = ((key, one) for key, one in found if one != b"null" or key not in OPTIONAL or chance.random() >= share)
    return Members((key, thinned(one, share, chance)) for key, one in kept)


ORDER = {
    "order_no": 2**53 + 1, "line": 1, "placed_at": "2026-03-01T10:00:00+01:00", "via": "web", "amount": "12.30",
    "weight": 1.5, "billing": {"street": "Hill 1", "zip": None, "floor": 2}, "shipping": None,
    "items": [{"sku": "A", "qty": 1}, {"sku": "B", "qty": 2}], "labels": ["new"], "counts": {"zip": 3},
}  # fmt: skip


def hill_orders(chance: Random) -> list[Any]:
    """Return orders of the tests' own pipeline, with and without what is optional."""
    made = []
    for number in range(60):
        order: dict[str, Any] = ORDER | {"order_no": number, "weight": chance.choice([None, 0.5, 2.25])}
        order["billing"] = {"street": "Hill", "zip": chance.choice([None, "1"]), "floor": chance.choice([None, -1])}
        order["shipping"] = chance.choice([None, order["billing"]])
        made.append(order)
    return made


def shop_orders(chance: Random) -> list[Any]:
    """Return orders of the shipped pipeline, of all versions."""
    stream = messages(chance.randrange(100), start_ts=STARTED, anomalies=Anomalies(drift_frequency=10), kind=ORDERS)
    return [orjson.loads(one.value) for one in islice(stream, 60)]


NUMBER, WORD = ["null", "long"], ["null", "string"]
THINGS = plan_for([
    {"name": "a", "type": WORD, "default": None},
    {"name": "r", "type": {"type": "record", "name": "R", "fields": [
        {"name": "a", "type": WORD, "default": None}, {"name": "b", "type": ["int", "null"], "default": 5},
        {"name": "c", "type": ["null", "double"], "default": None}, {"name": "d", "type": NUMBER, "default": None},
        {"name": "e", "type": NUMBER, "default": None}]}},
    {"name": "s", "type": ["null", {"type": "record", "name": "S", "fields": [
        {"name": "c", "type": ["double", "null"], "default": 1.5}, {"name": "e", "type": "long"},
        {"name": "d", "type": NUMBER, "default": None}, {"name": "f", "type": ["null", "float"], "default": None},
        {"name": "u", "type": ["null", "long", "string"], "default": None}]}], "default": None},
    {"name": "m", "type": {"type": "map", "values": NUMBER}, "default": {}},
])  # fmt: skip
"""Members with one name and another meaning each, which must not be taken for each other."""


def things(chance: Random) -> list[Any]:
    """Return events with members of one name in several places, most of them null."""

    def some(*values: Any) -> Any:
        return chance.choice([None, *values])

    def record(names: str) -> dict[str, Any]:
        return {name: chance.choice([1, 2]) if name in "be" else some(0.5) for name in names} | {"d": some(2**60)}

    return [
        {"key": number, "at": STARTED, "a": some("x"), "r": record("abcde") | {"a": some("y"), "e": some(1)},
         "s": some(record("cedf") | {"u": some("u")}), "m": {"d": some(1), "a": 3}}
        for number in range(60)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def shop() -> Plan:
    """Return the shipped pipeline of nested events."""
    pipeline = load_pipeline(ROOT / "pipelines" / "orders.yml")
    return checked_plan(pipeline, load_rules(pipeline.rules_path, pipeline=pipeline.name))


class Quick(Curator):
    """Does not give the quick look up, however few events it judges."""

    def judge(self, events: pa.Table) -> Any:
        """Judge, and keep the usual shapes."""
        found = super().judge(events)
        self.usual = self.plan.parts.usual(list(self.shapes.values()))
        assert self.usual
        return found


class Close(Curator):
    """Looks at all events closely."""

    def learn_shapes(self, events: pa.Table) -> None:
        """Judge shapes, and find none of them usual."""
        super().learn_shapes(events)
        self.usual = ()


@pytest.mark.parametrize("kind", ["hill", "shop", "things"])
@pytest.mark.parametrize("seed", range(2))
def test_a_quick_look_finds_what_a_closer_one_finds(
    records: Callable[..., pa.Table], orders: Plan, shop: Plan, now: datetime, kind: str, seed: int
) -> None:  # fmt: skip
    """Rows, reasons, places and counts are the same to the byte, whatever arrives in whatever part of an event."""
    chance = Random(seed)
    kinds = {"hill": (orders, hill_orders), "shop": (shop, shop_orders), "things": (THINGS, things)}
    plan, made = kinds[kind]
    trees = [tree(one) for one in made(chance)]
    if seed % 2:
        trees = [thinned(one, chance.choice([0.5, 1.0]), chance) for one in trees]
    usual = [text(one) for one in trees]
    for one in trees[::2]:
        change(one, chance)
    batches = [records(usual), records([*(text(one) for one in trees), *usual], first=len(usual))]
    quick, close = (looker(plan, decode_json, run_id="r", now=now) for looker in (Quick, Close))
    for batch in batches:
        left, right = contents(quick.curate(batch)), contents(close.curate(batch))
        left["counts"], right["counts"] = (ordered(one["counts"]) for one in (left, right))
        assert left == right


@pytest.mark.parametrize("lean", [False, True])
def test_most_nested_events_get_the_quick_look_only(
    records: Callable[..., pa.Table], orders: Plan, now: datetime, *, lean: bool
) -> None:
    """Whatever optional value is null, and whether an encoder writes nulls in parts or leaves them out."""
    closely: list[int] = []

    class Watched(Curator):
        def look_closely(self, events: pa.Table) -> Any:
            closely.append(events.num_rows)
            return super().look_closely(events)

    trees = [tree(one) for one in hill_orders(Random(1))]
    if lean:
        trees = [Members((key, thinned(one, 1.0, Random(1))) for key, one in found) for found in trees]
    curator = Watched(orders, decode_json, run_id="r", now=now)
    curator.curate(records([text(one) for one in trees]))
    assert closely == [0]


def test_a_field_that_is_gone_is_seen(records: Callable[..., pa.Table], now: datetime) -> None:
    """A whole field that no event has any more is no member that an encoder leaves out."""
    event: dict[str, Any] = {"at": STARTED, "r": {"a": "y", "b": 1, "c": 0.5}, "m": {}}
    before = [event | {"key": number, "a": None, "r": event["r"] | {"d": None, "e": 1}} for number in range(20)]
    after = [event | {"key": number + 100, "r": event["r"] | {"e": 1}} for number in range(20)]
    curator = Curator(THINGS, decode_json, run_id="r", now=now)
    gone = [
        [one.name for one in curator.curate(records([orjson.dumps(one) for one in batch])).tally.fields]
        for batch in (before, after)
    ]
    assert gone == [["s"], ["a", "s"]]
