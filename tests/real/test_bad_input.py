"""Bad input at volume: everything has its place, and neither memory nor the report grows with it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
import pytest
import yaml
from confluent_kafka import Producer

from mend.curate.tally import MOST_NAMES
from orchestration.audit_step import audit_staged
from orchestration.steps import known_run, run_data_quality
from orchestration.workspace import as_started, open_workspace
from tests.real.conftest import Flow, customer_event

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

MIB = 2**20
DEEP = b"[" * 100_000 + b"]" * 100_000
ODD: list[bytes | None] = [
    b"", None, b"\xff\xfe\x00", b"\xef\xbb\xbf" + customer_event(1), DEEP,
    b"1" + b"0" * 10_000, b"{" * 100_000, b"\x00" * 100,
]  # fmt: skip


@dataclass
class Peak:
    """How much the Python workers, which other tests have used before, and the driver's Java grew at most."""

    workers: int = 0
    java: int = 0


@contextmanager
def memory() -> Iterator[Peak]:
    """Watch the memory of all that this process started."""
    peak, done = Peak(), threading.Event()
    workers, java = resident("python"), resident("java")

    def watch() -> None:
        while not done.wait(0.1):
            peak.workers = max(peak.workers, resident("python") - workers)
            peak.java = max(peak.java, resident("java") - java)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def resident(name: str) -> int:
    """Add up the memory of the processes below this one that are called so."""
    total = 0
    for one in psutil.Process().children(recursive=True):
        try:
            total += one.memory_info().rss if name in one.name() else 0
        except psutil.Error:
            continue
    return total


def send_bomb(flow: Flow, many: int, size: int) -> None:
    """Send values that take a thousandth of their size on the wire."""
    settings = {"compression.type": "gzip", "message.max.bytes": 100 * MIB, "queue.buffering.max.kbytes": 1_000_000}
    producer = Producer(settings | {"bootstrap.servers": flow.workspace.settings.kafka_broker, "linger.ms": 100})
    for _ in range(many):
        producer.produce(
            flow.workspace.pipeline.topic, bytes(size), b"bomb", partition=2,
            on_delivery=lambda _, sent: flow.sent.add((sent.partition(), sent.offset())),
        )  # fmt: skip
    assert producer.flush(60) == 0


def test_large_odd_and_inflated_records_stay_bounded(flow: Flow) -> None:
    """10 MB among small ones, 10,000 distinct fields, a gzip bomb and odd bytes: all placed, counted, and bounded."""
    flow.send(*(customer_event(one) for one in range(500)), customer_event(500, name="x" * 10 * MIB), partition=0)
    fields: list[dict[str, Any]] = [{f"f{event}_{one}": one for one in range(50)} for event in range(200)]
    flow.send(*(customer_event(1_000 + number, **one) for number, one in enumerate(fields)), partition=1)
    send_bomb(flow, 12, 8 * MIB)
    flow.send(*ODD, partition=3)
    with memory() as peak:
        run_id = flow.run()
    assert flow.counts() == {"published": 701, "dead_letter": 20}
    assert flow.closed()
    report = flow.report(run_id)
    assert report.drift is not None
    assert (len(report.drift.added), report.drift.more) == (MOST_NAMES, 10_000 - MOST_NAMES)
    assert flow.file(run_id, "run_report").stat().st_size < MIB
    assert peak.workers < 1_200 * MIB, f"{peak.workers / MIB:.0f} MiB"
    assert peak.java < 1_500 * MIB, f"{peak.java / MIB:.0f} MiB"


def test_a_run_is_judged_by_the_files_that_it_started_with(new_flow: Callable[..., Flow]) -> None:
    """Rules and pipeline are changed after the staging: the run is audited by its copies; by the new rules it fails."""
    flow = new_flow()
    pipeline = flow.workspace.pipeline
    flow.send(*(customer_event(one) for one in range(20)), partition=0)
    (run_id,) = flow.ingest()
    document = yaml.safe_load(pipeline.rules_path.read_text())
    first = next(iter(document["business_rules"].values()))
    first["expectations"] = [
        {"expectation_type": "expect_column_values_to_be_in_set", "column": "plan", "value_set": ["none"]}
    ]
    rules = pipeline.path.with_name("other_rules.yml")
    rules.write_text(yaml.safe_dump(document))
    changed = yaml.safe_load(pipeline.path.read_text()) | {"rules": str(rules), "segments": []}
    pipeline.path.write_text(yaml.safe_dump(changed, sort_keys=False))
    with open_workspace(flow.workspace.settings, str(pipeline.path)) as later:
        run = known_run(later, run_id)
        assert audit_staged(later, run).verdict == "fail"
        assert audit_staged(as_started(later, run_id), run).verdict == "pass"
        assert run_data_quality(later, run_id).facts["verdict"] == "pass"
        assert as_started(later, run_id).pipeline.segments == pipeline.segments
    versions = flow.report(run_id).versions
    assert set(versions) == {"pipeline", "schema", "rules"}
