"""What the results of single expectations mean together: pure. Unknown never counts as passed and opens no gate."""

from collections.abc import Sequence
from datetime import datetime

from mend.contracts.quality import (
    ExpectationResult,
    QualityResults,
    QualitySummary,
    SuiteResult,
    SuiteStatistics,
    Verdict,
)
from mend.contracts.rules import RuleSet, Thresholds


def verdict(results: Sequence[ExpectationResult]) -> Verdict:
    """Fail: a contract or quality expectation failed. Unknown: one raised, or none ran. A warning never fails."""
    if any(result.verdict == "fail" and result.severity != "warn" for result in results):
        return "fail"
    if not results or any(result.verdict == "unknown" for result in results):
        return "unknown"
    return "pass"


def summarise(
    results: Sequence[ExpectationResult], *, rules: RuleSet, rows: int, run_id: str, now: datetime
) -> QualityResults:
    """Return the audit's file. It counts expectations; a failed warning counts although it fails nothing."""
    if not results:
        return no_validation("No expectation ran.", rules=rules, run_id=run_id, now=now)
    decided = verdict(results)
    suite = SuiteResult(
        expectation_suite=rules.suite,
        success=decided == "pass",
        statistics=_statistics(results),
        results=tuple(results),
    )
    return QualityResults(
        status="success" if decided == "pass" else "failure",
        timestamp=now.isoformat(),
        run_id=run_id,
        verdict=decided,
        rules_version=rules.version,
        rows=rows,
        validations=(suite,),
        summary=_summary(results),
    )


def no_validation(error: str, *, rules: RuleSet, run_id: str, now: datetime, rows: int | None = None) -> QualityResults:
    """Return the audit's file when nothing could be validated, and why."""
    return QualityResults(
        status="no_validation",
        timestamp=now.isoformat(),
        run_id=run_id,
        verdict="unknown",
        rules_version=rules.version,
        rows=rows,
        error=error,
    )


def gate(results: QualityResults, thresholds: Thresholds) -> str | None:
    """Return why the results stop the run, None when they do not.

    They stop it when nothing is known for sure, or when the share of failed expectations (warnings aside) is
    greater than `acceptable_failures`.
    """
    summary = results.summary
    if results.status == "no_validation" or summary is None or not summary.total_expectations:
        return f"nothing was validated: {results.error or 'no expectation ran'}"
    if results.verdict == "unknown" or summary.unknown_count:
        return f"{summary.unknown_count or 'some'} of {summary.total_expectations} expectations could not be evaluated"
    failures = _failures(results, summary)
    if failures / summary.total_expectations > thresholds.acceptable_failures:
        return (
            f"{failures} of {summary.total_expectations} expectations failed, "
            f"more than the acceptable share {thresholds.acceptable_failures:g}"
        )
    return None


def _failures(results: QualityResults, summary: QualitySummary) -> int:
    """Count failed expectations without the warnings, where the single results are there to tell them apart."""
    warnings = sum(
        result.verdict == "fail" and result.severity == "warn"
        for suite in results.validations
        for result in suite.results
    )
    return summary.failure_count - warnings


def _count(results: Sequence[ExpectationResult], wanted: Verdict) -> int:
    return sum(result.verdict == wanted for result in results)


def _statistics(results: Sequence[ExpectationResult]) -> SuiteStatistics:
    passed = _count(results, "pass")
    return SuiteStatistics(
        evaluated_expectations=len(results),
        successful_expectations=passed,
        unsuccessful_expectations=len(results) - passed,
        success_percent=round(100 * passed / len(results), 2),
    )


def _summary(results: Sequence[ExpectationResult]) -> QualitySummary:
    passed = _count(results, "pass")
    return QualitySummary(
        total_expectations=len(results),
        success_count=passed,
        failure_count=_count(results, "fail"),
        unknown_count=_count(results, "unknown"),
        overall_success_rate=round(passed / len(results), 4),
    )
