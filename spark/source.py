"""Kafka as a stream, and the offsets that Spark's checkpoint promises for a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from mend.contracts.backfill import Span
from mend.runtime.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

HEADERS = "CASE WHEN headers IS NOT NULL THEN to_json(headers) END"
"""[{key, value in base64}]: as a list, headers that nobody sends made the way to the task seven times as slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetRange:
    """Offsets [from_offset, until_offset) of one partition; `added`: the batch before did not know the partition."""

    topic: str
    partition: int
    from_offset: int
    until_offset: int
    added: bool = False


def kafka_stream(
    session: "SparkSession", settings: Settings, *, topic: str, most_events: int, start: dict[int, int] | None = None
) -> "DataFrame":
    """Read a topic; at most `most_events` a batch. Offsets that are gone fail the query.

    `start` says where a query without a checkpoint begins, for every partition; by default at the earliest offsets.
    """
    reader = session.readStream.format("kafka").options(**client_options(settings))
    stream = (
        reader.option("subscribe", topic)
        .option("startingOffsets", offsets_json(topic, start) if start else "earliest")
        .option("maxOffsetsPerTrigger", most_events)
    )
    return with_headers(stream.load())


def kafka_rows(session: "SparkSession", settings: Settings, *, topic: str, spans: Sequence[Span]) -> "DataFrame":
    """Read offsets that were read before, once; what is gone of them fails the job. One span a partition."""
    begin = {one.partition: one.from_offset for one in spans}
    end = {one.partition: one.until_offset for one in spans}
    reader = session.read.format("kafka").options(**client_options(settings))
    rows = (
        reader.option("assign", orjson.dumps({topic: sorted(begin)}).decode())
        .option("startingOffsets", offsets_json(topic, begin))
        .option("endingOffsets", offsets_json(topic, end))
    )
    return with_headers(rows.load())


def client_options(settings: Settings) -> dict[str, str]:
    """Return how Kafka is read, whether once or as a stream; by Spark's defaults it would wait for three minutes."""
    timeout = settings.kafka_timeout_seconds * 1000
    options = {
        **{f"kafka.{name}": value for name, value in settings.kafka.java().items()},
        "failOnDataLoss": "true",
        "includeHeaders": "true",
        "kafka.default.api.timeout.ms": timeout,
        "kafka.request.timeout.ms": timeout // 2,
        "kafkaConsumer.pollTimeoutMs": timeout,
        "fetchOffset.numRetries": 1,
        "kafka.max.partition.fetch.bytes": 8 * 2**20,
        "kafka.fetch.max.bytes": 64 * 2**20,
        "kafka.max.poll.records": 5_000,
    }
    return {name: str(value) for name, value in options.items()}


def with_headers(frame: "DataFrame") -> "DataFrame":
    """Write the headers as text."""
    from pyspark.sql.functions import expr

    return frame.withColumn("headers", expr(HEADERS))


def offsets_json(topic: str, offsets: dict[int, int]) -> str:
    """Write offsets as Spark reads them."""
    return orjson.dumps({topic: {str(partition): offset for partition, offset in offsets.items()}}).decode()


def batch_ranges(checkpoint: Path, batch_id: int) -> tuple[OffsetRange, ...]:
    """Return the offsets that the checkpoint's write-ahead log promises for a batch, partition by partition."""
    until = logged_offsets(checkpoint / "offsets" / str(batch_id))
    before = checkpoint / "offsets" / str(batch_id - 1)
    since = logged_offsets(before) if batch_id > 0 else logged_offsets(checkpoint / "sources" / "0" / "0")
    return tuple(
        OffsetRange(
            topic=topic,
            partition=partition,
            from_offset=since.get((topic, partition), 0),
            until_offset=end,
            added=(topic, partition) not in since,
        )
        for (topic, partition), end in sorted(until.items())
    )


def logged_offsets(path: Path) -> dict[tuple[str, int], int]:
    """Read the last line of an offset log: {"topic": {"partition": offset}}."""
    document = orjson.loads(path.read_text(encoding="utf-8").splitlines()[-1].removeprefix("v1"))
    return {
        (topic, int(partition)): offset for topic, offsets in document.items() for partition, offset in offsets.items()
    }
