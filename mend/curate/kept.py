"""Records that are not published: as they came, to the byte, with everything that says why."""

import struct
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mend.curate.arrow import taken
from mend.curate.decode import EMPTY, NOT_AVRO, TOMBSTONE, TRUNCATED, UNKNOWN_SCHEMA, named_schema
from mend.curate.plan import Plan

REASON = pa.struct([("rule", pa.string()), ("column", pa.string()), ("expected", pa.string()), ("found", pa.string())])
RECORD = pa.schema(
    [
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
        ("timestampType", pa.int32()),
        ("headers", pa.string()),
    ]
)
"""A record as Spark's Kafka source gives it; headers are JSON text [{key, value in base64}], without any null."""
FOUND = {EMPTY: "nothing", TOMBSTONE: "NULL", NOT_AVRO: "bytes", TRUNCATED: "bytes"}
FIRST_BYTE = {b"[": "ARRAY", b'"': "VARCHAR", b"t": "BOOLEAN", b"f": "BOOLEAN", b"n": "NULL", b"-": "number"}
WIRE = struct.Struct(">xi")


def as_records(records: pa.Table) -> pa.Table:
    """Return records with all columns of Kafka's, null where the source did not ask for one."""
    columns = [
        records[field.name].cast(field.type) if field.name in records.column_names
        else pa.nulls(records.num_rows, field.type)
        for field in RECORD
    ]  # fmt: skip
    return pa.table(columns, schema=RECORD)


def kept(plan: Plan, run_id: str, records: pa.Table, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Return some records ({row, reasons}) with their reasons and versions; `reason` is the first rule."""
    found = as_records(taken(records, [row["row"] for row in rows]))
    return with_versions(plan, run_id, with_reasons(found, [row["reasons"] for row in rows]))


def with_reasons(records: pa.Table, reasons: Sequence[Any]) -> pa.Table:
    """Add why each record is where it is; `reason` is the first rule."""
    rules = pa.array([one[0]["rule"] for one in reasons], pa.string())
    return records.append_column("reason", rules).append_column("reasons", pa.array(reasons, pa.list_(REASON)))


def with_versions(plan: Plan, run_id: str, records: pa.Table) -> pa.Table:
    """Add by what the records were judged: the run, the contract, its mapping, the rules, and their own schema."""
    said: dict[str, tuple[Any, pa.DataType]] = {
        "run_id": (run_id, pa.string()),
        "mapping_version": (plan.mapping_version, pa.int32()),
        "schema_version": (plan.pipeline.schema_version, pa.string()),
        "rules_version": (plan.rules.version, pa.string()),
    }
    for name, (value, kind) in said.items():
        records = records.append_column(name, pa.array([value] * records.num_rows, kind))
    ids = schema_ids(records["value"]) if plan.pipeline.format == "avro" else pa.nulls(records.num_rows, pa.int32())
    return records.append_column("schema_id", ids)


def schema_ids(values: pa.ChunkedArray) -> pa.Array:
    """Return the id that each record in the wire format names for its schema."""
    return pa.array(
        [
            WIRE.unpack_from(value)[0] if value and value[0] == 0 and len(value) >= WIRE.size else None
            for value in values.to_pylist()
        ],
        pa.int32(),
    )


def refused_reasons(refused: pa.Array, values: pa.ChunkedArray) -> list[tuple[str, dict[str, Any]]]:
    """Return the records that could not be decoded: why, and their row with its reason."""
    there = pc.is_valid(refused)
    parts = pc.indices_nonzero(there), refused.filter(there), values.filter(there)
    found = zip(*(part.to_pylist() for part in parts), strict=True)
    return [
        (
            rule,
            {"row": row, "reasons": [{"rule": rule, "column": "", "expected": "an event", "found": came(rule, value)}]},
        )
        for row, rule, value in found
    ]


def came(rule: str, value: bytes | None) -> str:
    """Return the type of what came instead of an event, or the schema that nobody knows."""
    if rule == UNKNOWN_SCHEMA:
        return named_schema(value or b"")
    if rule in FOUND:
        return FOUND[rule]
    return FIRST_BYTE.get((value or b"").lstrip()[:1], "number") if rule == "not_an_object" else "bytes"


def duplicate_rows(rows: Sequence[int], key: Sequence[str]) -> list[dict[str, Any]]:
    """Return rows whose key came before."""
    reason = {"rule": "duplicate", "column": ", ".join(key), "expected": "a new key", "found": "a known key"}
    return [{"row": row, "reasons": [reason]} for row in rows]
