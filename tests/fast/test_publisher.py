from itertools import repeat
from threading import Event as Flag
from threading import Timer

from mend.runtime.kafka_access import KafkaAccess
from producer.anomalies import Message
from producer.publisher import SETTINGS, Publisher

NOBODY = KafkaAccess("127.0.0.1:9")
BUFFER = SETTINGS["queue.buffering.max.messages"]


def test_a_stop_ends_a_send_that_waits_for_room_and_every_record_is_accounted_for() -> None:
    """Without a broker the buffer fills up to its bound; a stop ends the wait, closing gives up and counts errors."""
    stop = Flag()
    publisher = Publisher(NOBODY, "topic", stop)
    timer = Timer(0.4, stop.set)
    timer.start()
    publisher.send(repeat(Message(b"key", b"value", ("late_events",)), BUFFER + 1))
    timer.join()
    assert publisher.counts == {"total_events": BUFFER, "late_events": BUFFER}
    publisher.close(timeout=0.0)
    assert publisher.errors == BUFFER
    assert "purge" in publisher.reason.lower()


def test_a_record_that_the_client_refuses_is_an_error_and_the_next_ones_are_sent() -> None:
    """A record beyond the client's own limit is counted with its reason and does not stop the run."""
    publisher = Publisher(NOBODY, "topic", Flag())
    publisher.send([Message(b"key", b"x" * 2_000_000), Message(b"key", b"value")])
    assert publisher.counts["total_events"] == 2
    assert publisher.errors == 1
    assert "size too large" in publisher.reason
    publisher.close(timeout=0.0)
