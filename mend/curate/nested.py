"""Nested values and unions: whether they fit the contract, their missing defaults, and members that nobody declared.

DuckDB alone would turn a part that does not fit into a null without a word, and leave an unknown member out.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from mend.contracts.schema import Field
from mend.curate import parts, sql
from mend.curate.fields import holds_sql, structure_of
from mend.curate.shapes import Reason, judge_field
from mend.curate.tally import FieldCount, Tally, merge_fields

INEXACT = r"(?i)[0-9][0-9.]{16}|e[+-]?[0-9]{3}|[:\[,]\s*-?(?:nan|inf)"
"""Numbers that DuckDB would round, or leave as a word that no other reader of JSON knows."""
MOST_PATHS = 1_000
"""Unknown members counted of a batch, the most frequent ones: names made of values must not fill the report."""
Misfits = dict[int, list[Reason]]


@dataclass(slots=True)
class Nested:
    """What was found in the nested values of a batch, by row.

    `misfits` are the reasons against an event, `payloads` the events with defaults filled in, `unknown` the members
    that the contract does not know, by their top-level field.
    """

    misfits: Misfits = field(default_factory=dict)
    payloads: dict[int, str] = field(default_factory=dict)
    unknown: dict[int, dict[str, Any]] = field(default_factory=dict)
    places: dict[int, list[tuple[str, str]]] = field(default_factory=dict)


def doubtful_sql(fields: tuple[Field, ...], sources: tuple[str, ...]) -> str:
    """Return the query for the nested values that do not come out of the decoding as they went in.

    One that comes out as the same text, with all of its parts of their types, has nothing that needs another look.
    """
    texts = []
    for one, source in zip(fields, sources, strict=True):
        value, raw = (f"{side}.{sql.name(source)}" for side in ("event", "raw"))
        same = f"{raw}::VARCHAR = to_json({value})::VARCHAR AND coalesce({holds_sql(value, one.type) or 'TRUE'}, FALSE)"
        texts.append(f"CASE WHEN NOT ({same}) THEN {raw}::VARCHAR END")
    names = [f"text_{number}" for number in range(len(texts))]
    columns = ", ".join(f"{text} AS {name}" for text, name in zip(texts, names, strict=True))
    structure, whole = (sql.literal(structure_of(fields, sources, side)) for side in ("structure", "raw"))
    return f"""
