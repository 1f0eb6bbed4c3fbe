"""What the values of one column look like: the figures that two columns are compared by. Pure."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mend.remap.columns import Column
from mend.remap.texts import Shape, read_as_number, read_as_time, shape_of

Floats = npt.NDArray[np.float64]
Hashes = npt.NDArray[np.uint64]
NONE, SOME = np.uint64(0), np.uint64(1)
MOST_ROWS = 10_000
"""Rows of a sample that are looked at, spread over all of it."""
CLOSED = 0.05
"""Share of new values to expect up to which a column is taken for one with a known set of values."""
EPOCHS = (("s", 1.0), ("ms", 1e3), ("us", 1e6), ("ns", 1e9))
FIRST_MOMENT, LAST_MOMENT = 631_152_000.0, 4_102_444_800.0
"""1990 and 2100: whole numbers between them, in some unit, may be moments."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A column's values. `hashes` has a number for each row, 0 for none; equal values have equal ones whatever their type.

    `numbers` are of numbers, moments (seconds since the epoch) and yes or no, one a row, NaN for none.
    """

    column: Column
    kind: str
    hashes: Hashes
    numbers: Floats | None = None
    shape: Shape | None = None
    zone: str = ""
    step: float = 0.0
    """Moments: the finest step of time they use, in seconds."""
    whole: bool = False
    quoted: bool = False
    """Whether it is text although it reads as something else."""

    @cached_property
    def filled(self) -> Hashes:
        """Return the values that are there."""
        return self.hashes[self.hashes != NONE]

    @cached_property
    def counts(self) -> tuple[Hashes, npt.NDArray[np.int64]]:
        """Return the distinct values and how often each is there."""
        values, many = np.unique(self.filled, return_counts=True)
        return values, many

    @cached_property
    def ordered(self) -> Floats:
        """Return the numbers that are there, in order."""
        return np.sort(self.numbers[~np.isnan(self.numbers)]) if self.numbers is not None else np.empty(0)

    @property
    def null_rate(self) -> float:
        """Share of rows without a value."""
        return 1 - len(self.filled) / len(self.hashes) if len(self.hashes) else 1.0

    @cached_property
    def unique(self) -> bool:
        """Whether (nearly) every value is there once."""
        return len(self.counts[0]) >= NEARLY_ALL * len(self.filled) > 0

    @cached_property
    def unseen(self) -> float:
        """Share of values never seen yet to expect in further rows (Good and Turing)."""
        many = self.counts[1]
        return float(np.count_nonzero(many == 1) / many.sum()) if len(many) else 1.0

    @cached_property
    def bits(self) -> float:
        """What one value tells, in bits."""
        shares = self.counts[1] / max(len(self.filled), 1)
        return float(-(shares * np.log2(shares)).sum()) if len(shares) else 0.0

    @cached_property
    def epoch(self) -> str:
        """Unit in which whole numbers would be moments of our time, else nothing."""
        if self.kind != "number" or not self.whole or len(self.ordered) == 0:
            return ""
        low, high = self.ordered[0], self.ordered[-1]
        return next((unit for unit, by in EPOCHS if by * FIRST_MOMENT <= low and high <= by * LAST_MOMENT), "")

    @cached_property
    def sequence(self) -> bool:
        """Whether whole numbers count up: each there once, with small gaps."""
        if self.kind != "number" or not self.whole or not self.unique or len(self.ordered) < FEWEST or self.epoch:
            return False
        return bool((self.ordered[-1] - self.ordered[0]) <= WIDEST_GAP * len(self.ordered))

    @cached_property
    def decimals(self) -> int:
        """How many digits behind the point nearly all numbers need, at most six."""
        if self.kind != "number" or self.whole or len(self.ordered) == 0:
            return 0
        for digits in range(MOST_DECIMALS):
            scaled = self.ordered * 10.0**digits
            if np.mean(np.abs(scaled - np.round(scaled)) <= NOISE * np.maximum(np.abs(scaled), 1)) >= NEARLY_ALL:
                return digits
        return MOST_DECIMALS


NEARLY_ALL, FEWEST, WIDEST_GAP, MOST_DECIMALS, NOISE = 0.98, 8, 20, 6, 1e-9


def profile(column: Column) -> Profile:
    """Look at the values of a column; text that (nearly) all reads as numbers or moments is taken as such."""
    values = spread(column.values)
    kind = values.type
    if values.null_count == len(values):
        return Profile(column=column, kind="empty", hashes=np.zeros(len(values), np.uint64))
    if pa.types.is_boolean(kind):
        return numeric(column, "bool", pc.cast(values, pa.float64()))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return numeric(column, "number", pc.cast(values, pa.float64(), safe=False))
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        return moments(column, values, zone=zone_of(kind))
    if pa.types.is_duration(kind):
        return numeric(column, "number", pc.cast(pc.cast(values, pa.int64()), pa.float64(), safe=False))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return textual(column, pc.cast(values, pa.large_string()))
    return textual(column, opaque(values))


def spread(values: pa.Array) -> pa.Array:
    """Return at most so many rows, evenly spread."""
    if len(values) <= MOST_ROWS:
        return values
    return values.take(pa.array(np.linspace(0, len(values) - 1, MOST_ROWS).astype(np.int64)))


def opaque(values: pa.Array) -> pa.Array:
    """Write bytes, and whatever has no type of ours, as text."""
    if pa.types.is_null(values.type):
        return pa.nulls(len(values), pa.large_string())
    return pa.array([None if one is None else plain(one) for one in values.to_pylist()], pa.large_string())


def plain(value: Any) -> str:
    """Write any value as text."""
    return value.hex() if isinstance(value, bytes) else str(value)


def zone_of(kind: pa.DataType) -> str:
    """Return the zone that a type names."""
    zone = getattr(kind, "tz", None)
    return {"Z": "UTC", "+00:00": "UTC", "Etc/UTC": "UTC"}.get(zone, zone) if zone else ""


def numeric(column: Column, kind: str, values: pa.Array, *, quoted: bool = False) -> Profile:
    """Profile numbers."""
    numbers = np.asarray(values.to_numpy(zero_copy_only=False), np.float64)
    numbers = np.where(np.isinf(numbers), np.nan, numbers)
    there = numbers[~np.isnan(numbers)]
    whole = bool(np.all(there == np.floor(there)))
    return Profile(
        column=column, kind=kind if len(there) else "empty", hashes=hashed(numbers), numbers=numbers, whole=whole,
        quoted=quoted,
    )  # fmt: skip


def moments(column: Column, values: pa.Array, *, zone: str, quoted: bool = False) -> Profile:
    """Profile moments, dates and times of day, as seconds."""
    kind = values.type
    whole = pa.types.is_date(kind)
    if pa.types.is_time(kind):
        unit = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
        raw = pc.cast(values, pa.int32() if pa.types.is_time32(kind) else pa.int64())
        numbers = pc.cast(raw, pa.float64()).to_numpy(zero_copy_only=False) / unit
    else:
        stamps = pc.cast(values, pa.timestamp("us", getattr(kind, "tz", None)), safe=False)
        numbers = pc.cast(pc.cast(stamps, pa.int64()), pa.float64()).to_numpy(zero_copy_only=False) / 1e6
    return Profile(
        column=column, kind="time", hashes=hashed(numbers), numbers=numbers, zone=zone, quoted=quoted,
        step=86400.0 if whole else finest(numbers),
    )  # fmt: skip


def finest(numbers: Floats) -> float:
    """Return the coarsest step of time that all moments are multiples of."""
    there = numbers[~np.isnan(numbers)]
    for step in (86400.0, 3600.0, 60.0, 1.0, 1e-3):
        if np.all(np.abs(there / step - np.round(there / step)) < 1e-6 / step + 1e-9):  # noqa: PLR2004 - a microsecond
            return step
    return 1e-6


def textual(column: Column, values: pa.Array) -> Profile:
    """Profile text, or what it reads as."""
    values = pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.large_string()), values)
    there = values.drop_null()
    if len(there) == 0:
        return Profile(column=column, kind="empty", hashes=np.zeros(len(values), np.uint64))
    if (numbers := read_as_number(values, there)) is not None:
        return numeric(column, "number", numbers, quoted=True)
    if (found := read_as_time(values, there)) is not None:
        return moments(column, found[0], zone=found[1], quoted=True)
    codes = pd.util.hash_array(values.fill_null("").to_numpy(zero_copy_only=False), categorize=False)
    hashes = np.where(values.is_null().to_numpy(zero_copy_only=False), NONE, np.maximum(codes, SOME))
    return Profile(column=column, kind="text", hashes=hashes, shape=shape_of(there))


def hashed(numbers: Floats) -> Hashes:
    """Return a number for every value, 0 for none."""
    codes = pd.util.hash_array(np.ascontiguousarray(numbers + 0.0))  # + 0.0: there is one zero
    return np.where(np.isnan(numbers), NONE, np.maximum(codes, SOME))
