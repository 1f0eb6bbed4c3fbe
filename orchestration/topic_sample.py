"""A sample of a live topic, read beside all consumer groups: nothing is committed."""

from collections.abc import Iterator
from time import monotonic

from mend.draft.observe import Record
from mend.runtime.kafka_access import KafkaAccess
from orchestration.kafka_lag import CLIENT, unreachable, watermarks

PATIENCE_SECONDS = 10.0
MOST_BYTES = 64 * 2**20


def sample_topic(kafka: KafkaAccess, topic: str, events: int) -> list[Record]:
    """Read up to `events` records: of each partition as many from its beginning as from its end.

    An unreachable broker or unknown topic is a UserError. Reads at most 64 MB; waits at most ten seconds for a record.
    """
    bounds = watermarks(kafka, topic, PATIENCE_SECONDS)
    share = max(events // max(len(bounds), 1), 2)
    spans = [span for partition, first, end in bounds for span in spans_of(partition, first, end, share)]
    return list(records(kafka, topic, spans))


def spans_of(partition: int, first: int, end: int, share: int) -> Iterator[tuple[int, int, int]]:
    """Return partition, first offset and the offset behind the last one: the oldest events, and the newest."""
    if end - first <= share:
        if end > first:
            yield partition, first, end
        return
    yield partition, first, first + share // 2
    yield partition, end - share // 2, end


def records(kafka: KafkaAccess, topic: str, spans: list[tuple[int, int, int]]) -> Iterator[Record]:
    """Read spans of offsets, one after the other."""
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    size = 0
    consumer = Consumer(kafka.client() | {"enable.auto.commit": False} | CLIENT)
    try:
        for partition, first, end in spans:
            consumer.assign([TopicPartition(topic, partition, first)])
            deadline, at = monotonic() + PATIENCE_SECONDS, first
            while at < end and monotonic() < deadline and size < MOST_BYTES:
                for message in consumer.consume(min(end - at, 1_000), timeout=1.0):
                    if message.error() is not None:
                        raise unreachable(kafka.broker, KafkaException(message.error()))
                    at, deadline = message.offset() + 1, monotonic() + PATIENCE_SECONDS
                    if message.offset() < end:
                        size += len(message.value() or b"")
                        yield Record(value=message.value(), key=message.key(), timestamp=message.timestamp()[1])
    except KafkaException as error:
        raise unreachable(kafka.broker, error) from error
    finally:
        consumer.close()
