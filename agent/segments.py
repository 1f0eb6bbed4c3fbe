"""Where failures sit: whether one segment fails far more often than the rest, computed and not guessed. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from math import exp, lgamma
from typing import Protocol, TypeVar

from agent.phrases import clean, percent, quoted
from mend.contracts.decision import SegmentFilter, SegmentValue
from mend.contracts.report import PairCount, SegmentCount

C = TypeVar("C")
K = TypeVar("K")

MISSING = "(missing)"
OTHER = "(other)"
NEGLIGIBLE = 1e-16


@dataclass(frozen=True, slots=True, kw_only=True)
class Localisation:
    """What makes failures localised. `alpha` is the chance of one false find in a whole run, over all segments."""

    alpha: Fraction
    min_rows: int
    min_failures: int
    ratio: int
    mild_share: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Localised:
    """A segment, or with `also` a pair of two columns' values, that fails far more often than the rest.

    `elsewhere` is the share that fails outside all finds.
    """

    column: str
    value: str
    rows: int
    failures: int
    elsewhere: Fraction = Fraction(0)
    also: SegmentValue | None = None

    @property
    def filter(self) -> SegmentFilter:
        """Return the condition of its failing rows."""
        return SegmentFilter(column=self.column, value=self.value, also=self.also)

    def __str__(self) -> str:
        """Return it as a person reads it."""
        share = f"{percent(Fraction(self.failures, self.rows))}, elsewhere {percent(self.elsewhere)}"
        pair = f" and {clean(self.also.column)} {quoted(self.also.value)}" if self.also else ""
        return f"{clean(self.column)} {quoted(self.value)}{pair} ({self.failures} of {self.rows} rows, {share})"


class Counted(Protocol):
    """Rows that have something in common, and how many of them fail."""

    @property
    def rows(self) -> int:
        """Return all of them."""

    @property
    def failures(self) -> int:
        """Return those that fail."""


Find = tuple[Localised, ...]
Singles = Mapping[tuple[str, str], SegmentCount]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a segment is held against: all rows of the run, the chance that one test may err, and the limits."""

    rows: int
    failures: int
    alpha: float
    limits: Localisation


def localised_segments(
    segments: Sequence[SegmentCount], pairs: Sequence[PairCount] = (), *, rows: int, failures: int, limits: Localisation
) -> Find:
    """Return the segments of one column, or the pairs of two, that hold the failures; empty when these are spread.

    Each is tested against all other rows of the run with Fisher's exact test, one-sided (R. A. Fisher, The Design of
    Experiments, 1935; the hypergeometric upper tail), corrected by Bonferroni for all that were looked at.
    A find must also be large enough to matter (`min_rows`, `min_failures`), fail `ratio` times as often as the rows
    outside all finds, and leave those healthy (at most `mild_share`). Where several columns qualify, the one that
    leaves fewest failures outside wins, then the one that holds fewest rows, then the first by name.

    A pair is named only where neither of its values explains it: it fails far more often than the other rows of
    either. It takes the place of a column's finds where it says of each of them which rows it is about.

    A missing value is no segment: it says what is wrong, not where. Nor are all the rare values together.
    """
    singles = {(one.column, one.value): one for one in segments if one.value not in {MISSING, OTHER}}
    columns = grouped(singles.values(), lambda one: one.column)
    total = max([rows, *(sum(one.rows for one in column) for column in columns.values())])
    failed = max([failures, *(sum(one.failures for one in column) for column in columns.values())])
    tests = len(singles) + (pairs_looked_at([*columns.values()], total, limits) if pairs else 0)
    run = Run(rows=total, failures=failed, alpha=float(limits.alpha) / max(1, tests), limits=limits)
    in_columns = best(among((located(one) for one in column), run) for column in columns.values())
    apart = grouped((one for one in pairs if stands_apart(one, singles, run)), lambda one: one.columns)
    in_pairs = best(among((located_pair(one) for one in both), run) for both in apart.values())
    return in_pairs if in_pairs and says_more(in_pairs, in_columns) else in_columns


def pairs_looked_at(columns: Sequence[Sequence[SegmentCount]], rows: int, limits: Localisation) -> int:
    """Return how many pairs of values may have been tested, at most: not more are of `min_rows` than fit in the run."""
    fit = rows // max(1, limits.min_rows)
    return sum(min(len(one) * len(other), fit) for one, other in combinations(columns, 2))


