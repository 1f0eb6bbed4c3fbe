"""The seven modes of a schema registry."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mend.compat import avro, json_schema
from mend.compat.problem import Problem
from mend.contracts.codec import STRICT


class Mode(StrEnum):
    """BACKWARD: the new schema reads old data. FORWARD: old schemas read new data. FULL: both.

    TRANSITIVE: all older versions count, not only the last one. NONE: anything goes.
    """

    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"
    NONE = "NONE"


class Dialect(StrEnum):
    """The language of the schemas."""

    AVRO = "avro"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What stands between the new schema and one older version; `direction` says who cannot read whom."""

    __pydantic_config__ = STRICT
    version: int
    direction: str
    problem: Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the new schema may follow the older ones; `warnings` do not count."""

    __pydantic_config__ = STRICT
    mode: Mode
    dialect: Dialect
    compatible: bool
    incompatibilities: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


Reading = tuple[tuple[Problem, ...], tuple[Problem, ...]]


def check(new: Any, older: Sequence[Any], mode: Mode, dialect: Dialect) -> Verdict:
    """Compare parsed schema documents; `older` begins with the oldest. Raises UserError for what is no schema."""
    parse, read = READERS[dialect]
    latest = parse(new)
    versions = list(enumerate(map(parse, older), start=1))
    asked = versions if mode.endswith("TRANSITIVE") else versions[-1:]
    problems: list[Finding] = []
    warnings: list[Finding] = []
    for version, old in asked if mode is not Mode.NONE else ():
        for direction, reader, writer in directions(mode, latest, old):
            found, noticed = read(reader, writer)
            problems += [Finding(version=version, direction=direction, problem=one) for one in found]
            warnings += [Finding(version=version, direction=direction, problem=one) for one in noticed]
    return Verdict(
        mode=mode,
        dialect=dialect,
        compatible=not problems,
        incompatibilities=tuple(problems),
        warnings=tuple(warnings),
    )


def directions(mode: Mode, new: Any, old: Any) -> list[tuple[str, Any, Any]]:
    """Return who reads whom in a mode."""
    backward, forward = ("new reads old", new, old), ("old reads new", old, new)
    return {"BACKWARD": [backward], "FORWARD": [forward], "FULL": [backward, forward]}[mode.split("_")[0]]


def read_json(reader: json_schema.JsonSchema, writer: json_schema.JsonSchema) -> Reading:
    """JSON Schema has no warnings."""
    return json_schema.read_problems(reader, writer), ()


READERS: dict[Dialect, tuple[Callable[[Any], Any], Callable[[Any, Any], Reading]]] = {
    Dialect.AVRO: (avro.AvroSchema, avro.read_problems),
    Dialect.JSON: (json_schema.JsonSchema, read_json),
}


def dialect_of(document: Any) -> Dialect:
    """Guess the language: JSON Schema has keywords that no Avro schema has, and types that are none of Avro's."""
    if isinstance(document, bool):
        return Dialect.JSON
    if isinstance(document, dict):
        marks = {"$schema", "$id", "$ref", "$defs", "properties", "anyOf", "oneOf", "allOf", "additionalProperties"}
        if marks & document.keys() or document.get("type") in {"object", "integer", "number"} or "type" not in document:
            return Dialect.JSON
    return Dialect.AVRO
