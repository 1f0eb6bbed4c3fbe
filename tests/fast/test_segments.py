"""Localised failures: found where they sit, and never in a healthy run."""

import random
from dataclasses import dataclass, replace
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.matrix_file import load_matrix
from agent.segments import Localisation, localised_segments, upper_tail
from mend.contracts.decision import SegmentFilter, SegmentValue
from mend.contracts.report import PairCount, SegmentCount

pytestmark = pytest.mark.agent

LIMITS = load_matrix().limits.localisation
COUNTRIES = ("US", "CA", "GB", "DE", "FR", "AU", "JP", "IN", "BR", "MX")
PLANS = ("free", "basic", "premium", "enterprise")


def segment(value: str, rows: int, failures: int, column: str = "country") -> SegmentCount:
    """Return a count."""
    return SegmentCount(column=column, value=value, rows=rows, failures=failures)


def found(*segments: SegmentCount, rows: int = 1000, limits: Localisation = LIMITS) -> list[str]:
    """Return the values of the localised segments of the first column's run."""
    first = segments[0].column
    failures = sum(one.failures for one in segments if one.column == first)
    return [one.value for one in localised_segments(segments, rows=rows, failures=failures, limits=limits)]


@dataclass(frozen=True)
class Counts:
    """What a report counts of a run by segments."""

    segments: list[SegmentCount]
    pairs: list[PairCount]
    rows: int
    failures: int


Ill = tuple[str, ...]
"""A country, a plan, or a country and a plan."""


def run(seed: int, share: float, ill: Ill = (), rows: int = 1000, times: float = 0.4) -> Counts:
    """Return the counts of a run whose rows fail with one probability, but for those of an ill segment."""
    rng = random.Random(seed)
    counts: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for _ in range(rows):
        country, plan = rng.choice(COUNTRIES), rng.choices(PLANS, (5, 3, 2, 1))[0]
        failed = rng.random() < (times if ill and {country, plan}.issuperset(ill) else share)
        both = (("country", country), ("plan", plan))
        for key in ((both[0],), (both[1],), both):
            count = counts.setdefault(key, [0, 0])
            count[0] += 1
            count[1] += failed
    singles = [segment(key[0][1], count[0], count[1], key[0][0]) for key, count in counts.items() if len(key) == 1]
    pairs = [
        pair((key[0][1], key[1][1]), count[0], count[1]) for key, count in counts.items() if len(key) > 1 and count[1]
    ]
    return Counts(singles, pairs, rows, sum(one.failures for one in singles if one.column == "plan"))


def pair(values: tuple[str, str], rows: int, failures: int) -> PairCount:
    """Return the count of a country and a plan."""
    return PairCount(columns=("country", "plan"), values=values, rows=rows, failures=failures)


def blamed(counts: Counts) -> list[Ill]:
    """Return the values of what is localised."""
    found = localised_segments(counts.segments, counts.pairs, rows=counts.rows, failures=counts.failures, limits=LIMITS)
    return [(one.value, one.also.value) if one.also else (one.value,) for one in found]


@pytest.mark.parametrize("share", [0.02, 0.05])
def test_a_healthy_run_has_no_bad_segment(share: float) -> None:
    """In 200 runs whose failures are spread by chance none is blamed on a segment, nor on a pair of them."""
    assert [blamed(run(seed, share)) for seed in range(200)] == [[]] * 200


@pytest.mark.parametrize("ill", [("BR",), ("premium",)])
def test_an_ill_segment_is_found(ill: Ill) -> None:
    """In 50 runs with an ill country, or plan, it is found each time, and nothing else: no pair takes its place."""
    assert [blamed(run(seed, 0.01, ill)) for seed in range(50)] == [[ill]] * 50


@pytest.mark.parametrize("ill", [("BR", "free"), ("JP", "basic")])
def test_an_ill_pair_is_found(ill: Ill) -> None:
    """In 50 runs in which one plan of one country is ill, the pair is found each time and not the whole country."""
    assert [blamed(run(seed, 0.01, ill, rows=3000, times=0.6)) for seed in range(50)] == [[ill]] * 50


