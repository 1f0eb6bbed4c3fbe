"""Profile of a run's accepted rows: nulls, distinct values, extremes, quantiles and top values of every column."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from mend.contracts.report import ColumnProfile
from mend.curate import sql
from mend.curate.footers import Footers, read_footers
from mend.runtime.files import duckdb_names

TOP = 5
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SAMPLE = 50_000
"""Rows that quantiles and top values are taken from, the first of each file; counts, nulls and extremes are exact."""
LOOKS_AT_ONCE = 2
NUMBERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UBIGINT", "FLOAT", "DOUBLE"}
Exact = tuple[int, int, str | None, str | None]
"""Nulls, distinct values, least and most of a column."""


def profile(files: Sequence[Path], columns: Sequence[str]) -> tuple[ColumnProfile, ...]:
    """Profile columns of Parquet files of one schema; `distinct` is HyperLogLog's estimate, some per cent off.

    Quantiles are of the finite numbers: a derived column may hold others.
    """
    if not files:
        return ()
    footers = read_footers(files, columns)
    with duckdb.connect() as db, ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:
        rows = db.read_parquet(duckdb_names(files), hive_partitioning=False)
        types = dict(zip(rows.columns, (str(one) for one in rows.types), strict=True))
        sampled = sample(files, columns, footers.rows)
        looks = pool.map(lambda column: look(db.cursor(), sampled, column, types[column]), columns)
        figures = exact(db, rows, columns, footers)
        return tuple(
            ColumnProfile(
                column=column,
                type=types[column],
                rows=footers.rows,
                nulls=nulls,
                distinct=min(distinct, footers.rows),
                min=least,
                max=most,
                quantiles=quantiles,
                top=top,
            )
            for column, (nulls, distinct, least, most), (quantiles, top) in zip(columns, figures, looks, strict=True)
        )


def exact(
    db: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation, columns: Sequence[str], footers: Footers
) -> list[Exact]:
    """Return what is true of all rows; only what no footer tells is read."""
    db.execute("SET TimeZone = 'UTC'").fetchall()
    untold = [column for column in columns if column not in footers.nulls]
    extremes = least_and_most(rows, untold)
    if footers.nulls:
        extremes |= least_and_most(db.from_arrow(footers.extremes), [*footers.nulls])
    varied = [column for column, (least, most) in extremes.items() if least != most or column in untold]
    distinct = {column: int(least is not None) for column, (least, _) in extremes.items()}
    distinct |= ask(rows, "approx_count_distinct({})", varied)
    nulls = footers.nulls | ask(rows, "count(*) - count({})", untold)
    return [(nulls[column], distinct[column], *extremes[column]) for column in columns]


def least_and_most(rows: duckdb.DuckDBPyRelation, columns: Sequence[str]) -> dict[str, tuple[str | None, str | None]]:
    """Return the extremes of columns as text."""
    if not columns:
        return {}
    names = [sql.name(column) for column in columns]
    (found,) = rows.aggregate(", ".join(f"min({one})::VARCHAR, max({one})::VARCHAR" for one in names)).fetchall()
    return dict(zip(columns, zip(found[::2], found[1::2], strict=True), strict=True))


def ask(rows: duckdb.DuckDBPyRelation, question: str, columns: Sequence[str]) -> dict[str, int]:
    """Return a count for each column."""
    if not columns:
        return {}
    (found,) = rows.aggregate(", ".join(question.format(sql.name(column)) for column in columns)).fetchall()
    return dict(zip(columns, found, strict=True))


def sample(files: Sequence[Path], columns: Sequence[str], rows: int) -> pa.Table:
    """Read the first rows of each file, the more the larger it is."""
    batches = []
    for path in files:
        with pq.ParquetFile(path) as file:
            wanted = file.metadata.num_rows * SAMPLE // max(rows, SAMPLE)
            batches += [next(file.iter_batches(wanted, columns=list(columns)))] if wanted else []
    return pa.Table.from_batches(batches, None if batches else pq.read_schema(files[0]))


def look(
    db: duckdb.DuckDBPyConnection, sampled: pa.Table, column: str, kind: str
) -> tuple[tuple[float, ...], tuple[tuple[str, int], ...]]:
    """Return quantiles and most frequent values of a column in the sample."""
    name = sql.name(column)
    with db:
        db.execute("SET TimeZone = 'UTC'").fetchall()
        rows = db.from_arrow(sampled.select([column]))
        quantiles: tuple[float, ...] = ()
        if kind in NUMBERS:
            finite = rows.filter(f"isfinite({name}::DOUBLE)")
            found = finite.aggregate(f"quantile_cont({name}, {list(QUANTILES)})").fetchall()[0][0]
            quantiles = tuple(float(one) for one in found or ())
        top = rows.aggregate(f"{name}::VARCHAR AS value, count(*) AS many", name).filter("value IS NOT NULL")
        return quantiles, tuple((value, many) for value, many in top.order("many DESC, value").limit(TOP).fetchall())
