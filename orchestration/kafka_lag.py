"""Events that wait in a topic: the broker's end offsets against what Spark's checkpoint has committed."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from mend.runtime.errors import UserError
from mend.runtime.kafka_access import KafkaAccess

if TYPE_CHECKING:
    from confluent_kafka import Consumer

TIMEOUT_SECONDS = 10.0
ADDRESS = re.compile(r"(\w+://)?([^\s:/\[\]]+|\[[\da-fA-F:]+\]):\d{1,5}")
REFUSALS = ("SASL", "SSL", "ssl")
CLIENT: dict[str, Any] = {"group.id": "mend-monitor", "socket.timeout.ms": 5_000, "log_level": 0}


class BrokerAway(UserError):  # noqa: N818 - it names what happened
    """No broker answers; it may come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerTopic:
    """A topic as the broker has it: partition → earliest and end offset, and the broker's id of the topic."""

    watermarks: dict[int, tuple[int, int]]
    topic_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """One partition; offsets are the next ones to be written and read."""

    partition: int
    earliest: int
    end: int
    committed: int

    @property
    def lag(self) -> int:
        """Events that wait; all of them where the topic ends before the offset up to which it was read."""
        read = self.committed if self.committed <= self.end else 0
        return max(self.end - max(read, self.earliest), 0)

    @property
    def lost(self) -> int:
        """Events that the broker deleted before they were read."""
        return max(self.earliest - self.committed, 0) if self.committed else 0


def measure_lag(
    kafka: KafkaAccess, topic: str, checkpoint: Path, *, patience: float = TIMEOUT_SECONDS
) -> tuple[PartitionLag, ...]:
    """Ask the broker; an unreachable broker or a topic that is not there is a UserError that says what to do."""
    committed = committed_offsets(checkpoint, topic)
    return tuple(
        PartitionLag(partition=partition, earliest=earliest, end=end, committed=committed.get(partition, 0))
        for partition, (earliest, end) in broker_topic(kafka, topic, patience).watermarks.items()
    )


def check_address(broker: str) -> None:
    """Refuse a text that names no broker before anything waits for one."""
    wrong = [one for one in broker.split(",") if not ADDRESS.fullmatch(one.strip())]
    if wrong:
        raise UserError(f"KAFKA_BROKER: '{wrong[0]}' is no address. Write host:port, or several with commas between.")


def broker_topic(kafka: KafkaAccess, topic: str, patience: float = TIMEOUT_SECONDS) -> BrokerTopic:
    """Ask the broker about a topic; one that is not there is a UserError, as is a broker that does not answer."""
    found = {partition: (earliest, end) for partition, earliest, end in watermarks(kafka, topic, patience)}
    return BrokerTopic(watermarks=found, topic_id=topic_id(kafka, topic, patience))


@contextmanager
def connected(kafka: KafkaAccess) -> "Iterator[Consumer]":
    """Open a client that only asks; what the broker refuses inside is a UserError."""
    from confluent_kafka import Consumer, KafkaException

    check_address(kafka.broker)
    trouble: list[str] = []
    settings = kafka.client() | CLIENT | {"error_cb": lambda error: trouble.append(error.str())}
    try:
        consumer = Consumer(settings)
    except KafkaException as error:
        raise unreachable(kafka.broker, error) from error
    try:
        yield consumer
    except KafkaException as error:
        consumer.poll(0)  # only now the client says what it heard
        raise unreachable(kafka.broker, error, trouble) from error
    finally:
        consumer.close()


def watermarks(kafka: KafkaAccess, topic: str, patience: float) -> list[tuple[int, int, int]]:
    """Return partition, earliest and end offset of every partition of a topic."""
    from confluent_kafka import TopicPartition

    with connected(kafka) as consumer:
        found = consumer.list_topics(topic, timeout=patience).topics[topic]
        if found.error is not None:
            raise UserError(
                f"topic '{topic}' is not on {kafka.broker}. Create it, or correct 'topic' in the pipeline file.",
                exit_code=1,
            )
        return [
            (partition, *consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=patience))
            for partition in sorted(found.partitions)
        ]


def offsets_at(kafka: KafkaAccess, topic: str, at: datetime, partitions: Iterable[int]) -> dict[int, int]:
    """Return the first offset of each partition whose record came at or after a time; its end where none did."""
    from confluent_kafka import TopicPartition

    millis = int(at.timestamp() * 1000)
    with connected(kafka) as consumer:
        asked = [TopicPartition(topic, one, millis) for one in partitions]
        found = {one.partition: one.offset for one in consumer.offsets_for_times(asked, timeout=TIMEOUT_SECONDS)}
        for partition, offset in found.items():
            if offset < 0:
                place = TopicPartition(topic, partition)
                found[partition] = consumer.get_watermark_offsets(place, timeout=TIMEOUT_SECONDS)[1]
    return found


def topic_id(kafka: KafkaAccess, topic: str, patience: float) -> str | None:
    """Return the broker's id of a topic, which changes when it is made anew; None where the broker has none."""
    from confluent_kafka import KafkaException, TopicCollection
    from confluent_kafka.admin import AdminClient

    admin = AdminClient(kafka.client() | {"socket.timeout.ms": 5_000, "log_level": 0})
    try:
        described = admin.describe_topics(TopicCollection([topic]), request_timeout=patience)[topic].result()
    except KafkaException:
        return None
    return str(described.topic_id) if described.topic_id is not None else None


def unreachable(broker: str, error: Exception, trouble: Sequence[str] = ()) -> BrokerAway:
    """Say that no broker answers; that it refuses us is the better reason, where the client heard it."""
    refused = [one for one in trouble if any(word in one for word in REFUSALS)]
    if refused:
        return BrokerAway(
            f"the broker {broker} lets nobody in with these settings ({refused[-1]}). Correct the variables KAFKA_"
            "SECURITY_PROTOCOL, KAFKA_SASL_… and KAFKA_SSL_….",
            exit_code=1,
        )
    reason = error.args[0].str()
    return BrokerAway(f"no Kafka broker answers at {broker} ({reason}). Start it, or set KAFKA_BROKER.", exit_code=1)


def committed_offsets(checkpoint: Path, topic: str) -> dict[int, int]:
    """Return the next offset of each partition after the last batch that Spark committed."""
    commits = [int(path.name) for path in (checkpoint / "commits").glob("*") if path.name.isdigit()]
    return offsets_in(checkpoint / "offsets" / str(max(commits)), topic) if commits else {}


def resume_offsets(checkpoint: Path, topic: str) -> dict[int, int]:
    """Return the offsets at which Spark goes on: where the last committed batch ended, else where the query began."""
    first = checkpoint / "sources" / "0" / "0"
    return committed_offsets(checkpoint, topic) or (offsets_in(first, topic) if first.exists() else {})


def offsets_in(path: Path, topic: str) -> dict[int, int]:
    """Read the offsets of a topic from a file of the checkpoint."""
    line = path.read_text(encoding="utf-8").splitlines()[-1].removeprefix("v1")
    return {int(partition): offset for partition, offset in orjson.loads(line).get(topic, {}).items()}
