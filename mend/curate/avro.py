"""Avro records in the Confluent wire format to the JSON text that the decode pass reads.

Wire format: a zero byte, the schema's id as four big-endian bytes, the record. The schema files are the registry: the
schema with id N is the file `<name>.vN.avsc` beside the pipeline's schema.
"""

import json
import re
import struct
from base64 import b64encode
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from mend.curate.decode import EMPTY, NOT_AVRO, TOMBSTONE, TRUNCATED, UNKNOWN_SCHEMA, Decoded, Decoder
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
    found = VERSIONED.fullmatch(schema_path.stem)
    stem = found["name"] if found else schema_path.stem
    versions = {int(name["id"]): path for path in schema_path.parent.glob("*.avsc") if (name := version_of(stem, path))}
    if not versions:
        raise UserError(
            f"{schema_path.parent}: no file '{stem}.v<id>.avsc'. An Avro event names its schema by that id."
        )
    return {version: read_schema(path) for version, path in sorted(versions.items())}


def version_of(stem: str, path: Path) -> re.Match[str] | None:
    """Return the match when the file is a version of the schema."""
    found = VERSIONED.fullmatch(path.stem)
    return found if found and found["name"] == stem else None


def read_schema(path: Path) -> Any:
    """Parse a schema file."""
    from fastavro import parse_schema
    from fastavro.schema import SchemaParseException, UnknownType

    try:
        schema = parse_schema(as_on_the_wire(orjson.loads(path.read_bytes())))
    except (ValueError, KeyError, TypeError, AttributeError, SchemaParseException, UnknownType) as error:
        raise UserError(f"{path} is not an Avro schema: {type(error).__name__} {error}. Correct it.") from error
    if not isinstance(schema, dict) or schema["type"] != "record":
        raise UserError(f"{path} is not an Avro schema of a record. Correct it.")
    if refers_to_itself(schema, frozenset()):
        # A record of a hundred thousand levels ends the whole process inside the decoder, not with an exception.
        raise UserError(f"{path}: a type refers to itself, which Mend cannot read safely. Limit the nesting.")
    return schema


def refers_to_itself(parsed: Any, inside: frozenset[str]) -> bool:
    """Whether a type is named inside its own declaration."""
    if isinstance(parsed, str):
        return parsed in inside
    if isinstance(parsed, list):
        return any(refers_to_itself(one, inside) for one in parsed)
    inner = inside | {parsed["name"]} if parsed["type"] == "record" else inside
    parts = [one["type"] for one in parsed.get("fields", ())]
    return refers_to_itself([*parts, *(parsed[key] for key in ("items", "values") if key in parsed)], inner)


def as_on_the_wire(declared: Any) -> Any:
    """Drop logical types but decimal: a time stays the whole number, a UUID the text, that a JSON producer writes."""
    if isinstance(declared, list):
        return [as_on_the_wire(one) for one in declared]
    if isinstance(declared, dict):
        return {key: as_on_the_wire(one) for key, one in declared.items() if key != "logicalType" or one == "decimal"}
    return declared


def decode_one(value: bytes | None, schemas: dict[int, Any]) -> tuple[str | None, str | None]:
    """Return the JSON text of a record, or why there is none."""
    if value is None:
        return None, TOMBSTONE
    if not value:
        return None, EMPTY
    if value[0] != 0:
        return None, NOT_AVRO
    if len(value) < HEADER.size:
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
        if stream.read(1):
            return None, NOT_AVRO
        # Not orjson: it writes NaN as null, and a number that is none would pass for a missing one.
        return json.dumps(record, default=as_json, ensure_ascii=False, separators=(",", ":")), None
    except (EOFError, LookupError, ValueError, ArithmeticError, MemoryError, RecursionError, TypeError):
        return None, NOT_AVRO if stream.read(1) else TRUNCATED


def as_json(value: Any) -> str:
    """Return the text of a decimal with all its digits, of bytes in base64."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")
