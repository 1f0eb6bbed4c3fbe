"""Events as Avro in the Confluent wire format: a zero byte, the schema's id as four bytes, the record.

`customer_events.v2.avsc` writes the events of version 2. Without a registry the files are it, and the id is 2.
"""

from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson

from mend.runtime.errors import UserError
from mend.runtime.schema_registry import RegistryAddress, RegistryAwayError, SchemaRegistry
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


def register_schemas(address: RegistryAddress, topic: str, schema_path: Path) -> dict[int, int]:
    """Give every version's schema to the registry as the topic's values; returns version → id. Safe to repeat."""
    registry = SchemaRegistry(address)
    try:
        return {
            version: registry.register(f"{topic}-value", version_path(schema_path, version).read_text(encoding="utf-8"))
            for version in VERSIONS
        }
    except RegistryAwayError as error:
        raise UserError(f"{error}. Nothing was sent; check SCHEMA_REGISTRY_URL.", exit_code=1) from error


def avro_encoder(schema_path: Path, ids: Mapping[int, int] | None = None) -> Callable[[Event], bytes]:
    """Return the function from an event to its bytes, each version written with its own schema and its id.

    A required field cannot be left out in Avro: an incomplete event has an empty text instead.
    """
    from fastavro import schemaless_writer

    schemas = {version: read_schema(version_path(schema_path, version)) for version in VERSIONS}
    headers = {version: MAGIC + (ids or {}).get(version, version).to_bytes(4, "big") for version in VERSIONS}

    def encode(event: Event) -> bytes:
        out = BytesIO()
        out.write(headers[event.version])
        schemaless_writer(out, schemas[event.version], event.complete_fields())
        return out.getvalue()

    return encode
