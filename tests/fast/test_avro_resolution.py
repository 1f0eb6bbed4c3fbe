"""What was written with one schema is read as the contract's, as Avro's specification says; fastavro is the judge."""

import json
from base64 import b64encode
from collections.abc import Sequence
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import orjson
import pyarrow as pa
import pytest

from mend.curate.avro import CONTRACT, AvroDecoder, RecordReader
from mend.curate.avro_resolution import with_sources
from mend.curate.avro_schema import parse_documents
from mend.runtime.schema_registry import RegisteredSchema

pytestmark = pytest.mark.spark


def record(*fields: dict[str, Any], name: str = "R") -> dict[str, Any]:
    """Return a record schema."""
    return {"type": "record", "name": name, "fields": list(fields)}


def field(name: str, declared: Any, **more: Any) -> dict[str, Any]:
    """Return a field."""
    return {"name": name, "type": declared, **more}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    """Return an enum."""
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


def array(items: Any) -> dict[str, Any]:
    """Return an array."""
    return {"type": "array", "items": items}


class Known:
    """A registry that knows one schema, with the id 1."""

    def __init__(self, *documents: dict[str, Any], kind: str = "AVRO") -> None:
        self.found = RegisteredSchema(type=kind, documents=tuple(json.dumps(one) for one in documents))
        self.asked: list[int] = []

    def schema(self, schema_id: int) -> RegisteredSchema | None:
        """Return the schema."""
        self.asked.append(schema_id)
        return self.found if schema_id == 1 else None


def decoder(known: Known, contract: dict[str, Any], **sources: str) -> AvroDecoder:
    """Return the decoder of a contract."""
    tree = parse_documents([orjson.dumps(contract)], prefix=CONTRACT)
    return AvroDecoder(known, with_sources(tree, sources))


def encoded(schemas: Sequence[dict[str, Any]], value: dict[str, Any]) -> bytes:
    """Write a record behind the header of schema 1."""
    named: dict[str, Any] = {}
    for one in schemas:
        parsed = fastavro.parse_schema(one, named_schemas=named)
    out = BytesIO()
    fastavro.schemaless_writer(out, parsed, value)
    return b"\0\0\0\0\1" + out.getvalue()


def read(
    written: dict[str, Any], contract: dict[str, Any], value: dict[str, Any], **sources: str
) -> tuple[Any, str | None]:
    """Write with one schema and read as the contract."""
    texts, reasons = decoder(Known(written), contract, **sources).decode(pa.array([encoded([written], value)]))
    text = texts[0].as_py()
    return text and json.loads(text), reasons[0].as_py()


def as_json(value: Any) -> Any:
    """Write a value as JSON has it."""
    if isinstance(value, dict):
        return {key: as_json(one) for key, one in value.items()}
    if isinstance(value, list):
        return [as_json(one) for one in value]
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return f"{value:f}" if isinstance(value, Decimal) else value


DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
INNER = record(field("a", "int"), name="Inner")
FULLER = record(field("a", "int"), field("b", "int", default=3), name="Inner")
RESOLVED = {
    "an alias": ("string", field("x", "string", aliases=["old"]), "v"),
    "int to long": ("int", field("x", "long"), -5),
    "int to double": ("int", field("x", "double"), 7),
    "long to double": ("long", field("x", "double"), 2**53),
    "float to double": ("float", field("x", "double"), 1.5),
    "string to bytes": ("string", field("x", "bytes"), "é"),
    "bytes to string": ("bytes", field("x", "string"), "é".encode()),
    "a plain type to a union": ("string", field("x", ["null", "string"]), "v"),
    "a union to a plain type": (["null", "string"], field("x", "string"), "v"),
    "bytes to a union with string": ("bytes", field("x", ["null", "string"]), b"v"),
    "the order of a union": (["string", "null"], field("x", ["null", "string"]), None),
    "an enum's default": (enum("A", "NEW"), field("x", enum("A", "OTHER", default="OTHER")), "NEW"),
    "an enum of fewer symbols": (enum("A"), field("x", enum("A", "B")), "A"),
    "an array of bytes": (array("bytes"), field("x", array("string")), [b"v"]),
    "a map of enums": (
        {"type": "map", "values": enum("A", "NEW")},
        field("x", {"type": "map", "values": enum("A", default="A")}), {"k": "NEW"},
    ),
    "a nested default": (INNER, field("x", FULLER), {"a": 1}),
    "a nested alias": (INNER, field("x", record(field("z", "int", aliases=["a"]), name="Inner")), {"a": 1}),
}  # fmt: skip


