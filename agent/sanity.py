"""What cannot be true in a report or an audit: an anomaly with its reason, never a healthy run. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from agent.phrases import clean, listed, quoted
from mend.contracts.codec import STRICT
from mend.contracts.drift import AddedField, RemovedField, RetypedField
from mend.contracts.quality import ExpectationResult, QualityResults, QualitySummary, SuiteResult
from mend.contracts.report import RunReport
from mend.quality.vocabulary import WHOLE_RUN
from mend.store.sums import check_sums

ROUNDING = 0.005
"""Rates are written with two digits or more; a difference beyond that is a contradiction."""


class Problem(StrEnum):
    """Why a document cannot be believed."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    EMPTY = "empty"
    NOT_JSON = "not_json"
    INVALID = "invalid"
    NO_DATA = "no_data"
    ZERO_ROWS = "zero_rows"
    CONTRADICTION = "contradiction"
    OTHER_RUN = "other_run"
    STALE = "stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """A document that cannot be believed, and why."""

    __pydantic_config__ = STRICT
    problem: Problem
    reason: str

    def __str__(self) -> str:
        """Return the reason with its name."""
        return f"{self.problem.value}: {self.reason}"


def anomaly(problem: Problem, reason: str) -> Anomaly:
    """Return an anomaly with a reason of one line."""
    return Anomaly(problem=problem, reason=clean(reason, 200))


def report_anomaly(report: RunReport) -> Anomaly | None:
    """Return what makes a parsed report absurd, None if nothing does."""
    if report.status == "no_data":
        return anomaly(Problem.NO_DATA, "the report says that there is none (status no_data)")
    if report.total_records == 0 and report.status == "success":
        return anomaly(Problem.ZERO_ROWS, "a run of 0 events calls itself a success")
    found = next(report_contradictions(report), None)
    return anomaly(Problem.CONTRADICTION, found) if found else None


def report_contradictions(report: RunReport) -> Iterator[str]:
    """Name every figure of the report that contradicts another."""
    yield from larger_than_total(report)
    yield from places_not_adding_up(report)
    yield from wrong_rates(report)
    yield from wrong_segments(report)
    yield from wrong_pairs(report)
    yield from wrong_drift(report)
    yield from wrong_times(report)


def larger_than_total(report: RunReport) -> Iterator[str]:
    """Find parts that are larger than the whole."""
    total = report.total_records
    for name in ("late_records", "dq_failures", "processing_errors", "schema_drift_count"):
        count = getattr(report, name)
        if count > total:
            yield f"{name} {count} exceeds total_records {total}"
    for one in report.rules:
        if one.failures > total:
            yield f"failures of rule {quoted(one.rule)} {one.failures} exceeds total_records {total}"


def places_not_adding_up(report: RunReport) -> Iterator[str]:
    """Find events that are in no place, or in two."""
    if report.places is not None and report.places.total != report.total_records:
        yield f"the places hold {report.places.total} events, total_records is {report.total_records}"
    if report.partitions:
        yield from (f"the sums do not close: {found}" for found in check_sums(report))
    rejected = report.places.rejected if report.places else 0
    if rejected and not report.dq_failures and not report.schema_drift_detected:
        yield f"{rejected} rows were rejected, dq_failures is 0"


def wrong_rates(report: RunReport) -> Iterator[str]:
    """Find rates that are not the quotient of their counts."""
    rates = (
        ("late_rate", report.late_rate, report.late_records),
        ("dq_failure_rate", report.dq_failure_rate, report.dq_failures),
    )
    for name, rate, count in rates:
        if rate is not None and abs(rate * report.total_records - count) > ROUNDING * report.total_records:
            yield f"{name} {rate:g} is not {count} of {report.total_records}"


def wrong_segments(report: RunReport) -> Iterator[str]:
    """Find segments that hold more than the run does."""
    if not report.segments:
        return
    rows: dict[str, int] = defaultdict(int)
    failures: dict[str, int] = defaultdict(int)
    for one in report.segments:
        if one.failures > one.rows:
            yield f"segment {quoted(one.value)} has {one.failures} failures in {one.rows} rows"
        rows[one.column] += one.rows
        failures[one.column] += one.failures
    names = Counter((one.column, one.value) for one in report.segments)
    yield from (f"segment {quoted(value)} is listed {many} times" for (_, value), many in names.items() if many > 1)
    for column, many in rows.items():
        if many > report.total_records:
            yield f"the segments of {quoted(column)} hold {many} rows of {report.total_records}"
        if failures[column] > report.dq_failures:
            yield f"{quoted(column)}: {failures[column]} failures in the segments, dq_failures is {report.dq_failures}"


def wrong_pairs(report: RunReport) -> Iterator[str]:
    """Find pairs of segments that hold more than the run does."""
    if not report.segment_pairs:
        return
    for one in report.segment_pairs:
        if one.failures > one.rows:
            yield f"the pair {listed(map(quoted, one.values))} has {one.failures} failures in {one.rows} rows"
    pairs = Counter((one.columns, one.values) for one in report.segment_pairs)
    for (_, values), many in pairs.items():
        if many > 1:
            yield f"the pair {listed(map(quoted, values))} is listed {many} times"
    for columns in {one.columns for one in report.segment_pairs}:
        of = [one for one in report.segment_pairs if one.columns == columns]
        rows, failures = sum(one.rows for one in of), sum(one.failures for one in of)
        if rows > report.total_records or failures > report.dq_failures:
            yield f"the pairs of {listed(map(quoted, columns))} hold {rows} rows, {failures} failing: more than the run"


def wrong_drift(report: RunReport) -> Iterator[str]:
    """Find where the flag, the count and the detail of drift disagree."""
    flag, drift = report.schema_drift_detected, report.drift
    if drift is None:
        if not flag and report.schema_drift_count:
            yield f"schema_drift_detected is false, schema_drift_count is {report.schema_drift_count}, no detail"
        return
    if flag != drift.detected:
        yield f"schema_drift_detected is {str(flag).lower()}, the detail lists {'some' if drift.detected else 'none'}"
    changes: tuple[AddedField | RemovedField | RetypedField, ...] = (*drift.added, *drift.removed, *drift.type_changed)
    for one in changes:
        if one.count > (report.schema_drift_count or report.total_records):
            yield f"drift of {quoted(one.name)} in {one.count} events, more than schema_drift_count or total_records"


def wrong_times(report: RunReport) -> Iterator[str]:
    """Find times that are none, and a run that ended before it began."""
    if not (report.start_time or report.end_time or report.timestamp):
        return
    for name in ("start_time", "end_time", "timestamp"):
        text = getattr(report, name)
        if text is not None and moment(text) is None:
            yield f"{name} {quoted(text)} is no ISO 8601 time"
    start, end = moment(report.start_time), moment(report.end_time)
    if start and end and end < start:
        yield f"the run ended at {report.end_time}, before it began at {report.start_time}"


def moment(text: str | None) -> datetime | None:
    """Return an ISO 8601 time, UTC where it names no zone; None for anything else."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def quality_anomaly(quality: QualityResults) -> Anomaly | None:
    """Return what makes a parsed audit absurd, None if nothing does. An audit that knows nothing is no anomaly."""
    if quality.status == "no_validation":
        return None
    if quality.summary is None:
        return anomaly(Problem.INVALID, "the summary is missing")
    found = next(quality_contradictions(quality, quality.summary), None)
    return anomaly(Problem.CONTRADICTION, found) if found else None


