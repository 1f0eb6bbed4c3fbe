"""The arguments of an expectation, checked and brought to one spelling."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from mend.quality.patterns import to_re2
from mend.quality.vocabulary import TYPE_OF, TYPES
from mend.runtime.nearest import nearest

NOW = "now"


class ArgumentError(ValueError):
    """An argument that the expectation cannot have; the text says why, to follow its name."""


def _regex(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ArgumentError(f"is a regular expression, not {value!r}")
    return to_re2(value)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "truth values"
    if isinstance(value, int | float):
        return "numbers"
    if isinstance(value, str):
        return "texts"
    raise ArgumentError(f"{value!r} is neither a text nor a number (null is a matter of the not-null rules)")


def _value_set(value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise ArgumentError("is a list with at least one value")
    kinds = sorted({_kind(item) for item in value})
    if len(kinds) > 1:
        raise ArgumentError(f"mixes {' and '.join(kinds)}; quote the values that are texts")
    return value


def _bound(value: Any) -> float | str:
    """Numbers stay; texts are `now` or an ISO date, which becomes an ISO timestamp in UTC."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ArgumentError(f"is a number, an ISO date such as 2020-01-01, or `now`, not {value!r}")
    if not isinstance(value, str):
        if not math.isfinite(value):
            raise ArgumentError("is too large a number")
        return value
    return NOW if value == NOW else _timestamp(value)


def _timestamp(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat()
    except (ValueError, OverflowError) as error:
        raise ArgumentError(f"is a number, an ISO date such as 2020-01-01, or `now`, not {text!r}") from error


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ArgumentError(f"is true or false, not {value!r}")
    return value


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ArgumentError(f"is a share above 0 and up to 1, not {value!r}")
    return float(value)


def _type(value: Any) -> str:
    if not isinstance(value, str) or value not in TYPE_OF:
        raise ArgumentError(f"{value!r} is not a known type.{nearest(str(value), TYPES)}")
    return TYPE_OF[value]


def _ignore(value: Any) -> str:
    if value != "either_value_is_missing":
        raise ArgumentError("can only be either_value_is_missing, which is also the default")
    return str(value)


PARSERS: dict[str, Callable[[Any], Any]] = {
    "regex": _regex,
    "value_set": _value_set,
    "min_value": _bound,
    "max_value": _bound,
    "strict_min": _flag,
    "strict_max": _flag,
    "or_equal": _flag,
    "mostly": _share,
    "type_": _type,
    "parse_strings_as_datetimes": _flag,
    "ignore_row_if": _ignore,
}
MEANINGLESS = ("parse_strings_as_datetimes", "ignore_row_if")
"""Accepted because old files have them; they say what is the case anyway."""


def check_range(arguments: dict[str, Any], *, lengths: bool) -> None:
    """Refuse a range without bounds, with bounds of two kinds, or that no value can be in."""
    bounds = [arguments[name] for name in ("min_value", "max_value") if name in arguments]
    if not bounds:
        raise ArgumentError("min_value or max_value is missing")
    if lengths and any(not isinstance(bound, int) or bound < 0 for bound in bounds):
        raise ArgumentError("the bounds of a length are whole numbers from 0 on")
    if len({isinstance(bound, str) for bound in bounds}) > 1:
        raise ArgumentError("one bound is a number and the other a time")
    if NOW not in bounds and bounds != sorted(bounds):
        raise ArgumentError(f"min_value {bounds[0]} is greater than max_value {bounds[1]}")
    strict = arguments.get("strict_min") or arguments.get("strict_max")
    if strict and len(bounds) > 1 and bounds[0] == bounds[1]:
        raise ArgumentError("the bounds are equal and one of them is excluded: no value fits")
