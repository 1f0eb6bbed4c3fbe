"""One producer run: from its options to its counters."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import islice
from math import ceil
from pathlib import Path
from threading import Event as Flag
from time import monotonic
from typing import Any

from mend.runtime.kafka_access import KafkaAccess
from mend.runtime.schema_registry import RegistryAddress
from producer.anomalies import Anomalies
from producer.avro import default_schema_path, register_schemas
from producer.kinds import CUSTOMERS, Kind
from producer.messages import Format, messages, refuse_unknown_fields
from producer.pacing import batches
from producer.publisher import DELIVERY_TIMEOUT_S, Publisher
from producer.topics import create_topic

STOP_FLUSH_S = 10.0


@dataclass(frozen=True, slots=True)
class Options:
    """What to send where: `start_ts` in epoch ms, `duration` in seconds, `rate` in events a second, 0: no limit."""

    kafka: KafkaAccess
    topic: str
    start_ts: int
    rate: float = 10.0
    count: int | None = None
    duration: float | None = None
    seed: int = 42
    form: Format = Format.JSON
    schema_path: Path = field(default_factory=default_schema_path)
    anomalies: Anomalies = field(default_factory=Anomalies)
    create: bool = False
    kind: Kind = CUSTOMERS
    registry: RegistryAddress | None = None

    @property
    def expected(self) -> int | None:
        """How many events this will send if nothing stops it; None if that is open."""
        by_time = ceil(self.rate * self.duration) if self.rate and self.duration is not None else None
        known = [number for number in (self.count, by_time) if number is not None]
        return min(known, default=None)


@dataclass(frozen=True, slots=True)
class Counters:
    """What was sent: total = delivered + errors = sound + malformed + duplicate; other counters are of sound ones."""

    total_events: int
    late_events: int
    schema_drift_events: int
    missing_field_events: int
    malformed_events: int
    duplicate_events: int
    bad_segment_events: int
    delivered_events: int
    errors: int
    first_error: str
    seconds: float

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.total_events / self.seconds if self.seconds else 0.0

    def document(self) -> dict[str, Any]:
        """Return the counters as a JSON object."""
        return asdict(self) | {"events_per_second": round(self.rate, 1)}


def produce(
    options: Options, *, stop: Flag | None = None, progress: Callable[[int], None] = lambda _: None
) -> Counters:
    """Send until the count, the duration or `stop`, flush, and return the counters; `progress` gets each batch's size.

    A broker that does not answer or lacks the topic is a UserError before anything is sent.
    """
    stop = stop or Flag()
    refuse_unknown_fields(options.kind, options.anomalies, options.form)
    if options.create:
        create_topic(options.kafka, options.topic)
    registered = options.registry if options.form is Format.AVRO else None
    stream = messages(
        options.seed,
        start_ts=options.start_ts,
        rate=options.rate,
        anomalies=options.anomalies,
        form=options.form,
        schema_path=options.schema_path,
        kind=options.kind,
        schema_ids=register_schemas(registered, options.topic, options.schema_path) if registered else None,
    )
    publisher = Publisher(options.kafka, options.topic, stop)
    publisher.connect()
    began = monotonic()
    for size in batches(options.rate, count=options.count, duration=options.duration, stopped=stop.wait, now=monotonic):
        publisher.send(islice(stream, size))
        progress(size)
    publisher.close(STOP_FLUSH_S if stop.is_set() else DELIVERY_TIMEOUT_S)
    return _counters(publisher, monotonic() - began)


def _counters(publisher: Publisher, seconds: float) -> Counters:
    counts = publisher.counts
    return Counters(
        total_events=counts["total_events"],
        late_events=counts["late_events"],
        schema_drift_events=counts["schema_drift_events"],
        missing_field_events=counts["missing_field_events"],
        malformed_events=counts["malformed_events"],
        duplicate_events=counts["duplicate_events"],
        bad_segment_events=counts["bad_segment_events"],
        delivered_events=counts["total_events"] - publisher.errors,
        errors=publisher.errors,
        first_error=publisher.reason,
        seconds=round(seconds, 3),
    )
