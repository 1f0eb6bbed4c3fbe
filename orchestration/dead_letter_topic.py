"""Messages to the dead-letter topic: the record as it came, and in its headers why it is there (KIP-1034)."""

from base64 import b64decode
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import orjson

from mend.runtime.errors import UserError
from mend.runtime.kafka_access import KafkaAccess

ANSWER_S, TOPIC_S, GIVE_UP_S = 5.0, 2.0, 30.0
MOST_IN_FLIGHT = 32 * 2**20
"""Bytes handed to the client and not confirmed; a message that is larger goes alone."""
SETTINGS: dict[str, Any] = {
    "enable.idempotence": True,
    "acks": "all",
    "linger.ms": 20,
    "compression.type": "lz4",
    "partitioner": "murmur2_random",
    "message.max.bytes": 1_000_000_000,  # the broker says what is too large for its topic, not the client
    "queue.buffering.max.kbytes": 2_097_151,
    "topic.metadata.propagation.max.ms": 5_000,
    "delivery.timeout.ms": 20_000,
    "log_level": 0,
}
OVERHEAD = 1_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HEADER = "__streams.errors."
Header = tuple[str, bytes | None]
Position = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message. `value`, `key` and the first of the headers are those of the record, byte for byte."""

    position: Position
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]
    timestamp_ms: int

    @property
    def size(self) -> int:
        """Bytes that it takes in the client; even an empty one takes some, and its queue is bounded by number, too."""
        return OVERHEAD + len(self.key or b"") + len(self.value or b"")


def letter(record: dict[str, Any], disposition: str) -> Letter:
    """Make the message of a kept record; the headers that the record had come first, unchanged."""
    reasons = record["reasons"]
    said = {
        "exception": reasons[0]["rule"],
        "message": sentence(reasons[0]),
        "stacktrace": "\n".join(map(sentence, reasons)),
        "topic": record["topic"],
        "partition": str(record["partition"]),
        "offset": str(record["offset"]),
    }
    own = [(f"{HEADER}{name}", text.encode()) for name, text in said.items()]
    return Letter(
        position=(record["topic"], record["partition"]),
        offset=record["offset"],
        key=record["key"],
        value=record["value"],
        headers=(*original_headers(record["headers"]), *own, ("disposition", disposition.encode())),
        timestamp_ms=(record["timestamp"] - EPOCH) // timedelta(milliseconds=1),
    )


def sentence(reason: dict[str, str]) -> str:
    """Say a reason in words; it names types and never a value."""
    place = f" in {reason['column']}" if reason["column"] else ""
    return f"{reason['rule']}{place}: expected {reason['expected']}, came {reason['found']}"


def original_headers(text: str | None) -> tuple[Header, ...]:
    """Return the headers of a kept record; a null value is left out of its JSON."""
    found = orjson.loads(text) if text else []
    return tuple((one["key"], b64decode(one["value"]) if "value" in one else None) for one in found)


class DeadLetterTopic:
    """Sends letters to one topic, at least once; idempotent, so that the client's own retries double nothing."""

    def __init__(self, kafka: KafkaAccess, topic: str) -> None:
        """Make sure that the broker answers and lets us write to the topic; else a UserError within seconds."""
        from confluent_kafka import KafkaException, Producer

        self.topic = topic
        self.errors: list[tuple[Letter, Any]] = []
        self.confirmed: Counter[Position] = Counter()
        self.in_flight = 0
        self.servers = kafka.client()
        self.client = Producer(SETTINGS | self.servers)
        try:
            error = self.topic_error()
        except KafkaException as away:
            raise UserError(f"the broker {kafka.broker} does not answer: {away.args[0].str()}.", exit_code=1) from away
        if error is not None:
            raise UserError(f"topic {topic}: {error.str()}. Create it, or let the broker create topics.", exit_code=1)

    def topic_error(self) -> Any:
        """Return why the topic cannot be written to, or None; one that is just being created gets some seconds."""
        deadline = monotonic() + TOPIC_S
        while True:
            error = self.client.list_topics(self.topic, timeout=ANSWER_S).topics[self.topic].error
            if error is None or monotonic() > deadline:
                return error
            self.client.poll(0.2)

    def send(self, letters: Iterable[Letter]) -> tuple[Counter[Position], dict[Position, list[int]]]:
        """Send all; returns how many were confirmed of each partition, and the offsets of those too large for it.

        Any other failure is a UserError; what was sent before it may be sent again.
        """
        from confluent_kafka import KafkaError, Producer

        self.produce_all(letters)
        alone = [one for one, error in self.take_errors() if too_large(error, KafkaError)]
        if alone:  # a batch may be too large where each of its messages is not
            self.client = Producer(SETTINGS | self.servers | {"batch.num.messages": 1, "linger.ms": 0})
            self.produce_all(alone)
        refused: dict[Position, list[int]] = defaultdict(list)
        for one, _ in self.take_errors():
            refused[one.position].append(one.offset)
        return self.confirmed, refused

    def take_errors(self) -> list[tuple[Letter, Any]]:
        """Return the failures up to now, if all are of messages too large; any other one is raised."""
        from confluent_kafka import KafkaError

        found, self.errors = self.errors, []
        other = next((error for _, error in found if not too_large(error, KafkaError)), None)
        if other is not None:
            raise UserError(f"topic {self.topic}: {other.str()}.", exit_code=1)
        return found

    def produce_all(self, letters: Iterable[Letter]) -> None:
        """Hand letters over and wait for their confirmations."""
        for one in letters:
            while self.in_flight and self.in_flight + one.size > MOST_IN_FLIGHT:
                self.client.poll(0.1)
            self.produce(one)
            self.client.poll(0)
        if self.client.flush(GIVE_UP_S):
            raise UserError(f"topic {self.topic}: the broker confirmed nothing for {GIVE_UP_S:.0f} s.", exit_code=1)

    def produce(self, one: Letter) -> None:
        """Hand one letter over."""
        from confluent_kafka import KafkaException

        def arrived(error: Any, _: Any) -> None:
            self.in_flight -= one.size
            if error is not None:
                self.errors.append((one, error))
            else:
                self.confirmed[one.position] += 1

        self.in_flight += one.size
        try:
            headers = list(one.headers)
            self.client.produce(
                self.topic, one.value, one.key, timestamp=one.timestamp_ms, headers=headers, on_delivery=arrived
            )
        except KafkaException as error:
            arrived(error.args[0], None)


def too_large(error: Any, codes: Any) -> bool:
    """Whether the broker, or the client before it, refuses the message for its size."""
    return error.code() in {codes.MSG_SIZE_TOO_LARGE, codes.INVALID_MSG_SIZE, codes.RECORD_LIST_TOO_LARGE}
