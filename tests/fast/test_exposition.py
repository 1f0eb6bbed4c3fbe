"""What Prometheus scrapes, and how it is served."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event

from cli.serve_metrics import listening
from mend.contracts.alert import Alert, AlertSeverity
from mend.contracts.decision import Action, DecisionResult, Fallback, Rows, ToolResult
from mend.contracts.incident import Severity
from mend.contracts.quality import QualityResults
from mend.contracts.report import PartitionRange, Places
from mend.incidents.lifecycle import closed, opened, resolved
from mend.runtime.errors import UserError
from mend.runtime.files import write_json
from mend.store.engine import Store, open_store
from mend.store.proofs import Verified
from mend.store.tables import RunState
from orchestration.exposition import StoreCollector

START = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    """Open a new store."""
    with open_store(f"sqlite:///{home / 'mend.db'}") as made:
        yield made


def at(seconds: float) -> datetime:
    """Return a time after the start."""
    return START + timedelta(seconds=seconds)


def run(store: Store, number: int, *, held: bool = False, until: RunState | None = None) -> str:
    """Take a run of 10 events to its end, or up to a state."""
    run_id = f"run-{number}"
    store.runs.open_run(run_id, "orders", "q", number, at(100 * number))
    places = Places(accepted=8, rejected=1, dead_letter=1)
    part = PartitionRange(topic="t", partition=0, from_offset=0, until_offset=10, records=10, places=places)
    store.ledger.record_ranges(run_id, [part])
    quality = QualityResults(timestamp=START.isoformat(), status="success", verdict="pass")
    end = RunState.HELD if held else RunState.PUBLISHED
    for state in (RunState.STAGED, RunState.AUDITED, RunState.DECIDED, end):
        changes = {"quality": quality} if state is RunState.AUDITED else {}
        store.runs.advance(run_id, state, at(100 * number + 20), **changes)  # type: ignore[arg-type]
        if state is until:
            return run_id
    store.ledger.settle(run_id, {("t", 0): 0 if held else 8}, {("t", 0): 8 if held else 0})
    return run_id


def decide(store: Store, rule: str, action: Action = Action.CONTINUE, **fields: object) -> None:
    """Record a decision."""
    made = DecisionResult(
        decision=action.value, actions=(action,), rows=Rows.PUBLISH, rules=(rule,), reasoning="", confidence=1.0,
        escalation_required=action is Action.ESCALATE, timestamp=START.isoformat(),
    )  # fmt: skip
    store.decisions.record(None, replace(made, **fields), START)  # type: ignore[arg-type]


def act(store: Store, key: str, tool: str) -> None:
    """Record an act."""
    store.decisions.record_action(key, None, tool, "", ToolResult(success=True, message="", timestamp=""), START)


def scraped(collector: StoreCollector) -> dict[str, Metric]:
    """Scrape once and read the text back."""
    registry = CollectorRegistry()
    registry.register(collector)
    return {one.name: one for one in text_string_to_metric_families(generate_latest(registry).decode())}


def values(families: dict[str, Metric], name: str) -> dict[str, float]:
    """Return the samples of a family by the value of their one label."""
    return {"".join(one.labels.values()): one.value for one in families[name].samples}


def test_the_text_is_valid_and_says_what_the_store_holds(store: Store, home: Path) -> None:
    """Read back by Prometheus' own parser: names, types, labels and figures."""
    run(store, 1)
    run(store, 2, held=True)
    store.runs.record_failure("orders", None, "boom", "retriable", at(1))
    decide(store, "healthy")
    decide(store, "dq_over_limit", Action.ESCALATE)
    decide(store, "x", decided_by="person")
    act(store, "a", "retrigger_task")
    act(store, "b", "escalate_incident")
    store.incidents.add(opened("i", "dq", "", Severity.HIGH, START))
    over = resolved(opened("j", "dq", "", Severity.HIGH, START), "", START)
    store.incidents.add(over)
    store.incidents.add(replace(closed(over, START, who="ada"), id="k"))
    proof = Verified(pipeline="orders", topic="t", partition=0, from_offset=0, verified_through=10, verified_at=START)
    store.proofs.record([proof])
    write_json(home / "kafka_monitoring.json", {"topic": "t", "lag": 7, "timestamp": START.isoformat()})
    found = scraped(StoreCollector(store, home))
    assert values(found, "shp_pipeline_runs") == {"success": 1, "held": 1, "failed": 1}
    assert values(found, "shp_pipeline_errors") == {"retriable": 1}
    assert values(found, "shp_healing_attempts") == {"success": 1, "failed": 0}
    assert values(found, "shp_ai_cost") == {"": 0}
    assert values(found, "shp_last_run_timestamp_seconds") == {"": at(220).timestamp()}
    assert values(found, "mend_decisions") == {"rules": 2, "person": 1}
    assert values(found, "mend_rules_fired") == {"healthy": 1, "dq_over_limit": 1, "x": 1}
    assert values(found, "mend_escalations") == {"": 1}
    assert values(found, "mend_audit_verdicts") == {"pass": 2}
    places = {"published": 8, "held": 8, "rejected": 2, "dead_letter": 2, "duplicate": 0}
    assert values(found, "mend_events") == places
    assert values(found, "mend_open_incidents") == {"high": 1}
    assert values(found, "mend_verified_through_offset") == {"0orderst": 10}
    assert values(found, "mend_kafka_lag_events") == {"t": 7}
    assert {name: one.type for name, one in found.items() if name.startswith("shp_")} == {
        "shp_pipeline_runs": "counter", "shp_pipeline_errors": "counter", "shp_healing_attempts": "counter",
        "shp_pipeline_duration_seconds": "histogram", "shp_ai_cost": "counter",
        "shp_last_run_timestamp_seconds": "gauge",
    }  # fmt: skip


