"""Whether the values of two columns may be of one column, and what differs if not. Pure."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats

from mend.contracts.matching import Kind
from mend.remap.figures import CLOSED, FEWEST, Profile
from mend.remap.rows import Pairs, RowPairs
from mend.remap.scale import Difference, chance_of, ks, number_differences
from mend.remap.texts import ENCODED, PERSONAL, Shape

LIKELY = 0.01
"""A difference that chance makes once in a hundred columns is asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`likeness` is 0 to 1, `overlap` the share of distinct values in common, `pairs` the same rows side by side.

    `equal`: the same rows carry the same values, and enough of them that it is no accident. `enough`: that there
    are values enough to have seen a change.
    """

    likeness: float
    overlap: float
    equal: bool
    enough: bool
    differences: tuple[Difference, ...]
    pairs: Pairs | None = None


def compare(old: Profile, new: Profile, rows: RowPairs | None, *, money: bool, level: float = LIKELY) -> Comparison:
    """Compare two columns; a difference is named when chance would make it in fewer than `level` of equal columns."""
    if old.kind == "empty" or new.kind == "empty":
        return Comparison(likeness=0.5, overlap=0.0, equal=False, enough=False, differences=())
    pairs = rows.side_by_side(old, new) if rows else None
    overlap = shared_values(old, new)
    if pairs and pairs.enough:
        return same_rows_compared(old, new, pairs, overlap, money=money, level=level)
    found = differences(old, new, money=money, level=level)
    return Comparison(
        likeness=by_values(old, new), overlap=overlap, equal=same_values(old, new) and not found,
        enough=enough(old, new, money=money), differences=found, pairs=pairs,
    )  # fmt: skip


def same_rows_compared(
    old: Profile, new: Profile, pairs: Pairs, overlap: float, *, money: bool, level: float
) -> Comparison:
    """Compare the values that the same rows carry, and all values where those say too little."""
    found = pairs.differences(old, new, money=money)
    equal = not found and pairs.bits >= PROOF
    if found:
        found = written_otherwise(old, new) or found
    elif not equal:
        found = differences(old, new, money=money, level=level)
    likeness = pairs.share if pairs.share >= ALMOST else 0.5 * by_values(old, new)
    return Comparison(
        likeness=likeness,
        overlap=overlap,
        equal=equal,
        enough=equal or enough(old, new, money=money),
        differences=found,
        pairs=pairs,
    )


ALMOST, PROOF = 0.9, 20.0
FEWEST_VALUES = 30


def enough(old: Profile, new: Profile, *, money: bool) -> bool:
    """Whether a change of unit, a usual rate of exchange of money, or another way of writing would have been seen."""
    few = min(len(old.filled), len(new.filled))
    if few < FEWEST_VALUES:
        return False
    if not old.kind == new.kind == "number" or old.sequence or max(old.unseen, new.unseen) <= CLOSED:
        return True
    priced = money or (old.decimals == CENTS and old.ordered[0] >= 0)
    return power(old, new) <= (WEAKEST_OF_MONEY if priced else WEAKEST)


WEAKEST, WEAKEST_OF_MONEY, CENTS = 0.28, 0.12, 2


def power(old: Profile, new: Profile) -> float:
    """Return the smallest change of scale (as a share) that two samples of numbers would show."""
    one, other = old.ordered, new.ordered
    if one[0] <= 0 or other[0] <= 0:
        return float(2.6 / np.sqrt(min(len(one), len(other))))
    return float(2.6 * np.sqrt(np.var(np.log(one)) / len(one) + np.var(np.log(other)) / len(other)))


def shared_values(old: Profile, new: Profile) -> float:
    """Return the share of distinct values in common, of the column that has fewer."""
    one, other = old.counts[0], new.counts[0]
    few = min(len(one), len(other))
    return len(np.intersect1d(one, other, assume_unique=True)) / few if few else 0.0


def same_values(old: Profile, new: Profile) -> bool:
    """Whether many values, each there once, are the same in both: rows in another order, and no count of 1, 2, 3."""
    countless = not (old.kind == "number" and old.whole) and old.kind != "bool"
    many = min(len(old.counts[0]), len(new.counts[0])) >= FEWEST_VALUES
    return countless and many and old.unique and new.unique and shared_values(old, new) >= ALMOST


def by_values(old: Profile, new: Profile) -> float:
    """Return how alike the values are, 0 to 1."""
    if old.kind != new.kind:
        return 0.3 if {old.kind, new.kind} <= {"number", "time", "bool"} and old.epoch != new.epoch else 0.1
    overlap = shared_values(old, new)
    nulls = abs(old.null_rate - new.null_rate)
    if old.kind == "text":
        found = text_likeness(old.shape, new.shape) if old.shape and new.shape else 0.0
    else:
        found = 1 - distance(old, new)
        if old.sequence and new.sequence:
            found = max(found, 0.8)
    closed = max(old.unseen, new.unseen) <= CLOSED
    return float((0.25 * found + 0.75 * overlap if closed else max(found, overlap)) * (1 - 0.5 * nulls))


def distance(old: Profile, new: Profile) -> float:
    """Return the largest difference of the shares below any number (Kolmogorov and Smirnov)."""
    return ks(old.ordered, new.ordered)


def text_likeness(one: Shape, other: Shape) -> float:
    """Compare shapes, kinds of letters and lengths."""
    forms = sum(min(share, other.forms.get(form, 0.0)) for form, share in one.forms.items())
    letters = 1 - float(np.abs(one.letters - other.letters).sum()) / 2
    lengths = 1 - ks(one.lengths, other.lengths)
    return (max(forms, 0.9 * letters) + letters + lengths) / 3 * (1.0 if one.pattern == other.pattern else 0.3)


def differences(old: Profile, new: Profile, *, money: bool, level: float) -> tuple[Difference, ...]:
    """Name what differs between two samples of different rows."""
    found = list(written_otherwise(old, new))
    if old.kind == new.kind and not found:
        if old.kind in {"number", "time"}:
            found += number_differences(old, new, money=money, level=level)
        elif old.kind == "text":
            found += text_differences(old, new, level)
        if not found and old.kind != "time":  # moments move on: no set of them is known
            found += code_differences(old, new, level)
    if not found and nulls_differ(old, new):
        found.append(
            Difference("distribution", f"{new.null_rate:.0%} of the values are missing, {old.null_rate:.0%} before")
        )
    return tuple(found)


def nulls_differ(old: Profile, new: Profile) -> bool:
    """Whether the shares of missing values differ by much, and by more than chance."""
    n, m = len(old.hashes), len(new.hashes)
    both = (n * old.null_rate + m * new.null_rate) / (n + m)
    error = np.sqrt(max(both * (1 - both), 1e-9) * (1 / n + 1 / m))
    return bool(abs(old.null_rate - new.null_rate) > max(0.15, 4 * error))


def written_otherwise(old: Profile, new: Profile) -> tuple[Difference, ...]:
    """Name a change of how values are written: kind, zone, unit of moments, encoding."""
    if old.kind != new.kind:
        if (old.epoch and new.kind == "time") or (new.epoch and old.kind == "time"):
            return (Difference("epoch_unit", "moments were counted before and are written out now, or the other way"),)
        mark = new.shape.pattern if new.shape else ""
        kind: Kind = "encoding" if mark in ENCODED else "type_change"
        return (Difference(kind, f"the values were {said(old)} and are {said(new)}"),)
    if old.epoch != new.epoch and (old.epoch and new.epoch):
        return (Difference("epoch_unit", f"moments were counted in {old.epoch} and are in {new.epoch}"),)
    if old.kind == "time":
        return time_written(old, new)
    if old.shape and new.shape and old.shape.pattern != new.shape.pattern:
        return (mark_changed(old.shape, new.shape),)
    return ()


def said(one: Profile) -> str:
    """Name the kind of a column's values."""
    pattern = one.shape.pattern if one.shape else ""
    return {"bool": "yes or no", "time": "moments", "number": "numbers"}.get(one.kind, f"{pattern or 'other'} texts")


