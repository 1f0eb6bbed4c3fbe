"""The ingest job on a standalone cluster of a master and two workers, as the containers run it."""

import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import Popen
from urllib.request import urlopen

import orjson
import pytest

from embedded import leash
from embedded.kafka_broker import LOOPBACK, free_ports
from orchestration.spark_submit import run_ingest_job
from producer.anomalies import Anomalies
from tests.real.conftest import Flow

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(
        "MEND_TEST_CLUSTER" not in os.environ, reason="takes half a minute: MEND_TEST_CLUSTER=1 runs it"
    ),
]

SPOILT = Anomalies(late=0.1, drift_frequency=0, missing=0.05, malformed=0.05, duplicate=0.05)
READY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster: its URL, and its workers."""

    url: str
    workers: tuple["Popen[bytes]", ...]


@contextmanager
def node(folder: Path, *words: str) -> Iterator["Popen[bytes]"]:
    """Run a node as the containers do, on loopback, until the block ends."""
    told = {"SPARK_LOCAL_IP": LOOPBACK, "SPARK_DAEMON_MEMORY": "128m", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    environment = [f"{name}={value}" for name, value in told.items()]
    with (folder / f"{words[0]}-{secrets.token_hex(2)}.log").open("wb") as log:
        process = leash.start(["env", *environment, sys.executable, "-m", "embedded.spark_node", *words], output=log)
        try:
            yield process
        finally:
            leash.kill(process)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start a master and two workers with one core each; return when both are registered."""
    folder = tmp_path_factory.mktemp("cluster")
    port, ui = free_ports()
    url, place = f"spark://{LOOPBACK}:{port}", ["--host", LOOPBACK]
    with ExitStack() as stack:
        stack.enter_context(node(folder, "master", *place, "--port", str(port), "--webui-port", str(ui)))
        until(lambda: state(ui) is not None)
        small = ["--cores", "1", "--memory", "600m", "--webui-port", "0", "--work-dir", str(folder / "work")]
        workers = tuple(stack.enter_context(node(folder, "worker", *place, *small, url)) for _ in range(2))
        until(lambda: state(ui) == 2)
        yield Cluster(url, workers)


def state(port: int) -> int | None:
    """Return how many workers the master has, None while it does not answer."""
    with suppress(OSError), urlopen(f"http://{LOOPBACK}:{port}/json/", timeout=2) as answer:
        return int(orjson.loads(answer.read())["aliveworkers"])
    return None


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + READY_SECONDS
    while not condition():
        assert time.monotonic() < end, "the cluster did not start"
        time.sleep(0.2)


def test_a_cluster_does_what_one_machine_does(
    flow: Flow, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The same events end in the same places, each offset once, whether executors or the driver decode them."""
    monkeypatch.setenv("SPARK_LOCAL_IP", LOOPBACK)
    monkeypatch.setenv("SPARK_CONF_DIR", str(conf(tmp_path)))
    flow.send_customers(2_000, SPOILT)
    settings = flow.workspace.settings.model_copy(update={"spark_master": cluster.url})
    far = replace(flow, workspace=replace(flow.workspace, settings=settings))
    done = run_ingest_job(far.workspace, lag=None)
    assert done.error is None, done.log.read_text()[-3000:]
    for run_id in done.run_ids:
        far.finish(run_id)
    assert far.closed()
    here = flow.ingest()
    assert here == [], "this machine finds nothing left to read: it is the same checkpoint"


def conf(folder: Path) -> Path:
    """Write Spark's defaults for executors of one core."""
    made = folder / "conf"
    made.mkdir()
    text = "spark.executor.memory 512m\nspark.executor.cores 1\nspark.cores.max 2\n"
    (made / "spark-defaults.conf").write_text(text)
    return made