def test_what_holds_the_machine_back_is_exposed(store: Store, home: Path) -> None:
    """Open circuits and pauses by pipeline, messages that wait, whether the model answers; 0 where it is known."""
    run(store, 1)
    found = scraped(StoreCollector(store, home))
    assert (values(found, "mend_circuit_open"), values(found, "mend_paused")) == ({"orders": 0}, {"all": 0})
    assert (values(found, "mend_alerts_waiting"), values(found, "mend_model_available")) == ({}, {})
    store.brakes.open_circuit("customers", "c", "why", START, by="decision")
    store.brakes.pause(START, by="ada", pipeline="orders")
    store.outbox.put(Alert(title="x", severity=AlertSeverity.INFO), START)
    with store.transaction():
        (entry,) = store.outbox.new()
        store.outbox.tell(entry, entry.alert, {"slack": START, "email": START}, START)
    collector = StoreCollector(store, home)
    decide(store, "healthy", fallback=Fallback.NOT_ASKED)
    decide(store, "healthy", fallback=Fallback.UNREACHABLE)
    decide(store, "healthy")
    found = scraped(collector)
    assert values(found, "mend_circuit_open") == {"customers": 1, "orders": 0}
    assert values(found, "mend_paused") == {"all": 0, "orders": 1}
    assert values(found, "mend_alerts_waiting") == {"emailwaiting": 1, "slackwaiting": 1}
    assert values(found, "mend_oldest_alert_timestamp_seconds") == {"": START.timestamp()}
    assert values(found, "mend_model_available") == {"": 0}
    decide(store, "healthy", fallback=Fallback.LOW_CONFIDENCE)
    assert values(scraped(collector), "mend_model_available") == {"": 1}


def test_durations_are_a_histogram_whose_buckets_add_up(store: Store, home: Path) -> None:
    """Two runs of 20 s: in the bucket of 30 s, not in that of 10 s."""
    run(store, 1)
    run(store, 2)
    samples = scraped(StoreCollector(store, home))["shp_pipeline_duration_seconds"].samples
    buckets = {one.labels["le"]: one.value for one in samples if one.name.endswith("_bucket")}
    assert (buckets["10.0"], buckets["30.0"], buckets["+Inf"]) == (0, 2, 2)
    totals = {one.name.rsplit("_", 1)[1]: one.value for one in samples if not one.labels}
    assert totals == {"count": 2, "sum": pytest.approx(40, abs=0.01)}


