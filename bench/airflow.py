"""A run of the DAG in a real Airflow, over an empty topic and over 100,000 events; the peer is `mend run` by itself."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import orjson

from bench.measure import Wish, cores, show, wish
from embedded.airflow_platform import memory, standing
from embedded.kafka_broker import free_ports

MEND = str(Path(sys.executable).with_name("mend"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A running Airflow with a Kafka of its own."""

    folder: Path
    ready: float
    kafka: str

    def run_dag(self) -> float:
        """Return the seconds of a run of the DAG, from the trigger to its end."""
        done = called("airflow", "trigger", "--folder", str(self.folder), "--json", home=self.folder)
        document = orjson.loads(done.stdout)
        if document["state"] != "success":
            sys.exit(f"the run of the DAG failed: {document['tasks']}")
        return float(document["seconds"])

    def run_alone(self, home: Path) -> float:
        """Return the seconds of `mend run` over the same topic."""
        began = monotonic()
        called("run", "--json", home=home, broker=self.kafka)
        return monotonic() - began


def called(*words: str, home: Path, broker: str = "") -> subprocess.CompletedProcess[bytes]:
    """Call `mend` as users do; that a person was called is no failure."""
    variables = {"MEND_HOME": str(home), "MEND_SCHEDULE": "none"} | ({"KAFKA_BROKER": broker} if broker else {})
    done = subprocess.run([MEND, *words], env=dict(os.environ) | variables, capture_output=True, check=False)
    if done.returncode > 1:
        sys.exit(done.stderr.decode())
    return done


@contextmanager
def airflow(folder: Path) -> Iterator[Place]:
    """Start Airflow with an empty Kafka, and end it."""
    began = monotonic()
    port = str(free_ports()[0])
    called("airflow", "up", "--port", port, "--events", "0", "--folder", str(folder), home=folder)
    known = standing(folder)
    if known is None:
        sys.exit("Airflow did not start: no measurement")
    try:
        yield Place(folder=folder, ready=monotonic() - began, kafka=known.kafka)
    finally:
        called("airflow", "down", "--folder", str(folder), home=folder)


def send(broker: str, events: int) -> None:
    """Fill the topic."""
    words = ["--broker", broker, "--topic", "customers", "--rate", "0", "--quiet", "--count", str(events)]
    subprocess.run([sys.executable, "-m", "producer", *words], check=True, stdout=subprocess.DEVNULL)


def measure(asked: Wish) -> dict[str, Any]:
    """Measure the start, the memory, a run over nothing, and a run over events."""
    events = asked.events or (10_000 if asked.quick else 100_000)
    with TemporaryDirectory(prefix="mend-bench-") as name, airflow(Path(name) / "airflow") as place:
        alone = Path(name) / "alone"
        first = place.run_dag()
        empty = {"ours": place.run_dag(), "peer": round(place.run_alone(alone), 1)}
        send(place.kafka, events)
        full = {"ours": place.run_dag(), "peer": round(place.run_alone(alone), 1)}
        known = standing(place.folder)
        used = memory(known.mark) if known else 0
    return {
        "name": "airflow",
        "target": "<= 60 s over an empty topic, <= 120 s over 100,000 events, ready <= 60 s",
        "unit": "s",
        "runs": [full],
        "median_ratio": round(full["ours"] / full["peer"], 3),
        "cores": cores(),
        "events": events,
        "empty": empty,
        "first_run": first,
        "overhead_seconds": round(full["ours"] - full["peer"], 1),
        "ready_seconds": round(place.ready, 1),
        "memory_mb": round(used / 2**20),
    }


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
