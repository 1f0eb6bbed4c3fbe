"""Runs one after the other over the same topic: only new events, nothing twice, whatever died in between."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime

import orjson
import pytest
from pyspark.errors import StreamingQueryException

from mend.runtime.errors import UserError
from mend.store.tables import RunState
from orchestration.steps import unfinished_runs
from spark.failure import explained
from spark.ingest_job import ingest
from tests.real.conftest import Flow, customer_event

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]


def forget_last_commit(flow: Flow) -> None:
    """Leave the checkpoint as a driver does that died after its last batch and before it could say so."""
    checkpoint = flow.workspace.layout.checkpoint("customers")
    last = max(int(path.name) for path in (checkpoint / "commits").glob("[0-9]*"))
    (checkpoint / "commits" / str(last)).unlink()
    (checkpoint / "commits" / f".{last}.crc").unlink(missing_ok=True)


def state(flow: Flow, run_id: str) -> RunState | None:
    """Return where a run stands."""
    run = flow.workspace.store.runs.get(run_id)
    return run.state if run else None


def test_drift_is_mapped_and_only_new_events_are_read(flow: Flow) -> None:
    """Additive drift makes a mapping that fills its own run and that the next one uses; that one reads what is new."""
    old = [customer_event(number) for number in range(20)]
    flow.send(*old, *(customer_event(n, version=2, marketing_opt_in=n % 2 == 0) for n in range(20, 30)), partition=0)
    first = flow.run()
    assert flow.workspace.store.mappings.current("customers").version == 2  # type: ignore[union-attr]
    assert flow.ingest() == []
    flow.send(*(customer_event(n, version=2, marketing_opt_in=True) for n in range(30, 40)), partition=1)
    flow.send(*old[:5], partition=2)
    second = flow.run()
    assert flow.report(second).total_records == 15
    assert flow.counts() == {"published": 40, "duplicate": 5}
    assert flow.closed()
    rows = flow.readable(union=True).project("run_id, mapping_version, marketing_opt_in, rescued").fetchall()
    assert {row[1:] for row in rows if row[0] == first} == {(1, None, None), (2, True, None), (2, False, None)}
    assert {row[1:] for row in rows if row[0] == second} == {(2, True, None)}
    written = orjson.loads((flow.workspace.layout.ops / "schema_remap.json").read_bytes())
    assert written["version"] == 2
    assert written["mappings"] == {"marketing_opt_in": {"type": "BOOLEAN", "nullable": True}}


def test_a_duplicate_in_another_partition_is_found(flow: Flow) -> None:
    """Two tasks read the same event: one is published, the other is a duplicate, and the report says so."""
    event = customer_event(1)
    flow.send(event, customer_event(2), partition=0)
    flow.send(event, partition=3)
    report = flow.report(flow.run())
    assert report.places is not None
    assert (report.places.accepted, report.places.duplicate) == (2, 1)
    assert flow.places()["duplicate"] == {(3, 0): 1}
    assert flow.closed()


def test_a_batch_is_staged_again_under_the_same_id(flow: Flow) -> None:
    """A driver that died between staging and its commit: the replay replaces what was staged, and nothing is twice."""
    flow.send(*(customer_event(number) for number in range(50)))
    (run_id,) = flow.ingest()
    forget_last_commit(flow)
    assert flow.ingest() == [run_id]
    assert unfinished_runs(flow.workspace) == [run_id]
    flow.finish(run_id)
    assert flow.counts() == {"published": 50}
    assert flow.closed()


def test_a_published_run_is_not_staged_again(flow: Flow) -> None:
    """A replay of a batch that was decided about leaves its run and its files alone."""
    flow.send(*(customer_event(number) for number in range(50)))
    run_id = flow.run()
    before = {path: path.stat().st_mtime_ns for path in flow.workspace.settings.published.rglob("*.parquet")}
    forget_last_commit(flow)
    assert flow.ingest() == [run_id]
    assert not flow.workspace.layout.staged(run_id).joinpath("accepted").exists()
    assert state(flow, run_id) is RunState.VALIDATED
    assert {path: path.stat().st_mtime_ns for path in flow.workspace.settings.published.rglob("*.parquet")} == before
    flow.send(customer_event(99))
    flow.run()
    assert flow.counts() == {"published": 51}
    assert flow.closed()


def test_what_a_dead_job_left_half_staged_hides_no_event(flow: Flow) -> None:
    """Keys of a run that never came to its end are no earlier events: a new checkpoint reads them as new."""
    flow.send(*(customer_event(number) for number in range(10)))
    (dead,) = flow.ingest()
    store, pipeline = flow.workspace.store, "customers"
    run = store.runs.get(dead)
    assert run is not None
    store.runs.open_run(dead, pipeline, run.query_id, run.batch_id, datetime.now(UTC))
    shutil.rmtree(flow.workspace.layout.checkpoint(pipeline))
    flow.run()
    assert flow.counts() == {"published": 10}


def test_a_job_that_takes_too_long_is_stopped(flow: Flow) -> None:
    """PROCESSING_DURATION_MINUTES ends the job with one line; nothing is lost, and the next job reads it all."""
    flow.send(*(customer_event(number) for number in range(10)))
    settings = flow.workspace.settings.model_copy(update={"processing_duration_minutes": 0.001})
    with pytest.raises(UserError, match=r"stopped after .* minutes .*PROCESSING_DURATION_MINUTES") as told:
        ingest(flow.spark, settings, flow.workspace.pipeline, flow.workspace.rules)
    assert told.value.exit_code == 1
    assert flow.counts() == {}
    flow.run()
    assert flow.closed()


def test_events_that_kafka_deleted_unread_are_an_error(flow: Flow) -> None:
    """Offsets that are gone are never skipped in silence: the job fails, and says what to do."""
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    topic = flow.workspace.pipeline.topic
    flow.send(customer_event(1), partition=0)
    flow.run()
    flow.send(*(customer_event(number) for number in range(2, 8)), partition=0)
    admin = AdminClient({"bootstrap.servers": flow.workspace.settings.kafka_broker})
    gone = TopicPartition(topic, 0, 4)
    admin.delete_records([gone])[gone].result(30)
    with pytest.raises(StreamingQueryException) as failed:
        flow.ingest()
    assert "Kafka deleted events before they were read" in explained(str(failed.value))
    assert flow.counts() == {"published": 1}


def test_a_topic_that_is_not_there_is_an_error(new_flow: Callable[..., Flow]) -> None:
    """The job fails within seconds, and its cause in one line says what to do."""
    flow = new_flow("nobody.made.this")
    with pytest.raises(StreamingQueryException) as failed:
        flow.ingest()
    assert explained(str(failed.value)) == (
        "UnknownTopicOrPartitionException: This server does not host this topic-partition. "
        "Create the topic, or correct 'topic' in the pipeline file."
    )
