"""How far the values of a column lie from those that it had. Pure."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

FEW = 20
"""Values with fewer say nothing about a distribution."""
REPEATS = 0.5
"""A column with a larger share of distinct values is compared by the form of its texts, not by the texts."""
CRITICAL = 1.63
"""Two samples of one distribution differ by more than this times sqrt((n + m) / nm) once in a hundred (Kolmogorov)."""


def distance(values: pa.ChunkedArray, before: pa.ChunkedArray) -> float | None:
    """Return 0 (the same) to 1 (nothing in common); None where either side has too few values.

    Numbers: the largest distance of the distribution functions (Kolmogorov-Smirnov). Others: half the sum of the
    differences of the shares (total variation), of the values where they repeat, else of their forms.
    """
    one, other = pc.drop_null(values), pc.drop_null(before)
    if len(one) < FEW or len(other) < FEW:
        return None
    if is_number(one.type) and is_number(other.type):
        return kolmogorov(as_floats(one), as_floats(other))
    if pa.types.is_nested(one.type) or pa.types.is_nested(other.type):
        return None
    texts = one.cast(pa.string()), other.cast(pa.string())
    if any(pc.count_distinct(each).as_py() > REPEATS * len(each) for each in texts):
        texts = forms(texts[0]), forms(texts[1])
    return variation(*texts)


def is_far(found: float | None, many: int, others: int, limit: float) -> bool:
    """Whether a distance is over a limit, and over what chance makes of samples this small."""
    if found is None or not many or not others:
        return False
    return found > max(limit, CRITICAL * math.sqrt((many + others) / (many * others)))


def is_number(kind: pa.DataType) -> bool:
    """Whether values have an order and a distance."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
                or pa.types.is_timestamp(kind) or pa.types.is_date(kind))  # fmt: skip


def as_floats(values: pa.ChunkedArray) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Return numbers, and times as their numbers, in order."""
    kind = values.type
    if pa.types.is_timestamp(kind):
        values = values.cast(pa.int64())
    elif pa.types.is_date(kind):
        values = values.cast(pa.int32())
    floats: np.ndarray[tuple[int], np.dtype[np.float64]] = np.sort(values.cast(pa.float64(), safe=False).to_numpy())
    return floats


def kolmogorov(
    one: "np.ndarray[tuple[int], np.dtype[np.float64]]", other: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> float:
    """Return the largest distance of two distribution functions, of values in order."""
    points = np.concatenate((one, other))
    shares = (np.searchsorted(each, points, side="right") / len(each) for each in (one, other))
    first, second = shares
    return float(np.abs(first - second).max())


def forms(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the form of texts: every run of letters is an a, every run of digits a 9."""
    letters = pc.replace_substring_regex(texts, r"\p{L}+", "a")
    return pc.replace_substring_regex(letters, r"\p{N}+", "9")


def variation(one: pa.ChunkedArray, other: pa.ChunkedArray) -> float:
    """Return half the sum of the differences of shares."""
    shares = [
        {entry["values"]: entry["counts"] / len(each) for entry in pc.value_counts(each).to_pylist()}
        for each in (one, other)
    ]
    names = shares[0].keys() | shares[1].keys()
    apart: float = sum(abs(shares[0].get(name, 0.0) - shares[1].get(name, 0.0)) for name in names) / 2
    return min(1.0, apart)
