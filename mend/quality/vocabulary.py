"""The expectations that a rules file may name, their arguments and the types they know."""

from dataclasses import dataclass, field
from typing import Literal

from mend.contracts.rules import RuleSeverity


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One expectation: the word that names its rules, the arguments it needs and those it may have.

    `about` is what it judges: single rows (the row predicates count the same failures), the columns as such, or all
    rows of a run together.
    """

    word: str
    about: Literal["rows", "columns", "run"]
    severity: RuleSeverity = "quality"
    required: frozenset[str] = field(default_factory=frozenset)
    optional: frozenset[str] = field(default_factory=frozenset)
    columns: tuple[str, ...] = ("column",)

    @property
    def arguments(self) -> frozenset[str]:
        """All arguments that the expectation understands."""
        return self.required | self.optional


def _row(word: str, *required: str, optional: tuple[str, ...] = (), severity: RuleSeverity = "quality") -> Term:
    may = frozenset((*optional, "mostly"))
    return Term(word=word, about="rows", severity=severity, required=frozenset(required), optional=may)


def _run(word: str, *optional: str, columns: tuple[str, ...] = ("column",)) -> Term:
    return Term(word=word, about="run", severity="warn", optional=frozenset(optional), columns=columns)


ROW_COUNT = "expect_table_row_count_to_be_between"
UNIQUE_SHARE = "expect_column_proportion_of_unique_values_to_be_between"
BOUNDS = ("min_value", "max_value", "strict_min", "strict_max")

EXPECTATIONS = {
    "expect_column_to_exist": Term(word="exists", about="columns", severity="contract"),
    "expect_column_values_to_not_be_null": _row("not_null", severity="contract"),
    "expect_column_values_to_be_null": _row("null"),
    "expect_column_values_to_be_unique": Term(word="unique", about="run", optional=frozenset({"mostly"})),
    "expect_column_values_to_match_regex": _row("match_regex", "regex"),
    "expect_column_values_to_not_match_regex": _row("not_match_regex", "regex"),
    "expect_column_values_to_be_in_set": _row("in_set", "value_set"),
    "expect_column_values_to_not_be_in_set": _row("not_in_set", "value_set"),
    "expect_column_values_to_be_between": _row("between", optional=(*BOUNDS, "parse_strings_as_datetimes")),
    "expect_column_value_lengths_to_be_between": _row("length_between", optional=BOUNDS),
    "expect_column_values_to_be_of_type": Term(
        word="of_type",
        about="columns",
        severity="contract",
        required=frozenset({"type_"}),
        optional=frozenset({"mostly"}),
    ),
    "expect_column_pair_values_a_to_be_greater_than_b": Term(
        word="greater_than",
        about="rows",
        optional=frozenset({"or_equal", "ignore_row_if", "parse_strings_as_datetimes", "mostly"}),
        columns=("column_A", "column_B"),
    ),
    ROW_COUNT: _run("row_count", "min_value", "max_value", "within", "runs", "min_runs", columns=()),
    UNIQUE_SHARE: _run("unique_share", *BOUNDS),
    "expect_column_max_to_be_between": _run("max", *BOUNDS, "parse_strings_as_datetimes"),
}

DISTINCT = frozenset({"expect_column_values_to_be_unique", UNIQUE_SHARE})
"""Expectations that ask only whether values are equal."""

WHOLE_RUN = frozenset(name for name, term in EXPECTATIONS.items() if term.about != "rows")
"""Expectations whose failure is no failure of single rows, so that no row is counted for it."""

TYPES = {
    "string": ("str", "string", "StringType", "object", "varchar", "VARCHAR", "text", "TEXT"),
    "integer": ("int", "integer", "int32", "int64", "long", "bigint", "INTEGER", "BIGINT", "IntegerType", "LongType"),
    "float": ("float", "float32", "float64", "double", "FLOAT", "DOUBLE", "FloatType", "DoubleType"),
    "boolean": ("bool", "boolean", "BOOLEAN", "BooleanType"),
    "timestamp": ("timestamp", "Timestamp", "TIMESTAMP", "TimestampType", "datetime", "datetime64", "datetime64[ns]"),
}
"""The five types of a rule, and the words for them that people bring along from other tools."""

TYPE_OF = {word: name for name, words in TYPES.items() for word in words}
