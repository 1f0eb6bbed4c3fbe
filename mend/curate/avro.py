"""Avro records in the Confluent wire format to the JSON text that the decode pass reads.

Wire format: a zero byte, the schema's id as four big-endian bytes, the record. The schema files are the registry: the
schema with id N is the file `<name>.vN.avsc` beside the pipeline's schema.
"""

import re
import struct
from base64 import b64encode
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pyarrow as pa

from mend.curate.decode import EMPTY, TOMBSTONE, TRUNCATED, UNKNOWN_SCHEMA, Decoded, Decoder
from mend.runtime.errors import UserError

HEADER = struct.Struct(">bI")
VERSIONED = re.compile(r"(?P<name>.+)\.v(?P<id>\d+)")


def avro_decoder(schema_path: Path) -> Decoder:
    """Return the decoder of a pipeline whose schema files stand beside `schema_path`."""
    schemas = read_schemas(schema_path)

    def decode(values: pa.Array) -> Decoded:
        pairs = [decode_one(value, schemas) for value in values.to_pylist()]
        return pa.array([pair[0] for pair in pairs], pa.string()), pa.array([pair[1] for pair in pairs], pa.string())

    return decode


def read_schemas(schema_path: Path) -> dict[int, Any]:
    """Read all versions of a schema; a file that is no schema is a UserError."""
    from fastavro import parse_schema
    from fastavro.schema import SchemaParseException, UnknownType

    found = VERSIONED.fullmatch(schema_path.stem)
    stem = found["name"] if found else schema_path.stem
    schemas = {}
    for path in schema_path.parent.glob(f"{stem}.v*.avsc"):
        version = VERSIONED.fullmatch(path.stem)
        if version is None:
            continue
        try:
            schemas[int(version["id"])] = parse_schema(orjson.loads(path.read_bytes()))
        except (orjson.JSONDecodeError, SchemaParseException, UnknownType) as error:
            raise UserError(f"{path} is not an Avro schema: {error}. Correct it.") from error
    return schemas


def decode_one(value: bytes | None, schemas: dict[int, Any]) -> tuple[str | None, str | None]:
    """Return the JSON text of a record, or why there is none."""
    if value is None:
        return None, TOMBSTONE
    if not value:
        return None, EMPTY
    if len(value) < HEADER.size or value[0] != 0:
        return None, TRUNCATED
    schema = schemas.get(HEADER.unpack_from(value)[1])
    if schema is None:
        return None, UNKNOWN_SCHEMA
    return read_record(value[HEADER.size :], schema)


def read_record(body: bytes, schema: Any) -> tuple[str | None, str | None]:
    """Decode one record; bytes that are too few or too many for the schema are no record."""
    from fastavro import schemaless_reader

    stream = BytesIO(body)
    try:
        record = schemaless_reader(stream, schema, None)
    except (EOFError, IndexError, ValueError, StopIteration, MemoryError, OverflowError, TypeError):
        return None, TRUNCATED
    if stream.read(1):
        return None, TRUNCATED
    return orjson.dumps(record, default=as_json, option=orjson.OPT_PASSTHROUGH_DATETIME).decode(), None


def as_json(value: Any) -> Any:
    """Return what a JSON producer would have written: times as epoch milliseconds, decimals with all digits."""
    if isinstance(value, datetime):
        return round(value.replace(tzinfo=value.tzinfo or UTC).timestamp() * 1000)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, Decimal | UUID):
        return str(value)
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")
