"""From Kafka to readable with `mend stream`: 5,000 events a second, a trigger of 5 s; the time of every single event.

The peer is the trigger itself: an event that has just missed one waits that long, whatever is done with it then.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

import duckdb
import numpy as np
import orjson

from bench.measure import Wish, cores, show, wish
from embedded.kafka_broker import KafkaBroker, create_topic
from embedded.spark_platform import local_platform
from mend.runtime.files import duckdb_names
from mend.runtime.settings import load_settings
from mend.store.engine import Store, open_store
from mend.store.runs import Run

TOPIC, PARTITIONS = "customers", 4
RATE, TRIGGER = 5_000, 5.0
WARM_UP = 4
"""Runs that are not counted: the first ones compile and import."""
TIMES = "SELECT epoch(kafka_timestamp) FROM read_parquet($files)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Seconds of one run: events' waits for the trigger, then what was done with all of them together."""

    waits: np.ndarray[Any, np.dtype[np.float64]]
    stage: float
    audit: float
    publish: float

    @property
    def latencies(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """From Kafka to readable, event by event."""
        return self.waits + self.stage + self.audit + self.publish


def parts_of(run: Run, folder: Path) -> Parts:
    """Read a run's times from its report and audit, and the events' from its files."""
    if run.report is None or run.quality is None or run.ended_at is None or not run.report.start_time:
        sys.exit(f"{run.run_id} did not come to its end: no measurement")
    began = datetime.fromisoformat(run.report.start_time)
    staged = datetime.fromisoformat(str(run.report.end_time))
    audited = datetime.fromisoformat(str(run.quality.timestamp))
    with duckdb.connect() as db:
        rows = db.execute(TIMES, {"files": duckdb_names(folder.rglob("*.parquet"))}).fetchall()
    return Parts(
        waits=began.timestamp() - np.array([seconds for (seconds,) in rows], dtype=np.float64),
        stage=(staged - began).total_seconds(),
        audit=(audited - staged).total_seconds(),
        publish=(run.ended_at - audited).total_seconds(),
    )


def figures(found: Sequence[Parts]) -> dict[str, Any]:
    """Return the quantiles over all events, and the medians of the parts over the runs."""
    latencies = np.concatenate([one.latencies for one in found])
    waits = np.concatenate([one.waits for one in found])
    parts = {
        name: round(float(np.median([getattr(one, name) for one in found])), 2)
        for name in ("stage", "audit", "publish")
    }
    return {
        "p50": round(float(np.quantile(latencies, 0.5)), 2),
        "p95": round(float(np.quantile(latencies, 0.95)), 2),
        "p99": round(float(np.quantile(latencies, 0.99)), 2),
        "parts": {"wait_for_trigger": round(float(np.median(waits)), 2), **parts},
        "events": len(latencies),
        "counted_runs": len(found),
    }


def streamed(folder: Path, broker: str, seconds: int) -> list[Parts]:
    """Stream while the producer sends; returns the runs after the warm-up."""
    told = {"MEND_HOME": str(folder / "home"), "KAFKA_BROKER": broker, "DATABASE_URL": "", "PARQUET_OUT": ""}
    environment = os.environ | told
    mend = [str(Path(sys.executable).with_name("mend")), "stream", "--trigger", f"{TRIGGER:g}s", "--json"]
    send = [sys.executable, "-m", "producer", "--broker", broker, "--topic", TOPIC, "--rate", str(RATE), "--quiet",
            "--duration", str(seconds)]  # fmt: skip
    settings = load_settings(mend_home=folder / "home", kafka_broker=broker, parquet_out=None, database_url="")
    with (folder / "runs.jsonl").open("wb") as lines, subprocess.Popen(mend, env=environment, stdout=lines) as stream:
        try:
            subprocess.run(send, check=True, stdout=subprocess.DEVNULL)
            with open_store(settings.store_url) as store:
                wait_for_last(store, folder / "runs.jsonl")
                runs = list(reversed(store.runs.recent("customers", 1_000)))
                found = [parts_of(run, settings.published / f"run={run.run_id}") for run in runs[WARM_UP:]]
        finally:
            stream.terminate()
    if stream.returncode != 0:
        sys.exit(f"the stream ended with code {stream.returncode}: no measurement")
    return found


def wait_for_last(store: Store, lines: Path) -> None:
    """Wait until nothing is left to read."""
    end = monotonic() + 120
    while monotonic() < end:
        said = lines.read_bytes().splitlines()
        if said and orjson.loads(said[-1])["lag"] == 0 and not store.runs.unfinished("customers"):
            return
        sleep(0.5)
    sys.exit("the stream did not catch up within two minutes: no measurement")


def measure(asked: Wish) -> dict[str, Any]:
    """Stream for a while and take the quantiles."""
    java, jars = local_platform()
    with (
        TemporaryDirectory(prefix="mend-bench-") as name,
        KafkaBroker(java, jars.kafka, Path(name) / "kafka") as broker,
    ):
        create_topic(broker.bootstrap, TOPIC, PARTITIONS)
        found = figures(streamed(Path(name), broker.bootstrap, 75 if asked.quick else 150))
    return {
        "name": "latency",
        "target": f"p95 <= 10 s at {RATE:,} events/s, trigger {TRIGGER:g} s",
        "unit": "s (p95)",
        "runs": [{"ours": found["p95"], "peer": TRIGGER}],
        "median_ratio": round(found["p95"] / TRIGGER, 3),
        "cores": cores(),
        **found,
    }


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    result = measure(asked)
    show(result, as_json=asked.json)
    if not asked.json:
        sys.stdout.write(orjson.dumps({name: result[name] for name in ("p50", "p95", "p99", "parts")}).decode() + "\n")
