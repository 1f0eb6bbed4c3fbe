"""Duplicates between the tasks of a run and between runs: by digests of keys, the first event wins.

Within a task the pass itself drops them; here only files that hold a duplicate are written again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FIND = """
WITH mine AS (
  SELECT key_high, key_low, kafka_topic, kafka_partition, kafka_offset,
    row_number() OVER (PARTITION BY key_high, key_low ORDER BY kafka_partition, kafka_offset) AS nth
  FROM read_parquet($mine)
)
SELECT kafka_partition, kafka_offset FROM mine WHERE nth > 1
"""
FIND_EARLIER = """
SELECT mine.kafka_partition, mine.kafka_offset FROM read_parquet($mine) AS mine
SEMI JOIN read_parquet($earlier) AS earlier USING (key_high, key_low)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where an event stands in the topic."""

    partition: int
    offset: int


def find_duplicates(mine: Sequence[Path], earlier: Sequence[Path]) -> frozenset[Position]:
    """Return the accepted events of a run whose key an earlier event of the run, or an earlier run, has.

    Files are key files as the tasks write them. Reads them with DuckDB, which spills to disk when memory is short.
    """
    if not mine:
        return frozenset()
    with duckdb.connect() as db:
        names = [str(path) for path in mine]
        rows = db.execute(FIND, {"mine": names}).fetchall()
        if earlier:
            rows += db.execute(FIND_EARLIER, {"mine": names, "earlier": [str(path) for path in earlier]}).fetchall()
    return frozenset(Position(partition=partition, offset=offset) for partition, offset in rows)


def without(path: Path, positions: frozenset[Position]) -> tuple[pa.Table, pa.Table] | None:
    """Return a file's rows that stay and those that are duplicates, None when the file holds no duplicate."""
    where = pq.read_table(path, columns=["kafka_partition", "kafka_offset"])
    pairs = zip(where["kafka_partition"].to_pylist(), where["kafka_offset"].to_pylist(), strict=True)
    is_duplicate = pa.array([Position(partition=partition, offset=offset) in positions for partition, offset in pairs])
    if not pc.any(is_duplicate).as_py():
        return None
    table = pq.read_table(path, partitioning=None)
    return table.filter(pc.invert(is_duplicate)), table.filter(is_duplicate)