def grouped(counts: Iterable[C], key: Callable[[C], K]) -> dict[K, list[C]]:
    """Return counts by what they have in common."""
    found: dict[K, list[C]] = defaultdict(list)
    for one in counts:
        found[key(one)].append(one)
    return found


def located(segment: SegmentCount) -> Localised:
    """Return a segment as a find."""
    return Localised(column=segment.column, value=segment.value, rows=segment.rows, failures=segment.failures)


def located_pair(pair: PairCount) -> Localised:
    """Return a pair as a find."""
    also = SegmentValue(column=pair.columns[1], value=pair.values[1])
    return Localised(column=pair.columns[0], value=pair.values[0], also=also, rows=pair.rows, failures=pair.failures)


def best(finds: Iterable[Find]) -> Find:
    """Return the find with most failures inside, then fewest rows, then the first by name."""
    return min((one for one in finds if one), key=rank, default=())


def rank(find: Find) -> tuple[int, int, str, str]:
    """Order finds."""
    also = find[0].also.column if find[0].also else ""
    return (-sum(one.failures for one in find), sum(one.rows for one in find), find[0].column, also)


def among(segments: Iterable[Localised], run: Run) -> Find:
    """Return those that hold the failures, in the order of their names, if what they leave is healthy."""
    found = [one for one in segments if stands_out(one, run)]
    # Some row is always left: not every segment can fail more often than all of them together.
    rest = Fraction(run.failures - sum(one.failures for one in found), run.rows - sum(one.rows for one in found))
    if rest > run.limits.mild_share or any(rate(one) < run.limits.ratio * rest for one in found):
        return ()
    return tuple(replace(one, elsewhere=rest) for one in sorted(found, key=name))


def name(find: Localised) -> tuple[str, str]:
    """Return the values of a find, to sort by."""
    return find.value, find.also.value if find.also else ""


def rate(one: Counted) -> Fraction:
    """Return the share that fails."""
    return Fraction(one.failures, one.rows)


def says_more(in_pairs: Find, in_columns: Find) -> bool:
    """Whether each find of a column has a pair that says which of its rows fail."""
    values = {(one.column, one.value) for one in in_pairs} | {
        (one.also.column, one.also.value) for one in in_pairs if one.also
    }
    return all((one.column, one.value) in values for one in in_columns)


def stands_apart(pair: PairCount, singles: Singles, run: Run) -> bool:
    """Whether a pair fails far more often than the other rows of either of its values."""
    of = [singles.get(value) for value in zip(pair.columns, pair.values, strict=True)]
    return all(one is not None and stands_apart_in(pair, one, run) for one in of)


def stands_apart_in(pair: PairCount, single: SegmentCount, run: Run) -> bool:
    """Whether a pair fails far more often than the other rows of one of its values."""
    if not (pair.rows < single.rows and pair.failures <= single.failures):
        return False
    inside = replace(run, rows=single.rows, failures=single.failures)
    rest = Fraction(single.failures - pair.failures, single.rows - pair.rows)
    return stands_out(pair, inside) and rate(pair) >= run.limits.ratio * rest


def stands_out(segment: Counted, run: Run) -> bool:
    """Whether the segment is large enough and fails more often than chance explains."""
    limits = run.limits
    if segment.rows < limits.min_rows or segment.failures < limits.min_failures or segment.rows >= run.rows:
        return False
    tail = upper_tail(segment.failures, draws=segment.rows, marked=run.failures, population=run.rows)
    return tail <= run.alpha


def upper_tail(least: int, *, draws: int, marked: int, population: int) -> float:
    """Return the chance of at least `least` marked ones among `draws` of a population (hypergeometric).

    Summed from the first term on; its ratio to the next follows from the definition, so that a term costs four
    multiplications. At or below the mean the sum would be long and the answer plain: 1.
    """
    if least * population <= draws * marked:
        return 1.0
    term = exp(
        log_choose(marked, least) + log_choose(population - marked, draws - least) - log_choose(population, draws)
    )
    total, count = 0.0, least
    while term > NEGLIGIBLE * total:
        total += term
        term *= (marked - count) * (draws - count)
        count += 1
        term /= count * (population - marked - draws + count)
    return min(1.0, total)


def log_choose(of: int, many: int) -> float:
    """Return the logarithm of the binomial coefficient."""
    return lgamma(of + 1) - lgamma(many + 1) - lgamma(of - many + 1)
