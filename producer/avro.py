"""Events as Avro in the Confluent wire format: a zero byte, the schema's id as four bytes, the record.

The schema files are the registry: `customer_events.v2.avsc` has the id 2 and writes the events of version 2.
"""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson

from mend.runtime.errors import UserError
from producer.events import Event

MAGIC = b"\x00"
VERSIONS = range(1, 4)
CONTAINER_SCHEMAS = Path("/app/schemas")
SCHEMAS = Path(__file__).parent.parent / "kafka" / "schemas"
OWN_SCHEMA = SCHEMAS / "customer_events.avsc"


def default_schema_path(file: str = OWN_SCHEMA.name) -> Path:
    """Return the schema file of the container if there is one, else the one of this checkout."""
    return CONTAINER_SCHEMAS / file if (CONTAINER_SCHEMAS / file).exists() else SCHEMAS / file


def version_path(schema_path: Path, version: int) -> Path:
    """Return the file of one version, beside the newest schema: `x.avsc` has `x.v1.avsc`, `x.v2.avsc` and so on."""
    return schema_path.with_suffix(f".v{version}{schema_path.suffix}")


def read_schema(path: Path) -> Any:
    """Return the parsed Avro schema of a file; a file that is absent or not a schema is a UserError."""
    from fastavro import parse_schema
    from fastavro.schema import SchemaParseException, UnknownType

    try:
        return parse_schema(orjson.loads(path.read_bytes()))
    except OSError as error:
        raise UserError(f"cannot read the schema {path}: {error.strerror}. Name one with --schema-path.") from error
    except (orjson.JSONDecodeError, SchemaParseException, UnknownType) as error:
        raise UserError(f"{path} is not an Avro schema: {error}. Correct it or name one with --schema-path.") from error


def avro_encoder(schema_path: Path) -> Callable[[Event], bytes]:
    """Return the function from an event to its bytes, each version written with its own schema.

    A required field cannot be left out in Avro: an incomplete event has an empty text instead.
    """
    from fastavro import schemaless_writer

    schemas = {version: read_schema(version_path(schema_path, version)) for version in VERSIONS}

    def encode(event: Event) -> bytes:
        out = BytesIO()
        out.write(MAGIC + event.version.to_bytes(4, "big"))
        schemaless_writer(out, schemas[event.version], event.complete_fields())
        return out.getvalue()

    return encode
