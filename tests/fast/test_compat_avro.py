"""Avro schemas: which reader takes which writer's data, with the place and reason of each obstacle."""

from typing import Any

import pytest

from mend.compat.avro import AvroSchema, read_problems
from mend.runtime.errors import UserError

ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}


def record(*fields: dict[str, Any], name: str = "R", **more: Any) -> dict[str, Any]:
    """Return a record type."""
    return {"type": "record", "name": name, "fields": list(fields), **more}


def field(type_: Any, name: str = "f", **more: Any) -> dict[str, Any]:
    """Return a field."""
    return {"name": name, "type": type_, **more}


def found(reader: Any, writer: Any) -> list[tuple[str, str]]:
    """Return kind and path of each obstacle."""
    return [(one.kind, one.path) for one in read_problems(AvroSchema(reader), AvroSchema(writer))[0]]


NUMBERS = ["int", "long", "float", "double"]


@pytest.mark.parametrize("reader", NUMBERS)
@pytest.mark.parametrize("writer", NUMBERS)
def test_numbers_are_promoted_upwards_only(reader: str, writer: str) -> None:
    """A wider number reads a narrower one, never the other way round."""
    fits = NUMBERS.index(reader) >= NUMBERS.index(writer)
    assert found(reader, writer) == ([] if fits else [("TYPE_MISMATCH", "(root)")])


@pytest.mark.parametrize(
    ("reader", "writer", "expected"),
    [
        ("bytes", "string", []),
        ("string", "bytes", []),
        ("string", "int", [("TYPE_MISMATCH", "(root)")]),
        (record(field("int"), field("int", "g")), record(field("int")), [("READER_FIELD_MISSING_DEFAULT_VALUE", "g")]),
        (record(field("int"), field("int", "g", default=1)), record(field("int")), []),
        (record(), record(field("int")), []),
        (record(field("int", "new", aliases=["f"])), record(field("int")), []),
        (record(field("string", "new", aliases=["f"])), record(field("int")), [("TYPE_MISMATCH", "new")]),
        (record(name="S"), record(name="T"), [("NAME_MISMATCH", "(root)")]),
        (record(name="a.S"), record(name="b.S"), []),
        (record(name="a.S", aliases=["T"]), record(name="a.T"), []),
        (record(name="a.S", aliases=["T"]), record(name="b.T"), [("NAME_MISMATCH", "(root)")]),
        (ENUM, ENUM | {"symbols": ["A", "C"]}, [("MISSING_ENUM_SYMBOLS", "(root)")]),
        (ENUM | {"default": "A"}, ENUM | {"symbols": ["A", "C"]}, []),
        (ENUM, ENUM | {"symbols": ["A"]}, []),
        (
            {"type": "fixed", "name": "F", "size": 4},
            {"type": "fixed", "name": "F", "size": 5},
            [("FIXED_SIZE_MISMATCH", "(root)")],
        ),
        (["null", "string"], "string", []),
        (["null", "string"], ["null", "string", "int"], [("MISSING_UNION_BRANCH", "(root)")]),
        ("string", ["null", "string"], [("TYPE_MISMATCH", "(root)")]),
        ("string", ["string"], []),
        (["null", "long"], ["int", "null"], []),
        ({"type": "array", "items": "int"}, {"type": "array", "items": "long"}, [("TYPE_MISMATCH", "[]")]),
        ({"type": "map", "values": "int"}, {"type": "map", "values": "long"}, [("TYPE_MISMATCH", "{}")]),
    ],
)
def test_a_verdict_names_each_obstacle_and_its_place(reader: Any, writer: Any, expected: list[tuple[str, str]]) -> None:
    """What the specification says of one change is said, and where it stands."""
    assert found(reader, writer) == expected


def test_the_place_goes_through_records_arrays_and_maps() -> None:
    """An obstacle deep inside is found by its path."""
    inner = {"type": "array", "items": record(field({"type": "map", "values": "int"}, "m"), name="I")}
    other = {"type": "array", "items": record(field({"type": "map", "values": "string"}, "m"), name="I")}
    assert found(record(field(inner, "lines")), record(field(other, "lines"))) == [("TYPE_MISMATCH", "lines[].m{}")]


def test_a_type_that_refers_to_itself_is_compared_once() -> None:
    """A linked list ends the comparison, and an obstacle in it is still found."""
    node = record(field("int"), field(["null", "R"], "next"))
    assert found(node, node) == []
    assert ("TYPE_MISMATCH", "f") in found(node, record(field("string"), field(["null", "R"], "next")))


def test_many_uses_of_many_types_do_not_multiply() -> None:
    """Thirty levels, each used twice by the one above, are compared in no time (2^30 paths)."""
    schema: Any = record(field("int"), name="L0")
    for level in range(1, 30):
        schema = record(field(schema, "a"), field(f"L{level - 1}", "b"), name=f"L{level}")
    assert found(schema, schema) == []


def test_another_logical_type_is_a_warning() -> None:
    """Milliseconds read as microseconds are accepted by every registry, and said here."""
    millis, micros = ({"type": "long", "logicalType": f"timestamp-{one}"} for one in ("millis", "micros"))
    problems, warnings = read_problems(AvroSchema(record(field(micros))), AvroSchema(record(field(millis))))
    assert problems == ()
    assert [(one.kind, one.path) for one in warnings] == [("LOGICAL_TYPE_CHANGED", "f")]


@pytest.mark.parametrize("document", [{"type": "recrod"}, 7, None, ["null", "X"]])
def test_what_is_no_schema_is_refused(document: Any) -> None:
    """Rubbish is an error that says so, not a verdict."""
    with pytest.raises(UserError, match="no Avro schema"):
        AvroSchema(document)
