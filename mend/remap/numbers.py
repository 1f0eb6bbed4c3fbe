"""What differs between two samples of numbers: scale, offset, unit, digits. Pure."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from mend.contracts.matching import Kind
from mend.remap.profile import FEWEST, Profile

Floats = npt.NDArray[np.float64]
FACTORS = {
    10.0: "ten to one", 100.0: "a hundred to one, as cents or percent", 1e3: "a thousand to one", 1e6: "a million to one",
    1e9: "10⁹ to one", 60.0: "sixty to one", 3600.0: "hours and seconds", 24.0: "days and hours", 86400.0: "days and seconds",
    3.28084: "metres and feet", 2.54: "inches and centimetres", 0.3937: "centimetres and inches", 1.609344: "miles and kilometres",
    2.204623: "kilograms and pounds", 1024.0: "powers of 1024", 1048576.0: "powers of 1024", 28.3495: "ounces and grams",
    3.785412: "gallons and litres", 4.184: "calories and joules", 3.6: "m/s and km/h", 2.236936: "m/s and mph", 1.852: "knots and km/h",
    0.0689476: "psi and bar", 6.894757: "psi and kPa", 1.333224: "mmHg and hPa", 57.29578: "radians and degrees", 1.94384: "m/s and knots",
    1.09361: "metres and yards", 10.76391: "square metres and feet", 2.471054: "hectares and acres", 18.0182: "mmol/l and mg/dl",
}  # fmt: skip
"""Factors between units that are used for one thing."""
NEARBY = 0.025
HOUR, QUARTER, LONGEST_SHIFT = 3600.0, 900.0, 14 * 3600.0


class Difference(NamedTuple):
    """Something that differs, in the words of a person."""

    kind: Kind
    why: str


def number_differences(old: Profile, new: Profile, *, money: bool, level: float) -> list[Difference]:
    """Name what differs between two samples of different rows."""
    one, other = old.ordered, new.ordered
    if min(len(one), len(other)) < FEWEST:
        return []
    if old.kind == "time" or old.epoch:
        return moved_moments(old, new)
    if old.sequence and new.sequence:
        return sequence_differences(one, other)
    if old.decimals > new.decimals:
        return [Difference("narrowing", f"numbers had {old.decimals} digits behind the point and have {new.decimals}")]
    if not differ(one, other, level):
        return digits_differ(old, new)
    return [explained(one, other, money=money)]


def sequence_differences(one: Floats, other: Floats) -> list[Difference]:
    """Counted numbers go on; they do not take larger steps."""
    steps = [float(np.median(np.diff(found))) or 1.0 for found in (one, other)]
    ratio = steps[1] / steps[0]
    if 1 / 5 < ratio < 5:  # noqa: PLR2004 - how densely a count is sampled
        return []
    return [Difference("unit", f"numbers counted in steps of {steps[0]:g} and do in steps of {steps[1]:g}")]


def differ(one: Floats, other: Floats, level: float) -> bool:
    """Whether chance would make two samples differ so in fewer than `level` of cases, by any of three tests."""
    apart = ks(one, other)
    if apart < SMALL and abs(float(np.mean(other) - np.mean(one))) <= NEARBY * abs(float(np.mean(one))):
        return False
    if chance_of(apart, len(one), len(other)) < level or ends_differ(one, other, level / 10):
        return True
    if one[0] > 0 and other[0] > 0:
        one, other = np.log(one), np.log(other)
    return welch(one, other) < level


def ks(one: Floats, other: Floats) -> float:
    """Return the statistic of two ordered samples."""
    if not len(one) or not len(other):
        return 1.0
    both = np.concatenate((one, other))
    below = np.searchsorted(one, both, side="right") / len(one) - np.searchsorted(other, both, side="right") / len(
        other
    )
    return float(np.abs(below).max())


def chance_of(statistic: float, many: int, others: int) -> float:
    """Return how often chance makes two samples differ so (Kolmogorov's limit)."""
    return float(special.kolmogorov(statistic * np.sqrt(many * others / (many + others))))


def welch(one: Floats, other: Floats) -> float:
    """Return how often chance makes means differ so."""
    error = np.sqrt(np.var(one) / len(one) + np.var(other) / len(other))
    apart = abs(float(np.mean(one) - np.mean(other)))
    return float(special.erfc(apart / error / np.sqrt(2))) if error > 0 else float(apart < 1e-12)  # noqa: PLR2004 - equal


SMALL = 0.1
"""A largest difference of shares that matters whatever the means are."""


def ends_differ(one: Floats, other: Floats, level: float) -> bool:
    """Whether too many of the largest or smallest numbers are all of one sample."""
    share = max(len(one), len(other)) / (len(one) + len(other))
    runs = (
        np.count_nonzero(one > other[-1]), np.count_nonzero(other > one[-1]), np.count_nonzero(one < other[0]),
        np.count_nonzero(other < one[0]),
    )  # fmt: skip
    return bool(share ** max(runs) < level)


def digits_differ(old: Profile, new: Profile) -> list[Difference]:
    """Name a change of the digits that numbers need, which another unit leaves even where the spread hides it."""
    if old.decimals != new.decimals and min(len(old.ordered), len(new.ordered)) >= FEWEST_DIGITS:
        return [Difference("unit", f"numbers had {old.decimals} digits behind the point and have {new.decimals}")]
    return []


FEWEST_DIGITS = 20


def explained(one: Floats, other: Floats, *, money: bool) -> Difference:
    """Say how one sample comes from the other: by a factor, or by a factor and an offset, else not."""
    ratio = spread_ratio(one, other)
    if ratio and same_but(one * ratio, other):
        return factor_difference(ratio, money=money)
    slope = float(np.std(other) / np.std(one)) if np.std(one) > 0 else 0.0
    offset = float(np.mean(other) - slope * np.mean(one))
    if slope and abs(slope - 1) > NEARBY and same_but(one * slope + offset, other):
        return linear_difference(slope, offset)
    return Difference("distribution", "the values are of another range or spread than before")


def linear_difference(slope: float, offset: float) -> Difference:
    """Name a factor and an offset."""
    known = {1.8: " (as °C and °F)", 0.5556: " (as °F and °C)", 1.0: ""}
    named = next((text for factor, text in known.items() if abs(slope / factor - 1) < 5 * NEARBY), "")
    return Difference("unit", f"the values are about {slope:.3g} times the old ones and {offset:+.3g}{named}")


def spread_ratio(one: Floats, other: Floats) -> float:
    """Return the factor between two samples of one sign, by their middles."""
    low, high = np.median(one), np.median(other)
    return float(high / low) if low * high > 0 and one[0] * one[-1] >= 0 else 0.0


def same_but(one: Floats, other: Floats) -> bool:
    """Whether two samples could be of one column after all."""
    return chance_of(ks(np.sort(one), other), len(one), len(other)) > STILL


STILL = 0.001


def factor_difference(ratio: float, *, money: bool) -> Difference:
    """Name a factor: a known one of units, else a rate of exchange where the name speaks of money."""
    larger = max(ratio, 1 / ratio)
    named = next((text for factor, text in FACTORS.items() if abs(larger / max(factor, 1 / factor) - 1) < NEARBY), "")
    named = "" if money and larger < CENTS else named
    kind: Kind = "currency" if money and larger < DEAREST and not named else "unit"
    return Difference(kind, f"the values are about {ratio:.4g} times the old ones{f' ({named})' if named else ''}")


DEAREST, CENTS = 300.0, 99.0


def moved_moments(old: Profile, new: Profile) -> list[Difference]:
    """Name a shift by hours of a sample over the same time; moments that go on are no difference."""
    seconds = {"ms": 1e3, "us": 1e6, "ns": 1e9}.get(old.epoch, 1.0)
    one, other = old.ordered / seconds, new.ordered / seconds
    first, last = float(other[0] - one[0]), float(other[-1] - one[-1])
    if other[0] > one[-1] or one[0] > other[-1] or one[0] == one[-1]:
        return []
    gap = max(end for found in (one, other) for end in (found[END] - found[0], found[-1] - found[-1 - END]))
    shift = round((first + last) / 2 / QUARTER) * QUARTER
    both = abs(first - shift) < gap + 1 and abs(last - shift) < gap + 1
    if both and abs(shift) > max(gap, QUARTER / 2) and abs(shift) <= LONGEST_SHIFT:
        return [Difference("time_zone", f"moments are shifted by about {shift / HOUR:g} h")]
    return day_shift(one, other)


def day_shift(one: Floats, other: Floats) -> list[Difference]:
    """Name a shift of the hours of the day at which things happen, where some hours are clearly busier."""
    if min(one[-1] - one[0], other[-1] - other[0]) < TWO_DAYS:
        return []
    days = [np.bincount((found // HOUR % 24).astype(np.int64), minlength=24) for found in (one, other)]
    table = np.stack(days)[:, np.sum(days, axis=0) > 0]
    if table.shape[1] < 2 or stats.chi2_contingency(table).pvalue > SURE:  # noqa: PLR2004 - two hours
        return []
    before, after = (found / found.sum() for found in days)
    apart = [float(np.abs(np.roll(before, shift) - after).sum()) for shift in range(24)]
    best = int(np.argmin(apart))
    if best == 0 or apart[best] > 0.6 * apart[0]:  # noqa: PLR2004 - clearly nearer
        return []
    return [Difference("time_zone", f"the hours of the day are shifted by about {best if best <= 12 else best - 24} h")]  # noqa: PLR2004


END = 5
"""Moments at an end of a sample that show how exactly the end is known."""
TWO_DAYS, SURE = 2 * 86400.0, 1e-5
