"""SQL text built from names and values of files: everything is quoted here and nowhere else."""

from collections.abc import Iterable
from typing import Any

import orjson


def name(identifier: str) -> str:
    """Quote a column name."""
    return '"' + identifier.replace('"', '""') + '"'


def is_bare(identifier: str) -> bool:
    """Whether a name is written in JSON as it is."""
    return orjson.dumps(identifier) == f'"{identifier}"'.encode()


def literal(value: Any) -> str:
    """Quote a text, or write a number, a boolean or null."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"


def texts(values: Iterable[str]) -> str:
    """Write a list of texts."""
    return "[" + ", ".join(literal(value) for value in values) + "]"


def json_pointer(field: str) -> str:
    """Return the quoted JSON pointer (RFC 6901) of a top-level field; a path would read `*` as a wildcard."""
    return literal("/" + field.replace("~", "~0").replace("/", "~1"))
