"""Offsets that are gone at the broker: never passed over in silence, and never a reason to publish twice."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete

from embedded.kafka_broker import create_topic
from mend.contracts.incident import Incident
from mend.runtime.errors import UserError
from mend.store.tables import losses
from orchestration.offsets import Position, check_offsets
from tests.real.conftest import Flow, customer_event

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]


def admin(flow: Flow) -> "AdminClient":
    """Return a client that may change topics; it must live until its answers are there."""
    from confluent_kafka.admin import AdminClient

    return AdminClient({"bootstrap.servers": flow.workspace.settings.kafka_broker})


def forget(flow: Flow, partition: int, before: int) -> None:
    """Let the broker delete a partition's records before an offset, as retention does."""
    from confluent_kafka import TopicPartition

    place = TopicPartition(flow.workspace.pipeline.topic, partition, before)
    client = admin(flow)
    client.delete_records([place])[place].result(30)


def make_anew(flow: Flow) -> None:
    """Delete the topic and create it again."""
    topic, client = flow.workspace.pipeline.topic, admin(flow)
    client.delete_topics([topic])[topic].result(30)
    create_topic(flow.workspace.settings.kafka_broker, topic, 4)


def events(first: int, many: int) -> Iterator[bytes]:
    """Return good events."""
    return (customer_event(number) for number in range(first, first + many))


def go_on(flow: Flow) -> tuple[Position, list[str]]:
    """Check the offsets, stage what is new and finish it, as `mend run` does."""
    position = check_offsets(flow.workspace)
    run_ids = flow.ingest(position.start)
    for run_id in run_ids:
        flow.finish(run_id)
    return position, run_ids


def incidents(flow: Flow) -> list[Incident]:
    """Return the incidents about offsets."""
    found = flow.workspace.store.incidents.created_since(datetime.now(UTC) - timedelta(minutes=10))
    return [one for one in found if one.incident_type == "offsets_gone"]


@pytest.fixture
def overtaken(new_flow: Callable[..., Flow]) -> Callable[[str], Flow]:
    """Return a function that makes a pipeline whose next five offsets were deleted before it read them."""

    def overtake(offsets_gone: str) -> Flow:
        flow = new_flow(offsets_gone=offsets_gone)
        flow.send(*events(0, 3), partition=0)
        go_on(flow)
        flow.send(*events(3, 10), partition=0)
        forget(flow, 0, 8)
        flow.sent.difference_update({(0, offset) for offset in range(3, 8)})
        return flow

    return overtake


def test_deleted_offsets_stop_the_pipeline(overtaken: Callable[[str], Flow]) -> None:
    """By default nothing is read; one incident names topic, partition, range and count, however often it is tried."""
    flow = overtaken("stop")
    topic = flow.workspace.pipeline.topic
    for _ in range(2):
        with pytest.raises(
            UserError, match=r"Nothing was read. .* 'offsets_gone: continue' in .*customers.yml"
        ) as told:
            go_on(flow)
        assert f"{topic}/0 [3, 8): 5 offsets are gone" in str(told.value)
        assert told.value.exit_code == 1
    (incident,) = incidents(flow)
    assert incident.context["ranges"] == [
        {"topic": topic, "partition": 0, "from_offset": 3, "until_offset": 8, "count": 5}
    ]
    assert incident.escalated
    assert flow.workspace.store.losses.of("customers") == ()
    assert flow.counts() == {"published": 3}


def test_deleted_offsets_are_recorded_and_the_rest_is_read(overtaken: Callable[[str], Flow]) -> None:
    """With `continue` the loss is in the books, exactly it is explained to the ledger, and the run is healthy."""
    flow = overtaken("continue")
    _, (run_id,) = go_on(flow)
    (loss,) = flow.workspace.store.losses.of("customers")
    assert (loss.partition, loss.from_offset, loss.until_offset, loss.count) == (0, 3, 8, 5)
    assert [one.severity.value for one in incidents(flow)] == ["high"]
    assert flow.decision(run_id).rules == ("healthy",)
    assert flow.counts() == {"published": 8}
    assert flow.closed()
    position, run_ids = go_on(flow)
    assert (position.losses, run_ids) == ((), [])
    with flow.workspace.store.transaction() as connection:
        connection.execute(delete(losses))
    (gap,) = flow.workspace.store.ledger.gaps("customers")
    assert (gap.kind, gap.expected, gap.came) == ("gap", 3, 8)


def test_a_topic_made_anew_is_another_life_of_it(new_flow: Callable[..., Flow]) -> None:
    """It stops the pipeline; with `continue` its offsets begin at 0 in a new epoch, with run ids of their own."""
    flow = new_flow()
    flow.send(*events(0, 5), partition=0)
    _, (old,) = go_on(flow)
    make_anew(flow)
    flow.send(*events(10, 7), partition=0)
    with pytest.raises(UserError, match=r"was made anew: .* Nothing was read."):
        go_on(flow)
    going_on = new_flow_over(flow)
    _, (new,) = go_on(going_on)
    assert new.split("-")[1] != old.split("-")[1]
    run = flow.workspace.store.runs.get(new)
    assert run is not None
    assert run.epoch == 1
    assert flow.decision(new).rules == ("healthy",)
    assert flow.counts() == {"published": 12}
    assert len(incidents(flow)) == 2
    assert go_on(going_on)[1] == []


def new_flow_over(flow: Flow) -> Flow:
    """Return the same pipeline with `offsets_gone: continue`."""
    from dataclasses import replace

    pipeline = replace(flow.workspace.pipeline, offsets_gone="continue")
    return replace(flow, workspace=replace(flow.workspace, pipeline=pipeline))


def test_a_topic_that_is_gone_is_said(flow: Flow) -> None:
    """A topic that was read and is not there any more is an incident, not only a wrong name."""
    flow.send(*events(0, 2), partition=0)
    go_on(flow)
    topic, client = flow.workspace.pipeline.topic, admin(flow)
    client.delete_topics([topic])[topic].result(30)
    with pytest.raises(UserError, match="is not on"):
        check_offsets(flow.workspace)
    (incident,) = incidents(flow)
    assert "is gone from the broker, and it was read before" in incident.summary


def test_a_new_partition_is_read_from_its_beginning(flow: Flow) -> None:
    """Partitions that are added later lose nothing, and the report names them."""
    from confluent_kafka.admin import NewPartitions

    flow.send(*events(0, 4), partition=0)
    go_on(flow)
    topic, client = flow.workspace.pipeline.topic, admin(flow)
    client.create_partitions([NewPartitions(topic, 6)])[topic].result(30)
    flow.send(*events(10, 4), partition=5)
    _, (run_id,) = go_on(flow)
    assert flow.report(run_id).partitions_added == (4, 5)
    assert flow.decision(run_id).rules == ("healthy",)
    assert flow.closed()


def test_a_lost_checkpoint_publishes_nothing_twice(flow: Flow) -> None:
    """Reading goes on where the ledger ends; a job that is not told where is refused, not begun anew."""
    flow.send(*events(0, 6), partition=0)
    go_on(flow)
    shutil.rmtree(flow.workspace.layout.checkpoint("customers"))
    flow.send(*events(6, 6), partition=0)
    with pytest.raises(UserError, match=r"the checkpoint .* is gone, and the ledger says .* Start with: mend run"):
        flow.ingest()
    _, (run_id,) = go_on(flow)
    assert flow.report(run_id).total_records == 6
    assert flow.decision(run_id).rules == ("healthy",)
    assert flow.closed()
