"""Nested values: what does not fit the contract is a reason, never a null that nobody asked for."""

from typing import Any

import orjson
import pytest

from mend.contracts.schema import Field, parse_schema
from mend.curate.nested import judge_text
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
                "type": "record", "name": "Line", "fields": [{"name": "qty", "type": "long"}]}}},
            {"name": "tags", "type": {"type": "map", "values": ["null", "string"]}},
        ]}}],
}).fields[0]  # fmt: skip
GOOD: dict[str, Any] = {
    "no": 1,
    "weight": 1,
    "unit": "g",
    "lines": [{"qty": 1}, {"qty": 2}],
    "tags": {"a": "b", "c": None},
}


def judged(field: Field = FIELD, **changes: Any) -> list[tuple[str, str, str]]:
    """Return rule, column and found of a good value with changes; a member changed to `...` is left out."""
    value = {name: one for name, one in (GOOD | changes).items() if one is not ...}
    return [(one.rule, one.column, one.found) for one in judge_text(orjson.dumps(value).decode(), field)]


def test_a_value_that_fits_has_no_reason() -> None:
    """Records, arrays and maps that fit, with nullable members missing."""
    assert judged() == judged(weight=...) == []
    assert judged(weight=None, note="x", lines=[], tags={}) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"no": "1"}, ("type", "order.no", "VARCHAR")),
        ({"no": 1.5}, ("type", "order.no", "DOUBLE")),
        ({"no": True}, ("type", "order.no", "BOOLEAN")),
        ({"no": None}, ("not_null", "order.no", "null")),
        ({"no": 2**31}, ("range", "order.no", "BIGINT")),
        ({"no": ...}, ("required", "order.no", "missing")),
        ({"unit": ...}, ("required", "order.unit", "missing")),
        ({"new": 1}, ("unknown_member", "order", "BIGINT")),
        ({"lines": {}}, ("type", "order.lines", "OBJECT")),
        ({"lines": [{"qty": 1}, {"qty": "2"}]}, ("type", "order.lines.qty", "VARCHAR")),
        ({"lines": [{"qty": 1}, {}]}, ("required", "order.lines.qty", "missing")),
        ({"lines": [None]}, ("not_null", "order.lines", "null")),
        ({"tags": {"a": 1}}, ("type", "order.tags", "BIGINT")),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], reason: tuple[str, str, str]) -> None:
    """Names are paths without indexes; a default inside a nested value is not filled in, so it must be there."""
    assert judged(**changes) == [reason]


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
    assert [one.rule for one in judge_text(text, FIELD)] == [rule]


def test_reasons_hold_no_value() -> None:
    """The expected type stands in the reason, the value does not."""
    (reason,) = judge_text('{"no":"s3cr3t","weight":1,"unit":"g","lines":[],"tags":{}}', FIELD)
    assert reason == Reason(rule="type", column="order.no", expected="int", found="VARCHAR")
