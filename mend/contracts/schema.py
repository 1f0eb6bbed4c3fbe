"""The contract of an event: its fields as an Avro record schema declares them."""

from dataclasses import dataclass, field
from typing import Any

from mend.contracts.field_types import COLUMN_TYPES, Field, FieldType, decimal_type, fixed_type, plain_type, written

__all__ = ["Field", "FieldType", "Schema", "SchemaError", "parse_schema"]


class SchemaError(ValueError):
    """The schema is not one that Mend can use as a contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A record schema."""

    name: str
    fields: tuple[Field, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Field names in order."""
        return tuple(one.name for one in self.fields)


def parse_schema(document: Any) -> Schema:
    """Read a decoded .avsc; anything but a record with usable fields raises SchemaError."""
    if not isinstance(document, dict) or document.get("type") != "record":
        raise SchemaError("expected an Avro record schema (type: record with fields)")
    return Schema(name=str(document.get("name", "record")), fields=Reader().members(document, "the schema"))


@dataclass(slots=True)
class Reader:
    """Reads types; `named` holds the records, enums and fixed types that were read so far, by their names."""

    named: dict[str, FieldType] = field(default_factory=dict)

    def members(self, document: Any, place: str) -> tuple[Field, ...]:
        """Read the fields of a record."""
        declared = document.get("fields")
        if not isinstance(declared, list) or not declared:
            raise SchemaError(f"{place}: a record needs a list of at least one field")
        fields = tuple(self.member(one) for one in declared)
        names = [one.name.lower() for one in fields]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise SchemaError(f"{place}: the field '{twice}' stands there twice (columns know no upper and lower case)")
        return fields

    def member(self, document: Any) -> Field:
        """Read one field of a record."""
        if not isinstance(document, dict) or not isinstance(document.get("name"), str) or "type" not in document:
            raise SchemaError(f"a field needs a name and a type, came {document!r}")
        found = self.branch(document["type"], document["name"])
        if "default" not in document:
            return found
        default = document["default"]
        first = found.type.branches[0] if found.type.branches else found.type
        if not is_value(default, first, nullable=found.nullable):
            raise SchemaError(f"field '{found.name}': the default {default!r} is no {first.kind}")
        return Field(
            name=found.name,
            type=found.type,
            nullable=found.nullable,
            has_default=True,
            default=written(default, found.type),
        )

    def branch(self, declared: Any, name: str) -> Field:
        """Read a type that may be a union."""
        branches = declared if isinstance(declared, list) else [declared]
        kinds = [self.type(one, name) for one in branches if one != "null"]
        if not kinds:
            raise SchemaError(f"field '{name}': a type that is always null says nothing, came {declared!r}")
        # A value of several types is published as its JSON text: no column type holds all of them, and a later
        # version may add a branch without a change of the column.
        several = FieldType(kind="union", logical=None, structure="JSON", column="VARCHAR", branches=tuple(kinds))
        return Field(name=name, type=kinds[0] if len(kinds) == 1 else several, nullable="null" in branches)

    def type(self, declared: Any, name: str) -> FieldType:
        """Read an Avro type, nested ones included."""
        detail = declared if isinstance(declared, dict) else {"type": declared}
        kind = detail.get("type")
        if isinstance(kind, dict):
            return self.type(kind, name)
        if not isinstance(kind, str):
            raise SchemaError(f"field '{name}': expected a type, came {declared!r}")
        if kind in self.named:
            return self.named[kind]
        found = self.nested(kind, detail, name) or simple(kind, detail, name)
        if kind in {"record", "enum", "fixed"}:
            self.named |= dict.fromkeys(full_names(detail), found)
        return found

    def nested(self, kind: str, detail: dict[str, Any], name: str) -> FieldType | None:
        """Read a type that has parts, None if it has none."""
        if kind == "record":
            fields = self.members(detail, f"field '{name}'")
            structure, column = struct_of(fields, "structure"), struct_of(fields, "column_type")
            return FieldType(kind=kind, logical=None, structure=structure, column=column, fields=fields)
        if kind not in PARTS:
            return None
        if PARTS[kind] not in detail:
            raise SchemaError(f"field '{name}': {kind} without '{PARTS[kind]}'")
        items = self.branch(detail[PARTS[kind]], name)
        form = "{}[]" if kind == "array" else "MAP(VARCHAR, {})"
        structure, column = form.format(items.type.structure), form.format(items.type.column_type)
        return FieldType(kind=kind, logical=None, structure=structure, column=column, items=items)


MOST_DIGITS = 1000
PARTS = {"array": "items", "map": "values"}
NESTED = ("array", "map", "record")
PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("string", "enum", "bytes", "fixed", "decimal"), (str,)),
    **dict.fromkeys(("int", "long"), (int,)),
    **dict.fromkeys(("float", "double"), (int, float)),
    **dict.fromkeys(("record", "map"), (dict,)),
    "array": (list,),
    "boolean": (bool,),
}


def struct_of(fields: tuple[Field, ...], side: str) -> str:
    """Return the SQL type of a record, as it is decoded or as it is published."""
    return "STRUCT(" + ", ".join(f'"{one.name}" {getattr(one.type, side)}' for one in fields) + ")"


def is_value(value: Any, found: FieldType, *, nullable: bool) -> bool:
    """Whether a default of the schema is a value of a type, in its parts too."""
    if value is None:
        return nullable
    if isinstance(value, bool) != (found.kind == "boolean") or not isinstance(value, PYTHON_TYPES[found.kind]):
        return False
    return are_parts(value, found)


def are_parts(value: Any, found: FieldType) -> bool:
    """Whether the parts of a default, or the characters that stand for its bytes, are what they must be."""
    if found.kind in {"bytes", "fixed", "decimal"}:
        return all(ord(one) < BYTE for one in value)
    if found.items:
        inner = value.values() if found.kind == "map" else value
        return all(is_part(one, found.items) for one in inner)
    return all(is_part(value[one.name], one) if one.name in value else not one.required for one in found.fields)


BYTE = 256


def is_part(value: Any, part: Field) -> bool:
    """Whether a part of a default is a value of the part's type."""
    return is_value(value, part.type.branches[0] if part.type.branches else part.type, nullable=part.nullable)


def full_names(detail: dict[str, Any]) -> list[str]:
    """Return the names by which a type can be referred to."""
    name, space = detail.get("name"), detail.get("namespace")
    return [one for one in (name, f"{space}.{name}" if name and space else None) if one]


def simple(kind: str, detail: dict[str, Any], name: str) -> FieldType:
    """Return a type without parts."""
    logical = detail.get("logicalType")
    if kind not in COLUMN_TYPES:
        raise SchemaError(
            f"field '{name}': unknown type '{kind}' (known: {', '.join(sorted({*COLUMN_TYPES, *NESTED}))})"
        )
    if logical == "decimal" and kind in {"bytes", "fixed"}:
        precision: Any = detail.get("precision")
        scale: Any = detail.get("scale", 0)
        if not is_count(precision, 1) or not is_count(scale, 0) or not scale <= precision <= MOST_DIGITS:
            raise SchemaError(
                f"field '{name}': a decimal needs a precision up to 1000 and a scale no larger, came {detail!r}"
            )
        return decimal_type(precision, scale)
    if kind == "fixed":
        if not is_count(detail.get("size"), 0):
            raise SchemaError(f"field '{name}': fixed without 'size'")
        return fixed_type(detail["size"], logical)
    if kind == "enum":
        symbols = detail.get("symbols")
        if not isinstance(symbols, list) or not symbols or not all(isinstance(one, str) for one in symbols):
            raise SchemaError(f"field '{name}': enum without 'symbols'")
        return plain_type(kind, logical, symbols=tuple(symbols))
    return plain_type(kind, logical)


def is_count(value: Any, least: int) -> bool:
    """Whether a value is a whole number of at least so much."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
