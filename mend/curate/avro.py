"""Avro records in the Confluent wire format to the JSON text that the decode pass reads.

Wire format: a zero byte, the schema's id as four big-endian bytes, the record. The id leads to the schema with which
the record was written: in a registry, or in the files `<name>.v<id>.avsc` beside the pipeline's schema.
"""

import json
import re
import struct
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mend.curate.avro_batch import BatchReader, plain
from mend.curate.avro_resolution import resolve, with_sources
from mend.curate.avro_schema import SchemaUnusableError, Tree, parse_documents
from mend.curate.decode import EMPTY, NOT_AVRO, TOMBSTONE, TRUNCATED, UNKNOWN_SCHEMA, Decoded, Decoder, decode_json
from mend.curate.direct import as_entries, fits, text_of, undecoded, with_text
from mend.runtime.errors import UserError
from mend.runtime.logging import get_logger
from mend.runtime.schema_registry import RegisteredSchema, RegistryAddress, SchemaRegistry

HEADER = struct.Struct(">bI")
VERSIONED = re.compile(r"(?P<name>.+)\.v(?P<id>\d+)")
CONTRACT, WRITER = "c", "w"
Texts = tuple[pa.Array, pa.Array]


class Schemas(Protocol):
    """Knows schemas by their ids."""

    def schema(self, schema_id: int) -> RegisteredSchema | None:
        """Return a schema, None if there is no such id."""


class Reader(Protocol):
    """Reads records that were written with one schema."""

    def read(self, records: pa.Array) -> Texts:
        """Return text or null, and reason or null, of records without their header."""


def avro_decoder(
    schema_path: Path,
    *,
    registry: RegistryAddress | None = None,
    sources: Mapping[str, str] | None = None,
    direct: pa.StructType | None = None,
) -> Decoder:
    """Return the decoder of a pipeline with this contract.

    Without a registry the schema files beside the contract are it. `sources` are the observed names of contract fields.
    """
    schemas: Schemas = client(registry) if registry else SchemaFiles.beside(schema_path)
    contract = with_sources(read_schema(schema_path, CONTRACT), sources or {})
    return AvroDecoder(schemas, contract, direct).decode


@cache
def client(address: RegistryAddress) -> SchemaRegistry:
    """Return this process' client of a registry: what one task learnt the next need not ask for."""
    return SchemaRegistry(address)


@dataclass(frozen=True, slots=True)
class SchemaFiles:
    """The schema files as a registry."""

    files: dict[int, Path]

    @classmethod
    def beside(cls, schema_path: Path) -> "SchemaFiles":
        """Find all versions of a schema, and read each once; a file that is no schema is a UserError."""
        found = VERSIONED.fullmatch(schema_path.stem)
        stem = found["name"] if found else schema_path.stem
        files = {
            int(name["id"]): path for path in schema_path.parent.glob("*.avsc") if (name := version_of(stem, path))
        }
        if not files:
            raise UserError(
                f"{schema_path.parent}: no file '{stem}.v<id>.avsc'. An Avro event names its schema by that id; with a "
                "schema registry set SCHEMA_REGISTRY_URL."
            )
        for path in files.values():
            read_schema(path, WRITER)
        return cls(files)

    def schema(self, schema_id: int) -> RegisteredSchema | None:
        """Return the text of a version's file."""
        path = self.files.get(schema_id)
        if path is None:
            return None
        return RegisteredSchema(type="AVRO", documents=(path.read_text(encoding="utf-8"),))


def version_of(stem: str, path: Path) -> re.Match[str] | None:
    """Return the match when the file is a version of the schema."""
    found = VERSIONED.fullmatch(path.stem)
    return found if found and found["name"] == stem else None


def read_schema(path: Path, prefix: str) -> Tree:
    """Read a schema file."""
    try:
        return parse_documents([path.read_bytes()], prefix=prefix)
    except SchemaUnusableError as error:
        raise UserError(f"{path} cannot be used: {error}. Correct it.") from error


