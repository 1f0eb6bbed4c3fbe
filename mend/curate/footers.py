"""What the footers of Parquet files already say of their columns: rows, nulls, least and most value."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

PHYSICAL = {"BOOLEAN": pa.bool_(), "INT32": pa.int32(), "INT64": pa.int64(), "BYTE_ARRAY": pa.binary()}
"""Types whose raw extremes can be read back. Not floats: the extremes of a footer leave out what is no number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footers:
    """Rows of all files, and of the columns that every footer describes their nulls and the extremes of each part."""

    rows: int
    nulls: dict[str, int]
    extremes: pa.Table


def read_footers(files: Sequence[Path], columns: Sequence[str]) -> Footers:
    """Read the footers of files of one schema; a column with a value too long for a footer is left out."""
    schema = pq.read_schema(files[0])
    groups = [group for path in files for group in row_groups(path)]
    nulls, extremes = {}, {}
    for name in columns:
        chunks = [group[name] for group in groups if name in group]
        found = raw_extremes(chunks) if len(chunks) == len(groups) and has_order(schema.field(name).type) else None
        if found is not None:
            nulls[name] = sum(chunk.statistics.null_count for chunk in chunks)
            extremes[name] = found.cast(schema.field(name).type)
    rows = sum(next(iter(group.values())).num_values for group in groups if group)
    return Footers(rows=rows, nulls=nulls, extremes=pa.table(extremes))


def row_groups(path: Path) -> Iterator[dict[str, pq.ColumnChunkMetaData]]:
    """Yield the columns of each row group that are no part of another one."""
    footer = pq.read_metadata(path)
    flat = [one for one in range(footer.num_columns) if footer.schema.column(one).max_definition_level <= 1
            and not footer.schema.column(one).max_repetition_level]  # fmt: skip
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        yield {group.column(one).path_in_schema: group.column(one) for one in flat}


def has_order(kind: pa.DataType) -> bool:
    """Whether extremes of this type are those of the physical values, in DuckDB's order too."""
    tests = (pa.types.is_signed_integer, pa.types.is_boolean, pa.types.is_string, pa.types.is_timestamp)
    return any(test(kind) for test in (*tests, pa.types.is_date32))


def raw_extremes(chunks: Sequence[pq.ColumnChunkMetaData]) -> pa.Array | None:
    """Return least and most of each part, null for a part of nulls only; None where a footer does not tell."""
    found = []
    for chunk in chunks:
        said = chunk.statistics
        if said is None or not said.has_null_count or not (said.has_min_max or not said.num_values):
            return None
        found += [said.min_raw, said.max_raw] if said.has_min_max else [None, None]
    return pa.array(found, PHYSICAL[chunks[0].physical_type]) if chunks else None
