"""JSON Schema: which reader takes which writer's documents."""

from typing import Any

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from mend.compat.json_schema import JsonSchema, read_problems
from mend.runtime.errors import UserError

NAMES = ("a", "b", "ab")


def found(reader: Any, writer: Any) -> list[tuple[str, str]]:
    """Return kind and path of each obstacle."""
    return [(one.kind, one.path) for one in read_problems(JsonSchema(reader), JsonSchema(writer))]


def thing(closed: bool = False, required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    """Return an object schema."""
    end = {"additionalProperties": False} if closed else {}
    return {"type": "object", "properties": properties, "required": list(required), **end}


TEXT, WHOLE, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}


@pytest.mark.parametrize(
    ("reader", "writer", "expected"),
    [
        (NUMBER, WHOLE, []),
        (WHOLE, NUMBER, [("TYPE_NARROWED", "(root)")]),
        (TEXT, WHOLE, [("TYPE_CHANGED", "(root)")]),
        ({"type": ["string", "null"]}, TEXT, []),
        (TEXT, {"type": ["string", "null"]}, [("TYPE_CHANGED", "(root)")]),
        (True, TEXT, []),
        (TEXT, True, [("TYPE_CHANGED", "(root)")]),
        (TEXT | {"maxLength": 5}, TEXT | {"maxLength": 4}, []),
        (TEXT | {"maxLength": 4}, TEXT | {"maxLength": 5}, [("MAX_LENGTH_NARROWED", "(root)")]),
        (TEXT | {"maxLength": 4}, TEXT, [("MAX_LENGTH_ADDED", "(root)")]),
        (NUMBER | {"minimum": 0}, NUMBER | {"minimum": 1}, []),
        (NUMBER | {"minimum": 1}, NUMBER | {"minimum": 0}, [("MINIMUM_NARROWED", "(root)")]),
        (NUMBER | {"multipleOf": 2}, NUMBER | {"multipleOf": 4}, []),
        (NUMBER | {"multipleOf": 4}, NUMBER | {"multipleOf": 2}, [("MULTIPLE_OF_NARROWED", "(root)")]),
        (TEXT | {"pattern": "a"}, TEXT | {"pattern": "b"}, [("PATTERN_NARROWED", "(root)")]),
        ({"enum": ["a", "b"]}, {"enum": ["a"]}, []),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}, [("ENUM_ARRAY_NARROWED", "(root)")]),
        ({"enum": ["a"]}, TEXT, [("ENUM_ADDED", "(root)")]),
        (TEXT, {"enum": ["a"]}, []),
        (thing(a=TEXT), thing(), [("PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", "a")]),
        (thing(closed=True, a=TEXT), thing(closed=True), []),
        (thing(closed=True, required=("a",), a=TEXT), thing(closed=True), [("REQUIRED_ATTRIBUTE_ADDED", "a")]),
        (thing(closed=True, required=("a",), a=TEXT | {"default": ""}), thing(closed=True), []),
        (thing(), thing(a=TEXT), []),
        (thing(closed=True), thing(closed=True, a=TEXT), [("PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL", "a")]),
        (thing(a=TEXT), thing(a=WHOLE), [("TYPE_CHANGED", "a")]),
        (thing(required=("a",), a=TEXT), thing(a=TEXT), [("REQUIRED_ATTRIBUTE_ADDED", "a")]),
        (thing(a=TEXT), thing(required=("a",), a=TEXT), []),
        (thing(closed=True), thing(), [("ADDITIONAL_PROPERTIES_NARROWED", "{}")]),
        ({"type": "array", "items": TEXT}, {"type": "array", "items": WHOLE}, [("TYPE_CHANGED", "[]")]),
        ({"oneOf": [TEXT, WHOLE]}, TEXT, []),
        ({"oneOf": [TEXT, WHOLE]}, {"oneOf": [TEXT]}, []),
        (TEXT, {"anyOf": [{"maxLength": 3, "type": "string"}, TEXT]}, []),
        ({"allOf": [TEXT, {"maxLength": 3}]}, TEXT, [("MAX_LENGTH_ADDED", "(root)")]),
        (TEXT, {"allOf": [TEXT, {"maxLength": 3}]}, []),
        ({"not": TEXT}, {}, [("CONDITION_CHANGED", "(root)")]),
    ],
)
def test_a_verdict_names_each_obstacle_and_its_place(reader: Any, writer: Any, expected: list[tuple[str, str]]) -> None:
    """What a registry says of one change is said, and where it stands."""
    assert found(reader, writer) == expected


def test_an_alternative_that_went_away_is_named() -> None:
    """A reader with fewer alternatives says which documents it does not take."""
    kinds = {kind for kind, _ in found({"oneOf": [TEXT]}, {"oneOf": [TEXT, WHOLE]})}
    assert "SUM_TYPE_NARROWED" in kinds


