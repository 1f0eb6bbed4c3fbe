"""Data quality rules as typed values: the one source of the row predicates and of the audit's suite."""

from dataclasses import dataclass, field
from typing import Any, Literal

RuleSeverity = Literal["contract", "quality", "warn"]
"""contract: the row is rejected · quality: published, counted as a failure · warn: counted only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One expectation. `columns` holds one name, or A and B of a pair expectation (A >= B).

    `arguments` are the expectation's own words: regex, value_set, min_value, max_value, or_equal, type_.
    The value `now` of a bound means the processing time of the run.
    """

    name: str
    expectation: str
    columns: tuple[str, ...]
    severity: RuleSeverity
    arguments: dict[str, Any] = field(default_factory=dict)
    notes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Shares of failing rows, 0..1."""

    critical_failures: float = 0.01
    warning_failures: float = 0.05
    acceptable_failures: float = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """All rules of one rules file. `version` is a hash of what it says, `content` its bytes when it was read."""

    suite: str
    version: str
    rules: tuple[Rule, ...]
    thresholds: Thresholds = field(default_factory=Thresholds)
    field_mappings: dict[str, str] = field(default_factory=dict)
    quality_dimensions: dict[str, Any] = field(default_factory=dict)
    content: bytes = field(default=b"", repr=False, compare=False)