@pytest.mark.parametrize("case", RESOLVED)
def test_values_are_resolved_as_fastavro_does(case: str) -> None:
    """Aliases, promotions, unions, defaults: the text has what fastavro reads with both schemas."""
    declared, wanted, value = RESOLVED[case]
    written, contract = record(field("old" if "aliases" in wanted else "x", declared)), record(wanted)
    event = {written["fields"][0]["name"]: value}
    out = encoded([written], event)[5:]
    judged = fastavro.schemaless_reader(BytesIO(out), fastavro.parse_schema(written), fastavro.parse_schema(contract))
    assert read(written, contract, event) == (as_json(judged), None)


def test_what_does_not_resolve_stays_as_it_was_written() -> None:
    """The pass sees a type that changed, a field that is missing and one that is new, as it does in JSON."""
    written = record(field("x", "string"), field("new", {"type": "map", "values": "long"}))
    contract = record(field("x", "long"), field("gone", "string"), field("some", "int", default=4))
    assert read(written, contract, {"x": "v", "new": {"k": 2**60}}) == ({"x": "v", "new": {"k": 2**60}}, None)


def test_a_symbol_without_a_default_stays() -> None:
    """The pass has its reason to give."""
    assert read(record(field("x", enum("A", "NEW"))), record(field("x", enum("A"))), {"x": "NEW"}) == (
        {"x": "NEW"},
        None,
    )


def test_a_field_that_is_read_from_another_name_keeps_it() -> None:
    """The pipeline file's mapping names what is observed."""
    written, contract = record(field("observed", "bytes")), record(field("x", "string", aliases=["other"]))
    assert read(written, contract, {"observed": b"v"}, x="observed") == ({"observed": "v"}, None)


def test_bytes_take_the_contracts_decimal() -> None:
    """All digits, where only the contract says that the bytes are one."""
    written, contract = record(field("x", "bytes")), record(field("x", DECIMAL))
    assert read(written, contract, {"x": (-12345).to_bytes(2, "big", signed=True)}) == ({"x": "-123.45"}, None)


TIMES = [
    ("timestamp-millis", "timestamp-micros"), ("timestamp-micros", "local-timestamp-millis"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), TIMES)
def test_a_time_of_another_unit_is_not_read(one: str, other: str) -> None:
    """It would be published a thousandfold: the record waits in quarantine for a contract that fits."""
    contract = record(field("x", {"type": "long", "logicalType": one}))
    for inner in ({"type": "long", "logicalType": other}, ["null", {"type": "long", "logicalType": other}]):
        written = record(field("x", inner))
        body = encoded([record(field("x", "long" if isinstance(inner, dict) else ["null", "long"]))], {"x": 5})
        texts, reasons = decoder(Known(written), contract).decode(pa.array([body]))
        assert (texts[0].as_py(), reasons[0].as_py()) == (None, "unknown_schema")
    assert read(record(field("x", "long")), contract, {"x": 5}) == ({"x": 5}, None)


def test_a_schema_that_refers_to_others_is_read() -> None:
    """The others come first; a type may be used twice."""
    inner = {"type": "record", "name": "a.b.Inner", "fields": [field("kind", enum("A", "B")), field("n", "long")]}
    outer = record(field("one", "a.b.Inner"), field("two", ["null", "a.b.Inner"]))
    value = {"one": {"kind": "A", "n": 2**62}, "two": {"kind": "B", "n": -1}}
    texts, _ = decoder(Known(inner, outer), record(field("k", "int"))).decode(
        pa.array([encoded([inner, outer], value)])
    )
    assert json.loads(texts[0].as_py()) == value


