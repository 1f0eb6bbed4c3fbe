"""The embedded broker: ready, bounded, alone on loopback, and never an orphan."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from embedded.jars import Jars
from embedded.java import Java, wheel_java
from embedded.kafka_broker import KafkaBroker, create_topic, free_ports
from mend.runtime.errors import UserError

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def own_broker(java: Java, jars: Jars, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """Run a second broker, beside the suite's shared one, for tests that stop it; its folder has an awkward name."""
    with KafkaBroker(java, jars.kafka, tmp_path_factory.mktemp("brök er") / "a,b=c") as broker:
        yield broker


def send(broker: KafkaBroker, topic: str, *values: bytes) -> None:
    """Produce to partition 0 and wait until every record is acknowledged."""
    producer = Producer({"bootstrap.servers": broker.bootstrap, "message.max.bytes": 20_000_000, "log_level": 0})
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(30) == 0


def receive(broker: KafkaBroker, topic: str, count: int) -> list[bytes]:
    """Read that many records of partition 0 from its beginning."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": "test",
            "log_level": 0,
            "fetch.message.max.bytes": 20_000_000,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        messages = [consumer.poll(30) for _ in range(count)]
    finally:
        consumer.close()
    return [message.value() or b"" for message in messages if message is not None and message.error() is None]


def java_of(supervisor: int) -> psutil.Process:
    """Return the Java process among the descendants, once it runs."""
    for _ in range(2000):
        for child in psutil.Process(supervisor).children(recursive=True):
            if child.name() == "java":
                return child
        time.sleep(0.01)
    raise AssertionError("no java was started")


def has_ended(process: psutil.Process) -> bool:
    """Whether the process ends within 20 s; whoever adopts orphans may take his time to bury it."""
    for _ in range(2000):
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def process_of(broker: KafkaBroker) -> psutil.Process:
    """Return the Java process that listens on the broker's address."""
    port = int(broker.bootstrap.rpartition(":")[2])
    for child in psutil.Process().children(recursive=True):
        if port in {listened for _, listened in listeners(child)}:
            return child
    raise AssertionError(f"nobody listens on {port}")


def listeners(process: psutil.Process) -> list[tuple[str, int]]:
    """Addresses and ports on which a process accepts connections."""
    return [(open_.laddr.ip, open_.laddr.port) for open_ in process.net_connections("inet") if open_.status == "LISTEN"]


