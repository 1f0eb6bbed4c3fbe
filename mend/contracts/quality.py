"""What the audit of a run's staged rows found (`ge_results.json`)."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

from mend.contracts.codec import STRICT
from mend.contracts.drift import Count, Share

Verdict = Literal["pass", "fail", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationResult:
    """One expectation over the staged rows. A check that raised is `unknown`, never a failure and never a pass."""

    __pydantic_config__ = STRICT
    expectation_type: str
    column: str
    severity: Literal["contract", "quality", "warn"]
    verdict: Verdict
    evaluated: Count = 0
    failures: Count = 0
    observed: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteStatistics:
    """Counts of expectations; `success_percent` lies in 0..100."""

    __pydantic_config__ = STRICT
    evaluated_expectations: Count
    successful_expectations: Count
    unsuccessful_expectations: Count
    success_percent: Annotated[float, Ge(0), Le(100)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteResult:
    """One suite run over one run's staged rows."""

    __pydantic_config__ = STRICT
    expectation_suite: str
    success: bool
    statistics: SuiteStatistics
    results: tuple[ExpectationResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QualitySummary:
    """Counts over all suites; the rate lies in 0..1."""

    __pydantic_config__ = STRICT
    total_expectations: Count
    success_count: Count
    failure_count: Count
    unknown_count: Count = 0
    overall_success_rate: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityResults:
    """The audit's file. `status` keeps the words users know, `verdict` is what gates read, `seconds` what it cost."""

    __pydantic_config__ = STRICT
    status: Literal["success", "failure", "no_validation"]
    timestamp: str | None = None
    run_id: str | None = None
    verdict: Verdict | None = None
    rules_version: str | None = None
    rows: Count | None = None
    seconds: Annotated[float, Ge(0)] | None = None
    error: str | None = None
    validations: tuple[SuiteResult, ...] = ()
    summary: QualitySummary | None = None
