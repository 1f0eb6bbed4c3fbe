"""One rule → the DuckDB condition that is true exactly for the rows that break it.

Times are UTC: the session's TimeZone must be UTC for columns without a zone. NaN counts as missing, as it does in the
audit. A rule that does not suit its column's type (a number as the bound of a text) fails to bind, before any row.
"""

from collections.abc import Callable
from typing import Any

from mend.contracts.rules import Rule

INFINITY = "CAST('Infinity' AS DOUBLE)"
Arguments = dict[str, Any]


def failure_predicate(rule: Rule, column_sql: Callable[[str], str], *, now_sql: str) -> str | None:
    """Return a SQL condition that is TRUE for rows that break the rule and FALSE for all others, never NULL.

    `column_sql` gives the SQL of a column, `now_sql` the processing time as TIMESTAMPTZ. A missing value breaks
    not-null rules only. None: the expectation is not about single rows (exists, type, unique).
    """
    columns = [f"({column_sql(name)})" for name in rule.columns]
    if rule.expectation == "expect_column_pair_values_a_to_be_greater_than_b":
        condition = _not_greater(columns[0], columns[1], rule.arguments)
    elif rule.expectation in CONDITIONS:
        condition = CONDITIONS[rule.expectation](columns[0], rule.arguments, now_sql)
    else:
        return None
    return f"(({condition}) IS TRUE)"


def text_literal(text: str) -> str:
    """Return the text as a SQL literal: DuckDB's plain strings know no escape but the doubled quote."""
    return "'" + text.replace("'", "''") + "'"


def _literal(value: Any, now_sql: str) -> str:
    """Return a bound: a number, the processing time or a time before it (`now - 90 minutes`), or one in ISO 8601."""
    if isinstance(value, str) and value.startswith("now"):
        _, _, since = value.partition(" - ")
        return f"({now_sql} - INTERVAL {text_literal(since)})" if since else f"({now_sql})"
    if isinstance(value, str):
        return f"TIMESTAMPTZ {text_literal(value)}"
    return _plain(value)


def _plain(value: Any) -> str:
    """Return a value of a set."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, str):
        return text_literal(value)
    return f"({value})" if isinstance(value, int) else f"CAST('{value!r}' AS DOUBLE)"


def _missing(column: str) -> str:
    """NULL or NaN. `typeof` is known when the query is compiled, so that other types pay nothing."""
    nan = f"typeof({column}) IN ('FLOAT', 'DOUBLE') AND TRY_CAST({column} AS DOUBLE) > {INFINITY}"
    return f"({column} IS NULL OR ({nan}))"


def _numeric(column: str, condition: str) -> str:
    """Let numbers pass only: a text does not bind in an order comparison (it would in an equality); NaN > Infinity."""
    return f"({condition}) AND {column} <= {INFINITY}"


def _outside(column: str, arguments: Arguments, now_sql: str, bound: str = "{}") -> str:
    sides = []
    if (low := arguments.get("min_value")) is not None:
        sides.append(f"{column} {'<=' if arguments.get('strict_min') else '<'} {bound.format(_literal(low, now_sql))}")
    if (high := arguments.get("max_value")) is not None:
        sides.append(f"{column} {'>=' if arguments.get('strict_max') else '>'} {bound.format(_literal(high, now_sql))}")
    return " OR ".join(sides)


def _not_between(column: str, arguments: Arguments, now_sql: str) -> str:
    """Compare times without a zone as they are: giving each a zone asks a calendar about it."""
    outside = _outside(column, arguments, now_sql)
    if not isinstance(arguments.get("min_value", arguments.get("max_value")), str):
        return _numeric(column, outside)
    without_zone = _outside(f"TRY_CAST({column} AS TIMESTAMP)", arguments, now_sql, "CAST({} AS TIMESTAMP)")
    return f"CASE WHEN typeof({column}) = 'TIMESTAMP' THEN {without_zone} ELSE {outside} END"


def _length_outside(column: str, arguments: Arguments, now_sql: str) -> str:
    return _outside(f"length({column})", arguments, now_sql)


def _not_in_set(column: str, arguments: Arguments, _now_sql: str) -> str:
    return _of_kind(column, "NOT IN", arguments["value_set"])


def _in_set(column: str, arguments: Arguments, _now_sql: str) -> str:
    return _of_kind(column, "IN", arguments["value_set"])


def _of_kind(column: str, operator: str, values: list[Any]) -> str:
    """Compare with the set, in a way that only columns of the set's kind bind: text, truth value or number."""
    condition = f"{column} {operator} ({', '.join(map(_plain, values))})"
    if isinstance(values[0], str):
        return f"{condition} AND length({column}) >= 0"
    if isinstance(values[0], bool):
        return f"{condition} AND ({column} < 0) IS NOT NULL"
    return _numeric(column, condition)


def _no_match(column: str, arguments: Arguments, _now_sql: str) -> str:
    return f"NOT regexp_matches({column}, {text_literal(arguments['regex'])})"


def _match(column: str, arguments: Arguments, _now_sql: str) -> str:
    return f"regexp_matches({column}, {text_literal(arguments['regex'])})"


def _not_greater(left: str, right: str, arguments: Arguments) -> str:
    greater = f"{left} {'>=' if arguments.get('or_equal') else '>'} {right}"
    return f"NOT {_missing(left)} AND NOT {_missing(right)} AND NOT ({greater})"


CONDITIONS: dict[str, Callable[[str, Arguments, str], str]] = {
    "expect_column_values_to_not_be_null": lambda column, _arguments, _now_sql: _missing(column),
    "expect_column_values_to_be_null": lambda column, _arguments, _now_sql: f"NOT {_missing(column)}",
    "expect_column_values_to_match_regex": _no_match,
    "expect_column_values_to_not_match_regex": _match,
    "expect_column_values_to_be_in_set": _not_in_set,
    "expect_column_values_to_not_be_in_set": _in_set,
    "expect_column_values_to_be_between": _not_between,
    "expect_column_value_lengths_to_be_between": _length_outside,
}
