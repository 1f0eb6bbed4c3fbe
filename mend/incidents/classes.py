"""What kind of error a text tells of, where it lies, and whether another try can help. A table says so."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path

import yaml

from mend.contracts.codec import STRICT, parse

TABLE = Path(__file__).with_name("error_classes.yml")


class ErrorKind(StrEnum):
    """Kinds of errors."""

    SCHEMA_DRIFT = "schema_drift"
    TYPE_MISMATCH = "type_mismatch"
    MISSING_DEPENDENCY = "missing_dependency"
    API_ERROR = "api_error"
    DB_CONNECTION = "db_connection"
    SYNTAX_ERROR = "syntax_error"
    FILE_IO = "file_io"
    DATA_QUALITY = "data_quality"
    UNKNOWN = "unknown"


class Lasting(StrEnum):
    """Whether it may be over at the next try."""

    TRANSIENT = "transient"
    DETERMINISTIC = "deterministic"
    UNKNOWN = "unknown"


class Side(StrEnum):
    """Where it lies, as the data flows: before us, in us, or behind us."""

    UPSTREAM = "upstream"
    PIPELINE = "pipeline"
    DOWNSTREAM = "downstream"
    UNKNOWN = "unknown"


class Part(StrEnum):
    """The part of the system that failed; what stands earlier is what the later ones depend on."""

    BROKER = "broker"
    REGISTRY = "registry"
    STORE = "store"
    STORAGE = "storage"
    SERVICE = "service"
    WORKER = "worker"
    CODE = "code"
    SOURCE = "source"
    SINK = "sink"
    UNKNOWN = "unknown"


SIDES = {
    Part.BROKER: Side.UPSTREAM,
    Part.REGISTRY: Side.UPSTREAM,
    Part.SOURCE: Side.UPSTREAM,
    Part.SINK: Side.DOWNSTREAM,
    Part.UNKNOWN: Side.UNKNOWN,
}
"""Every other part is the pipeline's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorClass:
    """What an error is; `signs` names the row of the table that said so."""

    kind: ErrorKind
    part: Part
    lasting: Lasting
    signs: str

    @property
    def retriable(self) -> bool:
        """Whether another try of the same may help; not known is no."""
        return self.lasting is Lasting.TRANSIENT

    @property
    def side(self) -> Side:
        """Where it lies."""
        return SIDES.get(self.part, Side.PIPELINE)


UNKNOWN = ErrorClass(kind=ErrorKind.UNKNOWN, part=Part.UNKNOWN, lasting=Lasting.UNKNOWN, signs="none")

ABOUT_KAFKA = re.compile(r"kafka|broker|topic", re.IGNORECASE)
READ = 16_384
"""Characters read from each end: a Java trace names its error first, a Python one last."""

Signs = tuple[ErrorClass, re.Pattern[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table."""

    __pydantic_config__ = STRICT
    name: str
    kind: ErrorKind
    part: Part
    lasting: Lasting
    signs: tuple[str, ...]


@cache
def table() -> tuple[Signs, ...]:
    """Read the table, once."""
    rows = parse(tuple[Row, ...], yaml.safe_load(TABLE.read_text(encoding="utf-8")))
    return tuple(
        (
            ErrorClass(kind=row.kind, part=row.part, lasting=row.lasting, signs=row.name),
            re.compile("|".join(row.signs), re.IGNORECASE | re.MULTILINE),
        )
        for row in rows
    )


def classify(error: str) -> ErrorClass:
    """Return the first class of the table whose signs the text shows."""
    text = error if len(error) <= 2 * READ else f"{error[:READ]}\n{error[-READ:]}"
    found = next((known for known, signs in table() if signs.search(text)), UNKNOWN)
    if found.part is Part.UNKNOWN and found is not UNKNOWN and ABOUT_KAFKA.search(text):
        return replace(found, part=Part.BROKER)
    return found
