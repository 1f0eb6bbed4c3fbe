"""Reading the evidence: whatever cannot be believed is an anomaly with its name, never a healthy run."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.context import (
    DecisionContext,
    History,
    assemble,
    context_from,
    read_context,
    read_quality,
    read_report,
)
from agent.decide import decide
from agent.matrix_file import load_matrix
from agent.sanity import Anomaly, Problem
from agent.testing import AUDIT, NOON, REPORT, scenario
from mend.contracts import codec
from mend.contracts.decision import Rows
from mend.contracts.quality import QualityResults
from mend.contracts.report import RunReport

pytestmark = pytest.mark.agent

NOW = NOON.isoformat()
TABLE = load_matrix()
PLACES = {"accepted": 900, "rejected": 50, "dead_letter": 30, "duplicate": 20}
PARTITION = {"topic": "t", "partition": 0, "from_offset": 0, "until_offset": 1000, "records": 1000, "places": PLACES}
PAIR = {"columns": ["country", "plan"], "values": ["v", "w"], "rows": 9, "failures": 1}
GOOD = {
    **REPORT,
    "late_records": 50,
    "dq_failures": 60,
    "processing_errors": 30,
    "late_rate": 0.05,
    "dq_failure_rate": 0.06,
    "start_time": "2026-01-01T11:00:00",
    "end_time": "2026-01-01T11:05:00+00:00",
    "status": "success",
    "run_id": "run-7",
    "places": PLACES,
    "partitions": [PARTITION],
    "drift": {},
    "segments": [{"column": "country", "value": "BR", "rows": 100, "failures": 10}],
    "rules": [{"rule": "email", "column": "email", "severity": "quality", "failures": 10}],
}


def dumped(document: Any) -> bytes:
    """Return JSON."""
    return orjson.dumps(document)


def without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return a document without some fields."""
    return {name: value for name, value in document.items() if name not in names}


def test_the_four_fields_are_enough() -> None:
    """A report with only the fields that every user writes is read."""
    report = read_report(dumped(REPORT))
    assert isinstance(report, RunReport)
    assert report.total_records == 1000


def test_a_full_report_is_read() -> None:
    """A report whose places, partitions, rates, segments and times agree is read."""
    assert isinstance(read_report(dumped(GOOD)), RunReport)


def test_the_original_report_is_read() -> None:
    """The report with the names and times that users' jobs write is read."""
    original = {
        **REPORT,
        "late_records": 50,
        "schema_drift_detected": True,
        "schema_drift_count": 10,
        "dq_failures": 25,
        "processing_errors": 0,
        "start_time": "2024-01-15T10:00:00",
        "end_time": "2024-01-15T10:05:00",
        "watermark_delay": "15 minutes",
    }
    assert isinstance(read_report(dumped(original)), RunReport)


def test_the_alias_is_read() -> None:
    """Users also write dq_fail_count."""
    report = read_report(dumped(without(REPORT, "dq_failures") | {"dq_fail_count": 7}))
    assert isinstance(report, RunReport)
    assert report.dq_failures == 7


def test_name_and_alias_may_agree() -> None:
    """Both names with one value are no contradiction."""
    assert isinstance(read_report(dumped({**REPORT, "dq_fail_count": 0})), RunReport)


BAD_BYTES: dict[str, tuple[bytes | None, Problem]] = {
    "no file": (None, Problem.MISSING),
    "empty": (b"", Problem.EMPTY),
    "blank": (b" \n", Problem.EMPTY),
    "half written": (dumped(REPORT)[:-20], Problem.NOT_JSON),
    "not JSON": (b"total_records: 1000", Problem.NOT_JSON),
    "not UTF-8": (b'{"total_records": "\xff"}', Problem.NOT_JSON),
    "NaN": (dumped(REPORT).replace(b"1000", b"NaN"), Problem.NOT_JSON),
    "Infinity": (dumped(REPORT).replace(b"1000", b"Infinity"), Problem.NOT_JSON),
    "nested without end": (b"[" * 100_000, Problem.NOT_JSON),
    "a list": (b"[]", Problem.INVALID),
    "null": (b"null", Problem.INVALID),
    "an object of nothing": (b"{}", Problem.INVALID),
}


