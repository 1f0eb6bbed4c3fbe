"""Rows that are there already as the records that they came in: from their bytes, or from their columns."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from mend.contracts.schema import Field
from mend.curate import sql
from mend.curate.kept import RECORD
from mend.runtime.files import duckdb_names

AT_ONCE = 100_000
JSON_TEXT = {"union", "any"}
"""Kinds of fields whose column holds JSON text."""
ADDED_JSON = {"record", "array"}


def kept_records(files: Sequence[Path]) -> Iterator[pa.Table]:
    """Yield the records of files of kept bytes, in parts; files of published rows have none and are left out."""
    for path in files:
        with pq.ParquetFile(path) as file:
            names = set(file.schema_arrow.names)
            if "value" not in names:
                continue
            columns = [one.name for one in RECORD if one.name in names]
            for batch in file.iter_batches(AT_ONCE, columns=columns):
                yield pa.Table.from_batches([batch])


def rewritten_records(files: Sequence[Path], fields: Sequence[Field], sources: Mapping[str, str]) -> Iterator[pa.Table]:
    """Yield published or held rows as JSON events again, each field under the name that it is read from.

    A null is left out, which is the same for every field that may be null; what was rescued is there again.
    """
    some = [path for path in files if "kafka_offset" in pq.read_schema(path).names]
    if not some:
        return
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'").fetchall()
        rows = db.read_parquet(duckdb_names(some), hive_partitioning=False, union_by_name=True)
        there = set(rows.columns)
        members = ", ".join(f"{sql.name(sources[one.name])} := {value_sql(one)}" for one in fields if one.name in there)
        rescued = "coalesce(rescued, '{}')" if "rescued" in there else "'{}'"
        found = rows.project(f"""
            encode(kafka_key) AS key,
            encode(json_merge_patch({rescued}::JSON, to_json(struct_pack({members})))::VARCHAR) AS value,
            kafka_topic AS topic, kafka_partition AS partition, kafka_offset AS "offset", kafka_timestamp AS timestamp
        """)
        reader = found.to_arrow_reader(AT_ONCE)
        for batch in reader:
            yield pa.Table.from_batches([batch])


def value_sql(field: Field) -> str:
    """Return a column's value as an event has it."""
    column, kind = sql.name(field.name), field.type.kind
    text = kind in JSON_TEXT or (kind in ADDED_JSON and field.type.structure == "VARCHAR")
    return f"TRY_CAST({column} AS JSON)" if text else column