def test_references_are_followed_also_in_a_circle() -> None:
    """A tree that refers to itself is compared once, and an obstacle in it is found."""
    tree = {"$ref": "#/$defs/t", "$defs": {"t": thing(closed=True, v=WHOLE, next={"$ref": "#/$defs/t"})}}
    other = {"$ref": "#/$defs/t", "$defs": {"t": thing(closed=True, v=TEXT, next={"$ref": "#/$defs/t"})}}
    assert found(tree, tree) == []
    assert found(tree, other) == [("TYPE_CHANGED", "v")]


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/nowhere"},
        {"$ref": "other.json"},
        {"$defs": {"t": {"allOf": [{"$ref": "#/$defs/t"}]}}, "$ref": "#/$defs/t"},
    ],
)
def test_references_that_lead_nowhere_are_refused(schema: Any) -> None:
    """An unknown, an outer and an endless reference are errors that say so."""
    with pytest.raises(UserError, match=r"ref|refers"):
        found(schema, schema | {"title": "another"})


def schemas() -> st.SearchStrategy[Any]:
    """Return small schemas that have much in common with each other."""
    limits = st.integers(0, 3)
    leaf = st.one_of(
        st.builds(lambda kind: {"type": kind}, st.sampled_from(["string", "integer", "number", "null", "boolean"])),
        st.builds(lambda low, high: {"type": "integer", "minimum": low, "maximum": high}, limits, limits),
        st.builds(lambda high: {"type": "string", "maxLength": high}, limits),
        st.builds(lambda values: {"enum": values}, st.lists(values_of(), min_size=1, max_size=3)),
        st.sampled_from([True, {}, {"type": ["string", "null"]}, {"const": 1}]),
    )
    return st.recursive(leaf, inner, max_leaves=5)


def inner(part: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return schemas that hold others."""
    properties = st.dictionaries(st.sampled_from(NAMES), part, max_size=3)
    return st.one_of(
        st.builds(
            lambda props, need, rest, pattern: {"type": "object", "properties": props, "required": need,
                                                "additionalProperties": rest, "patternProperties": pattern},
            properties, st.lists(st.sampled_from(NAMES), unique=True), st.one_of(st.booleans(), part),
            st.dictionaries(st.sampled_from(["^a", "b$"]), part, max_size=1),
        ),
        st.builds(lambda one, most: {"type": "array", "items": one, "maxItems": most}, part, st.integers(0, 2)),
        st.builds(
            lambda key, many: {key: many}, st.sampled_from(["anyOf", "oneOf", "allOf"]),
            st.lists(part, min_size=1, max_size=3),
        ),
    )  # fmt: skip


def values_of() -> st.SearchStrategy[Any]:
    """Return values that small schemas speak of."""
    return st.one_of(
        st.none(), st.booleans(), st.integers(-1, 4), st.sampled_from([0.5, 1.5]), st.text("ab", max_size=4)
    )


DOCUMENTS = st.recursive(
    values_of(),
    lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(st.sampled_from(NAMES), part, max_size=3)),
    max_leaves=6,
)


SCHEMAS = schemas()


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """Return a writer's schema, and a reader's that is another one, the same, or a wider one."""
    writer, other = draw(SCHEMAS), draw(SCHEMAS)
    return writer, draw(st.sampled_from([other, writer, {"anyOf": [writer, other]}]))


@settings(max_examples=150, deadline=None)
@given(pairs(), st.lists(DOCUMENTS, min_size=5, max_size=5))
def test_a_document_of_a_compatible_writer_is_one_of_the_reader(pair: tuple[Any, Any], documents: list[Any]) -> None:
    """Where nothing stands between two schemas, no document of the writer is refused by the reader's validator."""
    writer, reader = pair
    assume(found(reader, writer) == [])
    written = [one for one in documents if valid(writer, one)]
    event(f"documents: {len(written)}")
    assert [one for one in written if not valid(as_any(reader), one)] == []


@settings(max_examples=60, deadline=None)
@given(SCHEMAS)
def test_a_schema_reads_what_it_wrote(schema: Any) -> None:
    """Nothing stands between a schema and itself, `oneOf` with overlapping alternatives included."""
    assert found(schema, schema) == []


def as_any(schema: Any) -> Any:
    """Return a schema with `anyOf` for `oneOf`: that alternatives exclude each other is taken for granted."""
    if isinstance(schema, dict):
        return {"anyOf" if key == "oneOf" else key: as_any(value) for key, value in schema.items()}
    return [as_any(one) for one in schema] if isinstance(schema, list) else schema


def valid(schema: Any, document: Any) -> bool:
    """Ask a validator that knows nothing of ours."""
    return bool(Draft7Validator(schema).is_valid(document))
