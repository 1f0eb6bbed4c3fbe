"""The six steps over real runs: each once, each repeatable, and what is missing or absurd is never healthy."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from pyspark.errors import StreamingQueryException

from cli.gather import gather
from cli.report import write_pages
from cli.run_facts import StepTime
from mend.runtime.errors import UserError
from mend.runtime.kafka_access import KafkaAccess
from mend.store.tables import RunState
from orchestration.audit_step import audit_staged, processed_at
from orchestration.kafka_lag import measure_lag
from orchestration.steps import (
    agent_decide,
    cleanup_old_data,
    monitor_kafka,
    run_data_quality,
    unfinished_runs,
    validate_load,
)
from orchestration.storage import refusals_told
from spark.failure import explained
from tests.real.conftest import Flow, Platform, customer_event

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

CLOSED_PORT = "127.0.0.1:1"
REPORT = b'{"total_records": %b, "late_records": 0, "dq_failures": 0, "schema_drift_detected": false}'
BROKEN: list[tuple[str, str, bytes | None]] = [
    ("run_report", "missing", None),
    ("run_report", "empty", b""),
    ("run_report", "half written", b'{"total_records": 20, "late_'),
    ("run_report", "NaN", REPORT % b"NaN"),
    ("run_report", "other events than there are", REPORT % b"5"),
    ("ge_results", "missing", None),
    ("ge_results", "half written", b'{"status": "success"'),
    ("ge_results", "NaN", b'{"status": "success", "summary": {"overall_success_rate": NaN}}'),
]
"""A file between two steps, and what became of it."""


@pytest.fixture
def staged(flow: Flow) -> tuple[Flow, str]:
    """Stage a healthy run of twenty events."""
    flow.send(*(customer_event(number) for number in range(20)))
    (run_id,) = flow.ingest()
    return flow, run_id


def test_a_run_has_pages_that_need_no_network(staged: tuple[Flow, str]) -> None:
    """Its own page and Data Docs lie side by side, link to each other, name the cost of the audit and load nothing."""
    flow, run_id = staged
    for step in (run_data_quality, agent_decide, validate_load):
        step(flow.workspace, run_id)
    folder = write_pages(flow.workspace.layout, gather(flow.workspace, run_id, [StepTime(name="all", seconds=60)]))
    page, docs = ((folder / name).read_text() for name in ("run.html", "data_docs.html"))
    assert 'href="data_docs.html"' in page
    assert 'href="run.html"' in docs
    assert re.search(r"The audit took [\d.]+ m?s, [\d.< ]+ ?% of the run", page)
    for each in (page, docs):
        assert not re.search(r"""(src|href)=["']?(https?:|//)|@import|url\(["']?(https?:|//)""", each)
    assert gather(flow.workspace, run_id).steps == (StepTime(name="all", seconds=60),)


def test_now_means_the_same_to_rows_and_audit(staged: tuple[Flow, str]) -> None:
    """The audit judges as of the run's pass, however much later it comes."""
    flow, run_id = staged
    run = flow.workspace.store.runs.get(run_id)
    assert run is not None
    assert run.report is not None
    assert processed_at(run).isoformat() == run.report.start_time
    early = replace(run, report=replace(run.report, start_time="2020-01-01T00:00:00+00:00"))
    (suite,) = audit_staged(flow.workspace, early).validations
    future = [one for one in suite.results if one.expectation_type.endswith("values_to_be_between") and one.failures]
    assert [one.failures for one in future] == [20]


def state(flow: Flow, run_id: str) -> RunState:
    """Return where a run stands."""
    run = flow.workspace.store.runs.get(run_id)
    assert run is not None
    return run.state


def log_lines(flow: Flow) -> list[dict[str, object]]:
    """Read the decision log."""
    log = flow.workspace.layout.ops / "decision_log.jsonl"
    return [orjson.loads(line) for line in log.read_bytes().splitlines()]


def test_the_steps_lead_from_kafka_to_validated(flow: Flow) -> None:
    """Lag, report, audit, decision and recount are written under the names that users know, and the store follows."""
    flow.send(*(customer_event(number) for number in range(20)), partition=0)
    assert monitor_kafka(flow.workspace).facts["lag"] == 20
    (run_id,) = flow.ingest()
    assert state(flow, run_id) is RunState.STAGED
    assert flow.counts() == {}
    assert run_data_quality(flow.workspace, run_id).outcome == "done"
    assert state(flow, run_id) is RunState.AUDITED
    assert agent_decide(flow.workspace, run_id).facts["decision"] == "continue"
    assert state(flow, run_id) is RunState.PUBLISHED
    assert validate_load(flow.workspace, run_id).message == "20 rows are readable, as expected"
    assert state(flow, run_id) is RunState.VALIDATED
    assert monitor_kafka(flow.workspace).outcome == "nothing_to_do"
    assert cleanup_old_data(flow.workspace).message == "1 folders removed"
    assert flow.counts() == {"published": 20}


def test_the_files_say_what_users_read(staged: tuple[Flow, str]) -> None:
    """Each file has the fields that scripts of users read, and the run's own copy is the latest one."""
    flow, run_id = staged
    flow.finish(run_id)
    monitor_kafka(flow.workspace)
    ops = flow.workspace.layout.ops
    quality = flow.document(run_id, "ge_results")
    (suite,) = quality["validations"]
    assert (suite["expectation_suite"], suite["success"]) == ("customers_expectation_suite", True)
    assert suite["statistics"]["evaluated_expectations"] == 15
    assert quality["summary"]["total_expectations"] == 15
    loaded = flow.document(run_id, "load_validation")
    assert (loaded["status"], loaded["sink_mode"], loaded["parquet_files_count"]) == ("success", "PARQUET", 1)
    assert Path(loaded["output_path"]).is_dir()
    lag = orjson.loads((ops / "kafka_monitoring.json").read_bytes())
    assert {"broker", "topic", "status", "timestamp", "partitions", "lag"} <= lag.keys()
    assert (lag["status"], lag["partitions"], lag["lag"]) == ("healthy", 4, 0)
    (line,) = log_lines(flow)
    assert line["decision"] == "continue"
    assert line["context_summary"] == {
        "total_records": 20, "late_records": 0, "dq_failures": 0, "schema_drift": False,
    }  # fmt: skip
    for name in ("run_report", "ge_results", "agent_decision", "load_validation"):
        assert (ops / f"{name}.json").read_bytes() == flow.file(run_id, name).read_bytes()


def test_a_run_is_decided_once(staged: tuple[Flow, str]) -> None:
    """The agent that is started again finds its decision: one decision in the store, one line in the log."""
    flow, run_id = staged
    run_data_quality(flow.workspace, run_id)
    agent_decide(flow.workspace, run_id)
    again = agent_decide(flow.workspace, run_id)
    assert again.outcome == "nothing_to_do"
    assert len(log_lines(flow)) == 1
    assert len(flow.workspace.store.decisions.history()) == 1
    assert flow.counts() == {"published": 20}


def test_the_steps_keep_their_order(staged: tuple[Flow, str]) -> None:
    """A step before its turn is refused and does nothing; one after its turn finds everything done."""
    flow, run_id = staged
    for step, needed in ((agent_decide, "audited"), (validate_load, "decided")):
        with pytest.raises(UserError, match=f"must be {needed} first") as told:
            step(flow.workspace, run_id)
        assert told.value.exit_code == 3
    assert not flow.file(run_id, "agent_decision").exists()
    flow.finish(run_id)
    assert [step.outcome for step in flow.finish(run_id)] == ["nothing_to_do", "nothing_to_do", "done"]
    with pytest.raises(UserError, match="no run 'run-7' "):
        agent_decide(flow.workspace, "run-7")


@pytest.fixture(scope="module")
def audited(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flow, list[str]]]:
    """Stage and audit as many healthy runs of one event as there are ways to break them."""
    with platform.flow(tmp_path_factory.mktemp("audited"), max_events_per_run=1) as flow:
        flow.send(*(customer_event(number) for number in range(len(BROKEN))), partition=0)
        run_ids = flow.ingest()
        assert [run_data_quality(flow.workspace, one).outcome for one in run_ids] == ["done"] * len(BROKEN)
        yield flow, run_ids


