"""Types of the contract's fields: what JSON fits each, what it is decoded to and published as, which values it has."""

from base64 import b64encode
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

WHOLE = ("UBIGINT", "BIGINT")
NUMBER = ("DOUBLE", *WHOLE)
JSON_TYPES = {
    **dict.fromkeys(("string", "enum", "bytes", "fixed"), ("VARCHAR",)),
    **dict.fromkeys(("int", "long"), WHOLE),
    **dict.fromkeys(("float", "double"), NUMBER),
    **dict.fromkeys(("record", "map"), ("OBJECT",)),
    "boolean": ("BOOLEAN",),
    "array": ("ARRAY",),
    "decimal": ("VARCHAR", *NUMBER),
    "any": ("VARCHAR", *NUMBER, "BOOLEAN", "OBJECT", "ARRAY"),
}
"""JSON types that fit a kind of field; the kind `any` is no Avro type: a field of several types, kept as text."""
COLUMN_TYPES = {
    "string": "VARCHAR",
    "enum": "VARCHAR",
    "bytes": "VARCHAR",
    "fixed": "VARCHAR",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
}
DAY = 86_400_000_000
FIRST_MICROS, LAST_MICROS = -62_135_596_800_000_000, 253_402_300_799_999_999
"""Years 1 to 9999: what a TIMESTAMP and every reader of Parquet can show."""
RANGES = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
LIMITS = {
    "date": (FIRST_MICROS // DAY, LAST_MICROS // DAY),
    "time-millis": (0, DAY // 1000 - 1),
    "time-micros": (0, DAY - 1),
    "timestamp-millis": (FIRST_MICROS // 1000, LAST_MICROS // 1000),
    "timestamp-micros": (FIRST_MICROS, LAST_MICROS),
    "local-timestamp-millis": (FIRST_MICROS // 1000, LAST_MICROS // 1000),
    "local-timestamp-micros": (FIRST_MICROS, LAST_MICROS),
}
"""Least and largest number of a logical time type."""
UUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
SHORT_POWER = "[+-]?(?:[0-9]{1,15}|[0-9][.][0-9]{1,14})[eE][+-]?[0-9]{1,2}"
"""A number with an exponent whose digits a double keeps."""
WIDEST_DECIMAL = 38
LONGEST_REPEAT = 1000
BYTES_LEFT = {0: "", 1: "[A-Za-z0-9+/][AQgw]==", 2: "[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]="}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldType:
    """An Avro type. `structure` is the SQL type that an event is decoded to, `column_type` the one that is published.

    `fields` are the members of a record, `items` describes the items of an array or the values of a map, `branches`
    the types of a union. A value must be inside `limits`, match `pattern` in full and be one of `symbols`, where set.
    """

    kind: str
    logical: str | None
    structure: str
    column: str | None = None
    fields: tuple["Field", ...] = ()
    items: "Field | None" = None
    branches: tuple["FieldType", ...] = ()
    limits: tuple[int, int] | None = None
    pattern: str | None = None
    symbols: tuple[str, ...] = ()
    scale: tuple[int, int] | None = None

    @property
    def json_types(self) -> tuple[str, ...]:
        """Types of a JSON value that fit."""
        if self.branches:
            return tuple(dict.fromkeys(name for one in self.branches for name in one.json_types))
        return JSON_TYPES[self.kind]

    @property
    def column_type(self) -> str:
        """Type of the published column; nested values keep their JSON structure."""
        return self.column or self.structure

    @property
    def label(self) -> str:
        """The type in the words of a reason."""
        if self.scale:
            return f"decimal({self.scale[0]},{self.scale[1]})"
        return "|".join(one.label for one in self.branches) or self.logical or self.kind

    @property
    def misfit(self) -> str:
        """Rule of the reason for a value of the right JSON type that is none of this type."""
        if self.symbols:
            return "symbol"
        return "format" if self.pattern is not None else "range"

    @property
    def nested(self) -> bool:
        """Whether a value has parts, or one of several types, so that its JSON type alone does not say if it fits."""
        return bool(self.fields or self.branches) or self.items is not None

    @property
    def parts(self) -> tuple["FieldType", ...]:
        """Types directly inside this one."""
        items = (self.items.type,) if self.items else ()
        return (*(one.type for one in self.fields), *items, *self.branches)

    @property
    def exact(self) -> bool:
        """Whether numbers must keep all their digits while they are decoded."""
        return self.scale is not None or bool(self.branches) or any(one.exact for one in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of the contract. A field that is nullable or has a default may be missing."""

    name: str
    type: FieldType
    nullable: bool = False
    has_default: bool = False
    default: Any = None

    @property
    def required(self) -> bool:
        """Whether an event without it is broken."""
        return not (self.nullable or self.has_default)


def plain_type(kind: str, logical: str | None = None, **limits: Any) -> FieldType:
    """Return a type without parts."""
    structure = COLUMN_TYPES[kind]
    if kind in {"int", "long"}:
        limits["limits"] = LIMITS.get(logical or "")
    elif logical == "uuid" and kind == "string":
        limits["pattern"] = UUID
    elif kind == "bytes":
        limits["pattern"] = f"(?:[A-Za-z0-9+/]{{4}})*(?:{BYTES_LEFT[1]}|{BYTES_LEFT[2]})?"
    return FieldType(kind=kind, logical=logical, structure=structure, **limits)


def fixed_type(size: int, logical: str | None = None) -> FieldType:
    """Return the type of so many bytes, which stand in the event in base64."""
    whole, left = divmod(size, 3)
    rest = range(whole, 0, -LONGEST_REPEAT)
    groups = [f"(?:[A-Za-z0-9+/]{{4}}){{{min(LONGEST_REPEAT, many)}}}" for many in rest]
    return FieldType(kind="fixed", logical=logical, structure="VARCHAR", pattern="".join((*groups, BYTES_LEFT[left])))


def decimal_type(precision: int, scale: int) -> FieldType:
    """Return a decimal, which may come as a text or as a number; one of more than 38 digits is published as text."""
    whole = precision - scale
    before = f"0*[0-9]{{1,{whole}}}" if whole else "0+"
    pattern = f"[+-]?{before}(?:[.][0-9]{{0,{scale}}}0*)?"
    if scale:
        pattern += f"|[+-]?[.][0-9]{{1,{scale}}}0*"
    structure, column = ("JSON", f"DECIMAL({precision},{scale})") if precision <= WIDEST_DECIMAL else ("VARCHAR",) * 2
    return FieldType(
        kind="decimal", logical="decimal", structure=structure, column=column, pattern=pattern, scale=(precision, scale)
    )


def written(default: Any, found: FieldType) -> Any:  # noqa: PLR0911 - a case a type
    """Return a default of the schema as an event would carry it, with the defaults of its own members filled in.

    Avro writes bytes as a text of the characters 0 to 255, and a decimal as the bytes of its unscaled number.
    """
    if default is None:
        return None
    if found.scale and isinstance(default, str):
        unscaled = int.from_bytes(default.encode("latin-1"), signed=True)
        return f"{Decimal(f'{unscaled}E-{found.scale[1]}'):f}"
    if found.kind in {"bytes", "fixed"}:
        return b64encode(default.encode("latin-1")).decode()
    if found.branches:
        return written(default, found.branches[0])
    if found.kind == "record":
        return {
            one.name: written(default[one.name], one.type) if one.name in default else one.default
            for one in found.fields
        }
    if found.items and found.kind == "array":
        return [written(one, found.items.type) for one in default]
    if found.items:
        return {name: written(one, found.items.type) for name, one in default.items()}
    return default
