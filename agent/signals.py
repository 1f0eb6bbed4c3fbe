"""The typed signals that the rows of the decision matrix look at. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Any

from agent.causes import Cause, classify
from agent.context import DecisionContext
from agent.limits import Limits, tune
from agent.phrases import quoted
from agent.sanity import (
    Anomaly,
    expectations,
    failed_warnings,
    other_run,
    quality_anomaly,
    report_anomaly,
    run_failures,
    stale,
    unlike,
)
from agent.segments import Localised, localised_segments
from agent.storms import StormyPartition, ended_storms, known_storms, new_storms
from mend.contracts.drift import Drift, RenameCandidate
from mend.contracts.quality import ExpectationResult, QualityResults, QualitySummary
from mend.contracts.report import RunReport


class JobStatus(StrEnum):
    """How the job that made the report ended."""

    SUCCESS = "success"
    FAILED = "failed"


class Circuit(StrEnum):
    """Whether the machine may try something by itself; an open circuit waits for a person to close it."""

    CLOSED = "closed"
    OPEN = "open"


class Audit(StrEnum):
    """What the audit of the staged rows says, mildest first.

    quality_failed: only rules failed whose rows are published and counted by the report, too · failed: more failed
    than is acceptable and it is not told what · unknown: something could not be evaluated, or nothing was ·
    contract_failed: a staged row breaks the contract, so the writer let it through.
    """

    PASS = "pass"  # noqa: S105 - a verdict
    QUALITY_FAILED = "quality_failed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CONTRACT_FAILED = "contract_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What is known about a run; None is unknown and fulfils no condition but `absent`.

    `dq_failures` are the failing rows that breaking drift does not explain: these have a row of their own.
    `dead_letters` leave out those of partitions in a storm, which have rows of their own, too.
    Fields are named as in the stream, in quotes. `limits` are those in force for this pipeline.
    """

    limits: Limits
    job_status: JobStatus
    job_cause: Cause
    consecutive_failures: int
    retriggers: int
    recent_incidents: int = 0
    circuit: Circuit = Circuit.CLOSED
    context_problem: Anomaly | None = None
    report_problem: Anomaly | None = None
    quality_problem: Anomaly | None = None
    audit: Audit | None = None
    run_findings: tuple[str, ...] = ()
    total_records: int | None = None
    accepted: int | None = None
    late_records: int | None = None
    late_share: Fraction | None = None
    dq_failures: int | None = None
    dq_share: Fraction | None = None
    dead_letters: int | None = None
    dead_letter_share: Fraction | None = None
    localised: tuple[Localised, ...] = ()
    storms_new: tuple[StormyPartition, ...] = ()
    storms_known: tuple[StormyPartition, ...] = ()
    storms_over: tuple[str, ...] = ()
    drift_added: tuple[str, ...] = ()
    drift_untyped: tuple[str, ...] = ()
    drift_renamed: tuple[str, ...] = ()
    drift_removed: tuple[str, ...] = ()
    drift_breaking: tuple[str, ...] = ()
    drift_unknown: bool | None = None
    custom: Mapping[str, Any] = field(default_factory=dict)


def signals_of(context: DecisionContext, limits: Limits) -> Signals:
    """Turn the evidence into signals. What cannot be believed leaves its signals unknown and names its problem."""
    tuned, config_problem = tune(limits, context.pipeline_config)
    report = believed_report(context, tuned)
    quality = believed_quality(context, report, tuned)
    found: dict[str, Any] = {}
    if isinstance(report, RunReport):
        found = of_report(report, context.open_storms, tuned)
    if isinstance(quality, QualityResults):
        failures = report.dq_failures if isinstance(report, RunReport) else 0
        found["audit"] = audit(quality, failures, tuned)
        found["run_findings"] = tuple(finding(one) for one in run_failures(quality))
    return Signals(
        limits=tuned,
        job_status=job_status(context, report),
        job_cause=job_cause(context, report),
        consecutive_failures=context.consecutive_failures,
        retriggers=context.retriggers,
        recent_incidents=len(context.recent_incidents),
        circuit=Circuit.OPEN if context.circuit_open else Circuit.CLOSED,
        context_problem=context.problem or config_problem,
        report_problem=report if isinstance(report, Anomaly) else None,
        quality_problem=quality if isinstance(quality, Anomaly) else None,
        **found,
    )


