"""The parts of one nested value, by the contract: what fits, what is missing, what nobody declared. Pure."""

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from mend.contracts.field_types import RANGES, SHORT_POWER, Field, FieldType
from mend.curate.shapes import MISSING, NULL, Reason, judge_field


class Number(str):
    """A number with a fraction or an exponent, in the digits in which it came."""

    __slots__ = ()


class Unreadable:
    """What stands for a text that is no value: members twice, nesting without end, a number of thousands of digits."""


UNREADABLE = Unreadable()
Check = Callable[[Any], bool]
JSON_NAMES: dict[type, str] = {
    bool: "BOOLEAN", int: "BIGINT", Number: "DOUBLE", str: "VARCHAR", dict: "OBJECT", list: "ARRAY", Unreadable: "any",
}  # fmt: skip


def read(text: str | None) -> Any:
    """Parse JSON without losing a digit."""
    if text is None:
        return None
    try:
        return READER.decode(text)
    except (ValueError, RecursionError):
        return UNREADABLE


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that names a member twice."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError
    return members


READER = json.JSONDecoder(parse_float=Number, parse_constant=Number, object_pairs_hook=without_repeats)


def write(value: Any, *, bare: bool = False) -> str:
    """Return the JSON text of what was read; NaN, which JSON does not have, becomes a text unless it may stay bare."""
    if isinstance(value, Number):
        return value if bare or value[-1].isdigit() else f'"{value}"'
    if isinstance(value, dict | Pairs):
        pairs = value.items() if isinstance(value, dict) else value
        return (
            "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{write(one, bare=bare)}" for key, one in pairs) + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(write(one, bare=bare) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)


class Pairs(list[tuple[str, Any]]):
    """The members of an object, those that are there twice too."""


def read_pairs(text: str) -> Any:
    """Parse JSON with all that it holds; None if it is too deep to be read, or no JSON by the letter."""
    try:
        return json.loads(text, parse_float=Number, parse_constant=Number, object_pairs_hook=Pairs)
    except (ValueError, RecursionError):
        return None


def replaced(payload: str, members: dict[str, Any]) -> str:
    """Return an event with other values for some of its members; all others keep their digits."""
    pairs = read_pairs(payload)
    return write(Pairs((name, members.get(name, value)) for name, value in pairs), bare=True) if pairs else payload


def without(payload: str, members: Sequence[str]) -> str | None:
    """Return an event without some of its members; all others keep their digits. None if it is too deep to be read."""
    pairs = read_pairs(payload)
    return None if pairs is None else write(Pairs(pair for pair in pairs if pair[0] not in members))


def is_strict(text: str) -> bool:
    """Whether a text that DuckDB takes for JSON is JSON for everybody: it lets a comma stand before a bracket."""
    try:
        json.loads(text, parse_int=str)
    except ValueError:
        return False
    except RecursionError:
        return True
    return True


def json_type(value: Any) -> str:
    """Return DuckDB's word for the type of a JSON value."""
    return NULL if value is None else JSON_NAMES[type(value)]


def checker(found: FieldType) -> Check:
    """Return a fast check whether a value is just as declared: nothing wrong, missing or unknown in it."""
    if found.branches:
        branches = [checker(one) for one in found.branches]
        return lambda value: any(one(value) for one in branches)
    if found.kind == "record":
        return record_checker(found)
    if found.items:
        inner = nullable_checker(found.items)
        if found.kind == "array":
            return lambda value: type(value) is list and all(map(inner, value))
        return lambda value: type(value) is dict and all(map(inner, value.values()))
    if found.kind in {"string", "boolean"} and found.pattern is None:
        plain = str if found.kind == "string" else bool
        return lambda value: type(value) is plain
    types = frozenset(found.json_types)
    return lambda value: json_type(value) in types and in_type(value, found)


def record_checker(found: FieldType) -> Check:
    """Return the check of a record."""
    members = {one.name: nullable_checker(one) for one in found.fields}
    needed = {one.name for one in found.fields if not one.nullable or one.default is not None}

    def check(value: Any) -> bool:
        return (
            type(value) is dict
            and needed <= value.keys() <= members.keys()
            and all(members[name](one) for name, one in value.items())
        )

    return check


def nullable_checker(part: Field) -> Check:
    """Return the check of a member or an item."""
    inner = checker(part.type)
    return (lambda value: value is None or inner(value)) if part.nullable else inner


