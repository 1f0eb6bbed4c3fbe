"""Staged Parquet files → the pandas frame that the audit looks at: only the columns of the rules, in exact types."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def read_frame(files: Sequence[Path], columns: Iterable[str]) -> "pd.DataFrame":
    """Return the rows of all files with those of the columns that the files have.

    Numbers are 64 bits wide (whole numbers with gaps: Int64), times are aware and in UTC, texts are objects.
    Columns are read one after another, so that the peak of memory is the frame and one column.
    A file that is missing or not Parquet raises OSError or pyarrow.ArrowException.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.dataset as pads
    import pyarrow.parquet as pq

    schema = pa.unify_schemas([pq.read_schema(file) for file in files], promote_options="permissive")
    dataset = pads.dataset([str(file) for file in files], schema=schema, format="parquet")
    present = [name for name in dict.fromkeys(columns) if name in schema.names]
    series = {name: _series(dataset.to_table(columns=[name]).column(0)) for name in present}
    return pd.DataFrame(series, index=None if series else range(dataset.count_rows()))


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