@pytest.mark.parametrize("name", BAD_BYTES)
def test_unreadable_bytes(name: str) -> None:
    """Neither document is believed when its bytes are none."""
    content, problem = BAD_BYTES[name]
    for found in (read_report(content), read_quality(content)):
        assert isinstance(found, Anomaly)
        assert found.problem is problem
        assert found.reason


BAD_REPORTS: dict[str, tuple[dict[str, Any], Problem, str]] = {
    "negative": ({"late_records": -1}, Problem.INVALID, "late_records"),
    "null": ({"late_records": None}, Problem.INVALID, "late_records"),
    "a text": ({"late_records": "5"}, Problem.INVALID, "late_records"),
    "a fraction": ({"late_records": 5.5}, Problem.INVALID, "late_records"),
    "a truth value": ({"total_records": True}, Problem.INVALID, "total_records"),
    "beyond any integer": ({"total_records": 1e300}, Problem.INVALID, "total_records"),
    "an unknown field": ({"dq_failure": 0}, Problem.INVALID, "dq_failure"),
    "14 for 14 %": ({"late_rate": 14}, Problem.INVALID, "late_rate"),
    "an unknown status": ({"status": "ok"}, Problem.INVALID, "status"),
    "no data": ({"status": "no_data", "total_records": 0}, Problem.NO_DATA, "no_data"),
    "no data, with rows": ({"status": "no_data"}, Problem.NO_DATA, "no_data"),
    "zero rows": ({"total_records": 0}, Problem.ZERO_ROWS, "0 events"),
    "late exceed total": ({"late_records": 1001}, Problem.CONTRADICTION, "late_records"),
    "failures exceed total": ({"dq_failures": 1001}, Problem.CONTRADICTION, "dq_failures"),
    "errors exceed total": ({"processing_errors": 1001}, Problem.CONTRADICTION, "processing_errors"),
    "drift exceeds total": (
        {"schema_drift_count": 1001, "schema_drift_detected": True},
        Problem.CONTRADICTION,
        "schema_drift_count",
    ),
    "a rule exceeds total": (
        {"rules": [{"rule": "r", "column": "c", "severity": "warn", "failures": 1001}]},
        Problem.CONTRADICTION,
        "rule 'r'",
    ),
    "places do not add up": ({"places": {**PLACES, "accepted": 899}}, Problem.CONTRADICTION, "999"),
    "a partition does not close": (
        {"partitions": [{**PARTITION, "places": {**PLACES, "accepted": 899}}]},
        Problem.CONTRADICTION,
        "sums do not close",
    ),
    "partitions are not the total": (
        {"partitions": [PARTITION, {**PARTITION, "partition": 1}]},
        Problem.CONTRADICTION,
        "sums do not close",
    ),
    "rejected rows, no failures": ({"places": PLACES}, Problem.CONTRADICTION, "50 rows were rejected"),
    "a wrong late rate": ({"late_records": 140, "late_rate": 0.04}, Problem.CONTRADICTION, "late_rate"),
    "a wrong failure rate": ({"dq_failure_rate": 0.4}, Problem.CONTRADICTION, "dq_failure_rate"),
    "a segment fails more than it has": (
        {"dq_failures": 9, "segments": [{"column": "c", "value": "v", "rows": 1, "failures": 2}]},
        Problem.CONTRADICTION,
        "segment 'v'",
    ),
    "a segment is listed twice": (
        {"segments": [{"column": "c", "value": "v", "rows": 1, "failures": 0}] * 2},
        Problem.CONTRADICTION,
        "listed 2 times",
    ),
    "segments exceed total": (
        {"segments": [{"column": "c", "value": "v", "rows": 1001, "failures": 0}]},
        Problem.CONTRADICTION,
        "1001 rows",
    ),
    "segments exceed failures": (
        {"segments": [{"column": "c", "value": "v", "rows": 10, "failures": 1}]},
        Problem.CONTRADICTION,
        "1 failures",
    ),
    "a pair fails more than it has": (
        {"dq_failures": 9, "segment_pairs": [{**PAIR, "rows": 1, "failures": 2}]},
        Problem.CONTRADICTION,
        "the pair 'v', 'w' has 2 failures in 1 rows",
    ),
    "a pair is listed twice": (
        {"dq_failures": 9, "segment_pairs": [PAIR, PAIR]},
        Problem.CONTRADICTION,
        "listed 2 times",
    ),
    "pairs exceed total": (
        {"dq_failures": 9, "segment_pairs": [{**PAIR, "rows": 1001}]},
        Problem.CONTRADICTION,
        "hold 1001 rows",
    ),
    "pairs exceed failures": ({"segment_pairs": [PAIR]}, Problem.CONTRADICTION, "1 failing: more than the run"),
    "a flag without detail": (
        {"schema_drift_detected": True, "drift": {}},
        Problem.CONTRADICTION,
        "the detail lists none",
    ),
    "detail without a flag": (
        {"drift": {"added": [{"name": "n", "type": "int"}]}},
        Problem.CONTRADICTION,
        "the detail lists some",
    ),
    "a drift count without a flag": ({"schema_drift_count": 3}, Problem.CONTRADICTION, "schema_drift_count is 3"),
    "a field drifts more often than all": (
        {
            "schema_drift_detected": True,
            "schema_drift_count": 3,
            "drift": {"added": [{"name": "n", "type": "int", "count": 4}]},
        },
        Problem.CONTRADICTION,
        "drift of 'n'",
    ),
    "no time": ({"end_time": "yesterday"}, Problem.CONTRADICTION, "end_time"),
    "ended before it began": (
        {"start_time": "2026-01-01T11:00:00", "end_time": "2026-01-01T10:59:59+00:00"},
        Problem.CONTRADICTION,
        "before it began",
    ),
    "name and alias differ": ({"dq_fail_count": 3}, Problem.CONTRADICTION, "dq_fail_count"),
}