@pytest.mark.parametrize("number", range(len(BROKEN)), ids=lambda number: f"{BROKEN[number][0]} {BROKEN[number][1]}")
def test_what_cannot_be_believed_holds_the_rows(audited: tuple[Flow, list[str]], number: int) -> None:
    """A report or an audit that is missing or absurd is never healthy: a person is called, and no row is readable."""
    flow, run_ids = audited
    (name, _, content), run_id = BROKEN[number], run_ids[number]
    path = flow.file(run_id, name)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    decided = agent_decide(flow.workspace, run_id)
    assert (decided.outcome, decided.facts["rows"]) == ("escalated", "hold")
    problem = "report_" if name == "run_report" else "audit_"
    assert [rule for rule in decided.facts["rules"] if rule.startswith(problem)]
    assert validate_load(flow.workspace, run_id).outcome == "done"
    assert flow.places()["held"][0, number] == 1
    assert not flow.workspace.layout.published(run_id).exists()
    assert gather(flow.workspace, run_id).report.total_records == 1


def test_rows_without_a_manifest_are_not_published(staged: tuple[Flow, str]) -> None:
    """Staged files that nobody vouches for are not audited: the verdict is unknown, and they are held."""
    flow, run_id = staged
    (flow.workspace.layout.staged(run_id) / "_manifest.json").unlink()
    assert run_data_quality(flow.workspace, run_id).outcome == "escalated"
    assert agent_decide(flow.workspace, run_id).facts["rows"] == "hold"
    assert flow.counts() == {"held": 20}


