"""The cells of a matrix: each signal cut where some row looks, so that inside a cell every row says the same. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from types import NoneType
from typing import Any, get_args, get_type_hints

from agent.causes import Cause
from agent.conditions import CUSTOM, AllOf, AnyOf, Condition, When, conditions, expected_value, holds
from agent.diagram import Cell, Diagrams, Node
from agent.limits import LIMIT_KINDS, Limits
from agent.matrix import Matrix
from agent.matrix_file import bare, signal_kind_of, words_of
from agent.phrases import worded
from agent.possible import ORDERS, invariants
from agent.sanity import Anomaly, Problem
from agent.segments import Localised
from agent.signals import Audit, JobStatus, Signals
from agent.storms import StormyPartition
from mend.contracts.report import Storm

STORM = Storm(topic="topic", partition=0, records=100, dead_letter=90, rejected=0, longest=90, begins=True)
SAMPLES: dict[str, Any] = {
    "localised": (Localised(column="column", value="value", rows=100, failures=50),),
    "storms_new": (StormyPartition(storm=STORM),),
    "storms_known": (StormyPartition(storm=STORM),),
}
"""What a list holds in a cell where it is not empty; lists of names hold `'field'`."""
CALM: dict[str, Any] = {"audit": Audit.PASS, "drift_unknown": False, "schema_drift_auto_remap": True}
"""What a healthy run says, where that is neither the first word, nor zero, nor nothing."""
BUSY = ("total_records", "accepted")
"""Counts that are not zero in a healthy run."""
OTHER_TYPE: list[Any] = []
"""A user's metric of a type that no row compares with."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a signal's values that no row tells apart, with one of them. `calm`: as in a healthy run."""

    label: str
    value: Any
    calm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """All cells of a matrix, as diagrams over its signals."""

    limits: Limits
    names: tuple[str, ...]
    regions: tuple[tuple[Region, ...], ...]
    diagrams: Diagrams

    def level(self, name: str) -> int:
        """Return the place of a signal."""
        return self.names.index(name)

    def signals(self, cell: Cell) -> Signals:
        """Return signals that lie in the cell."""
        return signals_with(
            self.limits,
            {name: self.regions[level][cell[level]].value for level, name in enumerate(self.names)},
        )

    def alone(self, name: str, region: Region) -> Signals:
        """Return signals of which one lies in a region."""
        return signals_with(self.limits, {name: region.value})

    def when(self, when: When) -> Node:
        """Return the cells in which a condition holds."""
        match when:
            case AllOf(parts):
                return self.every(self.when(part) for part in parts)
            case AnyOf(parts):
                return self.some(self.when(part) for part in parts)
        truths = [holds(when, self.alone(when.signal, one)) for one in self.regions[self.level(when.signal)]]
        return self.where(when.signal, truths)

    def where(self, name: str, truths: Iterable[bool]) -> Node:
        """Return the cells in which a signal lies in regions that are marked."""
        return self.diagrams.branch(self.level(name), [self.diagrams.leaf(one) for one in truths])

    def every(self, nodes: Iterable[Node]) -> Node:
        """Return the cells that lie in all."""
        result = self.diagrams.leaf(value=True)
        for node in nodes:
            result = self.diagrams.combine(both, result, node)
        return result

    def some(self, nodes: Iterable[Node]) -> Node:
        """Return the cells that lie in any."""
        result = self.diagrams.leaf(value=False)
        for node in nodes:
            result = self.diagrams.combine(either, result, node)
        return result

    def no(self, node: Node) -> Node:
        """Return the cells that do not lie there."""
        return self.diagrams.combine(inverse, node)

    def find(self, node: Node) -> Cell | None:
        """Return the cell there that is most like a healthy run, None if there is none."""
        return self.diagrams.cheapest(node, [[0 if one.calm else 1 for one in regions] for regions in self.regions])

    def described(self, cell: Cell) -> dict[str, str]:
        """Return the signals of a cell that are not as in a healthy run."""
        chosen = ((name, self.regions[level][cell[level]]) for level, name in enumerate(self.names))
        return {name: region.label for name, region in chosen if not region.calm}


def both(one: bool, other: bool) -> bool:
    """Whether both hold."""
    return one and other


def either(one: bool, other: bool) -> bool:
    """Whether any holds."""
    return one or other


def inverse(one: bool) -> bool:
    """Whether it does not hold."""
    return not one


def signals_with(limits: Limits, values: Mapping[str, Any]) -> Signals:
    """Return signals with values by name; users' metrics and limits are signals, too."""
    own = {name: value for name, value in values.items() if name in LIMIT_KINDS}
    metrics = {
        name.removeprefix(CUSTOM): value
        for name, value in values.items()
        if name.startswith(CUSTOM) and value is not None
    }
    rest = {name: value for name, value in values.items() if name not in own and not name.startswith(CUSTOM)}
    empty = Signals(
        limits=replace(limits, **own) if own else limits,
        job_status=JobStatus.SUCCESS, job_cause=Cause.UNKNOWN, consecutive_failures=0, retriggers=0,
    )  # fmt: skip
    return replace(empty, custom=metrics, **rest)


