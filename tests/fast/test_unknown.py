"""Unknown is not healthy: whatever is missing, malformed, contradictory or stale calls a person and is named."""

from dataclasses import fields
from typing import Any

import orjson
import pytest

from agent.context import MOST_BYTES, History, read_context, read_quality, read_report
from agent.decide import decide
from agent.matrix_file import load_matrix
from agent.sanity import Anomaly, Problem
from agent.testing import AUDIT, NOON, REPORT, scenario
from mend.contracts.quality import QualityResults, QualitySummary
from mend.contracts.report import PartitionRange, Places, RunReport, SegmentCount

pytestmark = pytest.mark.agent

TABLE = load_matrix()
NOW = NOON.isoformat()
BAD: dict[str, Any] = {
    "null": None, "NaN": "NaN", "negative": -1, "a text for a number": "5", "a truth for a number": True,
    "a fraction": 0.5, "infinite": "Infinity", "a list": [], "beyond 64 bits": "1" + "0" * 30,
}  # fmt: skip
RAW = ("NaN", "Infinity", "beyond 64 bits")


def counts(kind: type[Any]) -> list[str]:
    """Return the fields of a contract that are counts, without those that may be left open."""
    return [
        one.name
        for one in fields(kind)
        if "Ge(ge=0)" in str(one.type) and "tuple" not in str(one.type) and one.default is not None
    ]


COUNTS = {
    "run_report": counts(RunReport),
    "ge_results.summary": counts(QualitySummary),
}


def written(document: dict[str, Any], value: Any, kind: str) -> bytes:
    """Return the document as JSON; some values only bytes can hold."""
    content = orjson.dumps(document)
    return content.replace(b'"RAW"', str(value).encode()) if kind in RAW else content


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("name", [f"{place}.{name}" for place, names in COUNTS.items() for name in names])
def test_no_bad_figure_is_healthy(name: str, kind: str) -> None:
    """Each count of both documents, with each bad value: held, a person called, the document's problem named."""
    document, _, field = name.rpartition(".")
    value = "RAW" if kind in RAW else BAD[kind]
    report: dict[str, Any] = dict(REPORT)
    audit: dict[str, Any] = dict(AUDIT)
    if document == "run_report":
        report[field] = value
    else:
        audit["summary"] = audit["summary"] | {field: value}
    context = read_context(
        written({"run_report": report, "ge_results": audit, "timestamp": NOW}, BAD[kind], kind), now=NOW
    )
    decision = decide(context, TABLE)
    assert decision.escalation_required
    assert decision.rows == "hold"
    assert any(problem.value in decision.reasoning for problem in (Problem.INVALID, Problem.NOT_JSON))


def test_there_are_counts_to_try() -> None:
    """The fields are found by their type, so a new one is tried, too."""
    assert {"total_records", "late_records", "dq_failures"} <= {*COUNTS["run_report"]}
    assert {"total_expectations", "failure_count"} <= {*COUNTS["ge_results.summary"]}
    assert counts(Places)
    assert counts(PartitionRange)
    assert counts(SegmentCount)


@pytest.mark.parametrize("kind", [RunReport, QualityResults, History])
def test_an_unknown_field_is_refused(kind: type[Any]) -> None:
    """A field that nobody knows may say what changes everything: the document is not believed."""
    odd: dict[str, Any] = {"looks_healthy": True}
    change: dict[type[Any], dict[str, Any]] = {RunReport: {"report": odd}, QualityResults: {"audit": odd}}
    context = scenario(**change[kind]) if kind in change else scenario(**odd)
    decision = decide(context, TABLE)
    assert (decision.escalation_required, decision.rows) == (True, "hold")
    assert "looks_healthy" in decision.reasoning


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"run_report": None}, "missing"),
        ({"ge_results": None}, "missing"),
        ({"run_report": REPORT | {"timestamp": "2025-12-25T12:00:00Z"}}, "stale"),
        ({"ge_results": AUDIT | {"timestamp": "2025-12-25T12:00:00Z"}}, "stale"),
        ({"run_report": REPORT | {"run_id": "run-6"}, "run_id": "run-7"}, "other_run"),
        ({"run_report": REPORT | {"total_records": 0}}, "zero_rows"),
        ({"run_report": REPORT | {"status": "no_data"}}, "no_data"),
        ({"run_report": REPORT | {"late_records": 1001}}, "contradiction"),
        ({"consecutive_failures": -1}, "invalid"),
        ({"retriggers": "3"}, "invalid"),
        ({"circuit_open": "no"}, "invalid"),
        ({"timestamp": "yesterday"}, "invalid"),
        ({"pipeline_config": {"late_arrival_threshold": 15}}, "invalid"),
    ],
)
def test_every_problem_is_named(change: dict[str, Any], named: str) -> None:
    """What cannot be believed stands in the reason under its name."""
    document = {"run_report": REPORT, "ge_results": AUDIT, "timestamp": NOW} | change
    decision = decide(read_context(orjson.dumps(document), now=NOW), TABLE)
    assert (decision.escalation_required, decision.rows) == (True, "hold")
    assert f"({named}: " in decision.reasoning


def test_a_report_of_200_megabytes_is_not_read() -> None:
    """A document beyond any real one is an anomaly, and its text is not parsed."""
    content = b'{"a": "' + b"x" * MOST_BYTES + b'"}'
    for found in (read_report(content), read_quality(content)):
        assert isinstance(found, Anomaly)
        assert (found.problem, "bytes" in found.reason) == (Problem.INVALID, True)