@pytest.mark.parametrize("name", BAD_REPORTS)
def test_absurd_reports(name: str) -> None:
    """A report that cannot be true is an anomaly that says what is wrong, and its run is held and escalated."""
    change, problem, word = BAD_REPORTS[name]
    found = read_report(dumped(REPORT | change))
    assert isinstance(found, Anomaly)
    assert (found.problem, word in found.reason) == (problem, True), found.reason
    decision = decide(scenario(change), TABLE)
    assert decision.rules == ("report_unusable",)
    assert (decision.rows, decision.escalation_required) == (Rows.HOLD, True)
    assert problem.value in decision.reasoning


@pytest.mark.parametrize("name", ["total_records", "late_records", "dq_failures", "schema_drift_detected"])
def test_each_mandatory_field_is_needed(name: str) -> None:
    """A report that does not say one of the four figures is not read as zero."""
    found = read_report(dumped(without(REPORT, name)))
    assert isinstance(found, Anomaly)
    assert name in found.reason


def test_a_failed_run_may_have_read_nothing() -> None:
    """Zero rows are absurd for a success only."""
    assert isinstance(read_report(dumped({**REPORT, "total_records": 0, "status": "failed"})), RunReport)


def test_drift_below_its_share_is_no_contradiction() -> None:
    """A few odd events are counted without being drift, when the report says that it looked."""
    assert isinstance(read_report(dumped({**REPORT, "schema_drift_count": 3, "drift": {}})), RunReport)


def suite(passed: int, failed: int, **changes: Any) -> dict[str, Any]:
    """Return a suite's result."""
    counts = {
        "evaluated_expectations": passed + failed,
        "successful_expectations": passed,
        "unsuccessful_expectations": failed,
    }
    return {"expectation_suite": "s", "success": failed == 0, "statistics": counts, **changes}


def audit(passed: int, failed: int, unknown: int = 0, **changes: Any) -> dict[str, Any]:
    """Return an audit in the format that users know."""
    return {
        "status": "success" if failed + unknown == 0 else "failure",
        "summary": {
            "total_expectations": passed + failed + unknown,
            "success_count": passed,
            "failure_count": failed,
            "unknown_count": unknown,
        },
        **changes,
    }


def one(severity: str, verdict: str, **changes: Any) -> dict[str, Any]:
    """Return the result of one expectation."""
    return {"expectation_type": "e", "column": "c", "severity": severity, "verdict": verdict, **changes}


GOOD_AUDITS: dict[str, dict[str, Any]] = {
    "short": AUDIT,
    "nothing validated": {"status": "no_validation", "error": "no rows"},
    "one of fifteen failed": {
        **audit(14, 1),
        "timestamp": "2024-01-15T10:06:00",
        "validations": [
            suite(
                14,
                1,
                statistics={
                    "evaluated_expectations": 15,
                    "successful_expectations": 14,
                    "unsuccessful_expectations": 1,
                    "success_percent": 93.33,
                },
            )
        ],
    },
    "a failed warning fails nothing": {
        **audit(1, 1, status="success", verdict="pass"),
        "validations": [suite(1, 1, success=True, results=[one("quality", "pass"), one("warn", "fail")])],
    },
    "an unknown": {
        **audit(1, 0, 1, verdict="unknown"),
        "validations": [suite(1, 1, results=[one("quality", "pass"), one("quality", "unknown")])],
    },
}


