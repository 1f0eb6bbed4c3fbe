"""Profile of a run's accepted rows: nulls, distinct values, extremes, quantiles and top values of every column."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from mend.contracts.report import ColumnProfile
from mend.curate import sql
from mend.runtime.files import duckdb_names

TOP = 5
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SAMPLE = 100_000
"""Rows that quantiles and top values are taken from; counts, nulls and extremes are exact."""
NUMBERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UBIGINT", "FLOAT", "DOUBLE"}


def profile(files: Sequence[Path], columns: Sequence[str]) -> tuple[ColumnProfile, ...]:
    """Profile columns of Parquet files; `distinct` is HyperLogLog's estimate, some per cent off.

    Quantiles are of the finite numbers: a derived column may hold others.
    """
    if not files:
        return ()
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'").fetchall()
        rows = db.read_parquet(duckdb_names(files), hive_partitioning=False)
        types = dict(zip(rows.columns, (str(one) for one in rows.types), strict=True))
        sample = rows.limit(SAMPLE).to_arrow_table()
        exact = rows.aggregate(", ".join(part for column in columns for part in exact_parts(column))).fetchall()[0]
        sampled = db.from_arrow(sample)
        return tuple(
            one_column(column, types[column], exact[index * 5 : index * 5 + 5], sampled)
            for index, column in enumerate(columns)
        )


def exact_parts(column: str) -> list[str]:
    """Return the aggregates of one column."""
    name = sql.name(column)
    return [
        "count(*)",
        f"count(*) - count({name})",
        f"approx_count_distinct({name})",
        f"min({name})::VARCHAR",
        f"max({name})::VARCHAR",
    ]


def one_column(
    column: str, kind: str, exact: tuple[int, int, int, str | None, str | None], sampled: duckdb.DuckDBPyRelation
) -> ColumnProfile:
    """Put the figures of one column together."""
    rows, nulls, distinct, least, most = exact
    name = sql.name(column)
    quantiles: tuple[float, ...] = ()
    if kind in NUMBERS:
        finite = sampled.filter(f"isfinite({name}::DOUBLE)")
        found = finite.aggregate(f"quantile_cont({name}, {list(QUANTILES)})").fetchall()[0][0]
        quantiles = tuple(float(one) for one in found or ())
    top = sampled.aggregate(f"{name}::VARCHAR AS value, count(*) AS many", name).filter("value IS NOT NULL")
    return ColumnProfile(
        column=column,
        type=kind,
        rows=rows,
        nulls=nulls,
        distinct=min(distinct, rows),
        min=least,
        max=most,
        quantiles=quantiles,
        top=tuple((value, many) for value, many in top.order("many DESC, value").limit(TOP).fetchall()),
    )
