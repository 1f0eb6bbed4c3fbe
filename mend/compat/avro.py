"""Avro: whether a reader's schema resolves a writer's.

The rules are those of schema resolution in the Avro specification, in the reading of its Java library, whose verdict
registries give: record, enum and fixed match by their unqualified name or an alias, and nobody looks at logical types.
A change of logical type is therefore a warning here, not a verdict.
"""

from collections.abc import Iterator
from typing import Any

from mend.compat.problem import ROOT, Problem, inside, member
from mend.runtime.errors import UserError

PROMOTIONS = {
    ("int", "long"), ("int", "float"), ("int", "double"), ("long", "float"), ("long", "double"), ("float", "double"),
    ("string", "bytes"), ("bytes", "string"),
}  # fmt: skip
"""(writer, reader)"""


class AvroSchema:
    """A parsed schema with the types that it names. Raises UserError for what is no Avro schema."""

    def __init__(self, document: Any) -> None:
        from fastavro.schema import SchemaParseException, UnknownType, parse_schema

        self.named: dict[str, Any] = {}
        try:
            self.root = parse_schema(document, named_schemas=self.named, _write_hint=False)
        except (SchemaParseException, UnknownType, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(f"no Avro schema: {error}.") from error

    def resolve(self, schema: Any) -> Any:
        """Return what a type's name stands for; primitives as {"type": name}."""
        while True:
            if isinstance(schema, str):
                schema = self.named.get(schema, {"type": schema})
            elif isinstance(schema, dict) and isinstance(schema.get("type"), dict | list):
                schema = schema["type"]
            else:
                return schema


class Resolution:
    """Compares one reader with one writer; a pair that is being compared counts as compatible (recursive types)."""

    def __init__(self, reader: AvroSchema, writer: AvroSchema) -> None:
        self.reader = reader
        self.writer = writer
        self.at_work: set[tuple[str | None, ...]] = set()
        self.fine: set[tuple[str | None, ...]] = set()
        self.warnings: list[Problem] = []

    def compare(self, reader: Any, writer: Any, path: str = ROOT) -> list[Problem]:
        """Return why the reader does not take what the writer writes."""
        reader, writer = self.reader.resolve(reader), self.writer.resolve(writer)
        names = tuple(one.get("name") if isinstance(one, dict) else None for one in (reader, writer))
        if None in names:
            return list(self.differences(reader, writer, path))
        if names in self.at_work or names in self.fine:
            return []
        self.at_work.add(names)
        found = list(self.differences(reader, writer, path))
        self.at_work.discard(names)
        if not found:
            self.fine.add(names)
        return found

    def differences(self, reader: Any, writer: Any, path: str) -> Iterator[Problem]:
        """Compare two types that stand for themselves."""
        if isinstance(writer, list):
            for branch in writer:
                yield from self.branch(reader, branch, path)
        elif isinstance(reader, list):
            yield from self.union(reader, writer, path)
        elif reader["type"] != writer["type"]:
            if (writer["type"], reader["type"]) not in PROMOTIONS:
                yield mismatch(reader, writer, path)
        else:
            self.look_at_meaning(reader, writer, path)
            yield from self.same_type(reader, writer, path)

    def branch(self, reader: Any, branch: Any, path: str) -> Iterator[Problem]:
        """Compare one branch of the writer's union: data of any branch may come."""
        found = self.compare(reader, branch, path)
        if found and not isinstance(reader, list) and all(one.kind == "TYPE_MISMATCH" for one in found):
            yield mismatch(reader, self.writer.resolve(branch), path, "a branch of the writer's union")
        else:
            yield from found

    def union(self, reader: list[Any], writer: Any, path: str) -> Iterator[Problem]:
        """Find a branch of the reader that takes the writer's type."""
        tries = [self.compare(branch, writer, path) for branch in reader]
        if all(tries):
            near = min(tries, key=len)
            if any(one.kind != "TYPE_MISMATCH" or one.path != path for one in near):
                yield from near
            text = f"the reader's union has no branch for the writer's {name_of(writer)}"
            yield Problem(kind="MISSING_UNION_BRANCH", path=path, reason=text)

    def same_type(self, reader: Any, writer: Any, path: str) -> Iterator[Problem]:
        """Compare the parts of two types of one kind."""
        kind = reader["type"]
        if kind in {"record", "error", "enum", "fixed"} and not same_name(reader, writer):
            text = f"the reader names it {reader['name']}, the writer {writer['name']}, and no alias joins them"
            yield Problem(kind="NAME_MISMATCH", path=path, reason=text)
        if kind in {"record", "error"}:
            for field in reader["fields"]:
                yield from self.field(field, writer, member(path, field["name"]))
        elif kind == "array":
            yield from self.compare(reader["items"], writer["items"], inside(path, "[]"))
        elif kind == "map":
            yield from self.compare(reader["values"], writer["values"], inside(path, "{}"))
        elif kind == "enum":
            yield from missing_symbols(reader, writer, path)
        elif kind == "fixed" and reader["size"] != writer["size"]:
            text = f"the reader expects {reader['size']} bytes, the writer writes {writer['size']}"
            yield Problem(kind="FIXED_SIZE_MISMATCH", path=path, reason=text)

    def field(self, field: dict[str, Any], writer: dict[str, Any], path: str) -> Iterator[Problem]:
        """Compare a field of the reader with the writer's of its name or of one of its aliases."""
        written = {one["name"]: one for one in writer["fields"]}
        names = [name for name in (field["name"], *field.get("aliases", ())) if name in written]
        if len(names) > 1:
            text = f"its name and aliases fit several fields of the writer: {', '.join(names)}"
            yield Problem(kind="AMBIGUOUS_FIELD", path=path, reason=text)
        elif names:
            yield from self.compare(field["type"], written[names[0]]["type"], path)
        elif "default" not in field:
            text = "the writer does not have it, and the reader has no default for it"
            yield Problem(kind="READER_FIELD_MISSING_DEFAULT_VALUE", path=path, reason=text)

    def look_at_meaning(self, reader: dict[str, Any], writer: dict[str, Any], path: str) -> None:
        """Warn where the bytes can be read and mean something else."""
        for key in ("logicalType", "precision", "scale"):
            ours, theirs = reader.get(key), writer.get(key)
            if ours != theirs:
                text = f"{key}: the reader says {ours}, the writer {theirs}; registries accept it, the values change"
                self.warnings.append(Problem(kind="LOGICAL_TYPE_CHANGED", path=path, reason=text))


def read_problems(reader: AvroSchema, writer: AvroSchema) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Return why the reader does not take the writer's data, and what it takes with another meaning."""
    resolution = Resolution(reader, writer)
    problems = resolution.compare(reader.root, writer.root)
    return tuple(dict.fromkeys(problems)), tuple(dict.fromkeys(resolution.warnings))


def mismatch(reader: Any, writer: Any, path: str, what: str = "the writer's type") -> Problem:
    """Say that two types have nothing in common."""
    text = f"{what} {name_of(writer)} cannot be read as {name_of(reader)}"
    return Problem(kind="TYPE_MISMATCH", path=path, reason=text)


def name_of(schema: Any) -> str:
    """Name a type for people."""
    if isinstance(schema, list):
        return "a union"
    return f"{schema['type']} {schema['name']}" if "name" in schema else str(schema["type"])


def same_name(reader: dict[str, Any], writer: dict[str, Any]) -> bool:
    """Whether the unqualified names agree, or an alias of the reader is the writer's full name."""
    last = [one["name"].rpartition(".")[2] for one in (reader, writer)]
    return last[0] == last[1] or writer["name"] in qualified_aliases(reader)


def qualified_aliases(schema: dict[str, Any]) -> set[str]:
    """Return a type's aliases as full names: one without a dot lives in the namespace of the type."""
    space = schema["name"].rpartition(".")[0]
    return {one if "." in one or not space else f"{space}.{one}" for one in schema.get("aliases", ())}


def missing_symbols(reader: dict[str, Any], writer: dict[str, Any], path: str) -> Iterator[Problem]:
    """Find the writer's symbols that the reader does not know; a default takes them all."""
    unknown = [one for one in writer["symbols"] if one not in reader["symbols"]]
    if unknown and reader.get("default") not in reader["symbols"]:
        text = f"the reader does not know {', '.join(unknown)} and has no default symbol"
        yield Problem(kind="MISSING_ENUM_SYMBOLS", path=path, reason=text)
