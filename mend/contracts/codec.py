"""One codec for everything that crosses a process border: strict both ways, unknown fields refused."""

import math
from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError

T = TypeVar("T")

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""Put `__pydantic_config__ = STRICT` into a frozen dataclass to make it a contract."""


class ContractError(ValueError):
    """The document is not what the contract says; the text names the place and what was expected."""


@cache
def compiled(kind: Any) -> TypeAdapter[Any]:
    """Compile the validator of a contract, once."""
    return TypeAdapter(kind)


def adapter(kind: Any) -> TypeAdapter[Any]:
    """Return the compiled validator of a contract."""
    return compiled(kind)


def loads(kind: type[T], content: bytes | str) -> T:
    """Parse JSON into the contract. NaN, half a document, a wrong type or an unknown field raise ContractError."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ContractError(f"not JSON: {error}") from error
    return parse(kind, document)


def parse(kind: type[T], document: Any) -> T:
    """Check an already decoded JSON document against the contract."""
    try:
        # JSON has no tuples: lax on containers, strict on scalars, as validate_json is.
        value: T = adapter(kind).validate_json(orjson.dumps(document))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "document"
        raise ContractError(f"{place}: {first['msg']}") from error
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise ContractError(f"not a JSON document: {error}") from error
    return value


def to_dict(value: Any) -> dict[str, Any]:
    """Return the JSON document of a contract value, with the field names of the wire.

    A number that JSON cannot hold raises ContractError: written as null, it would make the whole document unreadable.
    """
    document: dict[str, Any] = adapter(type(value)).dump_python(value, mode="json", by_alias=True)
    if any_nan(document):
        refuse_nan(document, type(value).__name__)
    return document


def any_nan(document: Any) -> bool:
    """Whether a number in the document is none, or infinite: a quick look, for most have none."""
    for part in document.values() if type(document) is dict else document:
        kind = type(part)
        if kind is float:
            if not math.isfinite(part):
                return True
        elif (kind is dict or kind is list) and part and any_nan(part):
            return True
    return False


def refuse_nan(document: Any, place: str) -> None:
    """Raise ContractError for a number in the document that is none, or infinite."""
    if isinstance(document, float) and not math.isfinite(document):
        raise ContractError(f"{place}: {document} is no number that JSON can hold")
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(document, dict):
        parts = document.items()
    elif isinstance(document, list):
        parts = enumerate(document)
    for name, part in parts:
        refuse_nan(part, f"{place}.{name}")


def dumps(value: Any) -> bytes:
    """Return canonical JSON bytes: sorted keys, so that equal values have equal bytes and hashes."""
    return orjson.dumps(to_dict(value), option=orjson.OPT_SORT_KEYS)


def json_schema(kind: type[Any]) -> dict[str, Any]:
    """Return the JSON Schema of a contract."""
    return adapter(kind).json_schema()
