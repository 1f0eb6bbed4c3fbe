"""What would have flipped a decision: for each signal the nearest value at which the table decides otherwise. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import EnumType
from fractions import Fraction
from math import ceil, floor, inf, nextafter
from typing import Any

from agent.conditions import CUSTOM, Condition, comparable, conditions, expected_value, signal_value
from agent.matrix import Matrix, Verdict, decide
from agent.matrix_file import signal_types
from agent.phrases import worded
from agent.sanity import Anomaly, Problem
from agent.signals import Signals
from mend.contracts.decision import Action, Rows

SHARES = {"late_share": "late_records", "dq_share": "dq_failures", "dead_letter_share": "dead_letters"}
"""A share changes by whole events: its count is changed with it."""
SOME = ("(some)",)
"""Stands for a list that is not empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A single change of one signal, the nearest of that signal, that changes the decision, and what it would be."""

    signal: str
    was: Any
    value: Any
    actions: tuple[Action, ...]
    rows: Rows

    def __str__(self) -> str:
        """Return it as a person reads it."""
        done = " + ".join(one.value for one in self.actions)
        return f"{self.signal} {shown(self.value)} instead of {shown(self.was)}: {done}, rows: {self.rows.value}"


def shown(value: Any) -> str:
    """Return a value of a signal in words; of a list only whether there is something in it."""
    if value == SOME:
        return "present"
    return "absent" if value in (None, ()) else worded(value)


def flips(signals: Signals, matrix: Matrix) -> tuple[Flip, ...]:
    """Return the flips of all signals that the matrix looks at, the nearest number first, then words and lists.

    Exact: between two neighbouring thresholds nothing changes, so that the values at and beside each threshold are all
    that has to be tried. Numbers are compared by their distance in relation to the greater of both.
    """
    verdict = decide(signals, matrix)
    names = dict.fromkeys(one.signal for rule in matrix.rules for one in conditions(rule.when))
    found = (nearest_flip(name, signals, matrix, verdict) for name in names)
    return tuple(sorted((one for one in found if one), key=lambda one: distance(one.was, one.value)))


def nearest_flip(name: str, signals: Signals, matrix: Matrix, verdict: Verdict) -> Flip | None:
    """Return the nearest change of one signal that changes actions or rows, None if there is none."""
    was = signal_value(name, signals)
    for value in sorted(candidates(name, signals, matrix), key=lambda one: step(was, one)):
        other = decide(changed(name, value, signals), matrix)
        if (other.actions, other.rows) != (verdict.actions, verdict.rows):
            return Flip(signal=name, was=was, value=value, actions=other.actions, rows=other.rows)
    return None


def step(was: Any, value: Any) -> Fraction:
    """Return how far apart two values of a signal are; all that are no numbers are alike."""
    before, after = comparable(was), comparable(value)
    both = isinstance(before, Fraction) and isinstance(after, Fraction)
    return abs(after - before) if both else Fraction(0)


def distance(was: Any, value: Any) -> Fraction:
    """Return a step in relation to the greater of its ends, 0..1; what is no number lies as far away as can be."""
    greater = max((abs(one) for one in (comparable(was), comparable(value)) if isinstance(one, Fraction)), default=0)
    return step(was, value) / greater if step(was, value) else Fraction(1)


def candidates(name: str, signals: Signals, matrix: Matrix) -> Iterator[Any]:
    """Return the values of a signal at which the table may decide otherwise; one that is unknown may become known."""
    kind = None if name.startswith(CUSTOM) else signal_types()[name]
    found = [one for rule in matrix.rules for one in conditions(rule.when) if one.signal == name]
    if kind is bool:
        yield from (True, False)
    elif kind is Anomaly:
        yield None
        yield from (Anomaly(problem=one, reason="supposed") for one in Problem)
    elif isinstance(kind, EnumType):
        yield from kind
    elif getattr(kind, "__origin__", None) is tuple:
        yield from ((), SOME)
    else:
        yield from numbers(name, found, signals)


def numbers(name: str, found: Iterable[Condition], signals: Signals) -> Iterator[Any]:
    """Return the numbers at each threshold and the next ones on both sides; a share moves by whole events."""
    bounds = {expected_value(one, signals.limits) for one in found if one.op not in {"present", "absent", "in"}}
    total = signals.total_records if name in SHARES else None
    for bound in bounds:
        if not isinstance(bound, Fraction):
            yield bound
        elif total:
            events = {floor(bound * total) + step for step in (-1, 0, 1)} | {ceil(bound * total) + 1}
            yield from (Fraction(many, total) for many in events if 0 <= many <= total)
        elif name in SHARES:
            yield bound
        elif name.startswith(CUSTOM):
            yield from (nextafter(bound, -inf), float(bound), nextafter(bound, inf))
        else:
            yield from (many for many in range(floor(bound) - 1, ceil(bound) + 2) if many >= 0)


def changed(name: str, value: Any, signals: Signals) -> Signals:
    """Return the signals with one of them changed, and the count of a share with it."""
    if name.startswith(CUSTOM):
        return replace(signals, custom={**signals.custom, name.removeprefix(CUSTOM): value})
    if hasattr(signals.limits, name):
        return replace(signals, limits=replace(signals.limits, **{name: value}))
    changes = {name: value}
    if name in SHARES and signals.total_records:
        changes[SHARES[name]] = int(value * signals.total_records)
    return replace(signals, **changes)
