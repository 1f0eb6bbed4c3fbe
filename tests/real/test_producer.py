import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest
import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from embedded.jars import Jars
from embedded.java import Java
from embedded.kafka_broker import KafkaBroker, create_topic
from mend.runtime.kafka_access import KafkaAccess
from mend.runtime.retries import retrying
from producer.__main__ import run
from producer.anomalies import Anomalies
from producer.avro import OWN_SCHEMA
from producer.messages import Format, messages
from producer.session import Counters, Options, produce

START = 1_767_225_600_000
ALL = Anomalies(late=0.1, drift_frequency=10, missing=0.05, malformed=0.05, duplicate=0.05)
ALL_FLAGS = """--late-rate 0.1 --drift-frequency 10 --missing-rate 0.05 --malformed-rate 0.05 --duplicate-rate 0.05"""
Record = tuple[bytes, bytes]


@retrying(KafkaException)
def read(bootstrap: str, topic: str) -> list[list[Record]]:
    """Return (key, value) of every record of the topic, a list a partition, in the order of the offsets."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "read", "enable.auto.commit": False, "log_level": 0}
    )
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        ends = {number: consumer.get_watermark_offsets(TopicPartition(topic, number))[1] for number in partitions}
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        found: list[list[Record]] = [[] for _ in partitions]
        while missing := sum(ends.values()) - sum(map(len, found)):
            for record in consumer.consume(min(missing, 10_000), timeout=5):
                assert record.error() is None
                found[record.partition()].append((record.key(), record.value()))
        return found
    finally:
        consumer.close()


@pytest.fixture(autouse=True)
def fresh_logging() -> Iterator[None]:
    """Forget a command's log configuration: it writes to the stderr that pytest has captured for one test."""
    yield
    structlog.reset_defaults()


def by_key(records: Iterator[Record] | list[Record]) -> dict[bytes, list[bytes]]:
    """Return every key's values in their order."""
    found: dict[bytes, list[bytes]] = defaultdict(list)
    for key, value in records:
        found[key].append(value)
    return found


def flat(partitions: list[list[Record]]) -> list[Record]:
    """Return the records of all partitions."""
    return [record for partition in partitions for record in partition]


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command as users do, in a process of its own."""
    command = [sys.executable, "-m", "producer", *arguments]
    root, pipe = OWN_SCHEMA.parents[2], subprocess.PIPE
    with subprocess.Popen(
        command, cwd=root, env=os.environ | environment, stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("form", list(Format))
def test_the_topic_holds_the_seeded_stream_to_the_byte(
    form: Format, kafka_broker: KafkaBroker, topic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a consumer reads is the pure stream, in order for each key, and the printed counters are its counts."""
    arguments = f"--rate 0 --count 20000 --seed 7 --start-ts {START} --format {form} --json {ALL_FLAGS}"
    assert run([*arguments.split(), "--broker", kafka_broker.bootstrap, "--topic", topic]) == 0
    counters = json.loads(capsys.readouterr().out)
    stream = list(islice(messages(7, start_ts=START, anomalies=ALL, form=form, schema_path=OWN_SCHEMA), 20_000))
    assert by_key(flat(read(kafka_broker.bootstrap, topic))) == by_key([record[:2] for record in stream])
    marks = Counter(mark for record in stream for mark in record.marks)
    assert {name: counters[name] for name in marks} == marks
    assert len(marks) == 5
    assert counters["total_events"] == counters["delivered_events"] == 20_000
    assert counters["errors"] == 0


def test_a_customers_events_stay_in_one_partition(kafka_broker: KafkaBroker, topic: str) -> None:
    """The key decides the partition, and more than one partition is used."""
    produce(Options(KafkaAccess(kafka_broker.bootstrap), topic, START, rate=0.0, count=5000))
    keys = [{key for key, _ in partition} for partition in read(kafka_broker.bootstrap, topic)]
    assert sum(map(len, keys)) == len(set().union(*keys)) == 1000
    assert sum(map(bool, keys)) > 1


def test_events_of_a_run_from_now_are_on_time_and_not_from_the_future(kafka_broker: KafkaBroker, topic: str) -> None:
    """At full speed every event that is not late on purpose happened before now and less than 15 minutes ago."""
    clean = Anomalies(late=0, drift_frequency=0, missing=0)
    produce(
        Options(
            KafkaAccess(kafka_broker.bootstrap), topic, int(time.time() * 1000), rate=0.0, count=50_000, anomalies=clean
        )
    )
    times = [json.loads(value)["event_ts"] for _, value in flat(read(kafka_broker.bootstrap, topic))]
    assert time.time() * 1000 - 15 * 60_000 < min(times) <= max(times) <= time.time() * 1000


