"""Values that come decoded need no way over JSON: they enter the pass beside the text, as columns of the contract.

A payload is then a struct: `payload` the text as ever, `written` the id of the schema, `raw` the values. Where
`written` is null the text is decoded. Where the values are all that was written there is no text: the few events of
which somebody asks for it get it from their values. Events of one schema with the same nulls have one shape.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mend.contracts.schema import Field
from mend.curate import sql

COLUMNS = {
    "string": pa.string(), "enum": pa.string(), "int": pa.int64(), "long": pa.int64(), "float": pa.float64(),
    "double": pa.float64(), "boolean": pa.bool_(),
}  # fmt: skip
FITTING = {pa.string(): {"string", "enum"}, pa.int64(): {"int", "long"}, pa.bool_(): {"boolean"},
           pa.float64(): {"float", "double", "int", "long"}}  # fmt: skip
"""Avro types whose values a column takes as they are."""


def direct_type(fields: Sequence[Field], sources: Sequence[str]) -> pa.StructType | None:
    """Return the columns in which events may come, None if a field is none that a plain column carries."""
    if any(one.type.kind not in COLUMNS or one.type.nested or one.type.logical == "decimal" for one in fields):
        return None
    return pa.struct([(source, COLUMNS[one.type.kind]) for one, source in zip(fields, sources, strict=True)])


def as_entries(payload: pa.Array, direct: pa.StructType) -> pa.StructArray:
    """Return payloads as structs; of mere text no value is there."""
    if pa.types.is_struct(payload.type):
        return payload
    return entries(payload, pa.nulls(len(payload), pa.int64()), pa.nulls(len(payload), direct))


def entries(texts: pa.Array, written: pa.Array, raw: pa.Array) -> pa.StructArray:
    """Return payloads with their values."""
    return pa.StructArray.from_arrays([texts, written, raw], ["payload", "written", "raw"])


def text_of(payload: pa.Array) -> pa.Array:
    """Return the text of payloads of either form."""
    return payload.field("payload") if pa.types.is_struct(payload.type) else payload


def undecoded(payload: pa.Array) -> pa.Array:
    """Say of payloads of either form which have neither text nor values."""
    missing = pc.is_null(text_of(payload))
    return pc.and_(missing, pc.is_null(payload.field("written"))) if pa.types.is_struct(payload.type) else missing


def arrived(events: pa.Table) -> pa.Table:
    """Return the events that have a text or values."""
    there = pc.is_valid(events["payload"])
    if "written" in events.column_names:
        there = pc.or_(there, pc.is_valid(events["written"]))
    return events if pc.all(there).as_py() else events.filter(there)


def in_text(events: pa.Table) -> pa.Table:
    """Return the events whose text is all there is of them."""
    return events.filter(pc.is_null(events["written"])) if "written" in events.column_names else events


TEXTS = "(SELECT * REPLACE (coalesce(payload, to_json(raw)::VARCHAR) AS payload) FROM events)"
"""The events, with a text for each."""


def with_text(payload: pa.Array, texts: pa.Array) -> pa.Array:
    """Replace the text of payloads of either form."""
    if not pa.types.is_struct(payload.type):
        return texts
    return entries(texts, payload.field("written"), payload.field("raw"))


def flat(payload: pa.StructArray) -> dict[str, pa.Array]:
    """Return the parts of payloads as columns."""
    return dict(zip((one.name for one in payload.type), payload.flatten(), strict=True))


def direct_shape(decoded_shape: str, sources: Sequence[str]) -> str:
    """Return the digest of what an event's shape depends on."""
    nulls = ", ".join(f"raw.{sql.name(source)} IS NULL" for source in sources)
    return f"CASE WHEN written IS NULL THEN {decoded_shape} ELSE hash(written, {nulls}) END"


def direct_event(decoded_event: str, fields: Sequence[Field], sources: Sequence[str]) -> str:
    """Return an event's values; a number out of its type's range is none, as in the decoding of text."""
    members = ", ".join(
        f"{sql.name(source)} := TRY_CAST(raw.{sql.name(source)} AS {field.type.structure})"
        for field, source in zip(fields, sources, strict=True)
    )
    return f"CASE WHEN written IS NULL THEN {decoded_event} ELSE struct_pack({members}) END"


def fits(written: Any, direct: pa.StructType) -> bool:
    """Whether what records of an Avro schema have of the columns can be taken as it is."""
    kinds = {one["name"]: kind_of(one["type"]) for one in written["fields"]}
    return all(kinds[one.name] in FITTING[one.type] for one in direct if one.name in kinds)


def kind_of(declared: Any) -> str:
    """Return the kind of a type, or of the other branch of a union with null."""
    branches = declared if isinstance(declared, list) else [declared]
    kinds = [str(one["type"]) for one in branches if one["type"] != "null"]
    return kinds[0] if len(kinds) == 1 else "union"


def values_of(columns: Mapping[str, pa.Array], direct: pa.StructType, rows: int) -> pa.StructArray:
    """Return the columns that are wanted; one that the writer does not have is null throughout."""
    found = [columns[one.name].cast(one.type) if one.name in columns else pa.nulls(rows, one.type) for one in direct]
    return pa.StructArray.from_arrays(found, fields=list(direct))