def quality_contradictions(quality: QualityResults, summary: QualitySummary) -> Iterator[str]:
    """Name every figure of the audit that contradicts another."""
    yield from wrong_summary(summary)
    yield from wrong_status(quality, summary)
    for suite in quality.validations:
        yield from wrong_suite(suite)
    if quality.validations:
        yield from summary_unlike_suites(quality, summary)
    if quality.timestamp is not None and moment(quality.timestamp) is None:
        yield f"timestamp {quoted(quality.timestamp)} is no ISO 8601 time"


def wrong_summary(summary: QualitySummary) -> Iterator[str]:
    """Find counts that do not add up, or a rate that is not theirs."""
    total = summary.total_expectations
    counted = summary.success_count + summary.failure_count + summary.unknown_count
    if counted != total:
        yield f"{counted} expectations passed, failed or are unknown, total_expectations is {total}"
    rate = summary.overall_success_rate
    if rate is not None and total and abs(rate - summary.success_count / total) > ROUNDING:
        yield f"overall_success_rate {rate:g} is not {summary.success_count} of {total}"


def wrong_status(quality: QualityResults, summary: QualitySummary) -> Iterator[str]:
    """Find words that contradict the counts; failed warnings are counted although they fail nothing."""
    failures = summary.failure_count - failed_warnings(quality)
    unhealthy = failures + summary.unknown_count > 0 or not summary.total_expectations
    if quality.status == "success" and failures > 0:
        yield f"status is success, failure_count is {summary.failure_count}"
    if quality.status == "failure" and not unhealthy and not summary.failure_count:
        yield "status is failure, nothing failed"
    if quality.verdict == "pass" and unhealthy:
        yield f"verdict is pass, {failures} expectations failed and {summary.unknown_count} are unknown"
    if quality.verdict == "fail" and not failures:
        yield "verdict is fail, nothing failed"