def space_of(matrix: Matrix) -> Space:
    """Cut the signals of a matrix into regions. Those that are asked together most stand beside each other."""
    asked = [one for rule in matrix.rules for one in conditions(rule.when)]
    asked += [
        *conditions(matrix.owned),
        *(one for rule in invariants() for one in conditions(AllOf((rule.when, rule.then)))),
    ]
    asked += [one for order in ORDERS for one in conditions(order.among)]
    names = [one for one in get_type_hints(Signals) if one not in {"limits", "custom"}]
    names += sorted({one.signal for one in asked} - {*names})
    regions = tuple(regions_of(name, [one for one in asked if one.signal == name], matrix.limits) for name in names)
    return Space(
        limits=matrix.limits,
        names=tuple(names),
        regions=regions,
        diagrams=Diagrams([len(one) for one in regions]),
    )


def regions_of(name: str, asked: list[Condition], limits: Limits) -> tuple[Region, ...]:
    """Return the regions of one signal."""
    if name.startswith(CUSTOM):
        return tuple(metric(asked, limits))
    if name in LIMIT_KINDS:
        values = (True, False) if LIMIT_KINDS[name] is bool else (getattr(limits, name),)
        return tuple(Region(worded(one), one, one == CALM.get(name, one)) for one in values)
    found = tuple(values_of(name, asked, limits))
    if any(one.calm for one in found):
        return found
    return tuple(replace(one, calm=at == 0) for at, one in enumerate(found))


def values_of(name: str, asked: list[Condition], limits: Limits) -> Iterator[Region]:
    """Return the regions of a signal of ours, the calm one first where nothing else is said."""
    hint = get_type_hints(Signals)[name]
    kind = signal_kind_of(name)
    if kind == "list":
        yield Region("none", ())
        yield Region("some", SAMPLES.get(name, ("'field'",)))
        return
    if kind == "number":
        bounds = [Fraction(expected_value(one, limits)) for one in asked if one.op not in {"present", "absent"}]
        share = bare(hint) is Fraction
        calm = "over 0" if name in BUSY else "0"
        shown = worded if share else str
        for one in numbers(bounds, Fraction(0), Fraction(1) if share else None, whole=not share, shown=shown):
            yield replace(one, calm=one.label == calm)
    elif kind == "flag":
        yield from (Region(worded(one), one, one == CALM[name]) for one in (False, True))
    elif bare(hint) is not Anomaly:
        yield from (Region(one, bare(hint)(one), one == CALM.get(name)) for one in words_of(name))
    if NoneType in get_args(hint):
        yield Region("none" if bare(hint) is Anomaly else "not known", None, bare(hint) is Anomaly)
    if bare(hint) is Anomaly:
        yield from (Region(one.value, Anomaly(problem=one, reason="an example")) for one in Problem)


def numbers(
    bounds: Iterable[Fraction], low: Fraction, high: Fraction | None, *, whole: bool, shown: Any
) -> Iterator[Region]:
    """Cut numbers from `low` to `high` at the bounds: each bound alone, and what lies between."""
    cuts = sorted({low, *(one for one in bounds if one >= low and (high is None or one <= high))})
    for cut, after in pairwise([*cuts, None]):
        assert cut is not None  # noqa: S101 - only the last is None
        if not whole or cut.denominator == 1:
            yield Region(shown(cut), int(cut) if whole else cut)
        end = after if after is not None else high
        inside = between(cut, end, whole=whole, closed=after is None)
        if inside is not None:
            label = f"over {shown(cut)}" if after is None else f"between {shown(cut)} and {shown(after)}"
            yield Region(label, inside)


def between(low: Fraction, high: Fraction | None, *, whole: bool, closed: bool) -> Fraction | int | None:
    """Return a number over `low` and under `high` (or at it, where `closed`), None if there is none."""
    if whole:
        number = floor(low) + 1
        return number if high is None or number < high or (closed and number == high) else None
    if high is None:
        return low + 1
    return (low + high) / 2 if low < high else None


def is_number(value: Any) -> bool:
    """Whether a value is a number; a truth value is none."""
    return isinstance(value, Fraction | int) and not isinstance(value, bool)


def metric(asked: list[Condition], limits: Limits) -> Iterator[Region]:
    """Return the regions of a user's metric, which may be missing, or of any type."""
    yield Region("missing", None, calm=True)
    values = [expected_value(one, limits) for one in asked if one.op not in {"present", "absent"}]
    bounds = [Fraction(one) for one in values if is_number(one)]
    if bounds:
        low = min(bounds)
        yield Region(f"under {float(low):g}", Fraction(ceil(low) - 1))
        yield from numbers(bounds, low, None, whole=False, shown=lambda one: f"{float(one):g}")
    if any(isinstance(one, bool) for one in values):
        yield from (Region(worded(one), one) for one in (False, True))
    words = {
        word for one in values if isinstance(one, str | tuple) for word in ((one,) if isinstance(one, str) else one)
    }
    yield from (Region(repr(word), word) for word in sorted(words))
    if words:
        yield Region("another word", "_".join(sorted(words)) + "_")
    yield Region("of another type", OTHER_TYPE)
