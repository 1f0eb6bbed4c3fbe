"""A real Kafka broker on this machine: one KRaft node on loopback, its data in a folder."""

import base64
import logging
import secrets
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from embedded import leash
from embedded.java import Java
from mend.runtime.errors import UserError
from mend.runtime.files import write_atomic
from mend.runtime.retries import retrying

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

LOOPBACK = "127.0.0.1"
# Below the range that systems give to outgoing connections: a client that reconnects while the broker is down could
# otherwise be given the broker's own port, and would then talk to itself.
PORTS = range(20_000, 32_000)
READY_SECONDS = 60.0
RECORDS = "records"
JVM_OPTIONS = (
    *("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError"),
    *("-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.showDateTime=true"),
    *(
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
        "-Dorg.slf4j.simpleLogger.showThreadName=false",
    ),
)
MEBIBYTE = 1024 * 1024
PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "log.dirs": RECORDS,
    "num.partitions": 4,
    "auto.create.topics.enable": "false",
    "message.max.bytes": 20 * MEBIBYTE,
    "log.segment.bytes": 256 * MEBIBYTE,
    "log.index.size.max.bytes": MEBIBYTE,
    "log.retention.ms": -1,  # by the events' own times: old ones would go within minutes of being sent
    # One node: nothing to wait for and nothing to copy to.
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 4,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    "group.initial.rebalance.delay.ms": 0,
    # After a crash the node waits for its former self's session to end: 9 s by default.
    "broker.heartbeat.interval.ms": 500,
    "broker.session.timeout.ms": 3000,
    # The defaults are for big machines; the first alone is half the heap.
    "log.cleaner.dedupe.buffer.size": 4 * MEBIBYTE,
    "num.network.threads": 2,
    "num.io.threads": 4,
}


class PortTakenError(Exception):
    """Another process took the port between its choice and the broker's start."""


def free_ports() -> tuple[int, int]:
    """Return two different loopback ports that nothing listens on right now."""
    with socket.socket() as broker, socket.socket() as controller:
        return _bind_somewhere(broker), _bind_somewhere(controller)


