"""Conditions over typed signals: what a row of the matrix asks. Pure.

Conditions that are asked for every row of every run are compiled, into one Python expression: it holds names of
signals and nothing else that was written by anybody; all values are handed to it.
"""

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from agent.limits import Limits
from agent.phrases import worded
from agent.signals import Signals

CUSTOM = "run_report.custom."
"""Prefix of signals that users put into the report's `custom` object."""

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda value, values: value in values,
}
KNOWN = ("present", "absent")
"""Operators that ask whether a signal is known (or a list not empty); only these see an unknown signal."""

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One comparison of a signal with a value, or with the limit of that name."""

    signal: str
    op: str
    value: Fraction | bool | str | tuple[str, ...] | None = None
    limit: str | None = None


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple["When", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple["When", ...]


When = Condition | AllOf | AnyOf
NEVER = AnyOf(())
ALWAYS = AllOf(())
Words = Callable[[Signals], str]


def which_hold(whens: Sequence[When], limits: Limits) -> Callable[[Signals], tuple[bool, ...]]:
    """Return the question which conditions hold; every comparison with an unknown signal is false."""
    given: dict[str, Any] = {"judged": judged}
    text = "".join(f"{expression(one, limits, given)}, " for one in whens)
    question: Callable[[Signals], tuple[bool, ...]] = eval(f"lambda signals: ({text})", given)  # noqa: S307 - see above
    return question


def holds(when: When, signals: Signals) -> bool:
    """Whether a condition holds."""
    return which_hold([when], signals.limits)(signals)[0]


def expression(when: When, limits: Limits, given: dict[str, Any]) -> str:
    """Return a condition as an expression over `signals`, its values in `given`."""
    match when:
        case AllOf(parts):
            return f"({' and '.join(expression(part, limits, given) for part in parts) or 'True'})"
        case AnyOf(parts):
            return f"({' or '.join(expression(part, limits, given) for part in parts) or 'False'})"
    value = value_of(when.signal, limits, given)
    if when.op in KNOWN:
        known = f"({value} is not None and {value} != ())"
        return known if when.op == "present" else f"(not {known})"
    expected = expected_value(when, limits)
    if when.signal.startswith(CUSTOM):
        return f"judged({value}, {name_for(COMPARE[when.op], given)}, {name_for(expected, given)})"
    if isinstance(expected, Fraction):  # compared as whole numbers: much faster, and as exact
        compared = f"{value}.numerator * {expected.denominator} {when.op} {expected.numerator} * {value}.denominator"
    else:
        compared = f"{value} {when.op} {name_for(expected, given)}"
    return f"({value} is not None and {compared})"


def value_of(name: str, limits: Limits, given: dict[str, Any]) -> str:
    """Return how a signal, a limit or a user's metric is read; an anomaly reads as the name of its problem."""
    if name.startswith(CUSTOM):
        return f"signals.custom.get({name_for(name.removeprefix(CUSTOM), given)})"
    if hasattr(limits, name):
        return name_for(getattr(limits, name), given)
    if name not in Signals.__dataclass_fields__:
        raise AttributeError(name)
    read = f"signals.{name}"
    return f"({read} and {read}.problem)" if name.endswith("_problem") else read


def name_for(value: Any, given: dict[str, Any]) -> str:
    """Hand a value to an expression; returns its name there."""
    name = f"given_{len(given)}"
    given[name] = value
    return name


def judged(value: Any, compare: Callable[[Any, Any], bool], expected: Any) -> bool:
    """Compare a user's metric, which may be anything, with what it is of the same kind as."""
    value = comparable(value)
    return value is not None and kind(value) == kind(expected) and compare(value, expected)


def expected_value(condition: Condition, limits: Limits) -> Any:
    """Return what the signal is compared with."""
    return comparable(getattr(limits, condition.limit)) if condition.limit else condition.value


def signal_value(name: str, signals: Signals) -> Any:
    """Return a signal, a limit or a user's metric by its name."""
    if name.startswith(CUSTOM):
        return signals.custom.get(name.removeprefix(CUSTOM))
    return getattr(signals.limits if hasattr(signals.limits, name) else signals, name)


def comparable(value: Any) -> Any:
    """Return numbers as exact fractions."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    # By its decimal digits: a metric of 0.1 is one tenth.
    return Fraction(str(value))


def kind(value: Any) -> str:
    """Return which values can be compared with this one; the values of `in` count as what they are."""
    kinds = {bool: "flag", Fraction: "number"}
    return kinds.get(type(value), "word" if isinstance(value, str | tuple) else "other")


def conditions(when: When) -> Iterator[Condition]:
    """Return every single condition of a rule."""
    if isinstance(when, Condition):
        yield when
        return
    for part in when.parts:
        yield from conditions(part)


def words_of(template: str, limits: Limits) -> Words:
    """Return how a reason is worded: every other part of the template names a fact."""
    texts, names = PLACEHOLDER.split(template)[::2], facts(template)
    asked = tuple(zip((reader(name, limits) for name in names), texts[1:], strict=True))
    return lambda signals: texts[0] + "".join([worded(read(signals)) + text for read, text in asked])


def reader(name: str, limits: Limits) -> Callable[[Signals], Any]:
    """Return how a fact is read for a reason: a signal, a limit or a user's metric."""
    if name.startswith(CUSTOM) or hasattr(limits, name):
        return lambda signals: signal_value(name, signals)
    return operator.attrgetter(name)


def facts(template: str) -> tuple[str, ...]:
    """Return the names of the facts that a reason's template asks for."""
    return tuple(PLACEHOLDER.findall(template))
