"""The stream of Kafka records: events, disturbed, encoded, damaged and repeated; pure and seeded."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

import orjson

from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest
from producer.anomalies import AVRO_DAMAGES, JSON_DAMAGES, Anomalies, Message, damaged, disturbed, repeated
from producer.avro import avro_encoder
from producer.customers import EARLIEST_START_MS
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
    encode = json_encoder(anomalies.renames)
    if form is Format.AVRO and schema_path:
        encode = avro_encoder(schema_path, schema_ids)
    damages = AVRO_DAMAGES if form is Format.AVRO else JSON_DAMAGES
    happened = disturbed(kind.events(seed, start_ts=start_ts, rate=rate), anomalies, seed)
    sound = (Message(event.key.encode(), encode(event), event.marks) for event in happened)
    return repeated(damaged(sound, anomalies.malformed, damages, seed), anomalies.duplicate, seed)


def json_bytes(event: Event) -> bytes:
    """Return the event as one JSON object in UTF-8; a decimal is a text, so that no reader rounds it."""
    return orjson.dumps(event.fields(), default=str)


def json_encoder(renames: Sequence[tuple[str, str]]) -> Callable[[Event], bytes]:
    """Return what writes an event as JSON, some of its fields under another name."""
    names = dict(renames)

    def encode(event: Event) -> bytes:
        return orjson.dumps({names.get(name, name): value for name, value in event.fields().items()}, default=str)

    return encode if names else json_bytes


def refuse_unknown_fields(kind: Kind, anomalies: Anomalies, form: Format) -> None:
    """Refuse trouble with a field that these events do not have, or that their format cannot have."""
    known = next(kind.events(0, start_ts=EARLIEST_START_MS)).fields()
    for flag, pairs in (("--bad-segment", anomalies.bad_segments), ("--rename", anomalies.renames)):
        for name, _ in pairs:
            if name not in known:
                raise UserError(f"{flag}: these events have no field '{name}'.{nearest(name, known)}")
    for old, new in anomalies.renames:
        if new in known:
            raise UserError(f"--rename {old}:{new}: these events have a field '{new}' already.")
    if anomalies.renames and form is Format.AVRO:
        raise UserError("--rename: an Avro event has the names of its schema. Use --format json.")