def time_written(old: Profile, new: Profile) -> tuple[Difference, ...]:
    """Name a change of zone, or moments that became coarser."""
    if old.zone != new.zone:
        before, after = old.zone or "no zone", new.zone or "no zone"
        return (Difference("time_zone", f"moments had {before} and have {after}"),)
    if new.step > old.step and min(len(old.filled), len(new.filled)) >= FEWEST:
        return (Difference("narrowing", f"moments are multiples of {new.step:g} s, of {old.step:g} s before"),)
    return ()


def mark_changed(old: Shape, new: Shape) -> Difference:
    """Name a change of what texts can be told by."""
    before, after = old.pattern or "other", new.pattern or "other"
    if new.pattern in ENCODED or old.pattern in ENCODED:
        return Difference("encoding", f"the values were {before} texts and look like {after} ones")
    kind: Kind = "personal_data" if {old.pattern, new.pattern} & PERSONAL else "distribution"
    return Difference(kind, f"the values were {before} texts and are {after} ones")


def text_differences(old: Profile, new: Profile, level: float) -> list[Difference]:
    """Name a change of letters, words or lengths."""
    one, other = old.shape, new.shape
    if one is None or other is None:
        return []
    if one.case != other.case and "none" not in {one.case, other.case}:
        return [Difference("encoding", f"letters were {one.case} and are {other.case}")]
    if abs(one.words - other.words) > MANY_WORDS * max(one.words, other.words):
        return [Difference("distribution", f"values had {one.words:.1f} words and have {other.words:.1f}")]
    letters = float(np.abs(one.letters - other.letters).sum()) / 2
    if letters > OTHER_LETTERS:
        return [Difference("encoding", "the values are of other signs than before")]
    shift = ks(one.lengths, other.lengths)
    if shift > LONGER and chance_of(shift, len(one.lengths), len(other.lengths)) < level:
        shorter = other.lengths[-1] < one.lengths[-1] and np.mean(other.lengths == other.lengths[-1]) > CUT
        return [Difference("narrowing" if shorter else "distribution", "the values are of another length than before")]
    return []


