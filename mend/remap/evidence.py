"""What speaks for and against a pair of columns, and how likely it is one column. Pure."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mend.remap.compare import Comparison, compare
from mend.remap.names import Name, read_name
from mend.remap.numbers import Difference
from mend.remap.profile import Profile
from mend.remap.relation import Relation, Tier, relate
from mend.remap.rows import RowPairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A vanished and a new column, looked at closely."""

    old: Profile
    new: Profile
    names: Relation
    values: Comparison
    type_change: tuple[Difference, ...]
    near: bool
    """Whether it stands where the old one stood."""
    score: float

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Everything that differs, each kind once."""
        found = {one.kind: one for one in reversed((*self.values.differences, *self.type_change, *self.named))}
        return tuple(reversed(found.values()))

    @property
    def named(self) -> tuple[Difference, ...]:
        """What the names say differently."""
        return tuple(Difference(kind, why) for kind, why in self.names.changed)


def look(old: Profile, new: Profile, rows: RowPairs | None, *, common: AbstractSet[str], near: bool) -> Evidence:
    """Look at a pair closely."""
    names = (read_name(old.column.path), read_name(new.column.path))
    relation = relate(*names, common)
    values = compare(old, new, rows, money=is_money(*names))
    changed = type_changes(old, new)
    return Evidence(
        old=old, new=new, names=relation, values=values, type_change=changed, near=near,
        score=score(relation, values, near=near, retyped=bool(changed)),
    )  # fmt: skip


def is_money(*names: Name) -> bool:
    """Whether one of the names speaks of money."""
    return any(one.money for one in names)


WEIGHTS = {
    "bias": -6.0,
    "similarity": 6.0,
    "named": 1.5,
    "likeness": 4.0,
    "overlap": 2.0,
    "equal": 5.0,
    "near": 1.0,
    "retyped": -0.5,
}
"""Of the logistic model; `python -m bench.remap --fit` finds them on the cases for tuning."""


def features(relation: Relation, values: Comparison, *, near: bool, retyped: bool) -> dict[str, float]:
    """Return what the score is made of."""
    return {
        "bias": 1.0,
        "similarity": relation.similarity,
        "named": float(relation.tier >= Tier.EXTENDED),
        "likeness": values.likeness,
        "overlap": values.overlap,
        "equal": float(values.equal),
        "near": float(near),
        "retyped": float(retyped),
    }


def score(relation: Relation, values: Comparison, *, near: bool, retyped: bool) -> float:
    """Return the estimated probability that the new column carries on the old one."""
    found = features(relation, values, near=near, retyped=retyped)
    return float(1 / (1 + np.exp(-sum(WEIGHTS[name] * value for name, value in found.items()))))


WIDTHS = {pa.int8(): 8, pa.int16(): 16, pa.int32(): 32, pa.int64(): 64, pa.uint8(): 9, pa.uint16(): 17, pa.uint32(): 33}
UNSIGNED = 65


def type_changes(old: Profile, new: Profile) -> tuple[Difference, ...]:
    """Name a change of type in which something can be lost or read otherwise."""
    one, other = old.column.type, new.column.type
    if one == other or "empty" in {old.kind, new.kind} and (pa.types.is_null(one) or pa.types.is_null(other)):
        return ()
    before, after = family(one), family(other)
    if before != after:
        whole = {before, after} == {"whole", "real"} and old.whole and new.whole
        return () if whole else (Difference("type_change", f"the type was {one} and is {other}"),)
    return narrowed(one, other, before)


def family(kind: pa.DataType) -> str:
    """Return the kind of a type."""
    if pa.types.is_dictionary(kind):
        return family(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    tests = {
        "whole": pa.types.is_integer, "real": pa.types.is_floating, "decimal": pa.types.is_decimal,
        "moment": pa.types.is_timestamp, "date": pa.types.is_date, "time": pa.types.is_time,
    }  # fmt: skip
    return next((name for name, test in tests.items() if test(kind)), str(kind))


FINER = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def narrowed(one: pa.DataType, other: pa.DataType, kind: str) -> tuple[Difference, ...]:
    """Name a type of the same family that holds less."""
    if kind == "moment" and bool(one.tz) != bool(other.tz):
        return (Difference("time_zone", f"the type was {one} and is {other}"),)
    sizes = {
        "whole": lambda found: WIDTHS.get(found, UNSIGNED),
        "real": lambda found: found.bit_width,
        "decimal": lambda found: (found.scale, found.precision - found.scale),
        "moment": lambda found: FINER[found.unit],
        "time": lambda found: FINER[found.unit],
    }
    size = sizes.get(kind)
    if size is None:
        return ()
    before, after = np.atleast_1d(size(one)), np.atleast_1d(size(other))
    return (Difference("narrowing", f"the type was {one} and is {other}"),) if np.any(after < before) else ()
