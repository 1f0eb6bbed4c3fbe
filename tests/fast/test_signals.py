"""From evidence to signals: whose documents they are, what the audit says, why a job failed, which limits hold."""

from dataclasses import fields
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import Any

import pytest

from agent.causes import Cause, classify
from agent.limits import tune
from agent.matrix_file import load_matrix
from agent.sanity import Problem
from agent.signals import Audit, JobStatus, Signals, signals_of
from agent.testing import NOON, scenario
from mend.contracts import codec
from mend.contracts.quality import ExpectationResult
from mend.contracts.rules import RuleSet
from mend.quality.summary import summarise

pytestmark = pytest.mark.agent

LIMITS = load_matrix().limits
PLACES = {"accepted": 900, "rejected": 50, "dead_letter": 30, "duplicate": 20}


def look(report: dict[str, Any] | None = None, audit: dict[str, Any] | None = None, **history: Any) -> Signals:
    """Return the signals of a healthy run but for what is given."""
    return signals_of(scenario(report, audit, **history), LIMITS)


def problem(signals: Signals, name: str) -> Problem | None:
    """Return the problem of a document."""
    found = getattr(signals, f"{name}_problem")
    return found.problem if found else None


def test_a_report_of_another_run_is_refused() -> None:
    """Asked about one run, the report of another, or of none, says nothing."""
    assert problem(look({"run_id": "run-7"}, {"run_id": "run-7"}, run_id="run-7"), "report") is None
    assert problem(look({"run_id": "run-6"}, {"run_id": "run-7"}, run_id="run-7"), "report") is Problem.OTHER_RUN
    assert problem(look(None, {"run_id": "run-7"}, run_id="run-7"), "report") is Problem.OTHER_RUN


def test_an_audit_of_another_run_is_refused() -> None:
    """The audit must be of the run asked about, and of the report's run."""
    assert problem(look({"run_id": "run-7"}, {"run_id": "run-6"}, run_id="run-7"), "quality") is Problem.OTHER_RUN
    assert problem(look({"run_id": "run-7"}, {"run_id": "run-6"}), "quality") is Problem.OTHER_RUN
    assert problem(look({"run_id": "run-7"}), "quality") is None


@pytest.mark.parametrize("name", ["timestamp", "end_time"])
def test_a_stale_report_is_refused(name: str) -> None:
    """A report of more than a day before the decision is not about this run; one of a day exactly still may be."""
    assert problem(look({name: "2025-12-31T12:00:00"}), "report") is None
    assert problem(look({name: "2025-12-31T11:59:59Z"}), "report") is Problem.STALE
    assert problem(look({name: "2026-01-03T00:00:00Z"}), "report") is Problem.STALE


def test_a_stale_audit_is_refused() -> None:
    """An audit of more than a day before the decision is not about these rows."""
    assert problem(look(None, {"timestamp": "2025-12-31T11:00:00Z"}), "quality") is Problem.STALE
    assert problem(look(None, {"timestamp": "2026-01-01T11:00:00Z"}), "quality") is None


def test_the_audit_must_be_of_the_accepted_rows() -> None:
    """An audit of more, or of other, rows than the run accepted does not speak for it."""
    full = {"places": PLACES, "dq_failures": 50}
    assert problem(look(full, {"rows": 900}), "quality") is None
    assert problem(look(full, {"rows": 899}), "quality") is Problem.CONTRADICTION
    assert problem(look(None, {"rows": 1000}), "quality") is None
    assert problem(look(None, {"rows": 1001}), "quality") is Problem.CONTRADICTION


def test_an_audit_is_read_without_a_report() -> None:
    """What the audit says does not depend on whether the report can be read."""
    signals = look({"late_records": -1})
    assert (signals.audit, problem(signals, "quality")) == (Audit.PASS, None)


def counts(passed: int, failed: int, unknown: int = 0) -> dict[str, Any]:
    """Return the summary of an audit."""
    total = passed + failed + unknown
    summary = {"total_expectations": total, "success_count": passed, "failure_count": failed, "unknown_count": unknown}
    return {"status": "success" if total == passed else "failure", "summary": summary}


def results(*found: tuple[str, str]) -> dict[str, Any]:
    """Return an audit with single results, each a severity and a verdict."""
    passed = sum(verdict == "pass" for _, verdict in found)
    failed = sum(verdict == "fail" for _, verdict in found)
    unhealthy = [pair for pair in found if pair[1] != "pass" and pair != ("warn", "fail")]
    suite = {
        "expectation_suite": "s",
        "success": not unhealthy,
        "statistics": {
            "evaluated_expectations": len(found),
            "successful_expectations": passed,
            "unsuccessful_expectations": len(found) - passed,
        },
        "results": [
            {"expectation_type": "e", "column": "c", "severity": severity, "verdict": verdict}
            for severity, verdict in found
        ],
    }
    status = "failure" if unhealthy else "success"
    return {**counts(passed, failed, len(found) - passed - failed), "status": status, "validations": [suite]}


