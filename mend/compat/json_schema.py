"""JSON Schema: whether every document that a writer's schema allows is one that a reader's schema allows.

Decided keyword by keyword, so `compatible` is safe and `incompatible` may be too careful. Beyond containment the
conventions of schema registries hold: a new property of a reader whose writer is open (it may have written anything
under that name) is incompatible, a required property with a default may be missing from older documents, and that the
alternatives of `oneOf` exclude each other is taken for granted.
Drafts 4 to 2020-12 in what they share; of `$ref` those within the document.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from mend.compat.problem import ROOT, Problem, inside, member
from mend.runtime.errors import UserError

ATOMS = {"number": {"integer", "fraction"}}
TYPES = frozenset({"null", "boolean", "object", "array", "string", "integer", "fraction"})
"""`number` is an integer or a fraction."""
UPPER = {
    "number": ("maximum", "exclusiveMaximum"),
    "string": ("maxLength",),
    "array": ("maxItems",),
    "object": ("maxProperties",),
}
LOWER = {
    "number": ("minimum", "exclusiveMinimum"),
    "string": ("minLength",),
    "array": ("minItems",),
    "object": ("minProperties",),
}
EQUAL = {
    "number": ("multipleOf",),
    "string": ("pattern", "format"),
    "array": ("uniqueItems", "contains", "minContains", "maxContains", "unevaluatedItems", "prefixItems"),
    "object": ("propertyNames", "dependencies", "dependentRequired", "dependentSchemas", "unevaluatedProperties"),
}
"""Keywords that a reader may drop, but neither add nor change."""
CONDITIONS = ("not", "if", "then", "else")
REST = ""
Path = str


class JsonSchema:
    """A schema document. Raises UserError for what is none."""

    def __init__(self, document: Any) -> None:
        if not isinstance(document, dict | bool):
            raise UserError(f"no JSON Schema: expected an object, true or false, came {type(document).__name__}.")
        self.root = document

    def resolve(self, schema: Any) -> Any:
        """Follow references; `true` is the empty schema."""
        followed: set[str] = set()
        while isinstance(schema, dict) and "$ref" in schema:
            reference = schema["$ref"]
            if reference in followed:
                return {}
            followed.add(reference)
            schema = self.find(reference)
        return {} if schema is True else schema

    def alternatives(self, schema: Any) -> list[dict[str, Any]]:
        """Return the schemas of which every document fits one: anyOf and oneOf taken apart, allOf put together."""
        schema = self.resolve(schema)
        if schema is False:
            return []
        plain = {key: value for key, value in schema.items() if key not in {"anyOf", "oneOf", "allOf"}}
        found = [plain]
        for part in schema.get("allOf", ()):
            found = [both(one, other) for one in found for other in self.alternatives(part)]
        for key in ("anyOf", "oneOf"):
            if key in schema:
                branches = [one for branch in schema[key] for one in self.alternatives(branch)]
                found = [both(one, other) for one in found for other in branches]
        return found

    def find(self, reference: Any) -> Any:
        """Return what a reference within the document names."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise UserError(f"$ref {reference!r} leaves the document. Put what it names into the document ($defs).")
        found: Any = self.root
        for part in reference[1:].split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or name not in found:
                raise UserError(f"$ref {reference!r} names nothing in the document.")
            found = found[name]
        return found


