"""The contract of an event: its fields as an Avro record schema declares them."""

from dataclasses import dataclass
from typing import Any

JSON_TYPES = {
    "string": ("VARCHAR",),
    "enum": ("VARCHAR",),
    "bytes": ("VARCHAR",),
    "int": ("UBIGINT", "BIGINT"),
    "long": ("UBIGINT", "BIGINT"),
    "float": ("DOUBLE", "UBIGINT", "BIGINT"),
    "double": ("DOUBLE", "UBIGINT", "BIGINT"),
    "boolean": ("BOOLEAN",),
    "record": ("OBJECT",),
    "map": ("OBJECT",),
    "array": ("ARRAY",),
}
COLUMN_TYPES = {
    "string": "VARCHAR",
    "enum": "VARCHAR",
    "bytes": "VARCHAR",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
}


class SchemaError(ValueError):
    """The schema is not one that Mend can use as a contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldType:
    """An Avro type. `structure` is the JSON structure that DuckDB's json_transform takes."""

    kind: str
    logical: str | None
    structure: Any

    @property
    def json_types(self) -> tuple[str, ...]:
        """Types of a JSON value that fit."""
        return JSON_TYPES[self.kind]

    @property
    def column_type(self) -> str:
        """Type of the published column; nested values keep their JSON structure."""
        return COLUMN_TYPES.get(self.kind, "nested")


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
    fields = tuple(parse_field(one) for one in document.get("fields", []))
    if not fields:
        raise SchemaError("a record needs at least one field")
    return Schema(name=str(document.get("name", "record")), fields=fields)


def parse_field(document: Any) -> Field:
    """Read one field of a record."""
    if not isinstance(document, dict) or "name" not in document or "type" not in document:
        raise SchemaError(f"a field needs a name and a type, came {document!r}")
    declared = document["type"]
    branches = declared if isinstance(declared, list) else [declared]
    kinds = [branch for branch in branches if branch != "null"]
    if len(kinds) != 1:
        raise SchemaError(f"field '{document['name']}': a union of several types is not supported, came {declared!r}")
    return Field(
        name=document["name"],
        type=parse_type(kinds[0], document["name"]),
        nullable="null" in branches,
        has_default="default" in document,
        default=document.get("default"),
    )


def parse_type(declared: Any, field: str) -> FieldType:
    """Read an Avro type, nested ones included."""
    detail = declared if isinstance(declared, dict) else {"type": declared}
    kind = detail["type"]
    if isinstance(kind, dict | list):
        return parse_type(kind, field)
    logical = detail.get("logicalType")
    if kind == "record":
        parts = [parse_field(part) for part in detail["fields"]]
        return FieldType(kind=kind, logical=None, structure={part.name: part.type.structure for part in parts})
    if kind == "array":
        return FieldType(kind=kind, logical=None, structure=[parse_branch(detail["items"], field).structure])
    if kind == "map":
        value = parse_branch(detail["values"], field).structure
        return FieldType(
            kind=kind, logical=None, structure=f"MAP(VARCHAR, {value})" if isinstance(value, str) else "JSON"
        )
    if kind not in COLUMN_TYPES:
        raise SchemaError(f"field '{field}': unknown type {kind!r} (known: {', '.join(sorted(JSON_TYPES))})")
    if logical == "decimal" and kind == "bytes":
        return FieldType(kind="string", logical=logical, structure="VARCHAR")
    return FieldType(kind=kind, logical=logical, structure=COLUMN_TYPES[kind])


def parse_branch(declared: Any, field: str) -> FieldType:
    """Read the type of an array's items or a map's values; null in a union only means that it may be null."""
    kinds = [one for one in declared if one != "null"] if isinstance(declared, list) else [declared]
    return parse_type(kinds[0], field)
