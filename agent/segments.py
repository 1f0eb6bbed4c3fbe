"""Where failures sit: whether one segment fails far more often than the rest, computed and not guessed. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import exp, lgamma

from agent.phrases import clean, percent, quoted
from mend.contracts.report import SegmentCount

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
    """A segment that fails far more often than the rest; `elsewhere` is the share that fails outside all finds."""

    column: str
    value: str
    rows: int
    failures: int
    elsewhere: Fraction = Fraction(0)

    def __str__(self) -> str:
        """Return it as a person reads it."""
        share = f"{percent(Fraction(self.failures, self.rows))}, elsewhere {percent(self.elsewhere)}"
        return f"{clean(self.column)} {quoted(self.value)} ({self.failures} of {self.rows} rows, {share})"


def localised_segments(
    segments: Sequence[SegmentCount], *, rows: int, failures: int, limits: Localisation
) -> tuple[Localised, ...]:
    """Return the segments of one column that hold the failures, empty when these are spread.

    Each segment is tested against all other rows of the run with Fisher's exact test, one-sided (R. A. Fisher, The
    Design of Experiments, 1935; the hypergeometric upper tail), corrected for the number of segments by Bonferroni.
    A find must also be large enough to matter (`min_rows`, `min_failures`), fail `ratio` times as often as the rows
    outside all finds, and leave those healthy (at most `mild_share`). Where several columns qualify, the one that
    leaves fewest failures outside wins, then the one that holds fewest rows, then the first by name.

    A missing value is no segment: it says what is wrong, not where. Nor are all the rare values together.
    """
    named = [one for one in segments if one.value not in {MISSING, OTHER}]
    columns: dict[str, list[SegmentCount]] = defaultdict(list)
    for one in named:
        columns[one.column].append(one)
    total = max([rows, *(sum(one.rows for one in column) for column in columns.values())])
    failed = max([failures, *(sum(one.failures for one in column) for column in columns.values())])
    alpha = float(limits.alpha) / max(1, len(named))
    finds = [find for column in columns.values() if (find := find_in(column, total, failed, alpha, limits))]
    return min(finds, key=rank, default=())


def rank(find: tuple[Localised, ...]) -> tuple[int, int, str]:
    """Order finds: most failures inside, fewest rows, name."""
    return (-sum(one.failures for one in find), sum(one.rows for one in find), find[0].column)


def find_in(
    column: Iterable[SegmentCount], rows: int, failures: int, alpha: float, limits: Localisation
) -> tuple[Localised, ...]:
    """Return the segments of one column that hold the failures, if what they leave is healthy."""
    found = [one for one in column if stands_out(one, rows, failures, alpha, limits)]
    # Some row is always left: not every segment can fail more often than all of them together.
    rest = Fraction(failures - sum(one.failures for one in found), rows - sum(one.rows for one in found))
    if rest > limits.mild_share:
        return ()
    far = [one for one in found if Fraction(one.failures, one.rows) >= limits.ratio * rest]
    return tuple(located(far, rest)) if len(far) == len(found) else ()


def located(segments: Iterable[SegmentCount], elsewhere: Fraction) -> Iterator[Localised]:
    """Return the segments in the order of their names."""
    for one in sorted(segments, key=lambda one: one.value):
        yield Localised(column=one.column, value=one.value, rows=one.rows, failures=one.failures, elsewhere=elsewhere)


def stands_out(segment: SegmentCount, rows: int, failures: int, alpha: float, limits: Localisation) -> bool:
    """Whether the segment is large enough and fails more often than chance explains."""
    if segment.rows < limits.min_rows or segment.failures < limits.min_failures or segment.rows >= rows:
        return False
    return upper_tail(segment.failures, draws=segment.rows, marked=failures, population=rows) <= alpha


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
