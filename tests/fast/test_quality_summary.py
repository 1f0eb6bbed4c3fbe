"""What single results mean together: verdict, counts and the gate."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mend.contracts import codec
from mend.contracts.quality import ExpectationResult, QualityResults, QualitySummary, Verdict
from mend.contracts.rules import RuleSet, RuleSeverity, Thresholds
from mend.quality.summary import gate, no_validation, summarise, verdict

pytestmark = pytest.mark.dq

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = RuleSet(suite="customers_expectation_suite", version="abc", rules=())
SEVERITIES: list[RuleSeverity] = ["contract", "quality", "warn"]
VERDICTS: list[Verdict] = ["pass", "fail", "unknown"]


def _result(verdict: Verdict, severity: RuleSeverity = "quality") -> ExpectationResult:
    return ExpectationResult(expectation_type="expect", column="a", severity=severity, verdict=verdict)


def _summed(*results: ExpectationResult) -> QualityResults:
    return summarise(results, rules=RULES, rows=7, run_id="run-1", now=NOW)


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([], "unknown"),
        ([_result("pass")], "pass"),
        ([_result("pass"), _result("fail", "warn")], "pass"),
        ([_result("fail", "contract")], "fail"),
        ([_result("pass"), _result("fail", "quality")], "fail"),
        ([_result("pass"), _result("unknown")], "unknown"),
        ([_result("unknown", "warn")], "unknown"),
        ([_result("unknown", "warn"), _result("fail")], "fail"),
        ([_result("unknown"), _result("fail", "warn")], "unknown"),
    ],
)
def test_the_verdict_has_three_values(results: list[ExpectationResult], expected: Verdict) -> None:
    """A failure decides, then whatever is unknown; warnings fail nothing and nothing at all is unknown."""
    assert verdict(results) == expected


def test_the_file_reads_as_users_know_it() -> None:
    """14 of 15 expectations give the counts and rates of the interface."""
    document = codec.to_dict(_summed(*[_result("pass")] * 14, _result("fail")))
    assert document["status"] == "failure"
    assert document["timestamp"] == "2026-01-01T00:00:00+00:00"
    assert document["validations"][0]["expectation_suite"] == "customers_expectation_suite"
    assert document["validations"][0]["success"] is False
    assert document["validations"][0]["statistics"] == {
        "evaluated_expectations": 15,
        "successful_expectations": 14,
        "unsuccessful_expectations": 1,
        "success_percent": 93.33,
    }
    assert document["summary"] == {
        "total_expectations": 15,
        "success_count": 14,
        "failure_count": 1,
        "unknown_count": 0,
        "overall_success_rate": 0.9333,
    }
    assert (document["run_id"], document["rows"], document["rules_version"]) == ("run-1", 7, "abc")


def test_no_results_are_no_validation() -> None:
    """A suite of which nothing ran is not a success."""
    results = _summed()
    assert (results.status, results.verdict, results.summary) == ("no_validation", "unknown", None)


@given(st.lists(st.builds(_result, st.sampled_from(VERDICTS), st.sampled_from(SEVERITIES)), min_size=1, max_size=20))
def test_the_counts_close(results: list[ExpectationResult]) -> None:
    """Every expectation is passed, failed or unknown, and only what passed is called a success."""
    summary = _summed(*results)
    counts = summary.summary
    assert counts is not None
    assert (
        counts.success_count + counts.failure_count + counts.unknown_count == counts.total_expectations == len(results)
    )
    assert (summary.status == "success") == (summary.verdict == "pass") == summary.validations[0].success
    assert codec.loads(QualityResults, codec.dumps(summary)) == summary


@given(
    st.lists(st.builds(_result, st.sampled_from(VERDICTS), st.sampled_from(SEVERITIES)), max_size=20),
    st.floats(0, 1),
)
def test_unknown_never_opens_the_gate(results: list[ExpectationResult], acceptable: float) -> None:
    """Whatever the thresholds are, one expectation that could not be evaluated stops the run."""
    reason = gate(_summed(*results, _result("unknown")), Thresholds(acceptable_failures=acceptable))
    assert reason is not None


@pytest.mark.parametrize(("failures", "total", "opens"), [(0, 10, True), (1, 10, True), (2, 10, False), (1, 9, False)])
def test_the_gate_opens_up_to_the_acceptable_share(failures: int, total: int, opens: bool) -> None:
    """Exactly a tenth of the expectations may fail, more may not."""
    results = _summed(*[_result("fail")] * failures, *[_result("pass")] * (total - failures))
    assert (gate(results, Thresholds()) is None) == opens


def test_the_gate_says_why_it_stays_shut() -> None:
    """The reason carries the counts and the limit."""
    reason = gate(_summed(_result("fail"), _result("pass")), Thresholds())
    assert reason == "1 of 2 expectations failed, more than the acceptable share 0.1"


def test_warnings_do_not_shut_the_gate() -> None:
    """Three failed warnings of four expectations stop nothing."""
    assert gate(_summed(*[_result("fail", "warn")] * 3, _result("pass")), Thresholds()) is None


def test_nothing_validated_shuts_the_gate() -> None:
    """The error of the audit is the reason."""
    reason = gate(no_validation("There are no staged rows.", rules=RULES, run_id="r", now=NOW), Thresholds())
    assert reason == "nothing was validated: There are no staged rows."


@pytest.mark.parametrize(
    ("results", "opens"),
    [
        (QualityResults(status="success"), False),
        (
            QualityResults(
                status="success",
                verdict="unknown",
                summary=QualitySummary(total_expectations=9, success_count=9, failure_count=0),
            ),
            False,
        ),
        (
            QualityResults(
                status="success", summary=QualitySummary(total_expectations=0, success_count=0, failure_count=0)
            ),
            False,
        ),
        (
            QualityResults(
                status="failure", summary=QualitySummary(total_expectations=15, success_count=14, failure_count=1)
            ),
            True,
        ),
        (
            QualityResults(
                status="success", summary=QualitySummary(total_expectations=15, success_count=0, failure_count=15)
            ),
            False,
        ),
    ],
)
def test_the_gate_reads_files_without_single_results(results: QualityResults, opens: bool) -> None:
    """A file of counts alone is judged by its counts; a claim of success without counts opens nothing."""
    assert (gate(results, Thresholds()) is None) == opens
