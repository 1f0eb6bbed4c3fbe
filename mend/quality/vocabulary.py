"""The expectations that a rules file may name, their arguments and the types they know."""

from dataclasses import dataclass, field

from mend.contracts.rules import RuleSeverity


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One expectation: the word that names its rules, the arguments it needs and those it may have."""

    word: str
    severity: RuleSeverity = "quality"
    required: frozenset[str] = field(default_factory=frozenset)
    optional: frozenset[str] = field(default_factory=frozenset)
    pair: bool = False

    @property
    def arguments(self) -> frozenset[str]:
        """All arguments that the expectation understands."""
        return self.required | self.optional


def _row(word: str, *required: str, optional: tuple[str, ...] = (), severity: RuleSeverity = "quality") -> Term:
    return Term(word=word, severity=severity, required=frozenset(required), optional=frozenset((*optional, "mostly")))


BOUNDS = ("min_value", "max_value", "strict_min", "strict_max")

EXPECTATIONS = {
    "expect_column_to_exist": Term(word="exists", severity="contract"),
    "expect_column_values_to_not_be_null": _row("not_null", severity="contract"),
    "expect_column_values_to_be_null": _row("null"),
    "expect_column_values_to_be_unique": _row("unique"),
    "expect_column_values_to_match_regex": _row("match_regex", "regex"),
    "expect_column_values_to_not_match_regex": _row("not_match_regex", "regex"),
    "expect_column_values_to_be_in_set": _row("in_set", "value_set"),
    "expect_column_values_to_not_be_in_set": _row("not_in_set", "value_set"),
    "expect_column_values_to_be_between": _row("between", optional=(*BOUNDS, "parse_strings_as_datetimes")),
    "expect_column_value_lengths_to_be_between": _row("length_between", optional=BOUNDS),
    "expect_column_values_to_be_of_type": _row("of_type", "type_", severity="contract"),
    "expect_column_pair_values_a_to_be_greater_than_b": Term(
        word="greater_than",
        optional=frozenset({"or_equal", "ignore_row_if", "parse_strings_as_datetimes", "mostly"}),
        pair=True,
    ),
}

TYPES = {
    "string": ("str", "string", "StringType", "object", "varchar", "VARCHAR", "text", "TEXT"),
    "integer": ("int", "integer", "int32", "int64", "long", "bigint", "INTEGER", "BIGINT", "IntegerType", "LongType"),
    "float": ("float", "float32", "float64", "double", "FLOAT", "DOUBLE", "FloatType", "DoubleType"),
    "boolean": ("bool", "boolean", "BOOLEAN", "BooleanType"),
    "timestamp": ("timestamp", "Timestamp", "TIMESTAMP", "TimestampType", "datetime", "datetime64", "datetime64[ns]"),
}
"""The five types of a rule, and the words for them that people bring along from other tools."""

TYPE_OF = {word: name for name, words in TYPES.items() for word in words}
