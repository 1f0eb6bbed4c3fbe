"""Localised failures: found where they sit, and never in a healthy run."""

import random
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.matrix_file import load_matrix
from agent.segments import Localisation, localised_segments, upper_tail
from mend.contracts.report import SegmentCount

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


def run(seed: int, share: float, ill: str | None = None, rows: int = 1000) -> list[SegmentCount]:
    """Return the segments of a run whose rows fail with one probability, but for those of an ill country."""
    rng = random.Random(seed)
    counts: dict[tuple[str, str], list[int]] = {}
    for _ in range(rows):
        country, plan = rng.choice(COUNTRIES), rng.choices(PLANS, (5, 3, 2, 1))[0]
        failed = rng.random() < (0.4 if country == ill else share)
        for key in (("country", country), ("plan", plan)):
            count = counts.setdefault(key, [0, 0])
            count[0] += 1
            count[1] += failed
    return [segment(value, rows, failures, column) for (column, value), (rows, failures) in counts.items()]


@pytest.mark.parametrize("share", [0.02, 0.05])
def test_a_healthy_run_has_no_bad_segment(share: float) -> None:
    """In 200 runs whose failures are spread by chance none is blamed on a segment."""
    assert [found(*run(seed, share)) for seed in range(200)] == [[]] * 200


def test_an_ill_segment_is_found() -> None:
    """In 50 runs with an ill country it is found each time, and nothing else."""
    assert [found(*run(seed, 0.01, ill="BR")) for seed in range(50)] == [["BR"]] * 50


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