@pytest.mark.parametrize("rate", [10.0, 5000.0])
def test_the_rate_is_kept_on_a_real_clock(rate: float, kafka_broker: KafkaBroker, topic: str) -> None:
    """Three seconds at a rate take three seconds, within five per cent, less the gap after the last event."""
    sizes: list[tuple[float, int]] = []
    began = time.monotonic()
    counters = produce(
        Options(KafkaAccess(kafka_broker.bootstrap), topic, START, rate=rate, duration=3.0),
        progress=lambda size: sizes.append((time.monotonic() - began, size)),
    )
    assert counters.total_events == 3 * rate
    first, last = sizes[0][0], sizes[-1][0]
    assert last - first == pytest.approx(3.0 - 1 / rate, rel=0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_flushes_and_prints_the_counters(
    number: signal.Signals, kafka_broker: KafkaBroker, topic: str
) -> None:
    """Ctrl-C or SIGTERM: exit code 0, nothing on stderr, and what is said to be sent is in the topic."""
    where = {"KAFKA_BROKER": kafka_broker.bootstrap, "KAFKA_TOPIC": topic}
    with started("--rate", "2000", "--json", **where) as process:
        until(lambda: any(read(kafka_broker.bootstrap, topic)))
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert err == ""
    counters = json.loads(out)
    assert counters["delivered_events"] == counters["total_events"] > 0
    assert len(flat(read(kafka_broker.bootstrap, topic))) == counters["total_events"]


def test_the_table_shows_the_counters(
    kafka_broker: KafkaBroker, topic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without `--json` people get a table, with `--quiet` nothing."""
    where = ["--broker", kafka_broker.bootstrap, "--topic", topic, "--rate", "0", "--count", "1234"]
    assert run(where) == 0
    assert "1,234" in capsys.readouterr().out
    assert run([*where, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_broker_that_is_away_is_one_line_within_ten_seconds() -> None:
    """Exit code 1, the address and what to do; no stack trace, no line of the client library."""
    began = time.monotonic()
    with started("--broker", "127.0.0.1:9", "--count", "1") as process:
        out, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 12
    assert (process.returncode, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("error: no broker at 127.0.0.1:9")
    assert "Connection refused" in err
    assert "--broker" in err


def test_a_topic_that_is_missing_is_one_line_and_can_be_created(
    kafka_broker: KafkaBroker, topic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the flag that creates it; with the flag it works, also when the topic is there by now."""
    missing = ["--broker", kafka_broker.bootstrap, "--topic", f"{topic}-missing", "--rate", "0", "--count", "10"]
    assert run(missing) == 2
    err = capsys.readouterr().err
    assert "--create-topic" in err
    assert err.count("\n") == 1
    for _ in range(2):
        assert run([*missing, "--create-topic"]) == 0
    assert len(flat(read(kafka_broker.bootstrap, f"{topic}-missing"))) == 20


def test_events_that_kafka_refuses_are_counted_with_the_first_reason(
    kafka_broker: KafkaBroker, topic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A topic that takes events of version 1 only: delivered is what a consumer finds, the rest are errors."""
    tight = NewTopic(f"{topic}-tight", 1, 1, config={"max.message.bytes": "335"})
    admin = AdminClient({"bootstrap.servers": kafka_broker.bootstrap})
    admin.create_topics([tight])[tight.topic].result()
    where = ["--broker", kafka_broker.bootstrap, "--topic", tight.topic]
    assert run([*where, "--rate", "10", "--count", "40", "--drift-frequency", "2", "--json"]) == 1
    out, err = capsys.readouterr()
    counters = json.loads(out)
    assert counters["errors"] + counters["delivered_events"] == counters["total_events"] == 40
    assert 0 < counters["delivered_events"] == len(flat(read(kafka_broker.bootstrap, tight.topic))) < 40
    assert "size too large" in err


@pytest.fixture
def own_broker(java: Java, jars: Jars, tmp_path: Path) -> Iterator[KafkaBroker]:
    """Start a broker that a test may kill, with a topic `outage`."""
    with KafkaBroker(java, jars.kafka, tmp_path) as broker:
        create_topic(broker.bootstrap, "outage", 4)
        yield broker


def test_an_outage_loses_and_repeats_nothing(own_broker: KafkaBroker) -> None:
    """A broker that crashes in mid-run and comes back gets every event once and in order, though the buffer was full.

    When it stays away, stopping takes seconds, and what was not confirmed is counted as errors.
    """
    options = Options(KafkaAccess(own_broker.bootstrap), "outage", START, rate=40_000.0, seed=3)
    with in_background(options) as (stop, results, sent):
        until(lambda: sent[0] > 10_000)
        own_broker.kill()
        own_broker.start()
        until(lambda: sent[0] > 200_000)
        stop.set()
    counters = results[0]
    stream = messages(3, start_ts=START, rate=40_000.0, anomalies=Anomalies())
    expected = by_key(record[:2] for record in islice(stream, counters.total_events))
    assert by_key(flat(read(own_broker.bootstrap, "outage"))) == expected
    assert counters.errors == 0

    with in_background(options) as (stop, results, sent):
        until(lambda: sent[0] > 10_000)
        own_broker.kill()
        until(lambda: sent[0] > 99_000)
        began = time.monotonic()
        stop.set()
    assert time.monotonic() - began < 20
    assert results[0].errors > 0
    assert results[0].delivered_events + results[0].errors == results[0].total_events


@contextmanager
def in_background(options: Options) -> Iterator[tuple[Flag, list[Counters], list[int]]]:
    """Run the producer in a thread; yields its stop flag, its result once it ended, and how much it has sent."""
    stop, results, sent = Flag(), list[Counters](), [0]

    def count(size: int) -> None:
        sent[0] += size

    thread = Thread(target=lambda: results.append(produce(options, stop=stop, progress=count)))
    thread.start()
    try:
        yield stop, results, sent
    finally:
        stop.set()
        thread.join(60)


def until(happened: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait until it has happened; fail if it takes longer."""
    end, pause = time.monotonic() + seconds, Flag()
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        pause.wait(0.05)
