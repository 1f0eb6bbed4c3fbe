# ruff: noqa: S608 - conditions are the subject here
"""A rule as a DuckDB condition: true for failing rows only, never NULL, and nothing can be injected."""

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

import duckdb
import pytest

from mend.contracts.rules import Rule
from mend.curate.predicates import failure_predicate, text_literal

pytestmark = pytest.mark.dq

NOW = "TIMESTAMPTZ '2026-01-01 00:00:00+00'"
NASTY = [
    "'",
    "''",
    "\\",
    "\\'",
    "'; DROP TABLE t; --",
    "$1",
    "?",
    "%s",
    "{}",
    "é😀日本",
    "\n",
    '"',
    "E'\\x41'",
    "a\x00b",
]


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Share one connection in memory."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def _predicate(expectation: str, *columns: str, **arguments: Any) -> str:
    names = columns or ("a",)
    rule = Rule(name="r", expectation=expectation, columns=names, severity="quality", arguments=arguments)
    condition = failure_predicate(rule, lambda name: name, now_sql=NOW)
    assert condition is not None
    return condition


def failing(connection: duckdb.DuckDBPyConnection, condition: str, values: str) -> list[bool]:
    """Return the condition for each of the values `(…), (…)` of the columns a and b."""
    return [row[0] for row in connection.execute(f"SELECT {condition} FROM (VALUES {values}) t(a, b)").fetchall()]


MATCH = "expect_column_values_to_match_regex"
IN_SET = "expect_column_values_to_be_in_set"
BETWEEN = "expect_column_values_to_be_between"
PAIR = "expect_column_pair_values_a_to_be_greater_than_b"


@pytest.mark.parametrize(
    "expectation",
    ["expect_column_to_exist", "expect_column_values_to_be_of_type", "expect_column_values_to_be_unique"],
)
def test_what_is_not_about_rows_has_no_predicate(expectation: str) -> None:
    """Presence, type and uniqueness are questions about all rows together."""
    rule = Rule(name="r", expectation=expectation, columns=("a",), severity="warn")
    assert failure_predicate(rule, lambda name: name, now_sql=NOW) is None


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        (_predicate("expect_column_values_to_not_be_null"), "('x', 0), ('', 0), (NULL, 0)", [False, False, True]),
        (
            _predicate("expect_column_values_to_not_be_null"),
            "(1e0, 0), ('nan'::DOUBLE, 0), (NULL, 0)",
            [False, True, True],
        ),
        (_predicate("expect_column_values_to_be_null"), "('nan', 0), (NULL, 0)", [True, False]),
        (_predicate(MATCH, regex="^a$"), "('a', 0), ('ab', 0), ('', 0), (NULL, 0)", [False, True, True, False]),
        (
            _predicate("expect_column_values_to_not_match_regex", regex="b"),
            "('a', 0), ('ab', 0), (NULL, 0)",
            [False, True, False],
        ),
        (_predicate(IN_SET, value_set=["x", "y"]), "('x', 0), ('z', 0), (NULL, 0)", [False, True, False]),
        (
            _predicate(IN_SET, value_set=[1, 2.5]),
            "(1e0, 0), (2.5, 0), (3, 0), ('nan'::DOUBLE, 0), (NULL, 0)",
            [False, False, True, False, False],
        ),
        (_predicate(IN_SET, value_set=[True]), "(true, 0), (false, 0), (NULL, 0)", [False, True, False]),
        (
            _predicate("expect_column_values_to_not_be_in_set", value_set=["x"]),
            "('x', 0), ('z', 0), (NULL, 0)",
            [True, False, False],
        ),
        (
            _predicate(BETWEEN, min_value=1, max_value=10),
            "(0, 0), (1, 0), (10, 0), (11, 0), (NULL, 0)",
            [True, False, False, True, False],
        ),
        (_predicate(BETWEEN, min_value=1, strict_min=True), "(1, 0), (2, 0)", [True, False]),
        (_predicate(BETWEEN, max_value=-1.5), "(-1.5, 0), (-1.4, 0)", [False, True]),
        (_predicate(BETWEEN, max_value=1), "('nan'::DOUBLE, 0), ('inf'::DOUBLE, 0)", [False, True]),
        (
            _predicate(BETWEEN, max_value="now"),
            f"({NOW}, 0), ({NOW} + INTERVAL 1 MICROSECOND, 0), (NULL, 0)",
            [False, True, False],
        ),
        (
            _predicate(BETWEEN, min_value="2020-01-01T00:00:00+00:00"),
            "(TIMESTAMP '2019-12-31 23:59:59.999999', 0), (TIMESTAMP '2020-01-01', 0)",
            [True, False],
        ),
        (
            _predicate("expect_column_value_lengths_to_be_between", max_value=2),
            "('é😀', 0), ('abc', 0), (NULL, 0)",
            [False, True, False],
        ),
        (
            _predicate(PAIR, "a", "b", or_equal=True),
            "(1, 1), (1, 2), (NULL, 1), (1, NULL), (NULL, NULL)",
            [False, True, False, False, False],
        ),
        (_predicate(PAIR, "a", "b"), "(1, 1), (2, 1)", [True, False]),
        (_predicate(PAIR, "a", "b"), "(1e0, 'nan'::DOUBLE), ('nan'::DOUBLE, 1)", [False, False]),
    ],
)
def test_a_predicate_is_true_for_failing_rows_only(
    connection: duckdb.DuckDBPyConnection, condition: str, values: str, expected: list[bool]
) -> None:
    """Missing values break not-null rules only, and the answer is never NULL."""
    assert failing(connection, condition, values) == expected


