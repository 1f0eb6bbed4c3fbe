"""Remaps over real runs: a renamed field through Kafka and Spark, its undo, and a batch that is cut anew."""

import time
from dataclasses import replace
from typing import Any

import orjson
import pytest
from pyspark.errors import StreamingQueryException

from mend.runtime.faults import arm
from orchestration.undo import undo
from spark.ingest_job import cut_anew
from tests.real.conftest import Flow, customer_event

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]


def renamed(number: int, name: str) -> bytes:
    """Return an event of now whose e-mail address stands under another name; the address was there before."""
    event: dict[str, Any] = orjson.loads(customer_event(number, event_ts=int(time.time() * 1000) - 1_000 - number))
    return orjson.dumps({name if key == "email" else key: value for key, value in event.items()})


def test_a_rename_is_followed_without_a_restart(flow: Flow) -> None:
    """A field is renamed in the stream: remapped alone after its trial, and the next batch is published through it.

    A plain reader that joins columns by name sees one column throughout; the undo takes the run out again.
    """
    flow.send(*(renamed(number, "email") for number in range(60)), partition=0)
    flow.run()
    flow.send(*(renamed(number, "email_address") for number in range(100, 160)), partition=0)
    second = flow.run()
    assert flow.decision(second).decision == "remap", flow.decision(second).reasoning
    flow.send(*(renamed(number, "email_address") for number in range(200, 260)), partition=0)
    third = flow.run()
    assert flow.counts() == {"published": 120, "rejected": 60}
    rows = flow.readable(union=True).aggregate("mapping_version, count(*), count(email)").fetchall()
    assert sorted(rows) == [(1, 60, 60), (2, 60, 60)]
    undo(flow.workspace, third, by="ann", reason="a test")
    assert flow.counts() == {"published": 60, "held": 60, "rejected": 60}
    assert flow.closed()


def test_a_batch_that_was_too_large_is_cut_anew(flow: Flow) -> None:
    """After a job that died in the middle of its first batch, fewer events are read at once; none is lost or twice."""
    flow.send(*(customer_event(number) for number in range(50)), partition=0)
    arm("half_staged")
    try:
        with pytest.raises(StreamingQueryException):
            flow.ingest()
    finally:
        arm("")
    workspace = flow.workspace
    smaller = replace(flow, workspace=replace(workspace, pipeline=replace(workspace.pipeline, max_events_per_run=25)))
    cut_anew(workspace.settings, workspace.pipeline)
    run_ids = smaller.ingest()
    assert [flow.report(one).total_records for one in run_ids] == [25, 25]
    for run_id in run_ids:
        flow.finish(run_id)
    assert flow.counts() == {"published": 50}
    assert flow.closed()