def failed_warnings(quality: QualityResults) -> int:
    """Count the failed expectations that only warn."""
    return sum(one.verdict == "fail" and one.severity == "warn" for one in expectations(quality))


def expectations(quality: QualityResults) -> Iterator[ExpectationResult]:
    """Return the single results of all suites; files of the user's format have none."""
    for suite in quality.validations:
        yield from suite.results


def wrong_suite(suite: SuiteResult) -> Iterator[str]:
    """Find statistics that contradict themselves, the success or the single results."""
    counts, name = suite.statistics, quoted(suite.expectation_suite)
    passed, failed, all_of_them = (
        counts.successful_expectations,
        counts.unsuccessful_expectations,
        counts.evaluated_expectations,
    )
    if passed + failed != all_of_them:
        yield f"{name}: {passed} + {failed} expectations are not {all_of_them}"
    percent = counts.success_percent
    if percent is not None and all_of_them and abs(percent / 100 - passed / all_of_them) > ROUNDING:
        yield f"{name}: success_percent {percent:g} is not {passed} of {all_of_them}"
    if suite.results and passed != sum(one.verdict == "pass" for one in suite.results):
        yield f"{name}: {passed} expectations passed, the single results say otherwise"
    if suite.success and failed > sum(one.severity == "warn" and one.verdict == "fail" for one in suite.results):
        yield f"{name}: success is true, {failed} expectations did not pass"


def summary_unlike_suites(quality: QualityResults, summary: QualitySummary) -> Iterator[str]:
    """Find a summary that is not the sum of its suites."""
    evaluated = sum(suite.statistics.evaluated_expectations for suite in quality.validations)
    passed = sum(suite.statistics.successful_expectations for suite in quality.validations)
    if (evaluated, passed) != (summary.total_expectations, summary.success_count):
        yield (
            f"the suites passed {passed} of {evaluated} expectations, "
            f"the summary {summary.success_count} of {summary.total_expectations}"
        )


def run_failures(quality: QualityResults) -> tuple[ExpectationResult, ...]:
    """Return the failed quality expectations about the run as a whole: no row fails them, so the report counts none."""
    return tuple(
        one
        for one in expectations(quality)
        if one.verdict == "fail" and one.severity == "quality" and one.expectation_type in WHOLE_RUN
    )


def other_run(asked: str | None, came: str | None) -> Anomaly | None:
    """Return an anomaly when the document is of another run than asked; one that names no run may be."""
    if asked is None or asked == came:
        return None
    of = f"is of run {quoted(came)}" if came else "names no run"
    return anomaly(Problem.OTHER_RUN, f"asked about run {quoted(asked)}, the document {of}")


def stale(written: str | None, now: str, most_hours: int) -> Anomaly | None:
    """Return an anomaly when the document is older than the limit, or from a future as far away."""
    if written is None:
        return None
    then, today = moment(written), moment(now)
    if then is None or today is None or abs(today - then) <= timedelta(hours=most_hours):
        return None
    return anomaly(Problem.STALE, f"it was written at {clean(written)}, more than {most_hours} hours from {clean(now)}")


def unlike(quality: QualityResults, report: RunReport) -> Anomaly | None:
    """Return an anomaly when the audit is not of the report's rows."""
    if quality.run_id and report.run_id and quality.run_id != report.run_id:
        return other_run(report.run_id, quality.run_id)
    most = report.places.accepted if report.places else report.total_records
    rows = quality.rows
    if rows is not None and (rows > most or (report.places is not None and rows != most)):
        return anomaly(Problem.CONTRADICTION, f"it audited {rows} rows, the report has {most}")
    return uncounted(quality, report)


def uncounted(quality: QualityResults, report: RunReport) -> Anomaly | None:
    """Return an anomaly when the audit found failures of which the report counted none."""
    summary = quality.summary
    if summary is None or report.dq_failures:
        return None
    failures = summary.failure_count - failed_warnings(quality) - len(run_failures(quality))
    told = any(one.verdict == "fail" and one.severity == "contract" for one in expectations(quality))
    if failures > 0 and not told:
        return anomaly(Problem.CONTRADICTION, f"{failures} expectations failed, the report counts 0 dq_failures")
    return None
