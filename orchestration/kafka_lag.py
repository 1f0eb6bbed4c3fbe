"""Events that wait in a topic: the broker's end offsets against what Spark's checkpoint has committed."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson

from mend.runtime.errors import UserError

TIMEOUT_SECONDS = 10.0
ADDRESS = re.compile(r"(\w+://)?([^\s:/\[\]]+|\[[\da-fA-F:]+\]):\d{1,5}")
CLIENT = {"group.id": "mend-monitor", "socket.timeout.ms": 5_000, "log_level": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """One partition; offsets are the next ones to be written and read."""

    partition: int
    earliest: int
    end: int
    committed: int

    @property
    def lag(self) -> int:
        """Events that wait."""
        return max(self.end - max(self.committed, self.earliest), 0)

    @property
    def lost(self) -> int:
        """Events that the broker deleted before they were read."""
        return max(self.earliest - self.committed, 0) if self.committed else 0


def measure_lag(
    broker: str, topic: str, checkpoint: Path, *, patience: float = TIMEOUT_SECONDS
) -> tuple[PartitionLag, ...]:
    """Ask the broker; an unreachable broker or a topic that is not what it was is a UserError that says what to do."""
    check_address(broker)
    committed = committed_offsets(checkpoint, topic)
    lags = tuple(
        PartitionLag(partition=partition, earliest=earliest, end=end, committed=committed.get(partition, 0))
        for partition, earliest, end in watermarks(broker, topic, patience)
    )
    check_same_topic(lags, topic, checkpoint)
    return lags


def check_same_topic(lags: Iterable[PartitionLag], topic: str, checkpoint: Path) -> None:
    """Refuse a topic that was deleted and made again: its new events would count as read."""
    for one in lags:
        if one.committed > one.end:
            raise UserError(
                f"topic '{topic}' was made anew: partition {one.partition} ends at offset {one.end}, and was "
                f"read up to {one.committed} before. To read the new topic from its beginning, remove {checkpoint}.",
                exit_code=1,
            )


def check_address(broker: str) -> None:
    """Refuse a text that names no broker before anything waits for one."""
    wrong = [one for one in broker.split(",") if not ADDRESS.fullmatch(one.strip())]
    if wrong:
        raise UserError(f"KAFKA_BROKER: '{wrong[0]}' is no address. Write host:port, or several with commas between.")


def watermarks(broker: str, topic: str, patience: float) -> list[tuple[int, int, int]]:
    """Return partition, earliest and end offset of every partition of a topic."""
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    try:
        consumer = Consumer({"bootstrap.servers": broker, **CLIENT})
    except KafkaException as error:
        raise unreachable(broker, error) from error
    try:
        found = consumer.list_topics(topic, timeout=patience).topics[topic]
        if found.error is not None:
            raise UserError(
                f"topic '{topic}' is not on {broker}. Create it, or correct 'topic' in the pipeline file.", exit_code=1
            )
        return [
            (partition, *consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=patience))
            for partition in sorted(found.partitions)
        ]
    except KafkaException as error:
        raise unreachable(broker, error) from error
    finally:
        consumer.close()


def unreachable(broker: str, error: Exception) -> UserError:
    """Say that no broker answers."""
    reason = error.args[0].str()
    return UserError(f"no Kafka broker answers at {broker} ({reason}). Start it, or set KAFKA_BROKER.", exit_code=1)


def committed_offsets(checkpoint: Path, topic: str) -> dict[int, int]:
    """Return the next offset of each partition after the last batch that Spark committed."""
    commits = [int(path.name) for path in (checkpoint / "commits").glob("*") if path.name.isdigit()]
    if not commits:
        return {}
    text = (checkpoint / "offsets" / str(max(commits))).read_text(encoding="utf-8")
    offsets = orjson.loads(text.splitlines()[-1]).get(topic, {})
    return {int(partition): offset for partition, offset in offsets.items()}
