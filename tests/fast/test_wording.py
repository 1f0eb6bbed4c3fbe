from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import wording


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (0, 10, "0 %"),
        (10, 10, "100 %"),
        (9999999, 10000000, "> 99.9 %"),
        (1, 10000000, "< 0.01 %"),
        (42, 10000, "0.42 %"),
        (18900, 20000, "94.5 %"),
        (1, 0, wording.NOT_KNOWN),
        (None, 1, wording.NOT_KNOWN),
        (float("nan"), 1, wording.NOT_KNOWN),
    ],
)
def test_shares_have_sensible_digits(part: float | None, whole: float, expected: str) -> None:
    """Only nothing is 0 % and only all is 100 %; what cannot be divided is a dash."""
    assert wording.share(part, whole) == expected


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_a_share_never_rounds_to_nothing_or_all(part: int, whole: int) -> None:
    """Of any counts, 0 % means none and 100 % means every one."""
    shown = wording.share(part, max(part, whole))
    assert (shown == "0 %") == (part == 0)
    assert (shown == "100 %") == (part >= whole)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, wording.NOT_KNOWN),
        (float("inf"), wording.NOT_KNOWN),
        (1705312800000.0, "1,705,312,800,000"),
        (1999.99, "1,999.99"),
        (0.00042, "0.00042"),
    ],
)
def test_numbers_keep_the_digits_that_matter(value: float | None, expected: str) -> None:
    """Large figures are grouped, small ones keep their first digits, and what is no number is a dash."""
    assert wording.number(value) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.34, "340 ms"),
        (12.34, "12.3 s"),
        (0.9997, "1.0 s"),
        (59.97, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3725, "1 h 02 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_durations_use_the_unit_of_their_size(seconds: float, expected: str) -> None:
    """No duration reads as sixty of a unit."""
    assert wording.duration(seconds) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-15T10:05:00", "15 Jan 2024, 10:05:00 UTC"),
        ("2024-01-15T12:05:00+02:00", "15 Jan 2024, 10:05:00 UTC"),
        ("yesterday", "yesterday"),
        (None, wording.NOT_KNOWN),
        ("0001-01-01T00:00:00+02:00", "0001-01-01T00:00:00+02:00"),
    ],
)
def test_moments_are_in_utc(text: str | None, expected: str) -> None:
    """A time without a zone is UTC, another zone is converted, and what is no time is shown as it came."""
    assert wording.moment(text) == expected


@given(st.text(st.characters()), st.integers(1, 40))
def test_clipped_text_fits_and_can_be_written(text: str, width: int) -> None:
    """Whatever text comes, it is at most as wide as asked, has no control character and encodes."""
    shown = wording.clip(text, width)
    assert len(shown) <= width
    assert wording.UNSHOWABLE.search(shown) is None
    assert shown.encode().decode() == shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.2 % were late, e.g. 12 of US. Nothing else.", "5.2 % were late, e.g. 12 of US."),
        ("It is published. 5 % were late.", "It is published."),
        ("No full stop", "No full stop"),
        ("", ""),
    ],
)
def test_the_first_sentence_ends_at_its_own_full_stop(text: str, expected: str) -> None:
    """A decimal point or an abbreviation ends no sentence."""
    assert wording.first_sentence(text) == expected


def test_ages_use_their_largest_unit() -> None:
    """An age is a whole number of its largest unit; one in the future is nothing."""
    spans = (None, timedelta(seconds=-5), timedelta(seconds=59), timedelta(hours=3, minutes=50), timedelta(days=9))
    assert [wording.age(span) for span in spans] == [wording.NOT_KNOWN, "0 s", "59 s", "3 h", "9 d"]


@given(st.text())
def test_ascii_text_is_as_wide_as_the_text(text: str) -> None:
    """Each sign has one of the same width, so that tables stay straight."""
    assert len(wording.in_ascii(text)) == len(text)
    assert wording.in_ascii(text).isascii()
