"""Arrow tables beside DuckDB: read by name, and rows of them without a copy of the others."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@contextmanager
def visible(db: duckdb.DuckDBPyConnection, **tables: pa.Table) -> Iterator[None]:
    """Let queries read Arrow tables by name."""
    for name, table in tables.items():
        db.register(name, table)
    try:
        yield
    finally:
        for name in tables:
            db.unregister(name)


def of_rows(events: pa.Table, rows: pa.ChunkedArray) -> pa.Table:
    """Return the events with these row numbers."""
    return events.filter(pc.is_in(events["row"], rows.combine_chunks()))


def taken(table: pa.Table, rows: Sequence[int]) -> pa.Table:
    """Return some rows in this order; Arrow's own take copies all chunks together first."""
    wanted = np.asarray(rows, dtype=np.int64)
    where = np.unique(wanted)
    mask = np.zeros(table.num_rows, dtype=bool)
    mask[where] = True
    return table.filter(pa.array(mask)).combine_chunks().take(pa.array(np.searchsorted(where, wanted)))
