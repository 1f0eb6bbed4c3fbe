"""Avro schemas as trees: every named type written out where it is used, under a name that is there only once.

A tree is an Avro schema again, for whatever decoder. Logical types are dropped but decimals: a time stays the whole
number, a UUID the text, that a JSON producer writes. What a number of time counts is kept as `unit`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import orjson

MOST_TYPES = 10_000
"""Types that refer to types, each twice, double with every level."""
NAMED = {"record", "enum", "fixed"}
DECIMAL = {"logicalType", "precision", "scale"}
TIMES = ("timestamp-", "local-timestamp-", "time-", "date")
Tree = dict[str, Any]


class SchemaUnusableError(ValueError):
    """The schema is none, or one that cannot be read safely; the text says why."""


def parse_documents(documents: Sequence[bytes | str], *, prefix: str) -> Tree:
    """Return the tree of the last document, a record; the ones before it are what it refers to.

    `prefix` keeps the names of different trees apart.
    """
    from fastavro import parse_schema
    from fastavro.schema import SchemaParseException, UnknownType

    named: dict[str, Any] = {}
    parsed: Any = None
    try:
        for one in documents:
            parsed = parse_schema(orjson.loads(one), named_schemas=named)
        tree = Expansion(named=named, prefix=prefix).tree(parsed, frozenset())
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        SchemaParseException,
        UnknownType,
    ) as error:
        if isinstance(error, SchemaUnusableError):
            raise
        raise SchemaUnusableError(f"it is not an Avro schema: {type(error).__name__} {error}") from error
    if not isinstance(tree, dict) or tree["type"] != "record":
        raise SchemaUnusableError("it is not an Avro schema of a record")
    return tree


@dataclass(slots=True)
class Expansion:
    """Writes named types out."""

    named: dict[str, Any]
    prefix: str
    numbers: "count[int]" = field(default_factory=count)

    def tree(self, parsed: Any, inside: frozenset[str]) -> Any:
        """Return the tree of a parsed type: a list for a union, else a dict. `inside` are the records around it."""
        if isinstance(parsed, list):
            return [self.tree(one, inside) for one in parsed]
        if isinstance(parsed, str):
            return self.tree(self.named[parsed], inside) if parsed in self.named else {"type": parsed}
        kind = parsed["type"]
        if kind in NAMED:
            return self.named_type(parsed, kind, inside)
        parts = {key: self.tree(parsed[key], inside) for key in ("items", "values") if key in parsed}
        if kind == "array" and is_empty(parts["items"]):
            raise SchemaUnusableError("an array of what takes no bytes could be of any length")
        return {"type": kind} | parts | annotations(parsed)

    def named_type(self, parsed: Tree, kind: str, inside: frozenset[str]) -> Tree:
        """Return the tree of a record, an enum or a fixed."""
        number, name = next(self.numbers), parsed["name"]
        if name in inside:
            # A record of a hundred thousand levels ends the whole process inside the decoder, not with an exception.
            raise SchemaUnusableError(f"the type '{name}' refers to itself, which cannot be read safely")
        if number >= MOST_TYPES:
            raise SchemaUnusableError(f"it has more than {MOST_TYPES} types")
        tree = {"type": kind, "name": f"{self.prefix}{number}"} | annotations(parsed)
        if kind == "record":
            return tree | {"fields": [self.member(one, inside | {name}) for one in parsed["fields"]]}
        return tree | {key: parsed[key] for key in ("symbols", "default", "size") if key in parsed}

    def member(self, parsed: Tree, inside: frozenset[str]) -> Tree:
        """Return the tree of a field."""
        kept = {key: parsed[key] for key in ("name", "aliases", "default") if key in parsed}
        return kept | {"type": self.tree(parsed["type"], inside)}


def annotations(parsed: Tree) -> Tree:
    """Return what is kept of a logical type."""
    logical = parsed.get("logicalType")
    if logical == "decimal":
        return {key: parsed[key] for key in DECIMAL if key in parsed}
    return {"unit": logical} if isinstance(logical, str) and logical.startswith(TIMES) else {}


def is_empty(tree: Any) -> bool:
    """Whether a value takes no bytes."""
    if isinstance(tree, list):
        return False
    empty_record = tree["type"] == "record" and all(is_empty(one["type"]) for one in tree["fields"])
    return tree["type"] == "null" or empty_record or tree.get("size") == 0
