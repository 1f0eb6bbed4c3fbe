"""Reading a contract from an Avro schema."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from mend.contracts.schema import Field, SchemaError, parse_schema

pytestmark = pytest.mark.spark

SCHEMAS = Path(__file__).parents[2] / "kafka" / "schemas"


RECORD = {"type": "record", "name": "P", "fields": [
    {"name": "a", "type": "int"}, {"name": "b", "type": "bytes", "default": "\u0000"},
    {"name": "c", "type": ["null", "int"], "default": None},
]}  # fmt: skip


def only(declared: Any, **more: Any) -> Field:
    """Read a schema of one field."""
    return parse_schema({"type": "record", "name": "R", "fields": [{"name": "x", "type": declared} | more]}).fields[0]


def test_the_shipped_contract_is_read() -> None:
    """Eight fields in order, all of them required but the version, which has a default."""
    schema = parse_schema(orjson.loads((SCHEMAS / "customer_events.v1.avsc").read_bytes()))
    assert len(schema.fields) == 8
    assert [(one.name, one.default) for one in schema.fields if not one.required] == [("version", 1)]


@pytest.mark.parametrize(
    ("declared", "kind", "logical", "structure"),
    [
        ("string", "string", None, "VARCHAR"),
        ({"type": "long", "logicalType": "timestamp-micros"}, "long", "timestamp-micros", "BIGINT"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9}, "decimal", "decimal", "JSON"),
        (
            {"type": "fixed", "name": "F", "size": 4, "logicalType": "decimal", "precision": 9, "scale": 2},
            "decimal",
            "decimal",
            "JSON",
        ),
        ({"type": "fixed", "name": "F", "size": 4}, "fixed", None, "VARCHAR"),
        ({"type": "enum", "name": "E", "symbols": ["a"]}, "enum", None, "VARCHAR"),
        ({"type": {"type": "int"}}, "int", None, "INTEGER"),
        (["null", "float"], "float", None, "FLOAT"),
        (["boolean", "null"], "boolean", None, "BOOLEAN"),
        ({"type": "array", "items": "int"}, "array", None, "INTEGER[]"),
        ({"type": "array", "items": ["null", "int"]}, "array", None, "INTEGER[]"),
        ({"type": "map", "values": "long"}, "map", None, "MAP(VARCHAR, BIGINT)"),
        ({"type": "map", "values": {"type": "array", "items": "int"}}, "map", None, "MAP(VARCHAR, INTEGER[])"),
        (
            {"type": "record", "name": "P", "fields": [{"name": "a", "type": "int"}]},
            "record",
            None,
            'STRUCT("a" INTEGER)',
        ),
    ],
)
def test_types(declared: Any, kind: str, logical: str | None, structure: Any) -> None:
    """Each Avro type has its kind, its logical type and the structure that it decodes to."""
    found = only(declared).type
    assert (found.kind, found.logical, found.structure) == (kind, logical, structure)


def test_a_named_type_is_used_again() -> None:
    """A record that was declared once can be named later, with or without its namespace."""
    address = {"type": "record", "name": "Address", "namespace": "shop", "fields": [{"name": "zip", "type": "string"}]}
    fields = [
        {"name": "a", "type": address},
        {"name": "b", "type": ["null", "Address"]},
        {"name": "c", "type": "shop.Address"},
    ]
    schema = parse_schema({"type": "record", "name": "R", "fields": fields})
    assert [one.type.structure for one in schema.fields] == ['STRUCT("zip" VARCHAR)'] * 3
    assert [one.nullable for one in schema.fields] == [False, True, False]


def test_a_union_of_several_types_is_published_as_text() -> None:
    """Null aside, its branches stay apart; each JSON type of one of them fits."""
    found = only(["null", "string", {"type": "array", "items": "int"}, "double"], default=None)
    assert (found.nullable, found.type.kind, found.type.column_type) == (True, "union", "VARCHAR")
    assert found.type.json_types == ("VARCHAR", "ARRAY", "DOUBLE", "UBIGINT", "BIGINT")
    assert found.type.label == "string|array|double"


@pytest.mark.parametrize(
    ("declared", "default", "written"),
    [
        ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, "\u00ff\u0085", "-1.23"),
        ("bytes", "\u0000\u00ff", "AP8="),
        (["string", "int"], "x", "x"),
        ({"type": "array", "items": {"type": "bytes"}}, ["\u0000"], ["AA=="]),
        ({"type": "map", "values": "int"}, {"a": 1}, {"a": 1}),
        (RECORD, {"a": 1}, {"a": 1, "b": "AA==", "c": None}),
    ],
)
def test_a_default_is_what_an_event_would_carry(declared: Any, default: Any, written: Any) -> None:
    """Avro writes the bytes of a default as characters; what its members lack is filled in."""
    assert only(declared, default=default).default == written


@pytest.mark.parametrize(
    ("nullable", "default", "required"),
    [(False, ..., True), (True, ..., False), (False, "d", False), (True, None, False)],
)
def test_what_may_be_missing(nullable: bool, default: Any, required: bool) -> None:
    """A field that is nullable or has a default may be missing."""
    more = {} if default is ... else {"default": default}
    assert only(["null", "string"] if nullable else "string", **more).required is required


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "expected an Avro record"),
        ({"type": "enum"}, "expected an Avro record"),
        ({"type": "record"}, "list of at least one field"),
        ({"type": "record", "fields": {}}, "list of at least one field"),
        ({"type": "record", "fields": ["x"]}, "needs a name and a type"),
        ({"type": "record", "fields": [{"name": 1, "type": "int"}]}, "needs a name and a type"),
        ({"type": "record", "fields": [{"name": "x"}]}, "needs a name and a type"),
        ({"type": "record", "fields": [{"name": x, "type": "int"} for x in "xX"]}, "'x' stands there twice"),
    ],
)  # fmt: skip
def test_what_is_no_schema_is_refused(document: Any, words: str) -> None:
    """The error says what was expected."""
    with pytest.raises(SchemaError, match=words):
        parse_schema(document)


@pytest.mark.parametrize(
    ("declared", "more", "words"),
    [
        ("strin", {}, "unknown type 'strin'"),
        ("null", {}, "always null"),
        (["null"], {}, "always null"),
        (5, {}, "expected a type"),
        ({}, {}, "expected a type"),
        ({"type": "array"}, {}, "array without 'items'"),
        ({"type": "map"}, {}, "map without 'values'"),
        ({"type": "record", "name": "P"}, {}, "list of at least one field"),
        ({"type": "record", "name": "P", "fields": [{"name": "next", "type": "P"}]}, {}, "unknown type 'P'"),
        ({"type": "enum", "name": "E"}, {}, "enum without 'symbols'"),
        ({"type": "fixed", "name": "F"}, {}, "fixed without 'size'"),
        ({"type": "bytes", "logicalType": "decimal"}, {}, "a decimal needs a precision"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3}, {}, "a scale no larger"),
        (["int", "string"], {"default": "a"}, "default 'a' is no int"),
        ({"type": "array", "items": "int"}, {"default": ["a"]}, "is no array"),
        ({"type": "record", "name": "P", "fields": [{"name": "a", "type": "int"}]}, {"default": {}}, "is no record"),
        ("int", {"default": "1"}, "default '1' is no int"),
        ("boolean", {"default": 0}, "default 0 is no boolean"),
        ("int", {"default": True}, "default True is no int"),
        ("string", {"default": None}, "default None is no string"),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_used_is_named(declared: Any, more: dict[str, Any], words: str) -> None:
    """The error names the field and what is wrong with it."""
    with pytest.raises(SchemaError, match=words) as caught:
        only(declared, **more)
    assert "'x'" in str(caught.value) or "'next'" in str(caught.value)
