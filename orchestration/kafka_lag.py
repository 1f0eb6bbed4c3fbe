"""Events that wait in a topic: the broker's end offsets against what Spark's checkpoint has committed."""

from dataclasses import dataclass
from pathlib import Path

import orjson

from mend.runtime.errors import UserError

TIMEOUT_SECONDS = 10.0


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


def measure_lag(broker: str, topic: str, checkpoint: Path) -> tuple[PartitionLag, ...]:
    """Ask the broker; an unreachable broker or a missing topic is a UserError that says what to do."""
    committed = committed_offsets(checkpoint, topic)
    return tuple(
        PartitionLag(partition=partition, earliest=earliest, end=end, committed=committed.get(partition, 0))
        for partition, earliest, end in watermarks(broker, topic)
    )


def watermarks(broker: str, topic: str) -> list[tuple[int, int, int]]:
    """Return partition, earliest and end offset of every partition of a topic."""
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    consumer = Consumer(
        {"bootstrap.servers": broker, "group.id": "mend-monitor", "socket.timeout.ms": 5_000, "log_level": 0},
        logger=None,
    )
    try:
        found = consumer.list_topics(topic, timeout=TIMEOUT_SECONDS).topics[topic]
        if found.error is not None:
            raise UserError(
                f"topic '{topic}' is not on {broker}. Create it, or correct 'topic' in the pipeline file.", exit_code=1
            )
        return [
            (partition, *consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=TIMEOUT_SECONDS))
            for partition in sorted(found.partitions)
        ]
    except KafkaException as error:
        raise UserError(
            f"no Kafka broker answers at {broker} ({error.args[0].str()}). Start it, or set KAFKA_BROKER.", exit_code=1
        ) from error
    finally:
        consumer.close()


def committed_offsets(checkpoint: Path, topic: str) -> dict[int, int]:
    """Return the next offset of each partition after the last batch that Spark committed."""
    commits = [int(path.name) for path in (checkpoint / "commits").glob("*") if path.name.isdigit()]
    if not commits:
        return {}
    text = (checkpoint / "offsets" / str(max(commits))).read_text(encoding="utf-8")
    offsets = orjson.loads(text.splitlines()[-1]).get(topic, {})
    return {int(partition): offset for partition, offset in offsets.items()}
