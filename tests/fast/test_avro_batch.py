"""Avro by the batch agrees with fastavro, record by record, on whatever it is used for."""

import json
from collections.abc import Callable
from io import BytesIO
from random import Random
from typing import Any

import fastavro
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mend.curate.avro import RecordReader
from mend.curate.avro_batch import plain
from mend.curate.avro_schema import parse_documents

pytestmark = pytest.mark.spark

SYMBOLS = ["A", "B", "C_1"]
LONGS = [0, -1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, -(2**63)]
DOUBLES = [0.0, -0.0, 1.1, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), float("nan"), 1e22, 0.1 + 0.2]
TEXTS = ["", "a\0b", "😀", '"\\/\b\f\n\r\t\x1f\x7f\u2028', "é" * 70, "null", "\ufeff", "\U0010ffff"]
LEAVES: dict[str, Callable[[Random], Any]] = {
    "boolean": lambda chance: chance.random() < 0.5,
    "int": lambda chance: chance.choice([0, -1, 2**31 - 1, -(2**31)]),
    "long": lambda chance: chance.choice(LONGS),
    "float": lambda chance: chance.choice([0.0, 1.5, -2.25, 3.4028234663852886e38, float("inf"), float("nan"), 0.1]),
    "double": lambda chance: chance.choice(DOUBLES),
    "string": lambda chance: chance.choice(TEXTS),
    "bytes": lambda chance: chance.choice([b"", b"\0\xff", b"text"]),
}
LOGICAL = [
    {"type": "long", "logicalType": "timestamp-millis"}, {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "long", "logicalType": "local-timestamp-millis"}, {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"}, {"type": "long", "logicalType": "time-micros"},
]  # fmt: skip
KINDS = [*LEAVES, "logical", "uuid", "enum", "fixed", "array", "map", "record", "nullable", "union"]


class Maker:
    """Makes schemas, and records of them."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.names = 0

    def name(self) -> str:
        """Return a new name."""
        self.names += 1
        return f"N{self.names}"

    def record(self, depth: int) -> dict[str, Any]:
        """Make a record schema."""
        fields = [{"name": f"f{at}", "type": self.schema(depth)} for at in range(self.chance.randint(1, 4))]
        return {"type": "record", "name": self.name(), "fields": fields}

    def schema(self, depth: int) -> Any:
        """Make a schema of any type."""
        kind = self.chance.choice(KINDS if depth else KINDS[:11])
        if kind in LEAVES:
            return kind
        inner = depth - 1
        made: dict[str, Callable[[], Any]] = {
            "logical": lambda: self.chance.choice(LOGICAL),
            "uuid": lambda: {"type": "string", "logicalType": "uuid"},
            "enum": lambda: {"type": "enum", "name": self.name(), "symbols": SYMBOLS},
            "fixed": lambda: {"type": "fixed", "name": self.name(), "size": 3},
            "array": lambda: {"type": "array", "items": self.schema(inner)},
            "map": lambda: {"type": "map", "values": self.schema(inner)},
            "record": lambda: self.record(inner),
            "nullable": lambda: self.nullable(inner),
            "union": lambda: ["null", "long", "string"],
        }
        return made[kind]()

    def nullable(self, depth: int) -> list[Any]:
        """Make a union with null, on either side."""
        inner = self.schema(depth)
        if isinstance(inner, list):
            return inner
        return ["null", inner] if self.chance.random() < 0.5 else [inner, "null"]

    def value(self, schema: Any) -> Any:
        """Make a value; logical types are not written as such."""
        if isinstance(schema, list):
            return self.value(self.chance.choice(schema))
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind in LEAVES:
            return LEAVES[kind](self.chance)
        made: dict[str, Callable[[], Any]] = {
            "null": lambda: None,
            "enum": lambda: self.chance.choice(SYMBOLS),
            "fixed": lambda: b"\0ab",
            "array": lambda: [self.value(schema["items"]) for _ in range(self.chance.randint(0, 3))],
            "map": lambda: {key: self.value(schema["values"]) for key in self.chance.sample(["", "k", "é😀"], 2)},
            "record": lambda: {one["name"]: self.value(one["type"]) for one in schema["fields"]},
        }
        return made[kind]()


def without_logical(schema: Any) -> Any:
    """Drop logical types, so that a value is what stands on the wire."""
    if isinstance(schema, list):
        return [without_logical(one) for one in schema]
    if isinstance(schema, dict):
        return {key: without_logical(one) for key, one in schema.items() if key != "logicalType"}
    return schema


def damaged(chance: Random, record: bytes) -> bytes:
    """Damage a record somewhere."""
    at = chance.randrange(len(record)) if record else 0
    return chance.choice(
        [record[:at], record + b"\0", record[:at] + bytes([chance.randrange(256)]) + record[at + 1 :], b"",
         record[:at] + b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + record[at + 1 :], record + record]
    )  # fmt: skip


def values_of(texts: pa.Array) -> list[Any]:
    """Read JSON texts; a number that is none is written out, so that it equals itself."""
    return [None if text is None else repr(json.loads(text)) for text in texts.to_pylist()]


@given(chance=st.randoms(use_true_random=False), top=st.sampled_from(["any", "plain"]))
@settings(max_examples=60, deadline=None)
def test_a_batch_gives_what_fastavro_gives(chance: Random, top: str) -> None:
    """Sound and damaged records of any schema: equal values, equal reasons, in equal order."""
    maker = Maker(chance)
    schema = maker.record(2)
    while top == "plain" and plain(parse_documents([orjson.dumps(schema)], prefix="w")) is None:
        schema = maker.record(2)
    wire = fastavro.parse_schema(without_logical(schema))
    records = []
    for _ in range(40):
        out = BytesIO()
        fastavro.schemaless_writer(out, wire, maker.value(schema))
        records.append(out.getvalue() if chance.random() < 0.8 else damaged(chance, out.getvalue()))
    tree = parse_documents([orjson.dumps(schema)], prefix="w")
    reader = RecordReader(tree, tree)
    texts, reasons = reader.read(pa.array([b"\0\0\0\0\1" + one for one in records], pa.binary()))
    judged = [reader.read_one(one) for one in records]
    assert values_of(texts) == values_of(pa.array([text for text, _ in judged], pa.string()))
    assert reasons.to_pylist() == [reason for _, reason in judged]


@pytest.mark.parametrize(
    "declared",
    ["bytes", {"type": "fixed", "name": "F", "size": 2}, ["null", "long", "string"], ["long"], "null",
     {"type": "bytes", "logicalType": "decimal", "precision": 4}, {"type": "array", "items": "bytes"}],
)  # fmt: skip
def test_what_is_not_proven_is_left_to_fastavro(declared: Any) -> None:
    """Types that the batch decoder lacks or writes differently keep the whole schema from it."""
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": declared}]}
    assert plain(parse_documents([orjson.dumps(schema)], prefix="w")) is None


def test_a_customers_batch_is_decoded_at_once() -> None:
    """Records that are sound need no second look; a bad one among many costs only itself."""
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "string"}]}
    tree = parse_documents([orjson.dumps(schema)], prefix="w")
    reader = RecordReader(tree, tree)
    assert reader.batches is not None
    header = b"\0\0\0\0\1"
    records = [header + b"\x02a"] * 500
    assert reader.batches.read(records).null_count == 0
    records[77] = header + b"\x04a"
    assert 0 < reader.batches.read(records).null_count <= 16
    records[77] = header + b"\x02a\0"
    assert reader.batches.read(records).null_count == 1


def test_a_number_that_is_too_big_for_an_int_is_not_cut() -> None:
    """It is what stands on the wire; the contract says that it is out of range."""
    schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]}
    tree = parse_documents([orjson.dumps(schema)], prefix="w")
    out = BytesIO()
    fastavro.schemaless_writer(out, "long", 2**40)
    texts, _ = RecordReader(tree, tree).read(pa.array([b"\0\0\0\0\1" + out.getvalue()] * 40))
    assert set(texts.to_pylist()) == {'{"x":1099511627776}'}