MANY_WORDS, OTHER_LETTERS, LONGER, CUT = 0.34, 0.2, 0.15, 0.2


class Codes(NamedTuple):
    """Counts of the values of both samples, side by side."""

    old: np.ndarray
    new: np.ndarray


def code_differences(old: Profile, new: Profile, level: float) -> list[Difference]:
    """Name values never seen where the old ones were a known set, and shares of codes that moved."""
    _, at, to = np.intersect1d(old.counts[0], new.counts[0], assume_unique=True, return_indices=True)
    unknown, lost = 1 - new.counts[1][to].sum() / len(new.filled), 1 - old.counts[1][at].sum() / len(old.filled)
    for one, other, share, way in ((old, new, unknown, "are new"), (new, old, lost, "are gone")):
        room = one.unseen + CLOSED + 3 * np.sqrt((one.unseen + 0.01) / max(min(len(one.filled), len(other.filled)), 1))
        if share > room:
            return [Difference("distribution", f"{share:.0%} of the values {way} against a known set of values")]
    if old.unseen > CLOSED or len(old.counts[0]) > MOST_CODES:
        return []
    codes = side_by_side(old, new)
    drift = float(np.abs(codes.old / codes.old.sum() - codes.new / codes.new.sum()).sum()) / 2
    if len(codes.old) > 1 and drift > MOVED and stats.chi2_contingency(np.stack(codes)).pvalue < level / 10:
        return [Difference("distribution", f"the shares of the values moved by {drift:.0%}")]
    return []


MOST_CODES, MOVED = 100, 0.05


def side_by_side(old: Profile, new: Profile) -> Codes:
    """Count every value in both samples."""
    values = np.union1d(old.counts[0], new.counts[0])
    both = np.zeros((2, len(values)))
    for row, one in zip(both, (old, new), strict=True):
        row[np.searchsorted(values, one.counts[0])] = one.counts[1]
    return Codes(both[0], both[1])
