"""Columns that kept their name and changed their meaning: swapped, re-used, other units, other types. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mend.contracts.matching import Caution
from mend.remap.compare import Comparison, compare
from mend.remap.evidence import is_money, type_changes
from mend.remap.names import read_name
from mend.remap.numbers import Difference
from mend.remap.profile import Profile
from mend.remap.rows import RowPairs

SURE = 1e-4
"""Of a name that stayed, chance must make a difference in fewer than one of ten thousand columns to be told."""
MOST_MOVED = 60
STILL_ALIKE, ALIKE = 0.75, 0.8
MOSTLY = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A column whose values are others than before under the same name."""

    path: str
    values: Comparison
    differences: tuple[Difference, ...]


def changed_columns(old: Mapping[str, Profile], new: Mapping[str, Profile], rows: RowPairs | None) -> list[Changed]:
    """Compare every column with the one of the same name."""
    found = []
    for path in old:
        if path in new:
            values = compare(old[path], new[path], rows, money=is_money(read_name(path)), level=SURE)
            differences = worth_telling(values)
            if differences:
                found.append(Changed(path=path, values=values, differences=differences))
    return found


def worth_telling(values: Comparison) -> tuple[Difference, ...]:
    """Leave out what rows change by themselves: a few values, a range that moved a little."""
    if values.pairs is not None and values.pairs.enough and values.pairs.share >= MOSTLY:
        return tuple(one for one in values.differences if one.kind not in {"distribution", "narrowing"})
    return tuple(one for one in values.differences if one.kind != "distribution" or values.likeness < STILL_ALIKE)


def cautions(
    changed: Sequence[Changed], old: Mapping[str, Profile], new: Mapping[str, Profile], rows: RowPairs | None
) -> Iterable[Caution]:
    """Say what happened to each changed column: swapped with others, or what differs."""
    among = {one.path: one for one in changed[:MOST_MOVED]}
    for one in changed:
        to = moved_to(one.path, among, old, new, rows) if one.path in among else None
        if to:
            yield Caution(kind="swap", column=one.path, why=f"its values stand in '{to}' now")
            continue
        for difference in one.differences:
            kind = "reused_name" if difference.kind == "distribution" else difference.kind
            yield Caution(kind=kind, column=one.path, why=difference.why)
    told = {one.path for one in changed}
    for path in old:
        if path in new:
            for difference in type_changes(old[path], new[path]):
                if path not in told or difference.kind != "type_change":
                    yield Caution(kind=difference.kind, column=path, why=difference.why)


def moved_to(
    path: str,
    among: Mapping[str, Changed],
    old: Mapping[str, Profile],
    new: Mapping[str, Profile],
    rows: RowPairs | None,
) -> str | None:
    """Return the other changed column that has this one's values now."""
    return next((to for to in among if to != path and carries_on(old[path], new[to], rows)), None)


def carries_on(old: Profile, new: Profile, rows: RowPairs | None) -> bool:
    """Whether the values of one column stand under another name now."""
    if old.kind != new.kind or type_changes(old, new):
        return False
    values = compare(old, new, rows, money=False)
    return values.equal or (not values.differences and values.enough and values.likeness >= ALIKE)
