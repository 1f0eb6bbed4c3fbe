"""The thresholds of a decision matrix, and those that a pipeline sets for itself. Pure."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from fractions import Fraction
from typing import Any

from agent.sanity import Anomaly, Problem, anomaly
from agent.segments import Localisation


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The thresholds of a matrix; fractions are shares, 0..1."""

    late_arrival_threshold: Fraction
    dq_failure_threshold: Fraction
    dead_letter_threshold: Fraction
    audit_failure_threshold: Fraction
    schema_drift_auto_remap: bool
    incident_escalation_threshold: int
    retrigger_budget: int
    report_max_age_hours: int
    localised_alpha: Fraction
    localised_min_rows: int
    localised_min_failures: int
    localised_ratio: int
    confidence_threshold: Fraction = Fraction(7, 10)

    @property
    def localisation(self) -> Localisation:
        """What makes failures localised."""
        return Localisation(
            alpha=self.localised_alpha,
            min_rows=self.localised_min_rows,
            min_failures=self.localised_min_failures,
            ratio=self.localised_ratio,
            mild_share=self.dq_failure_threshold,
        )


TUNABLE = (
    "late_arrival_threshold", "dq_failure_threshold", "incident_escalation_threshold", "schema_drift_auto_remap",
    "retrigger_budget",
)  # fmt: skip
"""The limits that a pipeline's configuration may set for itself."""


def tune(limits: Limits, config: Mapping[str, Any]) -> tuple[Limits, Anomaly | None]:
    """Apply a pipeline's own limits; one that is no limit (14 for 14 %) leaves all as they are and is a problem."""
    if not config:
        return limits, None
    monitoring = config.get("monitoring")
    found = {**(monitoring if isinstance(monitoring, dict) else {}), **config}
    own: dict[str, Any] = {name: limit_value(name, found[name]) for name in TUNABLE if name in found}
    wrong = [name for name, value in own.items() if value is None]
    if wrong:
        return limits, anomaly(Problem.INVALID, f"pipeline_config: {wrong[0]} is {found[wrong[0]]!r}")
    return replace(limits, **own) if own else limits, None


def limit_value(name: str, value: Any) -> Fraction | int | bool | None:
    """Return a threshold as its limit's type, None if it is not of it: a share 0..1, a count from 1, a truth value.

    Retriggers may be none.
    """
    kind = LIMIT_KINDS[name]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is bool:
        return value if isinstance(value, bool) else None
    if kind is int:
        return value if number and isinstance(value, int) and value >= LEAST.get(name, 1) else None
    # By its decimal digits: 0.15 is 15 %, not the nearest binary fraction.
    return Fraction(str(value)) if number and 0 <= value <= 1 else None


LEAST = {"retrigger_budget": 0}
LIMIT_KINDS: dict[str, Any] = {one.name: one.type for one in fields(Limits)}
NEEDED_LIMITS = {one.name for one in fields(Limits) if one.default is MISSING}
