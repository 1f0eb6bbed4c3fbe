"""Duplicates between the tasks of a run and between runs: by digests of keys, the first event wins.

Within a task the pass itself finds them; here only files that hold a duplicate are written again. What is in memory
at once is half the digests of a part of the run's keys, the digests of those that may repeat, which DuckDB spills where
they are many, and 29 bytes for each duplicate of the run, never rows of events.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mend.curate.kept import RECORD, as_records, duplicate_rows, with_reasons, with_versions
from mend.curate.plan import Plan
from mend.curate.removed import published_counts
from mend.curate.suspects import Suspects
from mend.curate.tally import Tally, merge
from mend.runtime.files import duckdb_names

MEMORY = "1GB"
"""What DuckDB may take before it spills to the run's own folder."""
ROWS_AT_ONCE = 200_000
POSITION = ("kafka_partition", "kafka_offset")
KEYS = pa.schema(
    [
        ("key_high", pa.uint64()),
        ("key_low", pa.uint64()),
        ("kafka_topic", pa.string()),
        ("kafka_partition", pa.int32()),
        ("kafka_offset", pa.int64()),
    ]
)
FOUND = """
CREATE TABLE found AS
SELECT key_high, key_low, kafka_partition, kafka_offset, true AS accepted FROM mine
QUALIFY row_number() OVER (PARTITION BY key_high, key_low ORDER BY kafka_partition, kafka_offset) > 1
"""
FOUND_EARLIER = """
INSERT INTO found
SELECT key_high, key_low, kafka_partition, kafka_offset, true FROM (
  SELECT mine.* FROM mine SEMI JOIN earlier USING (key_high, key_low)
) AS known ANTI JOIN found USING (kafka_partition, kafka_offset)
"""
FOUND_ELSEWHERE = """
INSERT INTO found
SELECT key_high, key_low, kafka_partition, kafka_offset, true FROM (
  SELECT * FROM mine WHERE EXISTS (
    SELECT 1 FROM earlier AS other WHERE other.key_high = mine.key_high AND other.key_low = mine.key_low
      AND (other.kafka_partition <> mine.kafka_partition OR other.kafka_offset <> mine.kafka_offset)
  )
) AS known ANTI JOIN found USING (kafka_partition, kafka_offset)
"""
"""An event that is published after all may be among the earlier keys itself: it is no duplicate of itself."""
FOUND_IN_TASKS = """
INSERT INTO found SELECT key_high, key_low, "partition", "offset", false FROM read_parquet($tasks)
"""
FIRST = """
SELECT found.kafka_partition, found.kafka_offset, accepted, first_topic, first_partition, first_offset
FROM found JOIN (
  SELECT key_high, key_low, first.topic AS first_topic, first.part AS first_partition, first.off AS first_offset
  FROM (
    SELECT key_high, key_low,
      min({'nth': nth, 'part': kafka_partition, 'off': kafka_offset, 'topic': kafka_topic}) AS first
    FROM (
      SELECT *, 0 AS nth FROM earlier SEMI JOIN found USING (key_high, key_low)
      UNION ALL SELECT *, 1 FROM mine SEMI JOIN found USING (key_high, key_low)
    ) GROUP BY key_high, key_low
  )
) AS firsts USING (key_high, key_low)
ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """Duplicates of a run in the order of their positions, each with the position that it repeats.

    `accepted` says which of them lie among the accepted rows: no task knew that their key had come before.
    """

    partition: "np.ndarray[Any, np.dtype[np.int32]]"
    offset: "np.ndarray[Any, np.dtype[np.int64]]"
    accepted: "np.ndarray[Any, np.dtype[np.bool_]]"
    first: pa.Table

    def __len__(self) -> int:
        """Count them."""
        return len(self.offset)

    def among_accepted(self) -> Self:
        """Return those that lie among the accepted rows."""
        there = self.accepted
        return replace(
            self, partition=self.partition[there], offset=self.offset[there], accepted=there[there],
            first=self.first.filter(pa.array(there)),
        )  # fmt: skip

    def index(self, partitions: pa.ChunkedArray, offsets: pa.ChunkedArray) -> "np.ndarray[Any, np.dtype[np.int64]]":
        """Return where each of some positions stands among the duplicates, -1 for those that are none."""
        found = np.full(len(offsets), -1, dtype=np.int64)
        partition, offset = partitions.to_numpy(), offsets.to_numpy()
        for one in np.unique(partition):
            begin, end = np.searchsorted(self.partition, [one, one + 1])
            here = np.flatnonzero(partition == one)
            mine = self.offset[begin:end]
            at = np.searchsorted(mine, offset[here])
            hit = (at < len(mine)) & (mine[np.minimum(at, len(mine) - 1)] == offset[here]) if len(mine) else at < 0
            found[here[hit]] = begin + at[hit]
        return found


def find_duplicates(
    mine: Sequence[Path], earlier: Sequence[Path], tasks: Sequence[Path] = (), *, spill: Path, memory: str = MEMORY,
    again: bool = False,
) -> Duplicates | None:  # fmt: skip
    """Return the events whose key an earlier event of the run, or an earlier run, has; None where there are none.

    `mine` and `earlier` are key files, `tasks` the files of duplicates that the tasks found. The first of a key is the
    one with the smallest partition and offset, of the earlier runs if they have one, whatever order files have.
    `again`: the events may be among the earlier ones themselves.
    """
    if not mine:
        return None
    suspects = Suspects(mine, earlier, tasks)
    if not len(suspects.halves):
        return None
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "temp_directory": str(spill),
        "preserve_insertion_order": False,
        "threads": 2,
    }
    with duckdb.connect(config=settings) as db:
        load(db, "mine", suspects, mine)
        load(db, "earlier", suspects, earlier)
        db.execute(FOUND).fetchall()
        db.execute(FOUND_ELSEWHERE if again else FOUND_EARLIER).fetchall()
        if tasks:
            db.execute(FOUND_IN_TASKS, {"tasks": duckdb_names(tasks)}).fetchall()
        table = db.sql(FIRST).to_arrow_table()
    if not table.num_rows:
        return None
    partition, offset, accepted = (table[name].to_numpy() for name in ("kafka_partition", "kafka_offset", "accepted"))
    return Duplicates(partition=partition, offset=offset, accepted=accepted, first=table.select([3, 4, 5]))


def load(db: duckdb.DuckDBPyConnection, place: str, suspects: Suspects, files: Sequence[Path]) -> None:
    """Copy the keys that may repeat into a table."""
    batches = (batch for path in files for rows in suspects.rows(path) for batch in rows.to_batches())
    db.register("suspects", pa.RecordBatchReader.from_batches(KEYS, batches))
    db.execute(f"CREATE TABLE {place} AS FROM suspects").fetchall()
    db.unregister("suspects")


def holds_any(path: Path, found: Duplicates) -> bool:
    """Whether a file of accepted rows or keys holds a duplicate; only parts whose statistics allow it are read."""
    with pq.ParquetFile(path) as file:
        groups = [one for one in range(file.num_row_groups) if may_hold(file.metadata.row_group(one), found)]
        where = file.read_row_groups(groups, list(POSITION))
    return bool((found.index(where["kafka_partition"], where["kafka_offset"]) >= 0).any())


def may_hold(group: pq.RowGroupMetaData, found: Duplicates) -> bool:
    """Whether a duplicate lies between the least and the most partition and offset of a row group."""
    inside = np.ones(len(found), dtype=bool)
    for column in map(group.column, range(group.num_columns)):
        if column.path_in_schema in POSITION and column.statistics is not None and column.statistics.has_min_max:
            values = found.partition if column.path_in_schema == "kafka_partition" else found.offset
            inside &= (values >= column.statistics.min) & (values <= column.statistics.max)
    return bool(inside.any())


def drop_keys(path: Path, found: Duplicates) -> int:
    """Write a file of keys again without those of duplicates; returns how many stay."""
    rest, rows = path.with_suffix(".rest"), 0
    with ParquetParts(rest) as staying:
        for table in tables(path):
            stay = found.index(table["kafka_partition"], table["kafka_offset"]) < 0
            staying.write(table.filter(pa.array(stay)))
            rows += int(stay.sum())
    rest.replace(path)
    return rows


def split(path: Path, aside: Path, found: Duplicates, plan: Plan, run_id: str) -> Tally:
    """Write a file of accepted rows without duplicates, and these aside; returns what they had been counted as."""
    rest = path.with_suffix(".rest")
    aside.parent.mkdir(parents=True, exist_ok=True)
    counts = []
    with ParquetParts(rest) as staying, ParquetParts(aside) as leaving:
        for table in tables(path):
            index = found.index(table["kafka_partition"], table["kafka_offset"])
            staying.write(table.filter(pa.array(index < 0)))
            gone = table.filter(pa.array(index >= 0))
            if gone.num_rows:
                first = found.first.take(pa.array(index[index >= 0]))
                leaving.write(as_duplicates(gone, first, plan, run_id))
                counts.append(published_counts(gone, plan))
    rest.replace(path)
    return merge(counts)


def write_firsts(path: Path, found: Duplicates) -> None:
    """Write a task's file of duplicates again, with the first positions in the place of the digests."""
    rest = path.with_suffix(".rest")
    with ParquetParts(rest) as out:
        for table in tables(path):
            index = found.index(table["partition"], table["offset"])
            table = table.drop_columns(["key_high", "key_low"])  # noqa: PLW2901
            out.write(with_first(table, found.first.take(pa.array(index)), pa.nulls(table.num_rows, pa.string())))
    rest.replace(path)


