"""Which of the new columns are worth a close look for each vanished one: cheap figures over all pairs at once. Pure."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import JaroWinkler
from rapidfuzz.process import cdist
from scipy import sparse
from scipy.spatial import distance

from mend.remap.names import KIN, SYNONYMS, Name
from mend.remap.profile import NONE, Profile
from mend.remap.relation import weight

Matrix = npt.NDArray[np.float32]
KINDS = ("empty", "bool", "number", "time", "text")
SKETCH = 64
"""Distinct values of a column that stand for all of them: those with the smallest numbers."""
NAMED, VALUED, BOTH = 3, 3, 2
"""How many columns are looked at for their name, for their values, and for both together."""
CROWD = 400
FEWER = (2, 2, 1)


def shortlist(
    old: Sequence[Profile], new: Sequence[Profile], old_names: Sequence[Name], new_names: Sequence[Name]
) -> list[tuple[int, int]]:
    """Return the pairs that are worth a close look, by their places."""
    if not old or not new:
        return []
    by_name, by_value = name_matrix(old_names, new_names), value_matrix(old, new)
    chosen: set[tuple[int, int]] = set()
    sizes = (NAMED, VALUED, BOTH) if max(len(old), len(new)) < CROWD else FEWER
    for matrix, many in zip((by_name, by_value, by_name + by_value), sizes, strict=True):
        for side, flip in ((matrix, False), (matrix.T, True)):
            best = np.argpartition(-side, min(many, side.shape[1] - 1), axis=1)[:, :many]
            for at, places in enumerate(best.tolist()):
                chosen.update((place, at) if flip else (at, place) for place in places)
    return sorted(chosen)


def name_matrix(old: Sequence[Name], new: Sequence[Name]) -> Matrix:
    """Compare the words of all names, what they mean, and their letters."""
    letters = cdist(
        [one.compact for one in old], [one.compact for one in new], scorer=JaroWinkler.normalized_similarity,
        dtype=np.float32, workers=1,
    )  # fmt: skip
    numbers: dict[str, int] = {}
    left, right = (meanings(names, numbers) for names in (old, new))
    left.resize((len(old), len(numbers)))
    right.resize((len(new), len(numbers)))
    return np.asarray(0.3 * letters + 0.7 * (left @ right.T).toarray(), np.float32)


def meanings(names: Sequence[Name], numbers: dict[str, int]) -> sparse.csr_matrix:
    """Return a row a name: its words and the groups they belong to, of length one."""
    rows, places, weights = [], [], []
    for at, name in enumerate(names):
        for feature, many in features(name):
            rows.append(at)
            places.append(numbers.setdefault(feature, len(numbers)))
            weights.append(many)
    matrix = sparse.csr_matrix((weights, (rows, places)), shape=(len(names), max(len(numbers), 1)), dtype=np.float32)
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags(1 / np.maximum(length, 1e-9)) @ matrix)


def features(name: Name) -> list[tuple[str, float]]:
    """Return what a name means, and how much each of it counts."""
    found = []
    for word in name.words:
        many = weight(word)
        found.append((word, many))
        found += [(f"synonym {group}", many) for group in SYNONYMS.get(word, ())]
        found += [(f"kin {group}", many / 2) for group in KIN.get(word, ())]
    return found


def value_matrix(old: Sequence[Profile], new: Sequence[Profile]) -> Matrix:
    """Compare the figures of all columns, and a sketch of their distinct values."""
    left, right = (np.stack([figures(one) for one in side]) for side in (old, new))
    apart = distance.cdist(left, right, metric="cityblock")
    sketches = [sketch(side) for side in (old, new)]
    codes = np.unique(np.concatenate([codes for _, codes in sketches]))
    left_sets, right_sets = (
        sparse.csr_matrix((np.ones(len(found)), (rows, np.searchsorted(codes, found))), shape=(many, len(codes)))
        for (rows, found), many in zip(sketches, (len(old), len(new)), strict=True)
    )
    common = (left_sets @ right_sets.T).toarray()
    sizes = [np.asarray(one.sum(axis=1)).ravel() for one in (left_sets, right_sets)]
    overlap = common / np.maximum(np.minimum(sizes[0][:, None], sizes[1][None, :]), 1)
    return np.asarray(np.exp(-apart) + overlap, np.float32)


def sketch(columns: Sequence[Profile]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """Return the place of a column and a value of it, for some of its distinct values."""
    taken = [one.counts[0][one.counts[0] != NONE][:SKETCH] for one in columns]
    return np.repeat(np.arange(len(taken)), [len(one) for one in taken]), np.concatenate(taken)


def figures(one: Profile) -> npt.NDArray[np.float64]:
    """Return what tells a column, each figure of a size so that 1 is a clear difference."""
    kind = [3.0 * (one.kind == other) for other in KINDS]
    distinct = len(one.counts[0]) / max(len(one.filled), 1)
    quantiles = np.zeros(5)
    text = np.zeros(9)
    if len(one.ordered):
        found = one.ordered[np.linspace(0, len(one.ordered) - 1, 5).astype(int)]
        quantiles = np.sign(found) * np.log1p(np.abs(found)) / 2
    if one.shape:
        lengths = one.shape.lengths
        text[:6] = one.shape.letters
        text[6:] = np.log1p([lengths[0], lengths[len(lengths) // 2], lengths[-1]]) / 2
    return np.array([*kind, one.null_rate, distinct, *quantiles, *text])
