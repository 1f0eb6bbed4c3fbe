"""Fill columns that entered the mapping after a run was staged from what was rescued of its rows."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mend.contracts.field_types import JSON_TYPES
from mend.contracts.mapping import MappedField
from mend.curate import sql
from mend.curate.plan import ADDED_KINDS
from mend.runtime.faults import fault_point
from mend.runtime.files import sync_files

AT_ONCE = 20
"""Fields of one query: each nests in the one before it, and the engine's nesting has an end."""


def fill_files(folder: Path, fields: Sequence[MappedField], version: int) -> int:
    """Add the fields to each file of accepted rows that has none of them, and return how many rows got a value.

    Values of another type stay rescued. A file is replaced in one step: repeated after a crash it ends the same.
    """
    filled = 0
    for path in sorted(folder.rglob("*.parquet")):
        there = {name.lower() for name in pq.read_schema(path).names}
        missing = [one for one in fields if one.name.lower() not in there]
        if missing:
            table, rows = fill(pq.read_table(path, partitioning=None), missing, version)
            replacement = path.with_suffix(".filled")
            pq.write_table(table, replacement)
            sync_files([replacement])
            fault_point("columns_filled")
            replacement.replace(path)
            filled += rows
    return filled


def fill(table: pa.Table, fields: Sequence[MappedField], version: int) -> tuple[pa.Table, int]:
    """Return the rows with the new columns, and how many of them got a value; those say the new version."""
    with duckdb.connect(config={"threads": 1}) as db:
        db.execute("SET TimeZone = 'UTC'").fetchall()
        found = table.select(["rescued"])
        for some in batched(fields, AT_ONCE):
            rows = db.from_arrow(found)
            for one in some:
                rows = rows.project(f"* REPLACE ({rest_sql(one)} AS rescued), {value_sql(one)} AS {sql.name(one.name)}")
            found = rows.to_arrow_table()
    values = found.drop_columns(["rescued"])
    got = pc.invert(pc.is_null(values.column(0)))
    for column in values.columns[1:]:
        got = pc.or_(got, pc.invert(pc.is_null(column)))
    at = table.schema.get_field_index("mapping_version")
    versions = pc.if_else(got, pa.scalar(version, table.schema.field(at).type), table.column(at))
    table = table.set_column(at, table.schema.field(at), versions)
    at = table.schema.get_field_index("rescued")
    table = table.set_column(at, table.schema.field(at), found["rescued"].cast(table.schema.field(at).type))
    for name in values.column_names:
        table = table.append_column(name, values[name])
    return table, int(pc.sum(got).as_py() or 0)


def batched(fields: Sequence[MappedField], many: int) -> Iterator[Sequence[MappedField]]:
    """Cut the fields into pieces."""
    return (fields[at : at + many] for at in range(0, len(fields), many))


def value_sql(field: MappedField) -> str:
    """Return the value of a rescued field, NULL where it is none of its type."""
    kind, structure = ADDED_KINDS.get(field.type, ("any", "VARCHAR"))
    at = sql.json_pointer(field.source)
    types = ", ".join(sql.literal(one) for one in JSON_TYPES[kind])
    text = f"json_extract_string(rescued, {at})" if kind != "record" else f"json_extract(rescued, {at})::VARCHAR"
    return f"CASE WHEN json_type(rescued, {at}) IN ({types}) THEN TRY_CAST({text} AS {structure}) END"


def rest_sql(field: MappedField) -> str:
    """Return what stays rescued: all but a value that became a column."""
    without = sql.literal(orjson.dumps({field.source: None}).decode())
    rest = f"nullif(json_merge_patch(rescued, {without})::VARCHAR, '{{}}')"
    return f"CASE WHEN {value_sql(field)} IS NULL THEN rescued ELSE {rest} END"