AUDITS: dict[str, tuple[dict[str, Any], int, Audit]] = {
    "all passed": (counts(15, 0), 0, Audit.PASS),
    "one of fifteen, severity not told": (counts(14, 1), 9, Audit.QUALITY_FAILED),
    "exactly a tenth, severity not told": (counts(9, 1), 9, Audit.QUALITY_FAILED),
    "more than a tenth, severity not told": (counts(8, 1), 9, Audit.FAILED),
    "a verdict of fail, severity not told": (counts(14, 1) | {"verdict": "fail"}, 9, Audit.FAILED),
    "nothing evaluated": (counts(0, 0), 0, Audit.UNKNOWN),
    "one unknown": (counts(14, 0, 1), 0, Audit.UNKNOWN),
    "verdict unknown": (counts(15, 0) | {"verdict": "unknown"}, 0, Audit.UNKNOWN),
    "no validation": ({"status": "no_validation"}, 0, Audit.UNKNOWN),
    "no validation, no summary": ({"status": "no_validation", "summary": None}, 0, Audit.UNKNOWN),
    "a quality rule failed": (results(("quality", "fail"), ("contract", "pass")), 9, Audit.QUALITY_FAILED),
    "only a warning failed": (results(("warn", "fail"), ("contract", "pass")), 0, Audit.PASS),
    "a contract rule failed": (results(("contract", "fail"), ("quality", "pass")), 9, Audit.CONTRACT_FAILED),
    "a contract rule failed, another raised": (
        results(("contract", "fail"), ("quality", "unknown")),
        9,
        Audit.CONTRACT_FAILED,
    ),
    "a contract rule raised": (results(("contract", "unknown")), 9, Audit.UNKNOWN),
}


@pytest.mark.parametrize("name", AUDITS)
def test_the_audit_in_a_word(name: str) -> None:
    """The audit is summed up by what failed, and unknown never becomes a pass."""
    audit, dq_failures, word = AUDITS[name]
    assert look({"dq_failures": dq_failures}, audit).audit is word


PAIRS = [(severity, verdict) for severity in ("contract", "quality", "warn") for verdict in ("pass", "fail", "unknown")]


@pytest.mark.parametrize("found", list(combinations_with_replacement(PAIRS, 2)))
def test_our_own_audits_are_believed(found: tuple[tuple[str, str], ...]) -> None:
    """Whatever our audit writes contradicts nothing, and stops the run unless only published rows or warnings fail."""
    results = [
        codec.parse(
            ExpectationResult, {"expectation_type": "e", "column": "c", "severity": severity, "verdict": verdict}
        )
        for severity, verdict in found
    ]
    written = summarise(results, rules=RuleSet(suite="s", version="1", rules=()), rows=1000, run_id="run-7", now=NOON)
    signals = look({"run_id": "run-7", "dq_failures": 9}, codec.to_dict(written), run_id="run-7")
    assert signals.quality_problem is None
    stops = any(verdict == "unknown" or (severity, verdict) == ("contract", "fail") for severity, verdict in found)
    assert (signals.audit in {Audit.PASS, Audit.QUALITY_FAILED}) is not stops
    assert (signals.audit is Audit.PASS) is (written.verdict == "pass")


def test_failures_that_the_report_does_not_count() -> None:
    """An audit that finds failing rows where the report counts none contradicts it."""
    for audit in (counts(14, 1), results(("quality", "fail"), ("quality", "pass"))):
        assert problem(look({"dq_failures": 0}, audit), "quality") is Problem.CONTRADICTION
        assert problem(look({"dq_failures": 1}, audit), "quality") is None
    assert look(None, results(("contract", "fail"))).audit is Audit.CONTRACT_FAILED


def test_an_unbelievable_report_leaves_its_figures_unknown() -> None:
    """No figure of a report that is refused becomes a signal."""
    signals = look({"late_records": 10, "dq_failures": -1})
    assert signals.late_share is None
    assert signals.drift_unknown is None
    assert signals.total_records is None


def test_dead_letters_are_the_larger_of_both_counts() -> None:
    """Undecodable events count whether the report names them as errors or as a place."""
    assert look({"processing_errors": 7}).dead_letters == 7
    assert look({"places": PLACES, "dq_failures": 50, "processing_errors": 7}).dead_letters == 30


def test_drift_explains_failures_once() -> None:
    """Rows that surely fail because of breaking drift are no failures of their own; two changes may share rows."""
    detail = {
        "type_changed": [{"name": "a", "from": "int", "to": "string", "count": 200}],
        "removed": [
            {"name": "b", "type": "int", "required": True, "count": 250},
            {"name": "c", "type": "int", "required": False, "count": 400},
        ],
    }
    signals = look({"dq_failures": 300, "schema_drift_detected": True, "drift": detail})
    assert signals.dq_failures == 50
    assert signals.dq_share == Fraction(1, 20)
    assert look({"dq_failures": 100, "schema_drift_detected": True, "drift": detail}).dq_failures == 0


def test_the_job_failed_when_anyone_says_so() -> None:
    """A failed job is failed by its caller's word or by its report's; both documents may be there."""
    assert look().job_status is JobStatus.SUCCESS
    assert look(job_status="failed").job_status is JobStatus.FAILED
    assert look({"status": "failed"}, job_status="success").job_status is JobStatus.FAILED