class Containment:
    """Compares one reader with one writer; a pair that is being compared counts as compatible (recursive schemas)."""

    def __init__(self, reader: JsonSchema, writer: JsonSchema) -> None:
        self.reader = reader
        self.writer = writer
        self.at_work: set[tuple[int, int]] = set()

    def compare(self, reader: Any, writer: Any, path: Path = ROOT) -> list[Problem]:
        """Return why documents of the writer are not documents of the reader."""
        reader, writer = self.reader.resolve(reader), self.writer.resolve(writer)
        if writer is False or reader == {} or (reader == writer and "'$ref'" not in repr(reader)):
            return []
        if reader is False:
            return [Problem(kind="TYPE_CHANGED", path=path, reason="the reader allows nothing here")]
        pair = (id(reader), id(writer))
        if pair in self.at_work:
            return []
        self.at_work.add(pair)
        found = list(self.differences(reader, writer, path))
        self.at_work.discard(pair)
        return found

    def differences(self, reader: dict[str, Any], writer: dict[str, Any], path: Path) -> Iterator[Problem]:
        """Compare the reader's own keywords with each alternative of the writer, then the reader's alternatives."""
        for one in self.writer.alternatives(writer):
            yield from self.keywords(reader, one, path)
        yield from self.combined(reader, writer, path)

    def keywords(self, reader: dict[str, Any], writer: dict[str, Any], path: Path) -> Iterator[Problem]:
        """Compare what is said beside alternatives."""
        yield from types(reader, writer, path)
        yield from values(reader, writer, path)
        for key in CONDITIONS:
            if key in reader and reader[key] != writer.get(key):
                yield Problem(kind="CONDITION_CHANGED", path=path, reason=f"'{key}' is new or another in the reader")
        shared = types_of(reader) & types_of(writer)
        for kind in sorted({"number" if one in ATOMS["number"] else one for one in shared}):
            yield from bounds(kind, reader, writer, path)
        if "object" in shared:
            yield from self.properties(reader, writer, path)
        if "array" in shared:
            yield from self.items(reader, writer, path)

    def combined(self, reader: dict[str, Any], writer: dict[str, Any], path: Path) -> Iterator[Problem]:
        """Compare the reader's allOf, anyOf and oneOf with the documents that may come."""
        for part in reader.get("allOf", ()):
            yield from self.compare(part, writer, path)
        for key in ("anyOf", "oneOf"):
            if key == "oneOf" and key in reader and len(writer.get("anyOf", ())) > 1:
                text = "'anyOf' became 'oneOf': a document may fit two alternatives"
                yield Problem(kind="COMBINED_TYPE_CHANGED", path=path, reason=text)
            for one in self.writer.alternatives(writer) if key in reader else ():
                tries = [self.compare(branch, one, path) for branch in reader[key]]
                if all(tries):
                    text = f"no alternative of the reader's '{key}' allows {described(one)}"
                    yield Problem(kind="SUM_TYPE_NARROWED", path=path, reason=text)
                    yield from min(tries, key=len)

    def properties(self, reader: dict[str, Any], writer: dict[str, Any], path: Path) -> Iterator[Problem]:
        """Compare the properties of objects."""
        ours, theirs = reader.get("properties", {}), writer.get("properties", {})
        for name in sorted(theirs):
            yield from self.written(reader, theirs[name], name, member(path, name))
        for name in sorted(ours.keys() - theirs.keys()):
            yield from self.added(writer, ours[name], name, member(path, name))
        for name in sorted(set(reader.get("required", ())) - set(writer.get("required", ()))):
            if "default" not in as_object(self.reader.resolve(ours.get(name, {}))):
                text = "the reader requires it, the writer does not, and it has no default"
                yield Problem(kind="REQUIRED_ATTRIBUTE_ADDED", path=member(path, name), reason=text)
        yield from self.rest(reader, writer, path)

    def written(self, reader: dict[str, Any], theirs: Any, name: str, path: Path) -> Iterator[Problem]:
        """Look at a property that the writer names: all that the reader says of it must take it."""
        named = name in reader.get("properties", {})
        for one in said_of(reader, name):
            if self.reader.resolve(one) is False and not named:
                if self.writer.resolve(theirs) is not False:
                    text = "the reader does not name it and allows no other properties"
                    yield Problem(kind="PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL", path=path, reason=text)
                continue
            for found in self.compare(one, theirs, path):
                kind = "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
                yield found if named else Problem(kind=kind, path=found.path, reason=found.reason)

    def added(self, writer: dict[str, Any], ours: Any, name: str, path: Path) -> Iterator[Problem]:
        """Look at a property that only the reader names: what the writer left open may stand there already."""
        for cover in said_of(writer, name):
            if self.writer.resolve(cover) == {} and self.reader.resolve(ours) != {}:
                text = "the writer is open: documents may hold anything under this name already"
                yield Problem(kind="PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", path=path, reason=text)
                return
            for one in self.compare(ours, cover, path):
                kind = "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL"
                yield Problem(kind=kind, path=one.path, reason=one.reason)

    def rest(self, reader: dict[str, Any], writer: dict[str, Any], path: Path) -> Iterator[Problem]:
        """Compare what both say of properties that they do not name."""
        kind = "ADDITIONAL_PROPERTIES_NARROWED"
        ours, theirs = ({**one.get("patternProperties", {}), REST: one.get("additionalProperties", True)}
                        for one in (reader, writer))  # fmt: skip
        pairs = [(ours[key] if key in ours else ours[REST], theirs[key]) for key in theirs]
        pairs += [(ours[key], theirs[REST]) for key in ours if key not in theirs]
        for one in [found for pair in pairs for found in self.compare(*pair, inside(path, "{}"))]:
            yield Problem(kind=kind, path=one.path, reason=f"what is not named: {one.reason}")

    def items(self, reader: dict[str, Any], writer: dict[str, Any], path: Path) -> Iterator[Problem]:
        """Compare the items of arrays, given as one schema or one a place."""
        ours, theirs = reader.get("items", True), writer.get("items", True)
        if not isinstance(ours, list) and not isinstance(theirs, list):
            yield from self.compare(ours, theirs, inside(path, "[]"))
            return
        places = max(len(one) if isinstance(one, list) else 0 for one in (ours, theirs))
        for place in range(places):
            pair = (item_at(reader, place), item_at(writer, place))
            yield from self.compare(*pair, inside(path, f"[{place}]"))
        for one in self.compare(beyond(reader), beyond(writer), inside(path, "[]")):
            yield Problem(kind="ADDITIONAL_ITEMS_NARROWED", path=one.path, reason=f"further items: {one.reason}")


