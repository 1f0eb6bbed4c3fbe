"""Whether nested values fit the contract; DuckDB alone would turn a part that does not into a null without a word."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from mend.contracts.schema import Field
from mend.curate import sql
from mend.curate.shapes import MISSING, NULL, Reason, judge_field

DOUBTFUL = """
SELECT row, raw FROM (
  SELECT row, payload->{pointer} AS raw, judged.{column} AS value FROM judged JOIN events USING (row)
  WHERE fits AND value IS NOT NULL
)
WHERE raw <> to_json(value)::VARCHAR OR regexp_matches(raw, '(?i)null|nan|inf')
"""
"""A value that comes out of the decoding as the text that went in has all its parts and nothing else: no doubt."""
Misfits = dict[int, list[Reason]]
WHOLE = {"int": 2**31, "long": 2**63}


def find_misfits(db: duckdb.DuckDBPyConnection, fields: Sequence[Field], sources: Sequence[str]) -> Misfits:
    """Return the reasons why nested values break the contract, by row, of those events that fit so far."""
    found: Misfits = {}
    for field, source in zip(fields, sources, strict=True):
        if field.type.nested:
            query = DOUBTFUL.format(pointer=sql.json_pointer(source), column=sql.name(field.name))
            for row, raw in db.execute(query).fetchall():
                found.setdefault(row, []).extend(judge_text(raw, field))
    return {row: reasons for row, reasons in found.items() if reasons}


def unfit(judged: pa.Table, misfits: Misfits) -> pa.Table:
    """Mark the rows of misfits."""
    if not misfits:
        return judged
    bad = pc.is_in(judged["row"], pa.array(misfits, judged["row"].type))
    column = judged.schema.get_field_index("fits")
    return judged.set_column(column, "fits", pc.and_not(judged["fits"], bad))


def with_nested(reasons: pa.Table, misfits: Misfits) -> pa.Table:
    """Add the reasons of misfits to those that the pass found."""
    if not misfits:
        return reasons
    rows = [
        {"row": one["row"], "reasons": [*one["reasons"], *map(asdict, misfits.get(one["row"], ()))]}
        for one in reasons.to_pylist()
    ]
    return pa.Table.from_pylist(rows, reasons.schema)


def judge_text(raw: str, field: Field) -> list[Reason]:
    """Judge the JSON text of a nested value."""
    try:
        return list(judge(json.loads(raw, object_pairs_hook=without_repeats), field, field.name))
    except (ValueError, RecursionError):
        return [Reason(rule="type", column=field.name, expected=field.type.kind, found=text_type(raw))]


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that names a member twice."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError
    return members


def judge(value: Any, field: Field, place: str) -> Iterator[Reason]:
    """Compare a value with the contract, its parts too. `place` is the path of names, without indexes."""
    reason = judge_field(field, json_type(value))
    expected = field.type.logical or field.type.kind
    if reason is not None:
        yield Reason(rule=reason.rule, column=place, expected=expected, found=reason.found)
    elif value is not None and not in_range(value, field.type.kind):
        yield Reason(rule="range", column=place, expected=expected, found=json_type(value))
    elif isinstance(value, list) and field.type.items:
        for one in value:
            yield from judge(one, field.type.items, place)
    elif isinstance(value, dict) and field.type.items:
        for one in value.values():
            yield from judge(one, field.type.items, place)
    elif isinstance(value, dict):
        yield from judge_members(value, field.type.fields, place)


def judge_members(value: dict[str, Any], fields: Sequence[Field], place: str) -> Iterator[Reason]:
    """Compare a record's members. Defaults are not filled in below the top: without its member a record is broken."""
    for field in fields:
        if field.name in value:
            yield from judge(value[field.name], field, f"{place}.{field.name}")
        elif not (field.nullable or (field.has_default and field.default is None)):
            expected = field.type.logical or field.type.kind
            yield Reason(rule="required", column=f"{place}.{field.name}", expected=expected, found=MISSING)
    known = {field.name for field in fields}
    for name, one in value.items():
        if name not in known:
            yield Reason(rule="unknown_member", column=place, expected="nothing", found=json_type(one))


def text_type(raw: str) -> str:
    """Return the JSON type of a nested value's text."""
    return "OBJECT" if raw.startswith("{") else "ARRAY"


def json_type(value: Any) -> str:
    """Return DuckDB's word for the type of a JSON value."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int):
        return "BIGINT"
    return {float: "DOUBLE", str: "VARCHAR", dict: "OBJECT", list: "ARRAY"}[type(value)]


def in_range(value: Any, kind: str) -> bool:
    """Whether a number fits its type."""
    if kind in WHOLE:
        return bool(-WHOLE[kind] <= value < WHOLE[kind])
    return not isinstance(value, float) or math.isfinite(value)
