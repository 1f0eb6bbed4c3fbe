"""Columns that were split into several, or merged into one: parts of their values stand in the others. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mend.remap.profile import Profile, spread
from mend.remap.rows import RowPairs

LOOKED_AT = 300
MOST_COLUMNS = 150
PART, WIDE, FEWEST_PARTS = 0.6, 1.5, 2
TELLING = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The columns that hold the parts of one: `whole` was split into them, or is what they were merged into."""

    whole: str
    parts: tuple[str, ...]


def find_parts(
    wholes: Sequence[Profile], parts: Sequence[Profile], rows: RowPairs | None, *, merged: bool
) -> list[Parts]:
    """Find columns of several words of which at least two of `parts` each hold one.

    `merged` says that the wholes are of the new sample; `rows` are the same rows of the old and the new one.
    """
    wide = {one.column.path: found for one in wholes[:MOST_COLUMNS] if (found := pieces(one, several=True))}
    if not wide:
        return []
    narrow = {one.column.path: found for one in parts[:MOST_COLUMNS] if (found := pieces(one, several=False))}
    found = []
    for path, one in wide.items():
        inside = [part for part, other in narrow.items() if is_inside(one, other, rows, merged=merged)]
        if len(inside) >= FEWEST_PARTS:
            found.append(Parts(whole=path, parts=tuple(inside)))
    return found


Pieces = tuple[set[str], ...]


def pieces(one: Profile, *, several: bool) -> Pieces | None:
    """Return the pieces of every value of a column, at most so many; None if the values are not of the kind asked for."""
    if one.kind == "empty" or one.kind == "bool" or one.column.inside_list or len(one.counts[0]) < TELLING:
        return None
    values = spread(one.column.values)
    try:
        texts = pc.cast(values, pa.large_string()).slice(0, LOOKED_AT)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return None
    split = [
        set(found) - {""} if found else set() for found in pc.split_pattern_regex(texts, r"[\s,;|/_T]+").to_pylist()
    ]
    width = np.mean([len(found) for found in split if found] or [0])
    return tuple(split) if not several or width >= WIDE else None


def is_inside(whole: Pieces, part: Pieces, rows: RowPairs | None, *, merged: bool) -> bool:
    """Whether a column's values are pieces of another one's: of the same rows, else anywhere in the sample."""
    if rows is not None:
        at = [
            (one, other)
            for one, other in zip(rows.old.tolist(), rows.new.tolist(), strict=True)
            if max(one, other) < LOOKED_AT
        ]
        found = [(whole[other], part[one]) if merged else (whole[one], part[other]) for one, other in at]
        held = [inner <= outer and len(inner) < len(outer) for outer, inner in found if inner and outer]
        return len(held) >= TELLING and float(np.mean(held)) >= PART
    outer, inner = set().union(*whole), set().union(*part)
    numbers = sum(one.replace(".", "").lstrip("-").isdigit() for one in inner)
    telling = inner if numbers < len(inner) / 2 else {one for one in inner if len(one) > TELLING}
    return len(telling) >= TELLING and len(telling & outer) >= PART * len(telling)


def by_column(found: Sequence[Parts]) -> Mapping[str, Parts]:
    """Return what was found by every column that takes part."""
    return {path: one for one in found for path in (one.whole, *one.parts)}
