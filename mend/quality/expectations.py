"""Typed rules → a Great Expectations suite. The library takes seconds to import, so it is imported when it is used."""

from datetime import datetime
from typing import Any

from mend.contracts.rules import Rule, RuleSet
from mend.quality.arguments import moment
from mend.quality.patterns import to_python
from mend.quality.volume import OURS

SEVERITY = {"contract": "critical", "quality": "warning", "warn": "info"}
PANDAS_TYPE = {
    "string": "str",
    "integer": "int64",
    "float": "float64",
    "boolean": "bool",
    "timestamp": "Timestamp",
}
"""How a rule's type shows in the frame that the audit builds."""


def build_suite(rules: RuleSet, *, now: datetime) -> Any:
    """Return the suite, an expectation a rule in the file's order; `meta["rule"]` names the rule.

    `now` (aware) is the run's processing time: what the word `now` means in bounds.
    """
    from great_expectations import ExpectationSuite

    return ExpectationSuite(name=rules.suite, expectations=[build_expectation(rule, now=now) for rule in rules.rules])


def build_expectation(rule: Rule, *, now: datetime) -> Any:
    """Return the rule as the library's expectation."""
    import great_expectations.expectations as library

    kind = getattr(library, "".join(word.capitalize() for word in rule.expectation.split("_")))
    return kind(
        **_columns(rule),
        **{name: _argument(name, value, now) for name, value in rule.arguments.items() if name not in OURS},
        severity=SEVERITY[rule.severity],
        meta={"rule": rule.name, "notes": rule.notes},
    )


def _columns(rule: Rule) -> dict[str, str]:
    if not rule.columns:
        return {}
    if len(rule.columns) == 1:
        return {"column": rule.columns[0]}
    left, right = rule.columns
    return {"column_A": left, "column_B": right, "ignore_row_if": "either_value_is_missing"}


def _argument(name: str, value: Any, now: datetime) -> Any:
    if name == "regex":
        return to_python(value)
    if name == "type_":
        return PANDAS_TYPE[value]
    if name in {"min_value", "max_value"} and isinstance(value, str):
        return moment(value, now)
    return value
