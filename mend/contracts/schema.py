"""The contract of an event: its fields as an Avro record schema declares them."""

from dataclasses import dataclass, field
from typing import Any

JSON_TYPES = {
    "string": ("VARCHAR",),
    "enum": ("VARCHAR",),
    "bytes": ("VARCHAR",),
    "fixed": ("VARCHAR",),
    "int": ("UBIGINT", "BIGINT"),
    "long": ("UBIGINT", "BIGINT"),
    "float": ("DOUBLE", "UBIGINT", "BIGINT"),
    "double": ("DOUBLE", "UBIGINT", "BIGINT"),
    "boolean": ("BOOLEAN",),
    "record": ("OBJECT",),
    "map": ("OBJECT",),
    "array": ("ARRAY",),
    "any": ("VARCHAR", "UBIGINT", "BIGINT", "DOUBLE", "BOOLEAN", "OBJECT", "ARRAY"),
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


class SchemaError(ValueError):
    """The schema is not one that Mend can use as a contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldType:
    """An Avro type. `structure` is the JSON structure that DuckDB's json_transform takes.

    `fields` are the members of a record, `items` describes the items of an array or the values of a map.
    """

    kind: str
    logical: str | None
    structure: Any
    fields: tuple["Field", ...] = ()
    items: "Field | None" = None

    @property
    def json_types(self) -> tuple[str, ...]:
        """Types of a JSON value that fit."""
        return JSON_TYPES[self.kind]

    @property
    def column_type(self) -> str:
        """Type of the published column; nested values keep their JSON structure."""
        return COLUMN_TYPES.get(self.kind, "nested")

    @property
    def nested(self) -> bool:
        """Whether a value has parts that the contract describes."""
        return bool(self.fields) or self.items is not None


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
        return self.branch(
            document["type"], document["name"], has_default="default" in document, default=document.get("default")
        )

    def branch(self, declared: Any, name: str, *, has_default: bool = False, default: Any = None) -> Field:
        """Read a type that may be a union with null."""
        branches = declared if isinstance(declared, list) else [declared]
        kinds = [one for one in branches if one != "null"]
        if len(kinds) != 1:
            raise SchemaError(f"field '{name}': a union of several types is not supported, came {declared!r}")
        found = self.type(kinds[0], name)
        nullable = "null" in branches
        if has_default and not is_value(default, found.kind, nullable=nullable):
            raise SchemaError(f"field '{name}': the default {default!r} is no {found.kind}")
        return Field(name=name, type=found, nullable=nullable, has_default=has_default, default=default)

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
        found = self.nested(kind, detail, name) or simple(kind, detail.get("logicalType"), name)
        if kind in {"record", "enum", "fixed"}:
            self.named |= dict.fromkeys(full_names(detail), found)
        return found

    def nested(self, kind: str, detail: dict[str, Any], name: str) -> FieldType | None:
        """Read a type that has parts, None if it has none."""
        if kind == "record":
            fields = self.members(detail, f"field '{name}'")
            structure: Any = {one.name: one.type.structure for one in fields}
            return FieldType(kind=kind, logical=None, structure=structure, fields=fields)
        if kind not in PARTS:
            return None
        if PARTS[kind] not in detail:
            raise SchemaError(f"field '{name}': {kind} without '{PARTS[kind]}'")
        items = self.branch(detail[PARTS[kind]], name)
        inner = items.type.structure
        structure = [inner] if kind == "array" else f"MAP(VARCHAR, {inner})" if isinstance(inner, str) else "JSON"
        return FieldType(kind=kind, logical=None, structure=structure, items=items)


PARTS = {"array": "items", "map": "values"}
PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("string", "enum", "bytes", "fixed"), (str,)),
    **dict.fromkeys(("int", "long"), (int,)),
    **dict.fromkeys(("float", "double"), (int, float)),
    **dict.fromkeys(("record", "map"), (dict,)),
    "array": (list,),
    "boolean": (bool,),
}


def is_value(value: Any, kind: str, *, nullable: bool) -> bool:
    """Whether a decoded JSON value is one of a kind of type."""
    if value is None or isinstance(value, bool):
        return nullable if value is None else kind == "boolean"
    return isinstance(value, PYTHON_TYPES[kind])


def full_names(detail: dict[str, Any]) -> list[str]:
    """Return the names by which a type can be referred to."""
    name, space = detail.get("name"), detail.get("namespace")
    return [one for one in (name, f"{space}.{name}" if name and space else None) if one]


def simple(kind: str, logical: str | None, name: str) -> FieldType:
    """Return a type without parts."""
    if kind not in COLUMN_TYPES:
        raise SchemaError(
            f"field '{name}': unknown type '{kind}' (known: {', '.join(sorted({*COLUMN_TYPES, *NESTED}))})"
        )
    if logical == "decimal" and kind in {"bytes", "fixed"}:
        return FieldType(kind="string", logical=logical, structure="VARCHAR")
    return FieldType(kind=kind, logical=logical, structure=COLUMN_TYPES[kind])


NESTED = ("array", "map", "record")
