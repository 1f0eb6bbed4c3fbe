"""Bytes of Kafka records to JSON text; what is no event at all becomes a dead letter with its reason."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

EMPTY, TOMBSTONE, NOT_UTF8, NOT_AVRO, TRUNCATED = "empty", "tombstone", "not_utf8", "not_avro", "truncated"
UNKNOWN_SCHEMA = "unknown_schema"
"""The record may be fine, only its schema is not known (yet): rejected with its bytes, not a dead letter."""

FRAME = 5
"""Bytes before the text in the wire format of a schema registry."""

Decoded = tuple[pa.Array, pa.Array]
"""JSON text or null per record, and the reason or null per record: exactly one of both is null.

Beside the text, or instead of it, there may be what is decoded already (mend.curate.direct)."""

Decoder = Callable[[pa.Array], Decoded]


def decode_json(values: pa.Array) -> Decoded:
    """Read values as UTF-8 text. Whether the text is JSON is found in the decode pass."""
    payload = texts(without_frame(values))
    reasons = pc.if_else(
        pc.is_null(values),
        pa.scalar(TOMBSTONE),
        pc.if_else(
            pc.equal(pc.binary_length(values), 0),
            pa.scalar(EMPTY),
            pc.if_else(pc.is_null(payload), pa.scalar(NOT_UTF8), pa.scalar(None, pa.string())),
        ),
    )
    if reasons.null_count == len(reasons):
        return payload, reasons
    return pc.if_else(pc.is_valid(reasons), pa.scalar(None, pa.string()), payload), reasons


def without_frame(values: pa.Array) -> pa.Array:
    """Take a registry's header away. Text never begins with a zero byte: where one does, it is such a header."""
    if not pc.any(pc.starts_with(values, pattern="\0")).as_py():
        return values
    return pa.array([without_header(value) for value in values.to_pylist()], values.type)


def without_header(value: bytes | None) -> bytes | None:
    """Take the header of one record away, if there is text behind it; Arrow's binary_slice fails on short values."""
    return value[FRAME:] if value is not None and value.startswith(b"\0") and len(value) > FRAME else value


def texts(values: pa.Array) -> pa.Array:
    """Read values as UTF-8, null where they are not."""
    return pa.concat_arrays(readable(values))


def readable(values: pa.Array) -> list[pa.Array]:
    """Return the texts in parts; the few that are none are found by halves."""
    try:
        return [values.cast(pa.string())]
    except pa.ArrowInvalid:
        if len(values) == 1:
            return [pa.nulls(1, pa.string())]
    middle = len(values) // 2
    return [*readable(values[:middle]), *readable(values[middle:])]


def key_text(keys: pa.Array) -> pa.Array:
    """Show keys as text; bytes that are not UTF-8 are escaped, never dropped."""
    try:
        return keys.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array(
            [None if key is None else key.decode("utf-8", "backslashreplace") for key in keys.to_pylist()], pa.string()
        )


def named_schema(value: bytes) -> str:
    """Say which schema a record in the wire format of a registry names."""
    return f"schema id {int.from_bytes(value[1:FRAME], 'big')}"