@contextlib.contextmanager
def occupied() -> Iterator[int]:
    """Listen on a loopback port as another program would."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port: int = other.getsockname()[1]
        yield port


def test_records_arrive_unchanged(kafka_broker: KafkaBroker, topic: str) -> None:
    """What a client produced another one reads, byte for byte and in order, a 10 MB value included."""
    values = [b"small", b"", secrets.token_bytes(10_000_000)]
    send(kafka_broker, topic, *values)
    assert receive(kafka_broker, topic, 3) == values


def test_only_loopback_is_served(kafka_broker: KafkaBroker) -> None:
    """No other machine can reach the broker or its controller."""
    addresses = {address for address, _ in listeners(process_of(kafka_broker))}
    assert {address.removeprefix("::ffff:") for address in addresses} == {"127.0.0.1"}


def test_memory_is_bounded(kafka_broker: KafkaBroker) -> None:
    """Heap and all, the broker stays under half a gigabyte."""
    assert process_of(kafka_broker).memory_info().rss < 512 * 1024 * 1024


def test_a_topic_is_ready_when_it_is_created(new_topic: Callable[..., str], kafka_broker: KafkaBroker) -> None:
    """A topic has its partitions at once, and creating it twice is an error that names it."""
    topic = new_topic(partitions=7)
    consumer = Consumer({"bootstrap.servers": kafka_broker.bootstrap, "group.id": "test"})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.close()
    assert sorted(partitions) == list(range(7))
    with pytest.raises(UserError, match=f"Topic {topic} is there already"):
        create_topic(kafka_broker.bootstrap, topic, 7)


def test_brokers_do_not_collide(kafka_broker: KafkaBroker, own_broker: KafkaBroker) -> None:
    """Two brokers at once have each their own address and topics."""
    assert kafka_broker.bootstrap != own_broker.bootstrap
    for broker in (kafka_broker, own_broker):
        create_topic(broker.bootstrap, "same-name", 1)
        send(broker, "same-name", broker.bootstrap.encode())
    assert receive(own_broker, "same-name", 1) == [own_broker.bootstrap.encode()]


@pytest.mark.parametrize("end", [KafkaBroker.stop, KafkaBroker.kill])
def test_a_restart_keeps_address_and_records(own_broker: KafkaBroker, end: Callable[[KafkaBroker], None]) -> None:
    """After an orderly stop and after a crash the same address serves the same records; stopping twice is harmless."""
    topic, address = f"kept-{secrets.token_hex(4)}", own_broker.bootstrap
    create_topic(own_broker.bootstrap, topic, 1)
    send(own_broker, topic, b"before")
    process = process_of(own_broker)
    end(own_broker)
    end(own_broker)
    assert has_ended(process)
    own_broker.restart()
    send(own_broker, topic, b"after")
    assert (own_broker.bootstrap, receive(own_broker, topic, 2)) == (address, [b"before", b"after"])


def test_a_taken_port_is_said_on_restart(own_broker: KafkaBroker) -> None:
    """Clients know the address, so a restart does not move away from it, but says that it is in use."""
    own_broker.stop()
    host, _, port = own_broker.bootstrap.rpartition(":")
    with socket.create_server((host, int(port))), pytest.raises(UserError, match=f"Port {port} .* is in use"):
        own_broker.start()
    own_broker.start()
    assert process_of(own_broker).is_running()


def test_a_lost_race_for_a_port_is_run_again(jars: Jars, tmp_path: Path) -> None:
    """When another program takes the chosen port first, others are chosen; this on the wheel's Java."""
    with occupied() as taken:
        choices = iter([(taken, free_ports()[1]), free_ports()])
        with KafkaBroker(wheel_java(), jars.kafka, tmp_path, choose_ports=lambda: next(choices)) as broker:
            assert broker.bootstrap != f"127.0.0.1:{taken}"
            create_topic(broker.bootstrap, "reached", 1)
        assert next(choices, None) is None


def test_a_broker_that_cannot_start_says_why(java: Java, jars: Jars, tmp_path: Path) -> None:
    """The error carries the last words of the log and its path; a folder that cannot be written is named."""
    with pytest.raises(UserError, match=r"did not start.*ClassNotFoundException.*broker\.log"):
        KafkaBroker(java, jars.spark, tmp_path / "data").start()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"Cannot write .*file"):
        KafkaBroker(java, jars.kafka, tmp_path / "file").start()


def test_a_broker_has_no_address_before_its_start(java: Java, jars: Jars, tmp_path: Path) -> None:
    """Asking too early is said, instead of an address that leads nowhere."""
    with pytest.raises(UserError, match="call start"):
        assert KafkaBroker(java, jars.kafka, tmp_path).bootstrap


@pytest.mark.parametrize("moment", ["while it starts", "when it runs"])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_no_broker_outlives_its_program(
    java: Java, jars: Jars, tmp_path: Path, end: signal.Signals, moment: str
) -> None:
    """Ctrl-C and kill -9 of the program that runs a broker leave no Java behind, at whatever moment."""
    program = (
        "import sys, time; from pathlib import Path; from embedded.java import Java\n"
        "from embedded.kafka_broker import KafkaBroker\n"
        "java, folder, *jars = map(Path, sys.argv[1:])\n"
        "with KafkaBroker(Java(java, java, 17, 'system'), jars, folder): print('up', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(java.executable), str(tmp_path), *map(str, jars.kafka)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=REPOSITORY) as holder:
        try:
            if moment == "when it runs":
                assert holder.stdout is not None
                assert holder.stdout.readline() == b"up\n"
            broker = java_of(holder.pid)
            os.kill(holder.pid, end)
            holder.wait(timeout=30)
            assert has_ended(broker)
        finally:
            holder.kill()
