"""Records that are not published: whole in their files, and as messages of the dead-letter topic."""

import os
import secrets
from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from sqlalchemy import update
from typer.testing import CliRunner

from cli.main import cli
from mend.incidents.log import incident_log
from mend.store.tables import dead_letter_sends
from orchestration.dead_letters import BUDGET, send_dead_letters
from orchestration.steps import agent_decide
from tests.real.conftest import Flow, customer_event

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

Header = tuple[str, bytes | None]
HEADERS: list[Header] = [("trace", b"\xff\x00\x01"), ("trace", b""), ("nothing", None), ("", b"no name")]
AT = 1_700_000_000_123
RECORDS: list[tuple[bytes | None, bytes | None, str]] = [
    (b"\xff\x01", b"not json \xff", "not_utf8"),
    (None, b"{half", "not_json"),
    (b"", b"", "empty"),
    (b"k", None, "tombstone"),
    (b"k", b'[1, "secret"]', "not_an_object"),
    (b"k", customer_event(1, without=("country",)), "required"),
    (b"k", customer_event(2, version="secret"), "type"),
]


def send(flow: Flow, *records: tuple[bytes | None, bytes | None], headers: list[Header] | None = None) -> None:
    """Send records with headers and a time of their own into the first partition."""
    producer = Producer({"bootstrap.servers": flow.workspace.settings.kafka_broker, "message.max.bytes": 20_000_000})
    for key, value in records:
        producer.produce(
            flow.workspace.pipeline.topic, value, key, partition=0, timestamp=AT, headers=headers,
            on_delivery=lambda _, sent: flow.sent.add((sent.partition(), sent.offset())),
        )  # fmt: skip
    assert producer.flush(30) == 0


def make_topic(flow: Flow, name: str, **config: str) -> str:
    """Create a topic with one partition."""
    admin = AdminClient({"bootstrap.servers": flow.workspace.settings.kafka_broker})
    admin.create_topics([NewTopic(name, 1, 1, config=config)])[name].result(20)
    return name


def consume(flow: Flow, topic: str) -> list[Message]:
    """Read a topic of one partition from its beginning to its end."""
    consumer = Consumer({"bootstrap.servers": flow.workspace.settings.kafka_broker, "group.id": "test"})
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
        consumer.assign([TopicPartition(topic, 0, 0)])
        found: list[Message] = []
        while len(found) < end:
            found += [one for one in consumer.consume(end - len(found), timeout=10) if one.error() is None]
        return found
    finally:
        consumer.close()


def headers_of(message: Message) -> dict[str, str]:
    """Return the headers that Mend added."""
    own = [(name, value) for name, value in message.headers() if name.startswith("__streams") or name == "disposition"]
    return {name.removeprefix("__streams.errors."): value.decode() for name, value in own}


def test_what_is_not_published_is_kept_and_sent_whole(new_flow: Callable[..., Flow]) -> None:
    """File and topic hold key, value, headers and time byte for byte, with every reason; a settled run is sent once."""
    flow = new_flow(dead_letter_topic=True, dead_letter_rejected=True)
    topic = make_topic(flow, f"{flow.workspace.pipeline.topic}.dlq")
    send(flow, (b"good", customer_event(9)), *((key, value) for key, value, _ in RECORDS), headers=HEADERS)
    run_id = flow.run()
    assert flow.counts() == {"held": 1, "rejected": 2, "dead_letter": 5}

    kept: dict[int, dict[str, Any]] = {
        row["offset"]: row
        for folder in ("quarantine", "dead_letters")
        for path in flow.workspace.settings.home.glob(f"{folder}/**/*.parquet")
        if "reason=held" not in path.parts
        for row in pq.ParquetFile(path).read().to_pylist()
    }
    sent = {int(headers_of(one)["offset"]): one for one in consume(flow, topic)}
    assert set(kept) == set(sent) == set(range(1, 8))
    for offset, (key, value, rule) in enumerate(RECORDS, start=1):
        row, message = kept[offset], sent[offset]
        decoded = [
            (one["key"], b64decode(one["value"]) if "value" in one else None) for one in orjson.loads(row["headers"])
        ]
        assert (row["key"], row["value"], decoded) == (key, value, HEADERS)
        assert row["timestamp"] == datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=AT)
        assert (row["topic"], row["partition"], row["timestampType"]) == (flow.workspace.pipeline.topic, 0, 0)
        assert row["reasons"][0]["rule"] == rule
        assert (row["run_id"], row["mapping_version"]) == (run_id, 1)
        assert row["schema_version"].startswith("customer_events.v1@")
        assert row["rules_version"] == flow.workspace.rules.version
        assert (message.key(), message.value(), message.timestamp()[1]) == (key, value, AT)
        assert message.headers()[: len(HEADERS)] == HEADERS
        own = headers_of(message)
        assert (own["exception"], own["topic"], own["partition"]) == (rule, flow.workspace.pipeline.topic, "0")
        assert own["disposition"] == ("rejected" if offset > 5 else "dead_letter")
        assert own["message"] in own["stacktrace"]
        assert "secret" not in str(own) + str(row["reasons"])

    agent_decide(flow.workspace, run_id)
    assert len(consume(flow, topic)) == 7
    with flow.workspace.store.database.transaction() as connection:  # a crash between the sending and its note
        connection.execute(update(dead_letter_sends).values(sent=None))
    agent_decide(flow.workspace, run_id)
    again = Counter(int(headers_of(one)["offset"]) for one in consume(flow, topic))
    assert again == Counter(dict.fromkeys(range(1, 8), 2)), "at least once: topic, partition and offset tell repeats"


def test_a_topic_that_takes_nothing_never_blocks_publishing(new_flow: Callable[..., Flow]) -> None:
    """The run is published; its dead letters are tried again, after some tries one incident, resolved when they go."""
    name = f"later.{secrets.token_hex(4)}"
    flow = new_flow(dead_letter_topic=name)
    workspace = flow.workspace
    flow.send(b"poison", b"poison", *(customer_event(one) for one in range(98)), partition=0)
    run_id = flow.run()
    assert flow.counts() == {"published": 98, "dead_letter": 2}
    log = incident_log(workspace.store, workspace.layout.ops)
    for tries in range(1, BUDGET + 2):
        (owed,) = workspace.store.dead_letters.owed("customers")
        assert owed.attempts == tries
        assert len(log.open_incidents("dead_letters_unsent")) == (tries >= BUDGET)
        if tries > 1:
            send_dead_letters(workspace)
        else:
            told = CliRunner().invoke(cli, ["run"], env=flow.command().variables).stdout
            assert told == f"Nothing new in the topic.\n2 dead letters wait to be sent to {name}\n"
    assert (
        f"2 dead letters wait to be sent to {name}\n"
        in CliRunner().invoke(cli, ["status"], env=flow.command().variables).stdout
    )
    large, small = os.urandom(20_000), [os.urandom(4_000) for _ in range(5)]
    flow.send(large, *small, *(customer_event(one) for one in range(100, 300)), partition=0)
    make_topic(flow, name, **{"max.message.bytes": "10000"})
    second = flow.run()
    assert workspace.store.dead_letters.owed("customers") == ()
    assert {run: [(row["sent"], row["refused"]["offsets"]) for row in workspace.store.dead_letters.of_run(run)]
            for run in (run_id, second)} == {run_id: [(2, [])], second: [(5, [100])]}  # fmt: skip
    assert {one.value() for one in consume(flow, name)} == {b"poison", *small}
    assert log.open_incidents("dead_letters_unsent") == ()
    assert flow.closed()