def test_counters_never_fall(store: Store, home: Path) -> None:
    """A failed batch that is handed out again, a replayed one, a run replaced: what was counted stays counted."""
    collector = StoreCollector(store, home)
    seen: dict[tuple[str, tuple[str, ...]], float] = {}

    def none_fell() -> None:
        for family in scraped(collector).values():
            if family.type != "counter":
                continue
            for one in family.samples:
                key = one.name, tuple(one.labels.values())
                assert one.value >= seen.get(key, 0), key
                seen[key] = one.value
        assert {key for key in seen if key[0] == "shp_pipeline_runs_total"}

    first = run(store, 1)
    store.runs.open_run("run-2", "orders", "q", 2, at(200))
    store.runs.record_failure("orders", "run-2", "boom", "retriable", at(201))
    decide(store, "healthy")
    none_fell()
    store.runs.open_run("run-2", "orders", "q", 2, at(202))
    none_fell()
    run(store, 3, until=RunState.AUDITED)
    none_fell()
    store.runs.open_run("run-3", "orders", "q", 3, at(303))
    none_fell()
    store.runs.advance(first, RunState.VALIDATED, at(400))
    store.runs.plan_replacement("run-4", [first])
    run(store, 4)
    store.runs.replace("run-4", at(401))
    decide(store, "healthy")
    none_fell()
    assert seen["shp_pipeline_runs_total", ("failed",)] == 1
    assert seen["mend_rules_fired_total", ("healthy",)] == 2


def test_decisions_are_read_once(store: Store, home: Path) -> None:
    """The next scrape reads those that are new, however many there are; another process counts the same."""
    for _ in range(5):
        decide(store, "healthy")
    collector = StoreCollector(store, home)
    scraped(collector)
    decide(store, "late")
    asked: list[tuple[object, ...]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: tuple[object, ...], *_: object) -> None:
        if "decisions" in statement:
            asked.append(parameters)

    event.listen(store.database.engine, "before_cursor_execute", note)
    rules = values(scraped(collector), "mend_rules_fired")
    assert rules == {"healthy": 5, "late": 1} == values(scraped(StoreCollector(store, home)), "mend_rules_fired")
    assert [5 in asked[0], 6 in asked[1]] == [True, True]


def test_a_decision_whose_act_failed_counts_once_and_as_a_failed_remedy(store: Store, home: Path) -> None:
    """It is recorded twice."""
    decide(store, "drift_additive", Action.REMAP)
    decide(store, "drift_additive", Action.ESCALATE, rules=("drift_additive", "act_failed"))
    found = scraped(StoreCollector(store, home))
    assert values(found, "mend_decisions") == {"rules": 1}
    assert values(found, "shp_healing_attempts") == {"success": 0, "failed": 1}


def test_a_store_that_is_away_is_said(store: Store, home: Path) -> None:
    """One gauge at 0, and no figure that could be mistaken for the truth."""
    collector = StoreCollector(store, home)
    store.close()
    for path in home.glob("mend.db*"):
        path.unlink()
    (home / "mend.db").mkdir()
    assert {name: values(found, name) for found in [scraped(collector)] for name in found} == {
        "mend_store_up": {"": 0.0}
    }


def test_it_serves_on_loopback_until_it_is_stopped(home: Path) -> None:
    """Ctrl-C ends it with code 0 and without a stack trace; SIGTERM takes the same way."""
    environment = {**os.environ, "MEND_HOME": str(home), "PYTHONPATH": str(ROOT), "DATABASE_URL": ""}
    command = [sys.executable, "-c", "from cli.main import app; app()", "serve-metrics", "--port", "0"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, cwd=home) as process:
        assert process.stderr is not None
        address = process.stderr.readline().decode().split()[2].rstrip(",")
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - our own address
            assert b"mend_store_up 1.0" in answer.read()
        process.send_signal(signal.SIGINT)
        assert (process.wait(30), process.stderr.read()) == (0, b"")


def test_a_port_in_use_is_said() -> None:
    """What is wrong and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match=r"something listens there already\. Choose another with --port\.") as told:
            listening(taken.getsockname()[1], CollectorRegistry())
    assert told.value.exit_code == 2
