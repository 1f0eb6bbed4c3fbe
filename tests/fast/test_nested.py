"""Nested values: what does not fit the contract is a reason, never a null that nobody asked for."""

from typing import Any

import orjson
import pytest

from mend.contracts.schema import Field, parse_schema
from mend.curate import parts
from mend.curate.shapes import Reason

pytestmark = pytest.mark.spark

FIELD = parse_schema({
    "type": "record", "name": "Event", "fields": [{"name": "order", "type": {
        "type": "record", "name": "Order", "fields": [
            {"name": "no", "type": "int"},
            {"name": "weight", "type": ["null", "double"]},
            {"name": "unit", "type": "string", "default": "kg"},
            {"name": "note", "type": ["null", "string"], "default": None},
            {"name": "lines", "type": {"type": "array", "items": {
                "type": "record", "name": "Line", "fields": [
                    {"name": "qty", "type": "long"}, {"name": "kind", "type": "string", "default": "new"}]}}},
            {"name": "tags", "type": {"type": "map", "values": ["null", "string"]}},
        ]}}],
}).fields[0]  # fmt: skip
GOOD: dict[str, Any] = {
    "no": 1,
    "weight": 1,
    "unit": "g",
    "lines": [{"qty": 1, "kind": "old"}, {"qty": 2, "kind": "old"}],
    "tags": {"a": "b", "c": None},
}


def changed(changes: dict[str, Any]) -> Any:
    """Return a good value with changes, as it is read; a member changed to `...` is left out."""
    value = {name: one for name, one in (GOOD | changes).items() if one is not ...}
    return parts.read(orjson.dumps(value).decode())


def judged(field: Field = FIELD, **changes: Any) -> list[tuple[str, str, str]]:
    """Return rule, column and found of a good value with changes."""
    return [(one.rule, one.column, one.found) for one in parts.judge(changed(changes), field, field.name)]


def test_a_value_that_fits_has_no_reason() -> None:
    """Records, arrays and maps that fit, with nullable members and those with a default missing."""
    assert judged() == judged(weight=..., unit=...) == judged(lines=[{"qty": 1}]) == []
    assert judged(weight=None, note="x", lines=[], tags={}) == judged(new=1) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"no": "1"}, ("type", "order.no", "VARCHAR")),
        ({"no": 1.5}, ("type", "order.no", "DOUBLE")),
        ({"no": True}, ("type", "order.no", "BOOLEAN")),
        ({"no": None}, ("not_null", "order.no", "null")),
        ({"no": 2**31}, ("range", "order.no", "BIGINT")),
        ({"no": ...}, ("required", "order.no", "missing")),
        ({"unit": None}, ("not_null", "order.unit", "null")),
        ({"lines": {}}, ("type", "order.lines", "OBJECT")),
        ({"lines": [{"qty": 1}, {"qty": "2"}]}, ("type", "order.lines.qty", "VARCHAR")),
        ({"lines": [{"qty": 1}, {}]}, ("required", "order.lines.qty", "missing")),
        ({"lines": [None]}, ("not_null", "order.lines", "null")),
        ({"tags": {"a": 1}}, ("type", "order.tags", "BIGINT")),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], reason: tuple[str, str, str]) -> None:
    """Names are paths without indexes."""
    assert judged(**changes) == [reason]
    assert not parts.checker(FIELD.type)(changed(changes))


def test_defaults_are_filled_in() -> None:
    """A missing member takes its default, in a record and in each item of a list; what is there stays."""
    value = changed({"unit": ..., "lines": [{"qty": 1}, {"qty": 2, "kind": "old"}]})
    complete = parts.filled(value, FIELD.type)
    assert (complete["unit"], complete["lines"]) == ("kg", [{"qty": 1, "kind": "new"}, {"qty": 2, "kind": "old"}])
    assert not parts.checker(FIELD.type)(value)
    assert parts.checker(FIELD.type)(complete)


def test_unknown_members_are_found_where_they_are() -> None:
    """They keep the structure around them, so that a reader finds them again."""
    value = changed({"door": None, "lines": [{"qty": 1, "kind": "new"}, {"qty": 2, "kind": "old", "w": [1]}]})
    assert parts.unknown(value, FIELD.type) == {"door": None, "lines": [None, {"w": [1]}]}
    assert list(parts.unknown_places(value, FIELD.type, "order")) == [
        ("order.lines.w", "ARRAY"),
        ("order.door", "NULL"),
    ]
    assert parts.unknown(changed({}), FIELD.type) is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('{"no":1,"no":2}', "type"),
        ("[" * 100_000 + "]" * 100_000, "type"),
        ('{"no":1,"weight":NaN,"unit":"g","lines":[],"tags":{}}', "range"),
        ('{"no":1,"weight":1e400,"unit":"g","lines":[],"tags":{}}', "range"),
        ('{"no":9223372036854775808,"weight":1,"unit":"g","lines":[],"tags":{}}', "range"),
    ],
)
def test_what_no_reader_would_agree_on_does_not_fit(text: str, rule: str) -> None:
    """Members twice, endless nesting, numbers that are none or too large."""
    assert [one.rule for one in parts.judge(parts.read(text), FIELD, FIELD.name)] == [rule]


def test_reasons_hold_no_value() -> None:
    """The expected type stands in the reason, the value does not."""
    value = parts.read('{"no":"s3cr3t","weight":1,"unit":"g","lines":[],"tags":{}}')
    (reason,) = parts.judge(value, FIELD, FIELD.name)
    assert reason == Reason(rule="type", column="order.no", expected="int", found="VARCHAR")


def test_an_event_is_written_again_with_all_its_digits() -> None:
    """Other members stay as they came, NaN and members that are there twice too."""
    event = '{"n":12345678901234567890.10,"a":{"b":1},"x":NaN,"y":1,"y":2,"s":"é\\u0000"}'
    assert parts.replaced(event, {"a": {"b": 2}}) == event.replace('"b":1', '"b":2')
    assert parts.without(event, ("a", "y")) == '{"n":12345678901234567890.10,"x":"NaN","s":"é\\u0000"}'
