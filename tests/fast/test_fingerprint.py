"""Two messages have one fingerprint if they differ only in what changes from run to run."""

from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mend.incidents.fingerprint import LISTS, cause_of, fingerprint, masked

SAME = [
    ("run customers-0001 failed after 3 tries", "run customers-77 failed after 12 tries"),
    ("at offset 14293 of partition 0", "at offset 9 of partition 11"),
    ("batch 0b1f6d3e-70a1-4c5e-9d7e-2a6b5f8f1c11 is gone", "batch aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee is gone"),
    ("late since 2026-01-02T10:11:12.123Z", "late since 2025-12-31 23:59:59+02:00"),
    ("object at 0x7f00aa1b", "object at 0xdeadbeef"),
    ("digest 9f86d081884c7d65", "digest ffffffffffffffffffff"),
    ("10.0.0.1:9092 does not answer", "192.168.7.12:19092 does not answer"),
    ("/data/staging/run=c-1/part-00000-aa.parquet is torn", "/data/staging/run=c-22/part-7.parquet is torn"),
    ("cannot write /tmp/tmpab12cd/x", "cannot write /tmp/tmpzz/y/z"),
    ("partitions [0, 1, 2] are away", "partitions [4] are away"),
    ("took 12.5 s, 3% of 1,000", "took 7 s, 11% of 25"),
    ("task7 died", "task12 died"),
    ("row of ann@example.org", "row of bob.b+x@mail.example.com"),
    ("two\r\n  lines", "two lines"),
]
OTHER = [
    ("field 'plan' came as int64", "field 'plan' came as int32"),
    ("field 'plan' came as int64", "field 'country' came as int64"),
    ("HTTP 503 from the registry", "HTTP 404 from the registry"),
    ("status=503", "status=429"),
    ("UTF-8 expected", "UTF-16 expected"),
    ("schema v1 is needed", "schema v2 is needed"),
    ("connection refused", "connection reset"),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_what_changes_is_masked(one: str, two: str) -> None:
    """Ids, numbers, offsets, times, hex, addresses and run parts of paths make no other problem."""
    assert fingerprint(one) == fingerprint(two)


@pytest.mark.parametrize(("one", "two"), OTHER)
def test_what_says_what_is_kept(one: str, two: str) -> None:
    """Names, types, versions and status codes make another problem."""
    assert fingerprint(one) != fingerprint(two)


@given(st.text(), st.integers(min_value=0), st.uuids())
def test_a_mask_hides_any_number_and_id(text: str, number: int, unique: object) -> None:
    """Whatever stands before them, and masking what is masked changes nothing."""
    assert fingerprint(f"{text} {number} {unique}") == fingerprint(f"{text} 7 {unique}")
    assert LISTS.sub("#", masked(masked(text))) == masked(masked(text))


@pytest.mark.parametrize(
    "piece",
    ["a", "0", "-", "a-", "0-", "run-", "run=", "a.", "0x", "@", "a@", "#,", "/run=/", "http ", "0a", "\n", "_0"],
)
def test_time_grows_with_the_text_and_no_faster(piece: str) -> None:
    """Four times the text takes about four times as long, never sixteen, whatever it is made of."""

    def seconds(size: int) -> float:
        text = (piece * size)[:size]
        began = perf_counter()
        fingerprint(text)
        return perf_counter() - began

    small, large = min(seconds(100_000) for _ in range(2)), min(seconds(400_000) for _ in range(2))
    assert large < 10 * max(small, 0.01)


def test_a_cause_names_type_and_pipeline() -> None:
    """The same text about another pipeline is another problem."""
    assert cause_of("job_failed", "orders", "try 1") == cause_of("job_failed", "orders", "try 2")
    assert cause_of("job_failed", "orders", "try 1") != cause_of("job_failed", "customers", "try 1")
    assert len(cause_of("job_failed", None, "x" * 10_000)) < 100
