"""The decision matrix: rows over typed signals, evaluated as a pure function. A new rule is a new row, not code."""

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from agent.limits import Limits
from agent.phrases import worded
from agent.sanity import Anomaly
from agent.signals import Signals
from mend.contracts.decision import Action, Rows
from mend.contracts.incident import Severity

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
WITH_A_PERSON = frozenset({Action.RETRIGGER, Action.REMAP})
"""What an escalation cancels: a person is on it, and the machine keeps its hands off."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A tool that a row calls beside its actions, with its parameters."""

    tool: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the matrix."""

    id: str
    when: When
    actions: tuple[Action, ...]
    rows: Rows
    reason: str
    severity: Severity = Severity.MEDIUM
    opens_circuit: bool = False
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """All rules. `fallback` is what happens when none fires, or one cannot be judged; `version` hashes the file."""

    limits: Limits
    rules: tuple[Rule, ...]
    fallback: Rule
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the fired rules say together; a reason stands beside each of them."""

    rules: tuple[Rule, ...]
    reasons: tuple[str, ...]
    actions: tuple[Action, ...]
    rows: Rows

    @property
    def decision(self) -> Action:
        """The most cautious of the actions, which names the decision."""
        return self.actions[-1]

    @property
    def escalates(self) -> bool:
        """Whether a person is called."""
        return Action.ESCALATE in self.actions

    @property
    def gravest(self) -> Rule:
        """The escalating rule of the highest severity, else simply the first rule."""
        order = list(Severity)
        escalating = [rule for rule in self.rules if Action.ESCALATE in rule.actions] or list(self.rules[:1])
        return max(escalating, key=lambda rule: order.index(rule.severity))


def decide(signals: Signals, matrix: Matrix) -> Verdict:
    """Fire every rule that holds; unite their actions and take the strictest outcome for the rows.

    An escalation cancels what a machine would try on its own, and `continue` stands only alone. When no rule fires,
    or a rule cannot be judged because a user's metric has another type, the fallback fires: unknown is not healthy.
    """
    fired = [rule for rule in matrix.rules if holds(rule.when, signals)]
    reasons = [reason(rule, signals) for rule in fired]
    doubts = tuple(doubt for rule in matrix.rules for doubt in unjudged(rule, signals))
    if doubts or not fired:
        fired.append(matrix.fallback)
        reasons.append(doubts[0] if doubts else reason(matrix.fallback, signals))
    return Verdict(rules=tuple(fired), reasons=tuple(reasons), actions=united(fired), rows=strictest(fired, signals))


def united(rules: list[Rule]) -> tuple[Action, ...]:
    """Unite the actions of rules, mildest first."""
    found = {action for rule in rules for action in rule.actions}
    if Action.ESCALATE in found:
        found -= WITH_A_PERSON
    if len(found) > 1:
        found.discard(Action.CONTINUE)
    return tuple(action for action in Action if action in found)


def strictest(rules: list[Rule], signals: Signals) -> Rows:
    """Return the strictest outcome for the rows; all are held where nothing is known that could be excepted."""
    wanted = [rule.rows for rule in rules]
    named = {
        Rows.PUBLISH_EXCEPT_SEGMENT: signals.localised,
        Rows.PUBLISH_EXCEPT_PARTITION: (*signals.storms_new, *signals.storms_known),
    }
    if any(one in named and not named[one] for one in wanted):
        wanted.append(Rows.HOLD)
    return max(wanted, key=list(Rows).index)


def holds(when: When, signals: Signals) -> bool:
    """Whether a condition holds; every comparison with an unknown signal is false."""
    match when:
        case AllOf(parts):
            return all(holds(part, signals) for part in parts)
        case AnyOf(parts):
            return any(holds(part, signals) for part in parts)
    value = comparable(signal_value(when.signal, signals))
    if when.op in KNOWN:
        return (value in (None, ())) == (when.op == "absent")
    expected = expected_value(when, signals)
    return value is not None and kind(value) == kind(expected) and COMPARE[when.op](value, expected)


def expected_value(condition: Condition, signals: Signals) -> Any:
    """Return what the signal is compared with."""
    return comparable(getattr(signals.limits, condition.limit)) if condition.limit else condition.value


def signal_value(name: str, signals: Signals) -> Any:
    """Return a signal, a limit or a user's metric by its name."""
    if name.startswith(CUSTOM):
        return signals.custom.get(name.removeprefix(CUSTOM))
    return getattr(signals.limits if hasattr(signals.limits, name) else signals, name)


def comparable(value: Any) -> Any:
    """Return numbers as exact fractions and an anomaly as the name of its problem."""
    if isinstance(value, Anomaly):
        return value.problem
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    # By its decimal digits: a metric of 0.1 is one tenth.
    return Fraction(str(value))


def kind(value: Any) -> str:
    """Return which values can be compared with this one; the values of `in` count as what they are."""
    kinds = {bool: "flag", Fraction: "number"}
    return kinds.get(type(value), "word" if isinstance(value, str | tuple) else "other")


def unjudged(rule: Rule, signals: Signals) -> Iterator[str]:
    """Say which of the user's metrics are there but of another type than their rule compares them with."""
    for condition in conditions(rule.when):
        if not condition.signal.startswith(CUSTOM) or condition.op in KNOWN:
            continue
        value = comparable(signal_value(condition.signal, signals))
        if value is not None and kind(value) != kind(expected_value(condition, signals)):
            yield f"rule {rule.id} cannot judge {condition.signal} = {worded(value)}: it is not of the type expected"


def conditions(when: When) -> Iterator[Condition]:
    """Return every single condition of a rule."""
    if isinstance(when, Condition):
        yield when
        return
    for part in when.parts:
        yield from conditions(part)


def reason(rule: Rule, signals: Signals) -> str:
    """Return the rule's reason with its facts."""
    return PLACEHOLDER.sub(lambda found: worded(signal_value(found[1], signals)), rule.reason)


def facts(template: str) -> tuple[str, ...]:
    """Return the names of the facts that a reason's template asks for."""
    return tuple(PLACEHOLDER.findall(template))
