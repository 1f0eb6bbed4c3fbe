"""Crashes in Spark itself: a worker that is killed, and a checkpoint that the machine's crash tore."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pyspark.errors import StreamingQueryException

from bench.chaos.reader import Reader
from mend.runtime.faults import arm
from tests.real.conftest import Flow, customer_event

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

TORN = ("offsets", "commits")


@contextmanager
def fault_at(point: str) -> Iterator[None]:
    """Arm a point for a while."""
    arm(point)
    try:
        yield
    finally:
        arm("")


def test_a_killed_worker_loses_nothing(flow: Flow) -> None:
    """A task dies with its process in the middle of its files: the job fails, the next one stages all of it anew."""
    flow.send(*(customer_event(number) for number in range(50)), b"no event", partition=0)
    with Reader(flow.workspace.settings.published, key=("id", "event_ts")) as reader:
        with fault_at("half_staged"), pytest.raises(StreamingQueryException):
            flow.ingest()
        assert list(flow.workspace.settings.home.glob("staging/run=*/**/*.parquet"))
        flow.run()
    assert flow.counts() == {"published": 50, "dead_letter": 1}
    assert flow.closed()
    assert not reader.anomalies


def test_a_torn_checkpoint_is_gone_on_with(flow: Flow) -> None:
    """The newest offsets, or the newest commit, are half written: the batch is read again, and nothing is twice."""
    checkpoint = flow.workspace.layout.checkpoint("customers")
    for number, log in enumerate(TORN):
        flow.send(customer_event(number), partition=0)
        (run_id,) = flow.ingest()
        if log == "offsets":
            (checkpoint / "commits" / str(number)).unlink()
        entry = checkpoint / log / str(number)
        entry.write_bytes(entry.read_bytes()[:5])
        (checkpoint / log / ".7.0000.tmp").write_bytes(b"v1")
        assert flow.ingest() == [run_id]  # a checksum that lost its entry lies there, too
        flow.finish(run_id)
    assert flow.counts() == {"published": 2}
    assert flow.closed()