def tables(path: Path) -> Iterator[pa.Table]:
    """Read a file part by part."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE):
            yield pa.Table.from_batches([batch])


class ParquetParts:
    """A Parquet file that is written part by part; without a part there is no file."""

    def __init__(self, path: Path) -> None:
        """Write to a path whose folder is there."""
        self.path = path
        self.writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        """Open nothing yet: the first part says the schema."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what is open."""
        if self.writer is not None:
            self.writer.close()

    def write(self, table: pa.Table) -> None:
        """Append a part."""
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.path, table.schema, compression="snappy")
        self.writer.write_table(table)


def as_duplicates(rows: pa.Table, first: pa.Table, plan: Plan, run_id: str) -> pa.Table:
    """Return published rows as records; their bytes are not at hand, so the row itself is kept as JSON."""
    records = pa.table({
        "key": rows["kafka_key"].cast(pa.binary()), "topic": rows["kafka_topic"], "partition": rows["kafka_partition"],
        "offset": rows["kafka_offset"], "timestamp": rows["kafka_timestamp"].cast(RECORD.field("timestamp").type),
    })  # fmt: skip
    reasons = [row["reasons"] for row in duplicate_rows(range(rows.num_rows), plan.pipeline.key)]
    records = with_versions(plan, run_id, with_reasons(as_records(records), reasons))
    return with_first(records, first, as_json(rows))


def as_json(rows: pa.Table) -> pa.Array:
    """Return each row as the text of a JSON object."""
    with duckdb.connect(config={"threads": 1}) as db:
        db.execute("SET TimeZone = 'UTC'").fetchall()
        db.register("published", rows)
        return db.sql("SELECT to_json(published)::VARCHAR FROM published").to_arrow_table().column(0)


def with_first(records: pa.Table, first: pa.Table, rows: Any) -> pa.Table:
    """Add the row as it would have been published, where it stands for the bytes, and the position that it repeats."""
    table = records.append_column("row", rows)
    for name in first.column_names:
        table = table.append_column(name, first[name])
    return table
