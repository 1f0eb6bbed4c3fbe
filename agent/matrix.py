"""The decision matrix: rows over typed signals, evaluated as a pure function. A new rule is a new row, not code."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import compress
from typing import Any

from agent.conditions import (
    CUSTOM,
    KNOWN,
    NEVER,
    Condition,
    When,
    Words,
    comparable,
    conditions,
    expected_value,
    kind,
    signal_value,
    which_hold,
    words_of,
)
from agent.limits import Limits
from agent.phrases import worded
from agent.signals import Signals
from mend.contracts.decision import Action, Rows
from mend.contracts.incident import Severity

WITH_A_PERSON = frozenset({Action.RETRIGGER, Action.REMAP})
"""What an escalation cancels: a person is on it, and the machine keeps its hands off."""
STRICTNESS = {rows: at for at, rows in enumerate(Rows)}
EXCEPTED = {
    Rows.PUBLISH_EXCEPT_SEGMENT: ("localised",),
    Rows.PUBLISH_EXCEPT_PARTITION: ("storms_new", "storms_known"),
}
"""The signals that name the rows which are not published with the rest."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The rules under certain limits, made ready to be asked often: which of them hold, and what each says then.

    `metrics` are the conditions on users' metrics.
    """

    rules: tuple[Rule, ...]
    holding: Callable[[Signals], tuple[bool, ...]]
    words: tuple[Words, ...]
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
    holding = compress(zip(program.rules, program.words, strict=True), program.holding(signals))
    found = [(rule, says(signals)) for rule, says in holding]
    doubts = [doubt for rule, one in program.metrics for doubt in unjudged(rule, one, signals)]
    if doubts or not found:
        found.append((matrix.fallback, doubts[0] if doubts else reason(matrix.fallback, signals)))
    fired, reasons = zip(*found, strict=True)
    return Verdict(rules=fired, reasons=reasons, actions=united(fired), rows=strictest(fired, signals))


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
    return Program(
        rules=rules,
        holding=which_hold([rule.when for rule in rules], limits),
        words=tuple(words_of(rule.reason, limits) for rule in rules),
        metrics=metrics,
    )


def unjudged(rule: Rule, condition: Condition, signals: Signals) -> Iterator[str]:
    """Say whether a user's metric is there but of another type than the rule compares it with."""
    value = comparable(signal_value(condition.signal, signals))
    if value is not None and kind(value) != kind(expected_value(condition, signals.limits)):
        yield f"rule {rule.id} cannot judge {condition.signal} = {worded(value)}: it is not of the type expected"


def reason(rule: Rule, signals: Signals) -> str:
    """Return the rule's reason with its facts."""
    return words_of(rule.reason, signals.limits)(signals)
