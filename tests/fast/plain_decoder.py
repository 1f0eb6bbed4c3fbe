"""A second decoder, that shares no code with the first: what an Avro schema says of a JSON value, in plain Python."""

import base64
import json
import re
import struct
from decimal import Decimal
from fractions import Fraction
from typing import Any

MISSING = object()
WHOLE = {"int": 31, "long": 63}
DAYS = (-719_162, 2_932_896)
BOUNDS = {
    "date": DAYS,
    "time-millis": (0, 86_399_999),
    "time-micros": (0, 86_399_999_999),
    "timestamp-millis": (DAYS[0] * 86_400_000, (DAYS[1] + 1) * 86_400_000 - 1),
    "timestamp-micros": (DAYS[0] * 86_400_000_000, (DAYS[1] + 1) * 86_400_000_000 - 1),
}
BOUNDS |= {f"local-{name}": bounds for name, bounds in BOUNDS.items() if name.startswith("timestamp")}


class MisfitError(Exception):
    """The value is none of the type."""


def parse(text: str) -> Any:
    """Parse JSON with exact numbers: int where the text has neither fraction nor exponent, else Decimal."""
    return json.loads(text, parse_float=Decimal, parse_constant=Decimal)


def decode(value: Any, declared: Any) -> Any:  # noqa: PLR0911 - a case a type
    """Return the value that a column must show; raises MisfitError."""
    if isinstance(declared, list):
        return decode_union(value, declared)
    detail = declared if isinstance(declared, dict) else {"type": declared}
    kind, logical = detail["type"], detail.get("logicalType")
    if value is None:
        raise MisfitError
    if logical == "decimal":
        return decode_decimal(value, detail["precision"], detail.get("scale", 0))
    if kind in WHOLE:
        low, high = BOUNDS.get(str(logical), (-(2 ** WHOLE[kind]), 2 ** WHOLE[kind] - 1))
        return must(type(value) is int and low <= value <= high, value)
    if kind in {"float", "double"}:
        return decode_fraction(value, kind)
    if kind == "boolean":
        return must(isinstance(value, bool), value)
    if kind == "record":
        return decode_record(must(isinstance(value, dict), value), detail["fields"])
    if kind == "array":
        return [decode(one, detail["items"]) for one in must(isinstance(value, list), value)]
    if kind == "map":
        return [(name, decode(one, detail["values"])) for name, one in must(isinstance(value, dict), value).items()]
    return decode_text(must(isinstance(value, str), value), kind, detail)


def must(condition: bool, value: Any) -> Any:
    """Return the value if the condition holds."""
    if not condition:
        raise MisfitError
    return value


def decode_union(value: Any, branches: list[Any]) -> Any:
    """Decode a union: null, one other type, or several of which the value itself is kept."""
    kinds = [one for one in branches if one != "null"]
    if value is None:
        return must("null" in branches, None)
    if len(kinds) == 1:
        return decode(value, kinds[0])
    for kind in kinds:
        try:
            decode(value, kind)
        except MisfitError:
            continue
        return value
    raise MisfitError


LONGEST_NUMBER = 38
"""Digits of the longest decimal that is a number in Parquet; a longer one stays text, and takes no exponent."""


def decode_decimal(value: Any, precision: int, scale: int) -> Decimal:
    """Decode a text or a number, exact in its digits."""
    text = value if isinstance(value, str) else str(value)
    must(not isinstance(value, bool | dict | list), value)
    power = "" if precision > LONGEST_NUMBER else "([eE][+-]?[0-9]{1,3})?"
    must(bool(re.fullmatch(rf"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+){power}", text)), value)
    unscaled = Fraction(text) * 10**scale
    must(unscaled.denominator == 1 and abs(unscaled) < 10**precision, value)
    return Decimal(text)


def decode_fraction(value: Any, kind: str) -> float:
    """Decode a number that the type can hold."""
    must(type(value) in {int, Decimal}, value)
    try:
        number = float(value)
        single: float = struct.unpack("f", struct.pack("f", number))[0] if kind == "float" else number
    except OverflowError as error:
        raise MisfitError from error
    must(abs(number) < float("inf"), number)
    return single


def decode_text(value: str, kind: str, detail: dict[str, Any]) -> str:
    """Decode a text, a symbol, a UUID, or bytes in base64."""
    if kind == "enum":
        return str(must(value in detail["symbols"], value))
    if kind in {"bytes", "fixed"}:
        try:
            raw = base64.b64decode(value, validate=True)
        except ValueError as error:
            raise MisfitError from error
        must(base64.b64encode(raw).decode() == value and len(raw) == detail.get("size", len(raw)), value)
    if detail.get("logicalType") == "uuid":
        must(bool(re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", value.lower())), value)
    return value


def decode_record(value: dict[str, Any], fields: list[dict[str, Any]]) -> dict[str, Any]:
    """All members, missing ones by their default."""
    return {one["name"]: decode_member(value.get(one["name"], MISSING), one) for one in fields}


def decode_member(value: Any, field: dict[str, Any]) -> Any:
    """One member of a record or of the event."""
    if value is not MISSING:
        return decode(value, field["type"])
    if "default" in field:
        return None if field["default"] is None else decode(field["default"], field["type"])
    return must(isinstance(field["type"], list) and "null" in field["type"], None)