SELECT * FROM (
  SELECT row, payload, {columns} FROM (
    SELECT row, payload, json_transform(payload, {structure}) AS event, json_transform(payload, {whole}) AS raw
    FROM events WHERE json_valid(payload)
  )
) WHERE coalesce({", ".join(names)}) IS NOT NULL
"""


def look_into(db: duckdb.DuckDBPyConnection, fields: Sequence[Field], sources: Sequence[str]) -> Nested:
    """Judge the nested values of the batch in `events`."""
    found = Nested()
    pairs = [(one, source) for one, source in zip(fields, sources, strict=True) if one.type.nested]
    if not pairs:
        return found
    nested, names = tuple(one for one, _ in pairs), tuple(source for _, source in pairs)
    checks = [parts.checker(one.type) for one in nested]
    for row, payload, *texts in db.execute(doubtful_sql(nested, names)).fetchall():
        filled: dict[str, Any] = {}
        for one, source, fits, text in zip(nested, names, checks, texts, strict=True):
            value = parts.read(text)
            if text is None or fits(value) or judge_field(one, parts.json_type(value)):
                continue  # absent, or as declared, or of another JSON type, which the event's shape says
            note(found, row, one, source, value, filled)
        if filled and row not in found.misfits:
            found.payloads[row] = parts.replaced(payload, filled)
    return found


def note(found: Nested, row: int, one: Field, source: str, value: Any, filled: dict[str, Any]) -> None:
    """Write down what is with a value that is not just as declared."""
    reasons = list(parts.judge(value, one, one.name))
    if reasons:
        found.misfits.setdefault(row, []).extend(reasons)
        return
    complete = parts.filled(value, one.type)
    if complete != value:
        filled[source] = complete
    unknown = parts.unknown(value, one.type)
    if unknown is not None:
        found.unknown.setdefault(row, {})[source] = unknown
        found.places.setdefault(row, []).extend(dict.fromkeys(parts.unknown_places(value, one.type, one.name)))


def completed(events: pa.Table, nested: Nested) -> pa.Table:
    """Return the events with the missing defaults of nested values filled in."""
    return changed(events, "payload", nested.payloads)


def settled(judged: pa.Table, nested: Nested) -> pa.Table:
    """Mark the rows of misfits, and add the unknown members of nested values to what is rescued."""
    if nested.misfits:
        judged = changed(judged, "fits", dict.fromkeys(nested.misfits, False))
    unknown = {row: found for row, found in nested.unknown.items() if row not in nested.misfits}
    if not unknown:
        return judged
    rows = judged.filter(pc.is_in(judged["row"], pa.array(unknown, judged["row"].type)))
    before = dict(zip(rows["row"].to_pylist(), rows["rescued"].to_pylist(), strict=True))
    rescued = {row: together(text, parts.write(unknown[row])) for row, text in before.items()}
    judged = changed(judged, "rescued", rescued)
    return changed(judged, "schema_drift_detected", dict.fromkeys(rescued, True))


def rescued_exactly(judged: pa.Table, events: pa.Table, sources: Sequence[str]) -> pa.Table:
    """Rescue unknown fields with all the digits of their numbers, as JSON that everybody can read."""
    drifted = judged["row"].filter(judged["schema_drift_detected"])
    if not len(drifted):
        return judged
    rows = events.select(["row", "payload"])
    rows = rows.filter(pc.is_in(rows["row"], value_set=drifted.combine_chunks()))
    rows = rows.filter(pc.match_substring_regex(rows["payload"], INEXACT))
    pairs = zip(rows["row"].to_pylist(), rows["payload"].to_pylist(), strict=True)
    texts = {row: parts.without(payload, sources) for row, payload in pairs}
    return changed(judged, "rescued", {row: text for row, text in texts.items() if text is not None})


def together(rescued: str | None, unknown: str) -> str:
    """Put two JSON objects with different members together."""
    return unknown if rescued in {None, "{}"} else f"{str(rescued)[:-1]},{unknown[1:]}"


def changed(table: pa.Table, column: str, values: dict[int, Any]) -> pa.Table:
    """Return the table with other values in some rows."""
    if not values:
        return table
    rows = pc.index_in(table["row"].combine_chunks(), pa.array(values, table["row"].type))
    new = pa.array(list(values.values()), table[column].type).take(rows)
    where = table.schema.get_field_index(column)
    return table.set_column(where, column, pc.if_else(pc.is_valid(rows), new, table[column]))


def with_nested(reasons: pa.Table, misfits: Misfits) -> pa.Table:
    """Add the reasons of misfits to those that the pass found."""
    if not misfits:
        return reasons
    rows = [
        {"row": one["row"], "reasons": [*one["reasons"], *map(asdict, misfits.get(one["row"], ()))]}
        for one in reasons.to_pylist()
    ]
    return pa.Table.from_pylist(rows, reasons.schema)


def newly_drifted(judged: pa.Table, nested: Nested) -> int:
    """Count the events that differ from the contract in nothing but unknown members of nested values."""
    if not nested.unknown:
        return 0
    rows = judged.filter(pc.is_in(judged["row"], pa.array(nested.unknown, judged["row"].type)))
    new = pc.and_not(rows["clean"], rows["schema_drift_detected"])
    return pc.sum(new).as_py() or 0


def with_unknown(tally: Tally, judged: pa.Table, nested: Nested, *, drifted: int) -> Tally:
    """Count the unknown members of nested values like unknown fields, under their path."""
    if not nested.places:
        return tally
    rows = judged.filter(pc.is_in(judged["row"], pa.array(nested.places, judged["row"].type)))
    where = zip(*(rows[name].to_pylist() for name in ("row", "kafka_partition", "kafka_offset")), strict=True)
    counts = [
        FieldCount(
            kind="unknown", name=name, expected="nothing", found=found, partition=partition,
            count=1, first_offset=offset, last_offset=offset,
        )
        for row, partition, offset in where
        for name, found in nested.places[row]
    ]  # fmt: skip
    most = sorted(merge_fields(counts), key=lambda one: -one.count)[:MOST_PATHS]
    return replace(tally, fields=(*tally.fields, *most), drifted=tally.drifted + drifted)
