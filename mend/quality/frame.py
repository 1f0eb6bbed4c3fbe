"""Staged Parquet files → the pandas frames that the audit looks at: only the columns of the rules, in exact types."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mend.runtime.files import duckdb_names

if TYPE_CHECKING:
    import pandas as pd

BATCH = 65_536
HASHES = """
SELECT CASE WHEN "{0}" IS NOT NULL THEN (hash("{0}") >> 1)::BIGINT END
FROM read_parquet($files, union_by_name = true, hive_partitioning = false)
"""


class StagedRows:
    """The rows of a run's files. A file that is missing or not Parquet raises OSError or pyarrow.ArrowException."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Read the files' footers."""
        import pyarrow as pa
        import pyarrow.dataset as pads
        import pyarrow.parquet as pq

        self.files = duckdb_names(files)
        self.schema = pa.unify_schemas([pq.read_schema(file) for file in files], promote_options="permissive")
        self.dataset = pads.dataset([str(file) for file in files], schema=self.schema, format="parquet")
        self.count = sum(pq.read_metadata(file).num_rows for file in files)

    def frames(self, columns: Iterable[str], at_once: int) -> Iterator["pd.DataFrame"]:
        """Return all rows with those of the columns that the files have, in frames of about `at_once` rows.

        Numbers are 64 bits wide (whole numbers with gaps: Int64), times are aware and in UTC, texts are objects.
        """
        import pyarrow as pa

        present = [name for name in dict.fromkeys(columns) if name in self.schema.names]
        waiting: list[Any] = []
        for batch in self.dataset.to_batches(columns=present, batch_size=min(BATCH, at_once), batch_readahead=1):
            waiting.append(batch)
            if sum(one.num_rows for one in waiting) >= at_once:
                yield _frame(pa.Table.from_batches(waiting))
                waiting = []
        if any(one.num_rows for one in waiting):
            yield _frame(pa.Table.from_batches(waiting))

    def whole(self, columns: Iterable[str], *, hashed: bool) -> "pd.DataFrame":
        """Return all rows with the columns in one frame; `hashed` texts are 63-bit hashes, which tell them apart.

        Two of ten million texts share a hash in one run of a hundred thousand.
        """
        import duckdb
        import pandas as pd

        present = [name for name in dict.fromkeys(columns) if name in self.schema.names]
        series = {}
        with duckdb.connect() as db:
            for name in present:
                if hashed and _is_text(self.schema.field(name).type):
                    query = HASHES.format(name.replace('"', '""'))
                    column: Any = db.execute(query, {"files": self.files}).to_arrow_table()
                else:
                    column = self.dataset.to_table(columns=[name])
                series[name] = _series(column.column(0))
        return pd.DataFrame(series, index=None if series else range(self.count))


def _frame(table: Any) -> "pd.DataFrame":
    import pandas as pd

    series = {name: _series(table.column(name)) for name in table.column_names}
    return pd.DataFrame(series, index=None if series else range(table.num_rows))


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    plain = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(plain) or types.is_large_string(plain))


def _series(column: Any) -> "pd.Series[Any]":
    import pandas as pd
    import pyarrow as pa

    exact = column.cast(_exact(column.type))
    with_gaps = {pa.int64(): pd.Int64Dtype()} if exact.null_count else {}
    series: pd.Series[Any] = exact.to_pandas(types_mapper=with_gaps.get)
    return series


def _exact(kind: Any) -> Any:
    """Return the type in which both engines compare alike."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return _exact(kind.value_type)
    if types.is_integer(kind) and not types.is_uint64(kind):
        return pa.int64()
    if types.is_floating(kind) or types.is_decimal(kind):
        return pa.float64()
    if types.is_date(kind):
        return pa.timestamp("ms", "UTC")
    return pa.timestamp(kind.unit, "UTC") if types.is_timestamp(kind) else kind