@pytest.mark.parametrize("text", NASTY)
def test_values_of_a_set_stay_values(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Quotes, backslashes, placeholders and other scripts in a user's set are compared, not run."""
    condition = _predicate(IN_SET, value_set=[text, "other"])
    rows = connection.execute(f"SELECT {condition} FROM (SELECT unnest([?, ?]) a)", [text, text + "x"]).fetchall()
    assert rows == [(False,), (True,)]


@pytest.mark.parametrize("regex", ["'", r"\\", r"''\$", "'; DROP TABLE t; --", "😀+", r"\?"])
def test_patterns_stay_patterns(connection: duckdb.DuckDBPyConnection, regex: str) -> None:
    """Quotes and backslashes of a pattern reach the engine as they were written."""
    condition = _predicate(MATCH, regex=regex)
    (expected,) = connection.execute("SELECT NOT regexp_matches('''\\?$😀', ?)", [regex]).fetchall()
    assert connection.execute(f"SELECT {condition} FROM (SELECT '''\\?$😀' a)").fetchall() == [expected]


def test_any_text_is_one_literal(connection: duckdb.DuckDBPyConnection) -> None:
    """Whatever the text is, its literal is that text again."""
    chance = Random(7)
    letters = "'\"\\;-$%{}\n\x00 aé😀"
    texts = ["".join(chance.choices(letters, k=chance.randrange(12))) for _ in range(1000)]
    (row,) = connection.execute(f"SELECT {', '.join(map(text_literal, texts))}").fetchall()
    assert list(row) == texts


@pytest.mark.parametrize(
    ("condition", "column"),
    [
        (_predicate(BETWEEN, min_value=1), "'x'::VARCHAR"),
        (_predicate(BETWEEN, min_value=1.5), "'x'::VARCHAR"),
        (_predicate(BETWEEN, min_value=1), "now()"),
        (_predicate(BETWEEN, max_value="now"), "'x'::VARCHAR"),
        (_predicate(BETWEEN, max_value="now"), "1"),
        (_predicate(IN_SET, value_set=["1"]), "1"),
        (_predicate(IN_SET, value_set=[1, 2]), "'x'::VARCHAR"),
        (_predicate(IN_SET, value_set=[True]), "'x'::VARCHAR"),
        (_predicate(MATCH, regex="1"), "1"),
    ],
)
def test_a_rule_that_does_not_suit_its_column_fails_before_any_row(
    connection: duckdb.DuckDBPyConnection, condition: str, column: str
) -> None:
    """A mismatch shows when the query is compiled, on no rows at all, not in the middle of a run."""
    with pytest.raises(duckdb.BinderException):
        connection.execute(f"SELECT {condition} FROM (SELECT {column} a) WHERE false")


def test_a_time_before_now(connection: duckdb.DuckDBPyConnection) -> None:
    """`now - 90 minutes` counts back from the processing time, and the bound itself still fits."""
    condition = _predicate(BETWEEN, min_value="now - 90 minutes")
    rows = ", ".join(f"(TIMESTAMPTZ '2025-12-31 {at}+00', 0)" for at in ("22:30:00", "22:29:59.999999"))
    assert failing(connection, condition, rows) == [False, True]


def test_times_do_not_depend_on_the_zone_of_the_session(connection: duckdb.DuckDBPyConnection) -> None:
    """Bounds carry their zone: rows with one compare the same wherever the session is."""
    condition = _predicate(BETWEEN, min_value=datetime(2020, 1, 1, tzinfo=UTC).isoformat())
    with duckdb.connect() as elsewhere:
        elsewhere.execute("SET TimeZone = 'Pacific/Auckland'")
        row = "(TIMESTAMPTZ '2019-12-31 23:59:59+00', 0), (TIMESTAMPTZ '2020-01-01 00:00:00+00', 0)"
        assert failing(elsewhere, condition, row) == [True, False] == failing(connection, condition, row)