def finding(failed: ExpectationResult) -> str:
    """Say what about a whole run is not as expected. Only counts of rows are shown: other values may be personal."""
    words = failed.expectation_type.removeprefix("expect_").replace("_", " ")
    if failed.column:
        return f"{quoted(failed.column)}: {words}"
    return f"{words} ({failed.observed})"


def believed_report(context: DecisionContext, limits: Limits) -> RunReport | Anomaly:
    """Return the report, or why it does not speak for the run that was asked about."""
    report = context.run_report
    if isinstance(report, Anomaly):
        return report
    return (
        report_anomaly(report)
        or other_run(context.run_id, report.run_id)
        or too_old(report.timestamp or report.end_time, context, limits)
        or report
    )


def believed_quality(context: DecisionContext, report: RunReport | Anomaly, limits: Limits) -> QualityResults | Anomaly:
    """Return the audit, or why it does not speak for the rows of the report."""
    quality = context.ge_results
    if isinstance(quality, Anomaly):
        return quality
    return (
        quality_anomaly(quality)
        or other_run(context.run_id, quality.run_id)
        or too_old(quality.timestamp, context, limits)
        or (unlike(quality, report) if isinstance(report, RunReport) else None)
        or quality
    )


def too_old(written: str | None, context: DecisionContext, limits: Limits) -> Anomaly | None:
    """Return an anomaly when a document is not of the time of the decision."""
    return None if context.age_vouched else stale(written, context.timestamp, limits.report_max_age_hours)


def of_report(report: RunReport, open_storms: tuple[str, ...], limits: Limits) -> dict[str, Any]:
    """Return the signals of a report that can be believed. Of partitions in a storm only the storm is judged."""
    new, known = new_storms(report, open_storms), known_storms(report, open_storms)
    storms = [one.storm for one in (*new, *known)]
    total = report.total_records
    elsewhere = total - sum(one.records for one in storms)
    in_storms = sum(one.rejected for one in storms)
    failures = max(0, report.dq_failures - max(explained(report.drift), in_storms))
    dead_letters = max(report.processing_errors, report.places.dead_letter if report.places else 0)
    dead_letters = max(0, dead_letters - sum(one.dead_letter for one in storms))
    return {
        **of_drift(report),
        "total_records": total,
        "accepted": report.places.accepted if report.places else None,
        "late_records": report.late_records,
        "late_share": share(report.late_records, total),
        "dq_failures": failures,
        "dq_share": share(failures, total),
        "dead_letters": dead_letters,
        "dead_letter_share": share(dead_letters, elsewhere) if elsewhere > 0 else share(dead_letters, total),
        "storms_new": new,
        "storms_known": known,
        "storms_over": ended_storms(report, open_storms),
        "localised": localised_segments(
            report.segments,
            report.segment_pairs,
            rows=judged_rows(report),
            failures=report.dq_failures,
            limits=limits.localisation,
        )
        if report.segments
        else (),
        "custom": report.custom,
    }


NOTHING = Fraction(0)


def share(part: int, total: int) -> Fraction | None:
    """Return an exact share; unknown where there is nothing to have a share of."""
    return (Fraction(part, total) if part else NOTHING) if total else None


def judged_rows(report: RunReport) -> int:
    """Count the events that rules were applied to: those that could be decoded and came first."""
    return report.places.accepted + report.places.rejected if report.places else report.total_records


def job_status(context: DecisionContext, report: RunReport | Anomaly) -> JobStatus:
    """Return the worse of what the caller and the report say."""
    told = isinstance(report, RunReport) and report.status == "failed"
    return JobStatus.FAILED if told or context.job_status == "failed" else JobStatus.SUCCESS


def job_cause(context: DecisionContext, report: RunReport | Anomaly) -> Cause:
    """Return the cause as handed in, else as the report's error reads."""
    error = report.error if isinstance(report, RunReport) else None
    return context.job_cause or (classify(error) if error else Cause.UNKNOWN)