BOTH = [segment("BR", 300, 33), segment("US", 700, 7), segment("free", 300, 33, "plan"), segment("pro", 700, 7, "plan")]


@pytest.mark.parametrize(
    ("failing", "expected"),
    {
        "one pair alone": ([pair(("BR", "free"), 90, 30)], [("BR", "free")]),
        "a pair that is no worse than its country": ([pair(("BR", "free"), 90, 11)], [("BR",)]),
        "a pair that is all of its country": ([pair(("BR", "free"), 300, 33)], [("BR",)]),
        "a pair of more failures than its country": ([pair(("BR", "free"), 90, 34)], [("BR",)]),
        "a pair of a value that is not listed": ([pair(("BR", "old"), 90, 30)], [("BR",)]),
        "too few rows": ([pair(("BR", "free"), 19, 19)], [("BR",)]),
        "a pair elsewhere": ([pair(("US", "pro"), 20, 7)], [("BR",)]),
    }.values(),
)  # fmt: skip
def test_a_pair_is_named_where_no_value_explains_it(failing: list[PairCount], expected: list[Ill]) -> None:
    """It must fail far more often than the other rows of either of its values, else the value is named."""
    assert blamed(Counts(BOTH, failing, 1000, 40)) == expected


def test_a_pair_that_is_little_worse_is_not_named() -> None:
    """With many rows it may be certain that a plan is worse than the rest of its country, and still say little."""
    large = [replace(one, rows=1000 * one.rows, failures=1000 * one.failures) for one in BOTH]
    assert blamed(Counts(large, [pair(("BR", "free"), 90_000, 11_700)], 1_000_000, 40_000)) == [("BR",)]


def test_a_pair_that_leaves_another_find_untold_is_not_named() -> None:
    """With one country ill in all plans and another in one, both countries are named: nothing ill stays outside."""
    countries = [segment("BR", 100, 40), segment("IN", 100, 32), segment("US", 800, 8)]
    plans = [segment("free", 400, 45, "plan"), segment("pro", 600, 35, "plan")]
    counts = Counts([*countries, *plans], [pair(("IN", "free"), 40, 30), pair(("BR", "free"), 40, 16)], 1000, 80)
    assert blamed(counts) == [("BR",), ("IN",)]


def test_the_correction_counts_the_pairs() -> None:
    """What is too weak beside a hundred pairs is found where no pair was looked at."""
    weak = [segment("BR", 100, 12), segment("US", 900, 30), *(segment(name, 250, 10, "plan") for name in PLANS)]
    limits = Localisation(alpha=Fraction(1, 250), min_rows=20, min_failures=5, ratio=2, mild_share=Fraction(1, 20))
    assert localised_segments(weak, rows=1000, failures=42, limits=limits)
    assert not localised_segments(weak, [pair(("US", "free"), 225, 9)], rows=1000, failures=42, limits=limits)


def test_a_pair_is_a_condition_of_two_values() -> None:
    """Its filter and its words name both, with the size of the effect."""
    (one,) = localised_segments(BOTH, [pair(("BR", "free"), 90, 30)], rows=1000, failures=40, limits=LIMITS)
    assert one.filter == SegmentFilter(column="country", value="BR", also=SegmentValue(column="plan", value="free"))
    assert str(one) == "country 'BR' and plan 'free' (30 of 90 rows, 33.3333 %, elsewhere 1.0989 %)"


def test_two_ill_segments_are_found() -> None:
    """Two values of one column may be ill together."""
    assert found(segment("BR", 100, 50), segment("IN", 100, 40), segment("US", 800, 8)) == ["BR", "IN"]


