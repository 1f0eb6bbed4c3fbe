"""How cautious a decision is: the one order that says which of two decisions is milder. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from agent.matrix import Rule
from agent.matrix import together as united
from mend.contracts.decision import Action, Rows
from mend.contracts.incident import Severity

ROWS = {rows: at for at, rows in enumerate(Rows)}
ACTIONS = {action: at for at, action in enumerate(Action)}
SEVERITIES = {severity: at for at, severity in enumerate(Severity, start=1)}


class Caution(NamedTuple):
    """How strict a decision is in four ways; each is compared by itself, and a higher number is more cautious.

    `rows`: publish < publish_except_segment < publish_except_partition < hold < nothing · `action`: the most cautious
    one, continue < remap < retrigger < quarantine < escalate · `severity` of the call: none < low < … < critical ·
    `circuit`: whether further runs wait.
    """

    rows: int
    action: int
    severity: int
    circuit: bool

    def milder(self, than: "Caution") -> bool:
        """Whether this is less cautious in any of the ways."""
        return any(mine < other for mine, other in zip(self, than, strict=True))


class Outcome(NamedTuple):
    """What fired rules ask for together, before an escalation cancels anything. `fired`: whether any did."""

    actions: frozenset[Action]
    rows: Rows
    severity: int
    circuit: bool
    fired: bool

    @property
    def caution(self) -> Caution:
        """How cautious the decision is that comes of it."""
        return Caution(ROWS[self.rows], ACTIONS[united(set(self.actions))[-1]], self.severity, self.circuit)


NOTHING = Outcome(frozenset(), Rows.PUBLISH, 0, circuit=False, fired=False)


def outcome(rule: Rule, rows: Rows) -> Outcome:
    """Return what one rule asks for, with what becomes of the rows."""
    called = Action.ESCALATE in rule.actions
    severity = SEVERITIES[rule.severity] if called else 0
    return Outcome(frozenset(rule.actions), rows, severity, circuit=called and rule.opens_circuit, fired=True)


def together(one: Outcome, other: Outcome) -> Outcome:
    """Unite two outcomes."""
    return Outcome(
        one.actions | other.actions,
        max(one.rows, other.rows, key=ROWS.__getitem__),
        max(one.severity, other.severity),
        one.circuit or other.circuit,
        one.fired or other.fired,
    )


def caution(rules: Iterable[Rule], rows: Rows) -> Caution:
    """Return how cautious a verdict is, by its rules and what becomes of the rows."""
    result = NOTHING
    for rule in rules:
        result = together(result, outcome(rule, rows))
    return result.caution