def audit(quality: QualityResults, dq_failures: int, limits: Limits) -> Audit:
    """Sum the audit up. A failure whose severity is not told is taken for one that the report counts, if few failed."""
    results, summary = tuple(expectations(quality)), quality.summary
    if any(one.verdict == "fail" and one.severity == "contract" for one in results):
        return Audit.CONTRACT_FAILED
    if quality.status == "no_validation" or quality.verdict == "unknown" or summary is None:
        return Audit.UNKNOWN
    if summary.unknown_count or not summary.total_expectations:
        return Audit.UNKNOWN
    failures = summary.failure_count - failed_warnings(quality)
    untold = failures - sum(one.verdict == "fail" and one.severity == "quality" for one in results)
    if untold and (quality.verdict == "fail" or not dq_failures or too_many(untold, summary, limits)):
        return Audit.FAILED
    return Audit.QUALITY_FAILED if failures else Audit.PASS


def too_many(failures: int, summary: QualitySummary, limits: Limits) -> bool:
    """Whether more expectations failed than is acceptable."""
    return Fraction(failures, summary.total_expectations) > limits.audit_failure_threshold


def explained(drift: Drift | None) -> int:
    """Count the events that surely fail because of breaking drift: those of the widest change (changes may overlap)."""
    if drift is None:
        return 0
    required = (one.count for one in drift.removed if one.required)
    return max([0, *required, *(one.count for one in drift.type_changed)])


def of_drift(report: RunReport) -> dict[str, Any]:
    """Return the signals of drift. A field that takes part in a rename is judged as that, not as added and removed."""
    drift = report.drift
    if drift is None:
        # Not even the flag of a report without detail is known to be harmless: drift of unknown kind may be breaking.
        return {"drift_unknown": report.schema_drift_detected}
    olds, news = ({one.old for one in drift.renamed_candidates}, {one.new for one in drift.renamed_candidates})
    added = [one for one in drift.added if one.name not in news]
    removed = [one for one in drift.removed if one.name not in olds]
    breaking = [
        *(f"{quoted(one.name)} is new and required" for one in added if not one.nullable),
        *(f"{quoted(one.name)} is new and of several types" for one in added if one.nullable and one.type == MIXED),
        *(f"{quoted(one.name)} is required and missing" for one in removed if one.required),
        *(f"{quoted(one.name)} is {quoted(one.to_type)}, was {quoted(one.from_type)}" for one in drift.type_changed),
    ]
    renamed = [f"{quoted(one.old)} → {quoted(one.new)}{tried(one)}" for one in drift.renamed_candidates]
    safe = renames_are_safe(drift)
    additive = [one for one in added if one.nullable and one.type != MIXED]
    return {
        "drift_unknown": False,
        "drift_added": tuple(quoted(one.name) for one in additive if one.type.lower() != UNTYPED),
        "drift_untyped": tuple(quoted(one.name) for one in additive if one.type.lower() == UNTYPED),
        "drift_renamed": tuple(renamed) if safe else (),
        "drift_removed": tuple(quoted(one.name) for one in removed if not one.required),
        "drift_breaking": (*breaking, *(() if safe else (f"{one} may be a rename" for one in renamed))),
    }


def tried(candidate: RenameCandidate) -> str:
    """Name the trial of a candidate, where a person finds what it would do."""
    return f" (trial {candidate.trial[:12]})" if candidate.trial else ""


MIXED = "mixed"
UNTYPED = "null"
"""A field that carried nothing but nulls."""


def renames_are_safe(drift: Drift) -> bool:
    """Whether every candidate may be applied alone and none can be mistaken for another (two for one field, a swap).

    A candidate is `apply` only after its trial passed: that is the promise of who made it.
    """
    olds = [one.old for one in drift.renamed_candidates]
    news = [one.new for one in drift.renamed_candidates]
    distinct = len({*olds, *news}) == len(olds) + len(news)
    return distinct and all(one.action == "apply" for one in drift.renamed_candidates)