@pytest.mark.parametrize("name", GOOD_AUDITS)
def test_audits_are_read(name: str) -> None:
    """Audits whose figures agree are read, whatever their verdict."""
    found = read_quality(dumped(GOOD_AUDITS[name]))
    assert isinstance(found, QualityResults), found


BAD_AUDITS: dict[str, tuple[dict[str, Any], Problem, str]] = {
    "no summary": (without(AUDIT, "summary"), Problem.INVALID, "summary is missing"),
    "counts do not add up": (
        {"status": "failure", "summary": {"total_expectations": 15, "success_count": 14, "failure_count": 2}},
        Problem.CONTRADICTION,
        "16 expectations",
    ),
    "a rate of 85": (
        {"status": "success", "summary": {**AUDIT["summary"], "overall_success_rate": 85}},  # type: ignore[dict-item]
        Problem.INVALID,
        "overall_success_rate",
    ),
    "a wrong rate": (
        {"status": "success", "summary": {**AUDIT["summary"], "overall_success_rate": 0.9}},  # type: ignore[dict-item]
        Problem.CONTRADICTION,
        "overall_success_rate",
    ),
    "a success with failures": (audit(14, 1, status="success"), Problem.CONTRADICTION, "status is success"),
    "a failure of nothing": (audit(15, 0, status="failure"), Problem.CONTRADICTION, "nothing failed"),
    "a pass with failures": (audit(14, 1, verdict="pass"), Problem.CONTRADICTION, "verdict is pass"),
    "a pass with unknowns": (audit(14, 0, 1, verdict="pass"), Problem.CONTRADICTION, "verdict is pass"),
    "a pass of nothing": (audit(0, 0, verdict="pass"), Problem.CONTRADICTION, "verdict is pass"),
    "a fail of nothing": (audit(14, 0, 1, verdict="fail"), Problem.CONTRADICTION, "verdict is fail"),
    "an unknown status": (audit(15, 0, status="ok"), Problem.INVALID, "status"),
    "a suite does not add up": (
        {
            **AUDIT,
            "validations": [
                suite(
                    15,
                    0,
                    statistics={
                        "evaluated_expectations": 16,
                        "successful_expectations": 15,
                        "unsuccessful_expectations": 0,
                    },
                )
            ],
        },
        Problem.CONTRADICTION,
        "15 + 0",
    ),
    "a suite's wrong percent": (
        {
            **AUDIT,
            "validations": [suite(15, 0, statistics={**suite(15, 0)["statistics"], "success_percent": 0.93})],
        },
        Problem.CONTRADICTION,
        "success_percent",
    ),
    "a suite's success with failures": (
        {**audit(14, 1), "validations": [suite(14, 1, success=True)]},
        Problem.CONTRADICTION,
        "success is true",
    ),
    "single results say otherwise": (
        {**audit(1, 0), "validations": [suite(1, 0, results=[one("quality", "fail")])]},
        Problem.CONTRADICTION,
        "single results",
    ),
    "the suites are not the summary": (
        {**AUDIT, "validations": [suite(14, 0)]},
        Problem.CONTRADICTION,
        "the summary",
    ),
    "no time": ({**AUDIT, "timestamp": "noon"}, Problem.CONTRADICTION, "timestamp"),
}


@pytest.mark.parametrize("name", BAD_AUDITS)
def test_absurd_audits(name: str) -> None:
    """An audit that cannot be true is an anomaly that says what is wrong, and its run is held and escalated."""
    document, problem, word = BAD_AUDITS[name]
    found = read_quality(dumped(document))
    assert isinstance(found, Anomaly), found
    assert (found.problem, word in found.reason) == (problem, True), found.reason
    decision = decide(context_from({"run_report": REPORT, "ge_results": document}, now=NOW), TABLE)
    assert decision.rules == ("audit_unusable",)
    assert (decision.rows, decision.escalation_required) == (Rows.HOLD, True)


