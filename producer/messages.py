"""The stream of Kafka records: events, disturbed, encoded, damaged and repeated; pure and seeded."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

import orjson

from producer.anomalies import AVRO_DAMAGES, JSON_DAMAGES, Anomalies, Message, damaged, disturbed, repeated
from producer.avro import avro_encoder
from producer.customers import Event, events


class Format(StrEnum):
    """How an event is written."""

    JSON = "json"
    AVRO = "avro"


def messages(
    seed: int,
    *,
    start_ts: int,
    rate: float = 0.0,
    anomalies: Anomalies,
    form: Format = Format.JSON,
    schema_path: Path | None = None,
    schema_ids: Mapping[int, int] | None = None,
) -> Iterator[Message]:
    """Yield records for ever, the same bytes in the same order for the same arguments; keys are customer ids.

    Every record is either sound, malformed or a duplicate; only sound ones carry the other marks.
    """
    encode = avro_encoder(schema_path, schema_ids) if form is Format.AVRO and schema_path else json_bytes
    damages = AVRO_DAMAGES if form is Format.AVRO else JSON_DAMAGES
    happened = disturbed(events(seed, start_ts=start_ts, rate=rate), anomalies, seed)
    sound = (Message(event.customer.id.encode(), encode(event), event.marks) for event in happened)
    return repeated(damaged(sound, anomalies.malformed, damages, seed), anomalies.duplicate, seed)


def json_bytes(event: Event) -> bytes:
    """Return the event as one JSON object in UTF-8."""
    return orjson.dumps(event.fields())
