"""How long one scrape of `mend serve-metrics` takes over a store of many runs; the target is 1 s for 100,000.

`ours` are the first scrape of a process and the ones after it, in seconds. There is no peer.
"""

import argparse
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import insert

from mend.contracts.decision import Action, DecisionResult, Rows, ToolResult
from mend.contracts.quality import QualityResults
from mend.contracts.report import ColumnProfile, RunReport
from mend.store import tables
from mend.store.engine import Store, open_store
from mend.store.tables import Outcome, RunState
from orchestration.exposition import StoreCollector

START = datetime(2026, 1, 1, tzinfo=UTC)
PARTITIONS = 3


def filled(store: Store, runs: int, step: int = 2_000) -> None:
    profile = tuple(
        ColumnProfile(column=f"column_{at}", type="string", rows=1000, nulls=0, distinct=9) for at in range(20)
    )
    report = RunReport(total_records=1000, late_records=0, dq_failures=0, schema_drift_detected=False, profile=profile)
    quality = QualityResults(timestamp=START.isoformat(), status="success", verdict="pass")
    for first in range(0, runs, step):
        numbers = range(first, min(first + step, runs))
        with store.transaction() as connection:
            connection.execute(insert(tables.runs), [run_row(at, report, quality) for at in numbers])
            connection.execute(insert(tables.run_ranges), [row for at in numbers for row in range_rows(at)])
            connection.execute(insert(tables.decisions), [decision_row(at) for at in numbers])
            connection.execute(insert(tables.actions), [action_row(at) for at in numbers])


def run_row(at: int, report: RunReport, quality: QualityResults) -> dict[str, object]:
    opened = START + timedelta(minutes=5 * at)
    return {
        "run_id": f"run-{at}", "pipeline": "customers", "query_id": "q", "batch_id": at, "state": RunState.VALIDATED,
        "outcome": Outcome.PUBLISHED, "attempts": 1, "opened_at": opened, "updated_at": opened,
        "ended_at": opened + timedelta(seconds=at % 40), "report": report, "quality": quality, "verdict": "pass",
    }  # fmt: skip


def range_rows(at: int) -> list[dict[str, object]]:
    counts = {"records": 333, "accepted": 333, "rejected": 0, "dead_letter": 0, "duplicate": 0}
    span = {"from_offset": at * 333, "until_offset": (at + 1) * 333}
    rest = {"published": 333, "held": 0, **counts, **span}
    return [{"run_id": f"run-{at}", "topic": "t", "partition": one, **rest} for one in range(PARTITIONS)]


def decision_row(at: int) -> dict[str, object]:
    made = DecisionResult(
        decision="continue", actions=(Action.CONTINUE,), rows=Rows.PUBLISH, rules=("dq_within_limit",),
        reasoning="12 of 1000 rows fail a rule (1.2 %, limit 5 %) [dq_within_limit]. Rows that fit are published.",
        confidence=1.0, escalation_required=False, timestamp=START.isoformat(), run_id=f"run-{at}",
        evidence_hash="e" * 64, matrix_hash="m" * 64,
    )  # fmt: skip
    return {"run_id": f"run-{at}", "name": "continue", "decided_at": START, "recorded_at": START, "result": made}


def action_row(at: int) -> dict[str, object]:
    result = ToolResult(success=True, message="done", timestamp=START.isoformat())
    return {"key": f"{at:064x}", "run_id": f"run-{at}", "action": "retrigger_task", "result": result, "at": START}


def seconds(registry: CollectorRegistry) -> float:
    start = perf_counter()
    generate_latest(registry)
    return perf_counter() - start


def main() -> None:
    made = argparse.ArgumentParser()
    made.add_argument("--quick", action="store_true", help="2,000 runs")
    made.add_argument("--json", action="store_true")
    runs = 2_000 if made.parse_args().quick else 100_000
    with TemporaryDirectory() as folder, open_store(f"sqlite:///{Path(folder) / 'mend.db'}") as store:
        filled(store, runs)
        registry = CollectorRegistry()
        registry.register(StoreCollector(store, Path(folder)))
        times = [seconds(registry) for _ in range(6)]
    document = {"name": "scrape", "target": 1.0, "unit": "s", "runs": [{"ours": one, "peer": None} for one in times]}
    sys.stdout.write(orjson.dumps(document | {"median_ratio": None, "stored_runs": runs}).decode() + "\n")


if __name__ == "__main__":
    main()
