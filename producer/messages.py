"""The stream of Kafka records: events, disturbed, encoded, damaged and repeated; pure and seeded."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

import orjson

from producer.anomalies import AVRO_DAMAGES, JSON_DAMAGES, Anomalies, Message, damaged, disturbed, repeated
from producer.avro import avro_encoder
from producer.events import Event
from producer.kinds import CUSTOMERS, Kind


class Format(StrEnum):
    """How an event is written."""

    JSON = "json"
    AVRO = "avro"


def messages(  # noqa: PLR0913 - what records are made of
    seed: int,
    *,
    start_ts: int,
    rate: float = 0.0,
    anomalies: Anomalies,
    form: Format = Format.JSON,
    schema_path: Path | None = None,
    kind: Kind = CUSTOMERS,
    schema_ids: Mapping[int, int] | None = None,
) -> Iterator[Message]:
    """Yield records for ever, the same bytes in the same order for the same arguments; keys are those of the events.

    Every record is either sound, malformed or a duplicate; only sound ones carry the other marks.
    """
    encode = avro_encoder(schema_path, schema_ids) if form is Format.AVRO and schema_path else json_bytes
    damages = AVRO_DAMAGES if form is Format.AVRO else JSON_DAMAGES
    happened = disturbed(kind.events(seed, start_ts=start_ts, rate=rate), anomalies, seed)
    sound = (Message(event.key.encode(), encode(event), event.marks) for event in happened)
    return repeated(damaged(sound, anomalies.malformed, damages, seed), anomalies.duplicate, seed)


def json_bytes(event: Event) -> bytes:
    """Return the event as one JSON object in UTF-8; a decimal is a text, so that no reader rounds it."""
    return orjson.dumps(event.fields(), default=str)