def read_problems(reader: JsonSchema, writer: JsonSchema) -> tuple[Problem, ...]:
    """Return why documents of the writer are not documents of the reader."""
    if reader.root == writer.root:
        return ()
    try:
        return tuple(dict.fromkeys(Containment(reader, writer).compare(reader.root, writer.root)))
    except RecursionError as error:
        raise UserError("the schema refers to itself without end.") from error
    except re.error as error:
        raise UserError(f"a pattern of the schema is no regular expression: {error}.") from error


def types_of(schema: dict[str, Any]) -> frozenset[str]:
    """Return the types that a schema allows, all of them when it names none."""
    if "type" in schema:
        said = schema["type"]
        names = [said] if isinstance(said, str) else said
        return frozenset(atom for one in names for atom in ATOMS.get(one, {one}))
    listed = enumerated(schema)
    return TYPES if listed is None else frozenset(map(type_of, listed))


def type_of(value: Any) -> str:
    """Return the type of a JSON value."""
    if isinstance(value, float):
        return "fraction"
    names = {bool: "boolean", type(None): "null", dict: "object", list: "array", str: "string", int: "integer"}
    return names[type(value)]


def types(reader: dict[str, Any], writer: dict[str, Any], path: Path) -> Iterator[Problem]:
    """Compare the types."""
    unknown = types_of(writer) - types_of(reader)
    if unknown and "type" in reader:
        kind = "TYPE_NARROWED" if unknown == {"fraction"} else "TYPE_CHANGED"
        text = f"the writer allows {shown(types_of(writer))}, the reader {shown(types_of(reader))}"
        yield Problem(kind=kind, path=path, reason=text)


def shown(found: frozenset[str]) -> str:
    """Name types as people do."""
    names = set(found)
    if names >= ATOMS["number"]:
        names = names - ATOMS["number"] | {"number"}
    return "anything" if found == TYPES else ", ".join(sorted(names)) or "nothing"


