"""`mend decide` and `mend incident fingerprint`: questions without consequences."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from cli.main import cli

pytestmark = pytest.mark.agent
REPORT = {
    "total_records": 1000,
    "late_records": 0,
    "schema_drift_detected": False,
    "schema_drift_count": 0,
    "dq_failures": 0,
    "processing_errors": 0,
    "start_time": "2026-01-15T10:00:00",
    "end_time": "2026-01-15T10:05:00",
}
AUDIT = {
    "timestamp": "2026-01-15T10:06:00",
    "status": "success",
    "validations": [],
    "summary": {"total_expectations": 15, "success_count": 15, "failure_count": 0, "overall_success_rate": 1.0},
}


def question(**report: Any) -> bytes:
    """Return a context."""
    return orjson.dumps(
        {
            "run_report": REPORT | report,
            "ge_results": AUDIT,
            "job_status": "success",
            "timestamp": "2026-01-15T10:07:00",
        }
    )


def asked(*words: str, stdin: bytes = b"") -> tuple[int, str]:
    """Run the command."""
    answer = CliRunner().invoke(cli, ["decide", *words], input=stdin)
    return answer.exit_code, answer.stdout


@pytest.mark.parametrize(
    ("report", "decision", "code"),
    [({}, "continue", 0), ({"late_records": 150}, "retrigger", 0), ({"late_records": 151}, "escalate", 1)],
)
def test_a_context_is_decided_and_nothing_is_done(
    tmp_path: Path, report: dict[str, int], decision: str, code: int
) -> None:
    """The decision is on stdout, the exit code says whether a person is needed, and no file is written."""
    path = tmp_path / "ctx.json"
    path.write_bytes(question(**report))
    found, said = asked("--context", str(path), "--json")
    assert (found, orjson.loads(said)["decision"]) == (code, decision)
    assert asked("--context", "-", "--json", stdin=path.read_bytes()) == (code, said)
    assert list(tmp_path.iterdir()) == [path]


def test_each_line_is_decided_as_if_it_were_alone(tmp_path: Path) -> None:
    """A line that is no context calls a person, and the lines after it are decided all the same."""
    path = tmp_path / "contexts.jsonl"
    path.write_bytes(b"\n".join([question(), b"{", question(dq_failures=-1), question(late_records=150)]))
    code, said = asked("--jsonl", str(path))
    decisions = [orjson.loads(line)["decision"] for line in said.splitlines()]
    assert (code, decisions) == (0, ["continue", "escalate", "escalate", "retrigger"])


def test_people_read_why_and_what_would_have_changed_it(tmp_path: Path) -> None:
    """Without --json the explanation is printed."""
    path = tmp_path / "ctx.json"
    path.write_bytes(question(late_records=151))
    assert "151 of 1000 events are late" in asked("--context", str(path))[1]


@pytest.mark.parametrize("words", [(), ("--context", "a", "--jsonl", "b"), ("--context", "nowhere.json")])
def test_wrong_use_is_said(words: tuple[str, ...]) -> None:
    """Neither or both kinds of input, or a file that is not there, decide nothing."""
    assert CliRunner().invoke(cli, ["decide", *words]).exit_code != 0


def test_an_error_has_a_fingerprint_a_kind_and_a_chance() -> None:
    """What differs from run to run does not count; what kind it is and whether to try again does."""
    texts = [
        f"Connection to node {node} (broker-{port}/10.0.0.{port}:9092) could not be established. "
        "Broker may not be available."
        for node, port in ((-1, 1), (2, 17))
    ]
    first, second = (
        orjson.loads(CliRunner().invoke(cli, ["incident", "fingerprint", "-m", text, "--json"]).stdout)
        for text in texts
    )
    assert first["fingerprint"] == second["fingerprint"]
    assert (first["cause"], first["category"], first["retriable"]) == ("broker away", "api_error", True)
    other = CliRunner().invoke(cli, ["incident", "fingerprint", "--json"], input="KeyError: 'plan'").stdout
    assert orjson.loads(other)["retriable"] is False
    assert orjson.loads(other)["fingerprint"] != first["fingerprint"]