def test_the_column_that_explains_most_wins() -> None:
    """Where the same rows stand out in two columns, the one that leaves fewest failures outside is taken."""
    country = (segment("BR", 100, 50), segment("US", 900, 9))
    plan = (segment("free", 300, 45, "plan"), segment("basic", 700, 14, "plan"))
    assert found(*country, *plan) == ["BR"]
    assert found(*plan, *country) == ["BR"]


def test_the_more_specific_column_wins() -> None:
    """Of two that explain the same failures the one that holds fewer rows is taken."""
    assert found(
        segment("free", 300, 50, "plan"),
        segment("basic", 700, 5, "plan"),
        segment("BR", 100, 50),
        segment("US", 900, 5),
    ) == ["BR"]


def test_too_few_rows_prove_nothing() -> None:
    """Below twenty rows or five failures no segment is blamed."""
    assert found(segment("BR", 19, 19), segment("US", 981, 0)) == []
    assert found(segment("BR", 20, 20), segment("US", 980, 0)) == ["BR"]
    assert found(segment("BR", 200, 4), segment("US", 800, 0)) == []


def test_a_small_difference_does_not_matter() -> None:
    """With many rows a difference may be certain and still too small to act on."""
    many = (segment("BR", 100_000, 3_000), segment("US", 900_000, 18_000))
    assert upper_tail(3_000, draws=100_000, marked=21_000, population=1_000_000) < 1e-9
    assert found(*many, rows=1_000_000) == []


def test_an_ill_rest_is_not_localised() -> None:
    """When the rows outside fail beyond the mild limit, the trouble is not in the segment alone; at the limit it is."""
    assert found(segment("BR", 100, 60), segment("US", 900, 45)) == ["BR"]
    assert found(segment("BR", 100, 60), segment("US", 900, 46)) == []


def test_rows_in_no_listed_segment_count() -> None:
    """A report may list only some segments: the rest is what the run has beside them."""
    segments = (segment("BR", 100, 40),)
    assert localised_segments(segments, rows=1000, failures=45, limits=LIMITS)
    assert not localised_segments(segments, rows=1000, failures=120, limits=LIMITS)


def test_the_whole_run_is_no_segment() -> None:
    """A column of one value localises nothing."""
    assert found(segment("BR", 1000, 40)) == []


def test_there_is_always_a_rest() -> None:
    """However loose the limits, the finds never make up the whole run: a worst segment leaves a better one."""
    loose = Localisation(alpha=Fraction(1), min_rows=1, min_failures=1, ratio=1, mild_share=Fraction(1))
    assert found(segment("A", 500, 400), segment("B", 500, 300), limits=loose) == ["A"]
    assert found(segment("A", 500, 400), segment("B", 500, 400), limits=loose) == []


def test_a_missing_value_says_what_not_where() -> None:
    """Rows that fail because the segment's field is missing are not blamed on a segment."""
    for value in ("(missing)", "(other)"):
        assert found(segment(value, 100, 100), segment("US", 900, 1)) == []


def test_no_segments() -> None:
    """A report without segments localises nothing."""
    assert localised_segments((), rows=1000, failures=60, limits=LIMITS) == ()


@given(st.integers(1, 60), st.data())
def test_the_tail_is_exact(population: int, data: st.DataObject) -> None:
    """The tail equals the sum of the binomial terms above the mean, and is 1 at or below it."""
    marked, draws = data.draw(st.integers(0, population)), data.draw(st.integers(1, population))
    least = data.draw(st.integers(max(0, draws + marked - population), min(marked, draws)))
    tail = upper_tail(least, draws=draws, marked=marked, population=population)
    if least * population <= draws * marked:
        assert tail == 1.0
        return
    ways = sum(comb(marked, k) * comb(population - marked, draws - k) for k in range(least, min(marked, draws) + 1))
    assert tail == pytest.approx(ways / comb(population, draws), rel=1e-9)


def test_the_tail_of_large_runs_is_quick_and_small() -> None:
    """A hundred million rows take no longer than a thousand."""
    assert upper_tail(2_000_000, draws=10_000_000, marked=5_000_000, population=100_000_000) == 0.0