def described(schema: dict[str, Any]) -> str:
    """Name an alternative of the writer."""
    return f"what the writer allows: {shown(types_of(schema))}"


def both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Put two schemas that hold together into one; where both say something, the second counts, or both as a sum."""
    merged = one | other
    if "properties" in one and "properties" in other:
        merged["properties"] = one["properties"] | other["properties"]
    if "required" in one and "required" in other:
        merged["required"] = sorted({*one["required"], *other["required"]})
    if "type" in one and "type" in other:
        merged["type"] = sorted(types_of(one) & types_of(other))
    return merged


def values(reader: dict[str, Any], writer: dict[str, Any], path: Path) -> Iterator[Problem]:
    """Compare enumerated values; `const` is an enumeration of one."""
    ours, theirs = enumerated(reader), enumerated(writer)
    if ours is None:
        return
    if theirs is None:
        yield Problem(kind="ENUM_ADDED", path=path, reason="the reader allows only listed values, the writer does not")
        return
    missing = [one for one in theirs if one not in ours]
    if missing:
        text = f"the reader does not allow {', '.join(map(repr, missing[:5]))}"
        yield Problem(kind="ENUM_ARRAY_NARROWED", path=path, reason=text)


def enumerated(schema: dict[str, Any]) -> list[Any] | None:
    """Return the values that a schema lists, None if it lists none."""
    return [schema["const"]] if "const" in schema else schema.get("enum")


def bounds(kind: str, reader: dict[str, Any], writer: dict[str, Any], path: Path) -> Iterator[Problem]:
    """Compare limits of one type."""
    for key in UPPER.get(kind, ()):
        yield from limit(key, reader, writer, path, lambda ours, theirs: ours >= theirs)
    for key in LOWER.get(kind, ()):
        yield from limit(key, reader, writer, path, lambda ours, theirs: ours <= theirs)
    for key in EQUAL.get(kind, ()):
        yield from limit(
            key, reader, writer, path, multiple if key == "multipleOf" else lambda ours, came: ours == came
        )


def limit(
    key: str, reader: dict[str, Any], writer: dict[str, Any], path: Path, allows: Callable[[Any, Any], bool]
) -> Iterator[Problem]:
    """Compare one limit: the reader may have none, or one that allows all that the writer's does."""
    ours, theirs = reader.get(key), writer.get(key)
    if ours is None or ours is False:
        return
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).upper()
    if theirs is None or theirs is False:
        yield Problem(kind=f"{name}_ADDED", path=path, reason=f"the reader limits {key} to {ours}, the writer does not")
    elif not allows(ours, theirs):
        yield Problem(kind=f"{name}_NARROWED", path=path, reason=f"{key} is {ours} for the reader, {theirs} before")


def multiple(ours: float, theirs: float) -> bool:
    """Whether multiples of the writer's number are multiples of the reader's."""
    return theirs % ours == 0


def as_object(schema: Any) -> dict[str, Any]:
    """Return a schema's keywords; true and false have none."""
    return schema if isinstance(schema, dict) else {}


def said_of(schema: dict[str, Any], name: str) -> list[Any]:
    """Return all that a schema says of a property: by its name and by patterns, else of those that it does not name."""
    properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    said = [properties[name]] if name in properties else []
    said += [one for pattern, one in patterns.items() if re.search(pattern, name)]
    return said or [schema.get("additionalProperties", True)]


def item_at(schema: dict[str, Any], place: int) -> Any:
    """Return the schema of one place of an array."""
    items = schema.get("items", True)
    if not isinstance(items, list):
        return items
    return items[place] if place < len(items) else schema.get("additionalItems", True)


def beyond(schema: dict[str, Any]) -> Any:
    """Return what holds for items behind those that have a place."""
    items = schema.get("items", True)
    return schema.get("additionalItems", True) if isinstance(items, list) else items
