"""The same rows in both samples, where a key or the order tells them, and what differs between their values. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mend.remap.figures import NONE, Profile
from mend.remap.scale import Difference, factor_difference, linear_difference

Places = npt.NDArray[np.intp]
FEWEST_ROWS = 8
ORDER = "their order"
ALL, ALMOST, MANY, BLANKS = 0.995, 0.9, 0.5, 0.05


@dataclass(frozen=True, slots=True)
class Pairs:
    """Two columns in the same rows: the `share` of equal values, and how unlikely so many are by chance, in bits."""

    many: int
    share: float
    bits: float
    old: npt.NDArray[np.float64] | None
    new: npt.NDArray[np.float64] | None
    blanks: float
    """Share of rows where only one of the two has a value."""

    @property
    def enough(self) -> bool:
        """Whether there are rows enough to say anything."""
        return self.many >= FEWEST_ROWS

    def differences(self, old: Profile, new: Profile, *, money: bool) -> tuple[Difference, ...]:
        """Name what differs between the same rows."""
        if self.blanks > BLANKS:
            return (Difference("distribution", f"in {self.blanks:.0%} of the same rows only one of them has a value"),)
        if self.share >= ALL:
            return ()
        if self.old is None or self.new is None or old.kind != new.kind:
            return (Difference("distribution", f"only {self.share:.0%} of {self.many} same rows have the same value"),)
        return (between(self.old, self.new, self.share, moments=seconds(old), money=money),)


def seconds(one: Profile) -> float:
    """Return how many units a second has where numbers are moments, else 0."""
    if one.kind == "time":
        return 1.0
    return {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}.get(one.epoch, 0.0)


def between(
    old: npt.NDArray[np.float64], new: npt.NDArray[np.float64], share: float, *, moments: float, money: bool
) -> Difference:
    """Explain the difference of numbers in the same rows by an offset, a factor, both, or rounding."""
    moved = (new - old) / (moments or 1)
    if moments and share < MANY and np.ptp(moved) <= 3600 + 1 and np.all(np.abs(moved) <= 14 * 3600 + 1):
        return Difference("time_zone", f"moments of the same rows are shifted by {np.median(moved) / 3600:g} h")
    scale = float(np.std(old))
    if scale > 0 and np.std(new) > 0:
        slope, offset = (float(one) for one in np.polyfit(old, new, 1))
        rest = float(np.std(new - slope * old - offset)) / float(np.std(new))
        if rest < FITS and abs(slope - 1) < ROUNDED and abs(offset) < ROUNDED * max(scale, abs(float(np.mean(old)))):
            return Difference("narrowing", "values of the same rows are rounded or nearly the same")
        if rest < FITS and abs(offset) < ROUNDED * float(np.std(new)):
            return factor_difference(slope, money=money)
        if rest < FITS:
            return linear_difference(slope, offset)
    return Difference("distribution", f"only {share:.0%} of the same rows have the same value")


FITS, ROUNDED = 0.05, 0.02


@dataclass(frozen=True, slots=True)
class RowPairs:
    """Places of the same rows in the old and the new sample."""

    old: Places
    new: Places
    by: str

    def side_by_side(self, old: Profile, new: Profile) -> Pairs | None:
        """Return two columns in the same rows; None for what is inside lists."""
        if old.column.inside_list or new.column.inside_list:
            return None
        one, other = old.hashes[self.old], new.hashes[self.new]
        there = (one != NONE) & (other != NONE)
        many = int(np.count_nonzero(there))
        equal = one[there] == other[there]
        numbers = [
            None if side.numbers is None else side.numbers[at][there]
            for side, at in ((old, self.old), (new, self.new))
        ]  # fmt: skip
        blanks = float(np.mean((one != NONE) != (other != NONE))) if len(one) else 0.0
        share = float(np.mean(equal)) if many else 0.0
        return Pairs(many, share, min(old.bits, new.bits) * many * share, numbers[0], numbers[1], blanks)


def same_rows(old: Mapping[str, Profile], new: Mapping[str, Profile]) -> RowPairs | None:
    """Find the same rows by a column that is unique in both, else by their order; None where nothing else agrees.

    What is found must hold for most other columns as well: two counts from 1 on are no key.
    """
    flat = {path: one for path, one in old.items() if not one.column.inside_list and one.kind != "empty"}
    others = {path: one for path, one in new.items() if not one.column.inside_list and one.kind != "empty"}
    found = [(agreement(one, flat, others), one) for one in candidates(flat, others)]
    best = max(found, key=lambda one: one[0], default=(0.0, None))
    return cleaned(best[1], flat, others) if best[1] is not None and best[0] > MANY else None


def candidates(old: Mapping[str, Profile], new: Mapping[str, Profile]) -> Iterable[RowPairs]:
    """Return ways in which rows could be the same, the surest first."""
    keys = [(old[path], new[path]) for path in old if path in new and old[path].unique and new[path].unique]
    yield from joined_by(keys)
    lengths = {len(one.hashes) for one in (*old.values(), *new.values())}
    if len(lengths) == 1:
        at = np.arange(lengths.pop())
        yield RowPairs(at, at, ORDER)
    lone_old = [one for path, one in old.items() if path not in new and one.unique]
    lone_new = [one for path, one in new.items() if path not in old and one.unique]
    if len(lone_old) * len(lone_new) <= MOST_KEYS:
        yield from joined_by([(one, other) for one in lone_old for other in lone_new if one.kind == other.kind])


MOST_KEYS = 400


def joined_by(keys: list[tuple[Profile, Profile]]) -> Iterable[RowPairs]:
    """Join the rows by each key, in its order, the one with the most values in common first."""
    joined = []
    for one, other in keys:
        left, right = once(one), once(other)
        _, at, to = np.intersect1d(one.hashes[left], other.hashes[right], assume_unique=True, return_indices=True)
        if len(at) >= FEWEST_ROWS:
            by = "" if one.column.path == other.column.path else other.column.path
            order = np.argsort(left[at] if one.numbers is None else one.numbers[left[at]], kind="stable")
            places = left[at][order], right[to][order]
            joined.append(RowPairs(*places, " = ".join(filter(None, (one.column.path, by)))))
    return sorted(joined, key=lambda one: -len(one.old))[:MOST_JOINS]


def once(one: Profile) -> Places:
    """Return the places of the values that are there exactly once."""
    _, first, many = np.unique(one.hashes, return_index=True, return_counts=True)
    places = first[many == 1]
    filled: Places = places[one.hashes[places] != NONE]
    return filled


MOST_JOINS = 3


def agreement(found: RowPairs, old: Mapping[str, Profile], new: Mapping[str, Profile]) -> float:
    """Return the share of columns of one name that agree in these rows; without any, whether enough others do."""
    votes = [vote for one, other in shared(found, old, new) if (vote := agree(found, one, other)) is not None]
    if votes:
        return float(np.mean(votes))
    return float(len(partners(found, old, new)) >= (2 if found.by == ORDER else 1))


def shared(found: RowPairs, old: Mapping[str, Profile], new: Mapping[str, Profile]) -> list[tuple[Profile, Profile]]:
    """Return the columns that both samples have under one name, but for the key."""
    return [(one, new[path]) for path, one in old.items() if path in new and path != found.by][:MOST_LOOKED]


def partners(found: RowPairs, old: Mapping[str, Profile], new: Mapping[str, Profile]) -> list[tuple[Profile, Profile]]:
    """Return the columns of different names that agree in these rows, but for the key."""
    keys = set(found.by.split(" = "))
    left = [one for path, one in old.items() if path not in new and path not in keys][:MOST_LOOKED]
    right = [one for path, one in new.items() if path not in old and path not in keys][:MOST_LOOKED]
    pairs = ((one, next((other for other in right if agree(found, one, other)), None)) for one in left)
    return [(one, other) for one, other in pairs if other is not None]


def cleaned(found: RowPairs, old: Mapping[str, Profile], new: Mapping[str, Profile]) -> RowPairs:
    """Leave out rows that met by accident: most of the other columns, which agree elsewhere, differ in them."""
    agreeing = [(one, other) for one, other in shared(found, old, new) if agree(found, one, other)]
    agreeing += partners(found, old, new)
    if len(agreeing) < 2:  # noqa: PLR2004 - one column cannot outvote itself
        return found
    equal = np.mean([one.hashes[found.old] == other.hashes[found.new] for one, other in agreeing], axis=0) >= MANY
    return RowPairs(found.old[equal], found.new[equal], found.by)


MOST_LOOKED = 40


def agree(found: RowPairs, one: Profile, other: Profile) -> bool | None:
    """Whether two columns have the same values in these rows; None where that would say nothing."""
    pairs = found.side_by_side(one, other)
    counts = one.sequence and other.sequence  # two counts from 1 on agree by their nature
    if pairs is None or counts or min(one.bits, other.bits) * pairs.many < TELLING or one.kind != other.kind:
        return None
    return pairs.share >= ALMOST or follows(pairs)


def follows(pairs: Pairs) -> bool:
    """Whether numbers of one column follow those of the other exactly, in rows that are in no order of theirs."""
    one, other = pairs.old, pairs.new
    if one is None or other is None or len(one) < MANY_ROWS or not (np.std(one) > 0 and np.std(other) > 0):
        return False
    order = abs(float(np.corrcoef(one, np.arange(len(one)))[0, 1]))
    return order < ORDERED and float(np.corrcoef(one, other)[0, 1]) > FOLLOWS


MANY_ROWS, ORDERED, FOLLOWS = 30, 0.8, 0.99


TELLING = 30.0