def test_a_missing_report_is_never_healthy() -> None:
    """Without a report, without an audit or without both a person is called and the rows are held."""
    for document, rules in (
        ({"ge_results": AUDIT}, ("report_missing",)),
        ({"run_report": REPORT}, ("audit_missing",)),
        ({"run_report": None, "ge_results": None}, ("report_missing", "audit_missing")),
    ):
        decision = decide(context_from(document, now=NOW), TABLE)
        assert decision.rules == rules
        assert (decision.rows, decision.escalation_required) == (Rows.HOLD, True)


def test_a_failed_job_need_not_leave_documents() -> None:
    """That a failed job wrote no report is no anomaly of its own: its cause decides."""
    decision = decide(context_from({"job_status": "failed", "job_cause": "retriable"}, now=NOW), TABLE)
    assert decision.rules == ("job_failed",)
    assert decision.rows is Rows.NOTHING


def test_a_context_is_read() -> None:
    """A context carries both documents and what is known beside them."""
    document = {
        "run_report": GOOD,
        "ge_results": AUDIT,
        "recent_incidents": [{"id": "i"}],
        "pipeline_config": {"name": "x"},
        "consecutive_failures": 1,
        "job_status": "success",
        "timestamp": "2026-01-01T11:30:00Z",
    }
    context = read_context(dumped(document), now=NOW)
    assert context.problem is None
    assert context.run == "run-7"
    assert context.timestamp == "2026-01-01T11:30:00Z"
    assert context.recent_incidents == ({"id": "i"},)


def test_a_context_survives_its_own_bytes() -> None:
    """A recorded context, anomalies included, is read back as it was."""
    for context in (scenario(GOOD), context_from({}, now=NOW), scenario({"late_records": -1})):
        assert codec.loads(DecisionContext, codec.dumps(context)) == context


BAD_CONTEXTS: dict[str, bytes] = {
    "no JSON": b"{",
    "a list": b"[]",
    "an unknown field": dumped({"run_report": REPORT, "ge_results": AUDIT, "dry": True}),
    "a negative count": dumped({"run_report": REPORT, "ge_results": AUDIT, "consecutive_failures": -1}),
    "an unknown job status": dumped({"run_report": REPORT, "ge_results": AUDIT, "job_status": "fine"}),
    "no time": dumped({"run_report": REPORT, "ge_results": AUDIT, "timestamp": "now"}),
    "a limit of 14": dumped(
        {"run_report": REPORT, "ge_results": AUDIT, "pipeline_config": {"dq_failure_threshold": 14}}
    ),
}


@pytest.mark.parametrize("name", BAD_CONTEXTS)
def test_absurd_contexts(name: str) -> None:
    """A context that cannot be believed is held and escalated even though both documents are healthy."""
    decision = decide(read_context(BAD_CONTEXTS[name], now=NOW), TABLE)
    assert "context_unusable" in decision.rules
    assert (decision.rows, decision.escalation_required) == (Rows.HOLD, True)
    assert decision.timestamp == NOW


def test_the_asked_run_goes_first() -> None:
    """The run that was asked about names the decision, else the report does, else nobody."""
    assert scenario(GOOD, run_id="run-8").run == "run-8"
    assert scenario(GOOD).run == "run-7"
    assert context_from({}, now=NOW).run is None


def test_parts_can_be_assembled() -> None:
    """What was read from single files makes a context."""
    context = assemble(read_report(dumped(REPORT)), read_quality(dumped(AUDIT)), History(), now=NOW)
    assert context == scenario()


@given(st.binary(max_size=200))
def test_no_bytes_crash_or_pass(content: bytes) -> None:
    """Arbitrary bytes are an anomaly for each reader, never an exception and never a report."""
    assert isinstance(read_report(content), Anomaly)
    assert isinstance(read_quality(content), Anomaly)
    assert decide(read_context(content, now=NOW), TABLE).escalation_required


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, *AUDIT, "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.sampled_from(sorted(GOOD)), JSON)
def test_no_value_crashes(name: str, value: Any) -> None:
    """Whatever stands in a field, a report is read or it is an anomaly, and a decision is made."""
    try:
        report = GOOD | {name: value}
        content = dumped(report)
    except TypeError:
        return
    assert isinstance(read_report(content), RunReport | Anomaly)
    assert decide(context_from({"run_report": report, "ge_results": AUDIT}, now=NOW), TABLE).rules
