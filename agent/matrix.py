"""The decision matrix: rows over typed signals, evaluated as a pure function. A new rule is a new row, not code."""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from agent.limits import Limits
from agent.phrases import worded
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
STRICTNESS = {rows: at for at, rows in enumerate(Rows)}
EXCEPTED = {
    Rows.PUBLISH_EXCEPT_SEGMENT: ("localised",),
    Rows.PUBLISH_EXCEPT_PARTITION: ("storms_new", "storms_known"),
}
"""The signals that name the rows which are not published with the rest."""


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
    line: int = field(default=0, compare=False)


Test = Callable[[Signals], bool]
NEVER = AnyOf(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The rules under certain limits, made ready to be asked often; `metrics` are the conditions on users' metrics."""

    tests: tuple[tuple[Rule, Test], ...]
    metrics: tuple[tuple[Rule, Condition], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """All rules. `fallback` is what happens when none fires, or one cannot be judged; `version` hashes the file.

    `owned` are the cells that are left to the fallback on purpose, `worse` says which way users' metrics get worse.
    """

    limits: Limits
    rules: tuple[Rule, ...]
    fallback: Rule
    version: str
    owned: When = NEVER
    worse: Mapping[str, str] = field(default_factory=dict)
    programs: dict[Limits | None, Program] = field(default_factory=dict, init=False, repr=False, compare=False)

    def program(self, limits: Limits) -> Program:
        """Return the rules under the limits of a pipeline, compiled once."""
        key = None if limits is self.limits else limits  # hashing limits takes longer than a decision by them
        if key not in self.programs:
            self.programs[key] = compiled(self.rules, limits)
        return self.programs[key]


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
    program = matrix.program(signals.limits)
    fired = [rule for rule, test in program.tests if test(signals)]
    reasons = [reason(rule, signals) for rule in fired]
    doubts = tuple(doubt for rule, one in program.metrics for doubt in unjudged(rule, one, signals))
    if doubts or not fired:
        fired.append(matrix.fallback)
        reasons.append(doubts[0] if doubts else reason(matrix.fallback, signals))
    return Verdict(rules=tuple(fired), reasons=tuple(reasons), actions=united(fired), rows=strictest(fired, signals))


def united(rules: Iterable[Rule]) -> tuple[Action, ...]:
    """Unite the actions of rules, mildest first."""
    return together({action for rule in rules for action in rule.actions})


def together(asked: set[Action]) -> tuple[Action, ...]:
    """Return what is left of actions that are asked for together, mildest first."""
    if len(asked) == 1:
        return tuple(asked)
    left = asked - WITH_A_PERSON if Action.ESCALATE in asked else asked
    return tuple(action for action in Action if action in left and (action is not Action.CONTINUE or len(left) == 1))


def strictest(rules: Iterable[Rule], signals: Signals) -> Rows:
    """Return the strictest outcome for the rows."""
    return max([rows_of(rule, signals) for rule in rules], key=STRICTNESS.__getitem__)


def rows_of(rule: Rule, signals: Signals) -> Rows:
    """Return what a rule wants for the rows; all are held where nothing is known that could be excepted."""
    excepted = EXCEPTED.get(rule.rows)
    return Rows.HOLD if excepted and not any(getattr(signals, name) for name in excepted) else rule.rows


def compiled(rules: tuple[Rule, ...], limits: Limits) -> Program:
    """Make rules ready to be asked."""
    metrics = tuple(
        (rule, one)
        for rule in rules
        for one in conditions(rule.when)
        if one.signal.startswith(CUSTOM) and one.op not in KNOWN
    )
    return Program(tests=tuple((rule, test_of(rule.when, limits)) for rule in rules), metrics=metrics)


def holds(when: When, signals: Signals) -> bool:
    """Whether a condition holds."""
    return test_of(when, signals.limits)(signals)


def test_of(when: When, limits: Limits) -> Test:
    """Return the question whether a condition holds; every comparison with an unknown signal is false."""
    match when:
        case AllOf(parts):
            tests = tuple(test_of(part, limits) for part in parts)
            return every(tests)
        case AnyOf(parts):
            tests = tuple(test_of(part, limits) for part in parts)
            return lambda signals: any(test(signals) for test in tests)
    return comparison(when, reader(when.signal, limits), limits)


def every(tests: tuple[Test, ...]) -> Test:
    """Return the question whether all hold."""

    def hold(signals: Signals) -> bool:
        for test in tests:  # noqa: SIM110 - a generator takes twice as long, and this is asked for every row of every run
            if not test(signals):
                return False
        return True

    return hold


def reader(name: str, limits: Limits) -> Callable[[Signals], Any]:
    """Return how a signal, a limit or a user's metric is read; an anomaly reads as the name of its problem."""
    if name.startswith(CUSTOM):
        key = name.removeprefix(CUSTOM)
        return lambda signals: signals.custom.get(key)
    if hasattr(limits, name):
        value = getattr(limits, name)
        return lambda _: value
    read = operator.attrgetter(name)
    if name.endswith("_problem"):
        return lambda signals: None if (found := read(signals)) is None else found.problem
    return read


def comparison(condition: Condition, read: Callable[[Signals], Any], limits: Limits) -> Test:
    """Return the question of a single condition. Signals have their types; a user's metric may be anything."""
    if condition.op in KNOWN:
        absent = condition.op == "absent"
        return lambda signals: ((value := read(signals)) is None or value == ()) is absent
    expected, compare = expected_value(condition, limits), COMPARE[condition.op]
    if condition.signal.startswith(CUSTOM):
        wanted = kind(expected)

        def judge(signals: Signals) -> bool:
            value = comparable(read(signals))
            return value is not None and kind(value) == wanted and compare(value, expected)

        return judge
    if isinstance(expected, Fraction):  # compared as whole numbers: much faster, and as exact
        over, under = expected.numerator, expected.denominator
        return lambda signals: (
            (value := read(signals)) is not None and compare(value.numerator * under, over * value.denominator)
        )
    return lambda signals: (value := read(signals)) is not None and compare(value, expected)


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


def unjudged(rule: Rule, condition: Condition, signals: Signals) -> Iterator[str]:
    """Say whether a user's metric is there but of another type than the rule compares it with."""
    value = comparable(signal_value(condition.signal, signals))
    if value is not None and kind(value) != kind(expected_value(condition, signals.limits)):
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