class AvroDecoder:
    """Decodes the batches of one task; an id is looked up once."""

    def __init__(self, schemas: Schemas, contract: Tree, direct: pa.StructType | None = None) -> None:
        """Look nothing up yet."""
        self.direct = direct
        self.schemas = schemas
        self.contract = contract
        self.readers: dict[int, Reader | None] = {}

    def decode(self, values: pa.Array) -> Decoded:
        """Decode records by the schemas that they name."""
        encoded = pc.dictionary_encode(pc.binary_slice(values, 0, HEADER.size), null_encoding="encode")
        headers, groups = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
        if len(headers) == 1:
            return self.group(headers[0], values)
        rows = [np.flatnonzero(groups == number) for number in range(len(headers))]
        if not rows:
            return values.cast(pa.string()), values.cast(pa.string())
        parts = [self.group(header, values.take(pa.array(mine))) for header, mine in zip(headers, rows, strict=True)]
        order = pa.array(np.argsort(np.concatenate(rows), kind="stable"))
        texts, reasons = (pa.concat_arrays([part[at] for part in parts]).take(order) for at in (0, 1))
        return texts, reasons

    def group(self, header: bytes | None, values: pa.Array) -> Texts:
        """Decode records with the same first bytes."""
        reason = fault(header)
        if reason is None and header is not None:
            reader = self.reader(HEADER.unpack(header)[1])
            if reader is not None:
                texts, reasons = reader.read(values)
                return self.uniform(texts), reasons
            reason = UNKNOWN_SCHEMA
        return self.uniform(pa.nulls(len(values), pa.string())), pa.repeat(pa.scalar(reason), len(values))

    def uniform(self, texts: pa.Array) -> pa.Array:
        """Give the payloads of all readers one form."""
        return texts if self.direct is None else as_entries(texts, self.direct)

    def reader(self, schema_id: int) -> Reader | None:
        """Return the reader of a schema, None if nobody knows it or nobody can read it."""
        if schema_id not in self.readers:
            found = self.schemas.schema(schema_id)
            self.readers[schema_id] = None if found is None else self.made(schema_id, found)
        return self.readers[schema_id]

    def made(self, schema_id: int, found: RegisteredSchema) -> Reader | None:
        """Make the reader of a schema."""
        if found.type == "JSON":
            return JsonReader()
        why = f"its type is {found.type}"
        if found.type == "AVRO":
            try:
                trees = resolve(parse_documents(found.documents, prefix=WRITER), self.contract)
                return RecordReader(*trees, direct=self.direct, schema_id=schema_id)
            except SchemaUnusableError as error:
                why = str(error)
        get_logger().warning("schema_not_usable", schema_id=schema_id, because=why)
        return None


def fault(header: bytes | None) -> str | None:
    """Return what is wrong with the first bytes of a record."""
    if header is None:
        return TOMBSTONE
    if not header:
        return EMPTY
    if header[0] != 0:
        return NOT_AVRO
    return TRUNCATED if len(header) < HEADER.size else None


class JsonReader:
    """JSON behind the header of a registry: the text is what it is."""

    def read(self, records: pa.Array) -> Texts:
        """Take the header away."""
        return decode_json(pc.binary_slice(records, HEADER.size))


class RecordReader:
    """Reads records of one Avro schema: by the batch where that is proven, else one by one."""

    def __init__(self, written: Tree, read: Tree, *, direct: pa.StructType | None = None, schema_id: int = 0) -> None:
        """Prepare for records that were `written` so and shall be `read` so."""
        from fastavro import parse_schema
        from fastavro.schema import SchemaParseException

        try:
            self.written = parse_schema(written)
            self.as_contract = None if read == written else parse_schema(read)
        except SchemaParseException as error:
            raise SchemaUnusableError(str(error)) from error
        schema = plain(written) if self.as_contract is None else None
        taken = direct if direct and fits(written, direct) else None
        self.batches = BatchReader(schema, schema_id, taken) if schema else None

    def read(self, records: pa.Array) -> Texts:
        """Decode a batch; each record that is not sound is judged by itself."""
        values = records.to_pylist()
        if self.batches is None:
            return as_arrays([self.read_one(one[HEADER.size :]) for one in values])
        found = self.batches.read(values)
        doubtful = pc.indices_nonzero(undecoded(found)).to_pylist()
        if not doubtful:
            return found, pa.nulls(len(values), pa.string())
        judged = {row: self.read_one(values[row][HEADER.size :]) for row in doubtful}
        texts = text_of(found).to_pylist()
        texts, reasons = as_arrays([judged.get(row, (text, None)) for row, text in enumerate(texts)])
        return with_text(found, texts), reasons

    def read_one(self, body: bytes) -> tuple[str | None, str | None]:
        """Decode one record; bytes that are too few or too many for the schema are no record."""
        from fastavro import schemaless_reader
        from fastavro.read import SchemaResolutionError

        stream = BytesIO(body)
        try:
            record = schemaless_reader(stream, self.written, self.as_contract)
            if stream.read(1):
                return None, NOT_AVRO
            # Not orjson: it writes NaN as null, and a number that is none would pass for a missing one.
            return json.dumps(record, default=as_json, ensure_ascii=False, separators=(",", ":")), None
        except (EOFError, LookupError, ValueError, ArithmeticError, MemoryError, RecursionError, TypeError):
            return None, NOT_AVRO if stream.read(1) else TRUNCATED
        except SchemaResolutionError:
            return None, NOT_AVRO


def as_arrays(pairs: Sequence[tuple[str | None, str | None]]) -> Texts:
    """Return texts and reasons as columns."""
    return pa.array([pair[0] for pair in pairs], pa.string()), pa.array([pair[1] for pair in pairs], pa.string())


def as_json(value: Any) -> str:
    """Return the text of a decimal with all its digits, of bytes in base64."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")