class KafkaBroker:
    """One broker, to be used as a context manager or by `start` and `stop`; it never outlives the process that made it.

    `class_path` are the jars of a broker; everything it writes is in `folder`, which keeps topics and records from
    one start to the next. Any number of brokers may run at once, each in its own folder.
    """

    def __init__(
        self,
        java: Java,
        class_path: Sequence[Path],
        folder: Path,
        *,
        choose_ports: Callable[[], tuple[int, int]] = free_ports,
    ) -> None:
        self._java = java
        self._class_path = class_path
        self._folder = folder.absolute()
        self._choose_ports = choose_ports
        self._ports: tuple[int, int] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Address for clients, host:port; the same after a restart."""
        if self._ports is None:
            raise UserError("The embedded broker has no address before its start; call start() first.")
        return f"{LOOPBACK}:{self._ports[0]}"

    @property
    def log(self) -> Path:
        """What the broker says."""
        return self._folder / "broker.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Return when a client can create topics; does nothing if it runs. Raises UserError with its last words."""
        if self._process is not None and self._process.poll() is None:
            return
        self._format()
        if self._ports is None:
            retrying(PortTakenError, attempts=5)(self._start_on_new_ports)()
            return
        try:
            self._start_on(self._ports)
        except PortTakenError as error:
            raise UserError(f"Port {self._ports[0]} of the embedded broker is in use now. End what uses it.") from error

    def stop(self) -> None:
        """End the broker in order; safe to repeat."""
        if self._process is not None:
            leash.release(self._process)

    def kill(self) -> None:
        """End the broker as a crash would; safe to repeat."""
        if self._process is not None:
            leash.kill(self._process)

    def restart(self) -> None:
        """Stop it if it runs, and start it with the same address and records."""
        self.stop()
        self.start()

    def _start_on_new_ports(self) -> None:
        ports = self._choose_ports()
        self._start_on(ports)
        self._ports = ports

    def _start_on(self, ports: tuple[int, int]) -> None:
        self._configure(ports)
        said_before = self.log.stat().st_size
        with self.log.open("ab") as output:
            self._process = leash.start(self._java_command("kafka.Kafka"), output=output, cwd=self._folder)
        ready = False
        try:
            ready = _is_ready(f"{LOOPBACK}:{ports[0]}", self._process)
        finally:
            if not ready:
                leash.kill(self._process)
        if not ready:
            raise self._failure(said_before)

    def _format(self) -> None:
        """Give the folder its identity once; Kafka refuses to start without."""
        if (self._folder / RECORDS / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        self._configure((0, 0))
        arguments = ("format", f"--cluster-id={cluster}", "--ignore-formatted", "--config")
        command = self._java_command("kafka.tools.StorageTool", *arguments)
        with self.log.open("ab") as output:
            process = leash.start(command, output=output, cwd=self._folder)
            try:
                code = process.wait(timeout=READY_SECONDS)
            finally:
                leash.kill(process)
        if code != 0:
            raise self._failure(0)

    def _java_command(self, main: str, *arguments: str) -> list[str]:
        class_path = ":".join(map(str, self._class_path))
        # In an ASCII locale Java could not open a folder whose name is not ASCII.
        return [
            "env",
            "LC_ALL=C.UTF-8",
            str(self._java.executable),
            *JVM_OPTIONS,
            "-cp",
            class_path,
            main,
            *arguments,
            "server.properties",
        ]

    def _configure(self, ports: tuple[int, int]) -> None:
        """Write the configuration; paths in it are relative, so that the folder may have any name."""
        broker, controller = (f"{LOOPBACK}:{port}" for port in ports)
        properties = PROPERTIES | {
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{broker}",
        }
        text = "".join(f"{key}={value}\n" for key, value in properties.items())
        try:
            write_atomic(self._folder / "server.properties", text.encode())
            self.log.touch()
        except OSError as error:
            raise UserError(f"Cannot write {self._folder} for the embedded broker: {error.strerror}.") from error

    def _failure(self, said_before: int) -> Exception:
        with self.log.open("rb") as log:
            log.seek(said_before)
            lines = log.read().decode(errors="replace").splitlines()
        if any("Address already in use" in line for line in lines):
            return PortTakenError()
        telling = [line for line in lines if "ERROR" in line or "Exception" in line] or lines
        return UserError(
            f"The embedded broker did not start. Its last words: {' | '.join(telling[-3:])} — all of them: {self.log}",
            exit_code=1,
        )


def create_topic(bootstrap: str, name: str, partitions: int, *, seconds: float = 30.0) -> None:
    """Create a topic and return when every partition has a leader. Raises UserError if it is there already."""
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin import NewTopic

    admin = _admin(bootstrap)
    try:
        admin.create_topics([NewTopic(name, partitions, 1)], request_timeout=seconds)[name].result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            raise UserError(f"Topic {name} is there already on {bootstrap}.") from error
        raise
    end = time.monotonic() + seconds
    while not _has_leaders(admin, name, partitions) and time.monotonic() < end:
        admin.poll(0.05)


def _has_leaders(admin: "AdminClient", topic: str, partitions: int) -> bool:
    known = admin.list_topics(topic, timeout=5).topics[topic].partitions
    return len(known) == partitions and all(partition.leader >= 0 for partition in known.values())


def _admin(bootstrap: str) -> "AdminClient":
    """Return a client that reconnects quickly and keeps quiet while the broker is away."""
    from confluent_kafka.admin import AdminClient

    silent = logging.getLogger("embedded.kafka_broker")
    return AdminClient({"bootstrap.servers": bootstrap, "reconnect.backoff.max.ms": 200, "log_level": 0}, logger=silent)


def _is_ready(bootstrap: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the broker answers a client, which it does once it has joined its cluster; False if it never will."""
    from confluent_kafka import KafkaException

    admin = _admin(bootstrap)
    end = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < end:
        with suppress(KafkaException):
            if admin.list_topics(timeout=0.5).brokers:
                return True
    return False


def _bind_somewhere(listener: socket.socket) -> int:
    while True:
        try:
            listener.bind((LOOPBACK, secrets.choice(PORTS)))
        except OSError:
            continue
        port: int = listener.getsockname()[1]
        return port