def test_too_many_failed_expectations_stop_the_quality_step(flow: Flow) -> None:
    """More than a tenth of the expectations failed: the step ends with exit code 1, and the agent holds the rows."""
    flow.send(*(customer_event(n, email="nobody", plan="gold", version=99) for n in range(20)))
    (run_id,) = flow.ingest()
    audit = run_data_quality(flow.workspace, run_id)
    assert (audit.outcome, audit.exit_code) == ("escalated", 1)
    assert "3 of 15 expectations failed" in audit.message
    assert agent_decide(flow.workspace, run_id).facts["rows"] == "hold"
    assert flow.counts() == {"held": 20}


def test_what_died_is_picked_up_where_it_stood(staged: tuple[Flow, str]) -> None:
    """A run is finished by the next one: after staging, after the audit, after the decision, after publishing."""
    flow, run_id = staged
    for step, then in (
        (run_data_quality, RunState.AUDITED),
        (agent_decide, RunState.PUBLISHED),
        (validate_load, RunState.VALIDATED),
    ):
        assert unfinished_runs(flow.workspace) == [run_id]
        step(flow.workspace, run_id)
        assert state(flow, run_id) is then
    assert unfinished_runs(flow.workspace) == []


def test_rows_that_went_missing_are_found(staged: tuple[Flow, str]) -> None:
    """A published file that is lost before the recount is an incident, and the run is disputed, not validated."""
    flow, run_id = staged
    run_data_quality(flow.workspace, run_id)
    agent_decide(flow.workspace, run_id)
    next(flow.workspace.settings.published.rglob("*.parquet")).unlink()
    loaded = validate_load(flow.workspace, run_id)
    assert (loaded.outcome, loaded.exit_code) == ("failed", 1)
    assert "expected 20 rows" in loaded.message
    assert state(flow, run_id) is RunState.DISPUTED
    incidents = flow.workspace.store.incidents.created_since(datetime.now(UTC) - timedelta(minutes=5))
    assert [one.incident_type for one in incidents] == ["load_validation"]


def test_a_broker_that_is_away_or_wrong_is_one_line(new_flow: Callable[..., Flow]) -> None:
    """Nobody at the address, or no such topic: the step fails within seconds, says what to do, and the file says so."""
    flow = new_flow("nobody.made.this")
    assert "Create it, or correct 'topic'" in monitor_kafka(flow.workspace).message
    settings = flow.workspace.settings.model_copy(update={"kafka_broker": "localhost"})
    told = monitor_kafka(replace(flow.workspace, settings=settings))
    assert (told.outcome, told.exit_code) == ("failed", 1)
    assert told.message.startswith("KAFKA_BROKER: 'localhost' is no address.")
    with pytest.raises(UserError, match=f"no Kafka broker answers at {CLOSED_PORT} .* set KAFKA_BROKER"):
        measure_lag(KafkaAccess(CLOSED_PORT), "any", flow.workspace.layout.checkpoint("customers"), patience=0.5)
    assert orjson.loads((flow.workspace.layout.ops / "kafka_monitoring.json").read_bytes())["status"] == "unhealthy"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 8 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=False, capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_loses_nothing(small_disk: Path, new_flow: Callable[..., Flow]) -> None:
    """The job fails with one line, nothing is readable; once there is room, the same events are published."""
    flow = new_flow(home=small_disk)
    flow.send(*(customer_event(number, name=os.urandom(500_000).hex()) for number in range(3)))
    ballast = small_disk / "ballast"
    ballast.write_bytes(os.urandom(6_500_000))
    with pytest.raises(StreamingQueryException) as failed:
        flow.ingest()
    assert explained(str(failed.value)).endswith("Free some space, then run again.")
    assert flow.counts() == {}
    ballast.unlink()
    flow.run()
    assert flow.counts() == {"published": 3}
    assert flow.closed()


def test_a_step_on_a_full_disk_is_one_line(small_disk: Path, new_flow: Callable[..., Flow]) -> None:
    """A decision that cannot be written is not carried out; the next run makes it."""
    flow = new_flow(home=small_disk)
    flow.send(*(customer_event(number) for number in range(20)))
    (run_id,) = flow.ingest()
    run_data_quality(flow.workspace, run_id)
    with fill(small_disk), pytest.raises(UserError, match="Free some space") as told, refusals_told():
        agent_decide(flow.workspace, run_id)
    assert told.value.exit_code == 1
    assert flow.counts() == {}
    flow.finish(run_id)
    assert flow.counts() == {"published": 20}
    assert len(log_lines(flow)) == 1


@contextmanager
def fill(disk: Path) -> Iterator[None]:
    """Leave no room on a disk."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as out, suppress(OSError):
        while out.write(bytes(4096)):
            pass
    yield
    ballast.unlink()