def test_the_cause_is_handed_in_or_read_from_the_error() -> None:
    """A cause that is handed in goes before what the report's error reads like."""
    error = {"status": "failed", "error": "connection refused"}
    assert look(error).job_cause is Cause.RETRIABLE
    assert look(error, job_cause="not_retriable").job_cause is Cause.NOT_RETRIABLE
    assert look({"status": "failed"}).job_cause is Cause.UNKNOWN
    assert look({"late_records": -1}, job_status="failed").job_cause is Cause.UNKNOWN


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        ("java.net.ConnectException: Connection refused", Cause.RETRIABLE),
        ("KafkaException: Timed out waiting for a node assignment", Cause.RETRIABLE),
        ("1/1 brokers are down; all brokers are down", Cause.RETRIABLE),
        ("Broker transport failure", Cause.RETRIABLE),
        ("OSError: [Errno 28] No space left on device", Cause.RETRIABLE),
        ("HTTP 503", Cause.RETRIABLE),
        ("sqlite3.OperationalError: database is locked", Cause.RETRIABLE),
        ("ExecutorLostFailure", Cause.RETRIABLE),
        ("org.apache.spark.sql.AnalysisException: cannot resolve 'x'", Cause.NOT_RETRIABLE),
        ("PermissionError: Permission denied", Cause.NOT_RETRIABLE),
        ("SaslAuthenticationException: Authentication failed", Cause.NOT_RETRIABLE),
        ("ModuleNotFoundError: No module named 'x'", Cause.NOT_RETRIABLE),
        ("some data may have been lost", Cause.NOT_RETRIABLE),
        ("connection refused: authentication failed", Cause.NOT_RETRIABLE),
        ("it broke", Cause.UNKNOWN),
        ("order 14290 of 5031 items", Cause.UNKNOWN),
        ("", Cause.UNKNOWN),
    ],
)
def test_causes(error: str, cause: Cause) -> None:
    """An error is classed by what it says; one that says both is not tried again, one that says nothing is unknown."""
    assert classify(error) is cause


@pytest.mark.parametrize(
    ("config", "name", "value"),
    [
        ({"late_arrival_threshold": 0.2}, "late_arrival_threshold", Fraction(1, 5)),
        ({"monitoring": {"dq_failure_threshold": 0.01}}, "dq_failure_threshold", Fraction(1, 100)),
        ({"monitoring": {"dq_failure_threshold": 0.01}, "dq_failure_threshold": 0}, "dq_failure_threshold", 0),
        ({"incident_escalation_threshold": 5}, "incident_escalation_threshold", 5),
        ({"schema_drift_auto_remap": False}, "schema_drift_auto_remap", False),
        ({"monitoring": "all", "topic": "t"}, "late_arrival_threshold", Fraction(3, 20)),
    ],
)
def test_a_pipeline_may_set_its_limits(config: dict[str, Any], name: str, value: Any) -> None:
    """A pipeline's own thresholds go before the table's; other settings are left alone."""
    limits, wrong = tune(LIMITS, config)
    assert wrong is None
    assert getattr(limits, name) == value


@pytest.mark.parametrize(
    "config",
    [
        {"late_arrival_threshold": 15},
        {"late_arrival_threshold": -0.1},
        {"late_arrival_threshold": "0.15"},
        {"late_arrival_threshold": True},
        {"late_arrival_threshold": float("nan")},
        {"incident_escalation_threshold": 0},
        {"incident_escalation_threshold": 2.5},
        {"incident_escalation_threshold": True},
        {"schema_drift_auto_remap": 1},
        {"dq_failure_threshold": None},
    ],
)
def test_an_absurd_limit_changes_nothing_and_is_a_problem(config: dict[str, Any]) -> None:
    """14 for 14 % never loosens a limit."""
    limits, wrong = tune(LIMITS, config)
    assert limits == LIMITS
    assert wrong is not None
    assert next(iter(config)) in wrong.reason


def test_tuned_limits_are_those_compared_with() -> None:
    """The signals carry the limits that are in force for the pipeline."""
    assert look(pipeline_config={"late_arrival_threshold": 0.5}).limits.late_arrival_threshold == Fraction(1, 2)


def test_localised_signals_come_from_the_report() -> None:
    """Segments of the report become the signal when they hold the failures."""
    segments = [
        {"column": "country", "value": "BR", "rows": 100, "failures": 40},
        {"column": "country", "value": "US", "rows": 850, "failures": 10},
    ]
    signals = look({"dq_failures": 50, "segments": segments, "places": PLACES})
    assert [str(one) for one in signals.localised] == ["country 'BR' (40 of 100 rows, 40 %, elsewhere 1.17647 %)"]


def test_every_signal_but_the_given_may_be_unknown() -> None:
    """Whatever comes from a document starts as unknown: forgetting to fill a signal never makes a run healthy."""
    optional = {one.name for one in fields(Signals) if one.default is None}
    assert {"late_share", "dq_share", "dead_letter_share", "audit", "drift_unknown"} <= optional
