"""Sends records to Kafka: idempotent, acknowledged by all replicas, every delivery accounted for."""

from collections import Counter
from collections.abc import Iterable
from threading import Event as Flag
from time import monotonic
from typing import Any

from mend.runtime.errors import UserError
from mend.runtime.kafka_access import KafkaAccess
from mend.runtime.logging import get_logger
from producer.anomalies import Message

DELIVERY_TIMEOUT_S = 60
CONNECT_TIMEOUT_S = 8.0
TOPIC_TIMEOUT_S = 2.0
FLUSH_SLICE_S = 0.2
PURGE_TIMEOUT_S = 5.0
SETTINGS: dict[str, Any] = {
    "enable.idempotence": True,
    "acks": "all",
    "linger.ms": 20,
    "batch.size": 1_000_000,
    "compression.type": "lz4",
    "partitioner": "murmur2_random",  # the partition that Kafka's own clients choose for the key
    "queue.buffering.max.messages": 100_000,
    "queue.buffering.max.kbytes": 131_072,
    "delivery.timeout.ms": DELIVERY_TIMEOUT_S * 1000,
    "delivery.report.only.error": True,  # delivered = accepted - failed once the queue is empty
    "log_level": 0,  # what matters arrives in callbacks; its own lines would spill over the terminal
}


class Publisher:
    """One connection to one topic; `errors` counts records that Kafka did not confirm, `reason` is the first one's.

    Setting `stop` ends a `send` that waits for room; the publisher sets it itself when the client is beyond repair.
    """

    def __init__(self, kafka: KafkaAccess, topic: str, stop: Flag) -> None:
        """Prepare the client; nothing is sent or checked before `connect`."""
        from confluent_kafka import Producer

        self._broker, self._topic, self._stop = kafka.broker, topic, stop
        self.counts: Counter[str] = Counter()
        self.errors = 0
        self.reason = ""
        self._connected, self._trouble = False, "no answer"
        callbacks = {"on_delivery": self._on_failure, "error_cb": self._on_trouble}
        self._client = Producer(SETTINGS | callbacks | kafka.client())

    def connect(self) -> None:
        """Make sure that the broker answers and has the topic; else a UserError within ten seconds."""
        from confluent_kafka import KafkaException

        try:
            missing = self._topic_error()
        except KafkaException as error:
            self._client.poll(0)
            raise UserError(
                f"no broker at {self._broker} ({self._trouble}); start one with `make up-kafka`, "
                "or name yours with --broker HOST:PORT.",
                exit_code=1,
            ) from error
        if missing is not None:
            raise UserError(
                f"no topic '{self._topic}' at {self._broker} ({missing.str()}); "
                "add --create-topic to create it, or name another with --topic."
            )
        self._connected = True

    def _topic_error(self) -> Any:
        """Return why the topic cannot be written to, or None; a topic that is just being created gets two seconds."""
        deadline = monotonic() + TOPIC_TIMEOUT_S
        while True:
            error = self._client.list_topics(self._topic, timeout=CONNECT_TIMEOUT_S).topics[self._topic].error
            if error is None or monotonic() > deadline:
                return error
            self._client.poll(FLUSH_SLICE_S)

    def send(self, messages: Iterable[Message]) -> None:
        """Hand records over in order; waits while the buffer is full. A stop leaves the rest unsent and uncounted."""
        from confluent_kafka import KafkaException

        produce, topic, sent = self._client.produce, self._topic, 0
        for message in messages:
            try:
                produce(topic, message.value, message.key)
            except BufferError:
                if not self._send_when_free(message):
                    break
            except KafkaException as error:
                self._failed(error.args[0].str())
            sent += 1
            for mark in message.marks:
                self.counts[mark] += 1
        self.counts["total_events"] += sent
        self._client.poll(0)

    def close(self, timeout: float) -> None:
        """Wait for what is still on its way; after `timeout` seconds the rest is given up and counted as errors."""
        deadline = monotonic() + timeout
        while self._client.flush(FLUSH_SLICE_S) and monotonic() < deadline:
            pass
        if len(self._client):
            self._client.purge()
            self._client.flush(PURGE_TIMEOUT_S)

    def _send_when_free(self, message: Message) -> bool:
        """Return whether the record was taken; old ones leave the buffer at the latest by their delivery timeout."""
        while not self._stop.is_set():
            self._client.poll(FLUSH_SLICE_S)
            try:
                self._client.produce(self._topic, message.value, message.key)
            except BufferError:
                continue
            return True
        return False

    def _failed(self, reason: str) -> None:
        self.errors += 1
        self.reason = self.reason or reason

    def _on_failure(self, error: Any, _record: Any) -> None:
        if error is not None:
            self._failed(error.str())

    def _on_trouble(self, error: Any) -> None:
        from confluent_kafka import KafkaError

        if error.fatal():
            self.reason = self.reason or error.str()
            self._stop.set()
        elif error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - how the client spells its own codes
            self._trouble = error.str()
        elif self._connected:
            get_logger().warning("broker_unreachable", broker=self._broker, reason=self._trouble)