UNUSABLE: dict[str, dict[str, Any]] = {
    "no record": {"type": "enum", "name": "E", "symbols": ["A"]},
    "no schema": {"type": "nonsense"},
    "an array of nothing": record(field("x", {"type": "array", "items": "null"})),
    "an array of empty records": record(field("x", {"type": "array", "items": record(name="Empty")})),
    "itself": record(field("x", ["null", "R"])),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_registered_schema_that_cannot_be_read_rejects_its_records(kind: str) -> None:
    """They keep their bytes; nothing is decoded that could be endless."""
    _, reasons = decoder(Known(UNUSABLE[kind]), record(field("x", "int"))).decode(pa.array([b"\0\0\0\0\1\2"]))
    assert reasons.to_pylist() == ["unknown_schema"]


def test_types_that_double_with_every_level_are_refused() -> None:
    """A thousand bytes of schema must not become a billion types."""
    levels = [record(field("a", "int"), name="L0")]
    levels += [record(field("a", f"L{at}"), field("b", f"L{at}"), name=f"L{at + 1}") for at in range(30)]
    _, reasons = decoder(Known(*levels), record(field("x", "int"))).decode(pa.array([b"\0\0\0\0\1\2"]))
    assert reasons.to_pylist() == ["unknown_schema"]


def test_a_schema_of_json_leaves_the_text_behind_the_header() -> None:
    """A topic may carry both; of another kind of schema nothing is read."""
    record_of = b'\0\0\0\0\1{"x":5}'
    assert decoder(Known({}, kind="JSON"), record(field("x", "int"))).decode(pa.array([record_of]))[0].to_pylist() == [
        '{"x":5}'
    ]
    _, reasons = decoder(Known({}, kind="PROTOBUF"), record(field("x", "int"))).decode(pa.array([record_of]))
    assert reasons.to_pylist() == ["unknown_schema"]


def test_records_of_many_schemas_come_back_in_their_order() -> None:
    """Each id is looked up once; the order is the topic's."""
    known = Known(record(field("x", "int")))
    values = [
        b"\0\0\0\0\1\2",
        b"\0\0\0\0\2\2",
        None,
        b"\0\0\0\0\1\4",
        b"",
        b"x",
        b"\0\0",
        b"\0\0\0\0\2",
        b"\0\0\0\0\1\6",
    ]
    texts, reasons = decoder(known, record(field("x", "int"))).decode(pa.array(values, pa.binary()))
    assert texts.to_pylist() == ['{"x":1}', None, None, '{"x":2}', None, None, None, None, '{"x":3}']
    assert reasons.to_pylist() == [
        None, "unknown_schema", "tombstone", None, "empty", "not_avro", "truncated", "unknown_schema", None,
    ]  # fmt: skip
    assert known.asked == [1, 2]


def test_text_in_many_languages_and_digits_beyond_doubles_survive(tmp_path: Path) -> None:
    """NUL, emoji, 64 bits, dates before 1970, bytes, a union of several types: nothing is rounded or cut."""
    del tmp_path
    written = record(
        field("text", "string"), field("big", "long"), field("day", {"type": "int", "logicalType": "date"}),
        field("raw", "bytes"), field("any", ["null", "long", "string", {"type": "array", "items": "double"}]),
        field("tags", {"type": "map", "values": ["null", "int"]}),
    )  # fmt: skip
    plain = {"text": "a\0😀", "big": 2**63 - 1, "raw": b"\0\xff", "any": [0.1], "tags": {"é": None, "": -1}}
    tree = parse_documents([orjson.dumps(written)], prefix="w")
    wire = encoded([record(*(one | {"type": "int"} if one["name"] == "day" else one for one in written["fields"]))],
                   plain | {"day": -3653})  # fmt: skip
    text, _ = RecordReader(tree, tree).read(pa.array([wire]))
    assert json.loads(text[0].as_py()) == as_json(plain) | {"day": -3653}
