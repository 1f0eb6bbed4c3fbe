"""The arguments of an expectation, checked and brought to one spelling."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from mend.quality.patterns import to_re2
from mend.quality.vocabulary import ROW_COUNT, TYPE_OF, TYPES, UNIQUE_SHARE
from mend.runtime.nearest import nearest

NOW = "now"
SINCE = re.compile(r"now(?: ?- ?(\d{1,6}) (second|minute|hour|day)s?)?")
"""`now`, or a time before it such as `now - 90 minutes`."""

BOUND = "is a number, an ISO date such as 2020-01-01, or `now` (or `now - 90 minutes`)"


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
    """Numbers stay; texts are `now`, a time before it, or an ISO date, which becomes an ISO timestamp in UTC."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ArgumentError(f"{BOUND}, not {value!r}")
    if not isinstance(value, str):
        if not math.isfinite(value):
            raise ArgumentError("is too large a number")
        return value
    since = SINCE.fullmatch(value)
    if since is None:
        return _timestamp(value)
    return NOW if since[1] is None else f"{NOW} - {since[1]} {since[2]}s"


def moment(bound: str, now: datetime) -> datetime:
    """Return the time that a bound means."""
    since = SINCE.fullmatch(bound)
    if since is None:
        return datetime.fromisoformat(bound)
    return now if since[1] is None else now - timedelta(**{f"{since[2]}s": int(since[1])})


def _timestamp(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat()
    except (ValueError, OverflowError) as error:
        raise ArgumentError(f"{BOUND}, not {text!r}") from error


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ArgumentError(f"is true or false, not {value!r}")
    return value


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ArgumentError(f"is a share above 0 and up to 1, not {value!r}")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_RUNS:
        raise ArgumentError(f"is a whole number from 1 to {MOST_RUNS}, not {value!r}")
    return value


def _type(value: Any) -> str:
    if not isinstance(value, str) or value not in TYPE_OF:
        raise ArgumentError(f"{value!r} is not a known type.{nearest(str(value), TYPES)}")
    return TYPE_OF[value]


def _ignore(value: Any) -> str:
    if value != "either_value_is_missing":
        raise ArgumentError("can only be either_value_is_missing, which is also the default")
    return str(value)


RUNS, MIN_RUNS = 20, 5
"""With how many runs before a run's volume is compared, and from how many on."""

MOST_RUNS = 200
"""A longer history is no better judge, and takes longer to read than the audit."""

PARSERS: dict[str, Callable[[Any], Any]] = {
    "regex": _regex,
    "value_set": _value_set,
    "min_value": _bound,
    "max_value": _bound,
    "strict_min": _flag,
    "strict_max": _flag,
    "or_equal": _flag,
    "mostly": _share,
    "within": _share,
    "runs": _count,
    "min_runs": _count,
    "type_": _type,
    "parse_strings_as_datetimes": _flag,
    "ignore_row_if": _ignore,
}
MEANINGLESS = ("parse_strings_as_datetimes", "ignore_row_if")
"""Accepted because old files have them; they say what is the case anyway."""


COUNTS = {"expect_column_value_lengths_to_be_between": "a length", ROW_COUNT: "a count"}


def check_range(arguments: dict[str, Any], expectation: str) -> None:
    """Refuse a range without bounds, with bounds of two kinds, or that no value can be in."""
    bounds = [arguments[name] for name in ("min_value", "max_value") if name in arguments]
    if expectation == ROW_COUNT:
        check_history(arguments)
    if not bounds and "within" not in arguments:
        raise ArgumentError("min_value or max_value is missing")
    if expectation in COUNTS and any(not isinstance(bound, int) or bound < 0 for bound in bounds):
        raise ArgumentError(f"the bounds of {COUNTS[expectation]} are whole numbers from 0 on")
    if expectation == UNIQUE_SHARE and any(isinstance(bound, str) or not 0 <= bound <= 1 for bound in bounds):
        raise ArgumentError("the bounds of a share lie between 0 and 1")
    if len({isinstance(bound, str) for bound in bounds}) > 1:
        raise ArgumentError("one bound is a number and the other a time")
    if not any(str(bound).startswith(NOW) for bound in bounds) and bounds != sorted(bounds):
        raise ArgumentError(f"min_value {bounds[0]} is greater than max_value {bounds[1]}")
    strict = arguments.get("strict_min") or arguments.get("strict_max")
    if strict and len(bounds) > 1 and bounds[0] == bounds[1]:
        raise ArgumentError("the bounds are equal and one of them is excluded: no value fits")


def check_history(arguments: dict[str, Any]) -> None:
    """Refuse a comparison with the runs before that is mixed with fixed bounds, or that can never be made."""
    if "within" not in arguments:
        if arguments.keys() & {"runs", "min_runs"}:
            raise ArgumentError("runs and min_runs belong to `within`, a share such as 0.2, which is missing")
        return
    if arguments.keys() & {"min_value", "max_value"}:
        raise ArgumentError("`within` takes its bounds from the runs before: leave out min_value and max_value")
    if arguments.get("min_runs", MIN_RUNS) > arguments.get("runs", RUNS):
        raise ArgumentError("min_runs is greater than runs: there would never be a verdict")
