"""Columns that were split into several, or merged into one: parts of their values stand in the others. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from mend.remap.profile import Profile, spread
from mend.remap.rows import RowPairs

LOOKED_AT = 200
MOST_COLUMNS = 150
PART, WIDE, NARROW, FEWEST_PARTS = 0.6, 1.5, 0.75, 2
BREAKS = re.compile(r"[\s,;|/_T]+")
NUMBER = re.compile(r"-?\d+(\.\d+)?")
TELLING = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The columns that hold the parts of one: `whole` was split into them, or is what they were merged into."""

    whole: str
    parts: tuple[str, ...]


def split_and_merged(
    vanished: Sequence[Profile], added: Sequence[Profile], rows: RowPairs | None
) -> tuple[list[Parts], list[Parts]]:
    """Find columns of several words of which at least two of the other sample each hold one: split ones, merged ones.

    `rows` are the same rows of the old and the new sample.
    """
    old, new = ([found for one in side[:MOST_COLUMNS] if (found := pieces(one))] for side in (vanished, added))
    return find_parts(old, new, rows, merged=False), find_parts(new, old, rows, merged=True)


def find_parts(wholes: list["Pieces"], parts: list["Pieces"], rows: RowPairs | None, *, merged: bool) -> list[Parts]:
    """Find the parts of every whole; `merged` says that the wholes are of the new sample."""
    found = []
    for one in wholes:
        fit = [other for other in parts if one.width >= WIDE and other.width <= NARROW * one.width]
        inside = [other.path for other in fit if is_inside(one, other, rows, merged=merged)]
        if len(inside) >= FEWEST_PARTS:
            found.append(Parts(whole=one.path, parts=tuple(inside)))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """The words of every value of a column, and all of them; `telling` are those that are no accident."""

    path: str
    rows: tuple[frozenset[str], ...]
    every: frozenset[str]
    telling: frozenset[str]
    width: float


def pieces(one: Profile) -> Pieces | None:
    """Return the words of the first values of a column; None where there are too few to tell anything."""
    if one.kind in {"empty", "bool"} or one.column.inside_list or len(one.counts[0]) < TELLING:
        return None
    try:
        texts = pc.cast(spread(one.column.values).slice(0, LOOKED_AT), pa.large_string()).to_pylist()
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return None
    rows = tuple(frozenset(BREAKS.split(text)) - {""} if text else frozenset() for text in texts)
    every = frozenset().union(*rows)
    numbers = {word for word in every if NUMBER.fullmatch(word)}
    telling = every if len(numbers) < len(every) / 2 else every - {word for word in numbers if len(word) <= TELLING}
    filled = [len(found) for found in rows if found]
    width = sum(filled) / max(len(filled), 1)
    return Pieces(path=one.column.path, rows=rows, every=every, telling=telling, width=width)


def is_inside(whole: Pieces, part: Pieces, rows: RowPairs | None, *, merged: bool) -> bool:
    """Whether a column's values are words of another one's: of the same rows, else anywhere in the sample."""
    if rows is None:
        return len(part.telling) >= TELLING and len(part.telling & whole.every) >= PART * len(part.telling)
    at = (pair for pair in zip(rows.old.tolist(), rows.new.tolist(), strict=True) if max(pair) < LOOKED_AT)
    found = [(whole.rows[new], part.rows[old]) if merged else (whole.rows[old], part.rows[new]) for old, new in at]
    held = [inner < outer for outer, inner in found if inner and outer]
    return len(held) >= TELLING and sum(held) >= PART * len(held)