def judge(value: Any, field: Field, place: str) -> Iterator[Reason]:
    """Compare a value with the contract, its parts too. `place` is the path of names, without indexes."""
    found = field.type
    if value is UNREADABLE:
        yield Reason(rule="type", column=place, expected=found.label, found="not readable")
    elif reason := judge_field(field, json_type(value)):
        yield Reason(rule=reason.rule, column=place, expected=found.label, found=reason.found)
    elif value is None:
        return
    elif found.branches:
        if branch_of(value, found) is None:
            yield Reason(rule="union", column=place, expected=found.label, found=json_type(value))
    elif found.items:
        for one in value.values() if isinstance(value, dict) else value:
            yield from judge(one, found.items, place)
    elif found.fields:
        yield from judge_members(value, found.fields, place)
    elif not in_type(value, found):
        yield Reason(rule=found.misfit, column=place, expected=found.label, found=json_type(value))


def judge_members(value: dict[str, Any], fields: Sequence[Field], place: str) -> Iterator[Reason]:
    """Compare a record's members."""
    for field in fields:
        where = f"{place}.{field.name}"
        if field.name in value:
            yield from judge(value[field.name], field, where)
        elif field.required:
            yield Reason(rule="required", column=where, expected=field.type.label, found=MISSING)


def branch_of(value: Any, union: FieldType) -> FieldType | None:
    """Return the first branch of a union that a value fits."""
    fitting = (one for one in union.branches if not any(judge(value, Field(name="", type=one), "")))
    return next(fitting, None)


def in_type(value: Any, found: FieldType) -> bool:
    """Whether a value of the right JSON type is one of the type."""
    if found.scale:
        return is_decimal(str(value), found)
    if found.pattern is not None:
        return re.fullmatch(found.pattern, value) is not None
    if found.symbols:
        return value in found.symbols
    limits = found.limits or RANGES.get(found.kind)
    if not isinstance(value, int | Number):
        return True
    number = finite(value, found.kind)
    return limits[0] <= number <= limits[1] if limits else math.isfinite(number)


def finite(value: int | Number, kind: str) -> float | int:
    """Return a number; for a fraction NaN stands for what its type cannot hold."""
    if kind not in {"float", "double"}:
        return int(value)
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    largest = LARGEST_FLOAT if kind == "float" else math.inf
    return number if abs(number) < largest else math.nan


LARGEST_FLOAT = 3.4028235677973366e38
"""From here on a number is rounded to infinity."""


def is_decimal(text: str, found: FieldType) -> bool:
    """Whether a text is a decimal of the type, with no digit too many."""
    if found.pattern is not None and re.fullmatch(found.pattern, text):
        return True
    if found.column_type == "VARCHAR" or not re.fullmatch(SHORT_POWER, text):
        return False
    try:
        number = Decimal(text).normalize()
    except InvalidOperation:
        return False
    precision, scale = found.scale or (0, 0)
    exponent = int(number.as_tuple().exponent)
    return not number or (-exponent <= scale and number.adjusted() < precision - scale)


def filled(value: Any, found: FieldType) -> Any:
    """Return a value with the defaults of its missing members."""
    if value is None or found.branches:
        return value
    if found.items and isinstance(value, list):
        return [filled(one, found.items.type) for one in value]
    if found.items:
        return {name: filled(one, found.items.type) for name, one in value.items()}
    if not found.fields:
        return value
    given = {one.name: filled(value[one.name], one.type) for one in found.fields if one.name in value}
    missing = {one.name: one.default for one in found.fields if one.name not in value and one.default is not None}
    return value | given | missing


def unknown(value: Any, found: FieldType) -> Any:
    """Return the members that the contract does not know, in the structure in which they came; None for none."""
    if value is None or found.branches or not found.nested:
        return None
    if found.items and isinstance(value, list):
        items = [unknown(one, found.items.type) for one in value]
        return items if any(one is not None for one in items) else None
    if found.items:
        members = {name: unknown(one, found.items.type) for name, one in value.items()}
        return {name: one for name, one in members.items() if one is not None} or None
    known = {one.name: one.type for one in found.fields}
    rest = {name: unknown(one, known[name]) if name in known else one for name, one in value.items()}
    return {name: one for name, one in rest.items() if one is not None or name not in known} or None


def unknown_places(value: Any, found: FieldType, place: str) -> Iterator[tuple[str, str]]:
    """Yield path and JSON type of each member that the contract does not know."""
    if value is None or found.branches or not found.nested:
        return
    if found.items:
        for one in value.values() if isinstance(value, dict) else value:
            yield from unknown_places(one, found.items.type, place)
        return
    known = {one.name: one.type for one in found.fields}
    for name, one in value.items():
        if name in known:
            yield from unknown_places(one, known[name], f"{place}.{name}")
        else:
            yield f"{place}.{name}", json_type(one)
