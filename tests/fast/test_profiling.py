"""The profile of a run's rows."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mend.contracts.codec import dumps, loads
from mend.contracts.report import ColumnProfile
from mend.curate.profiling import QUANTILES, TOP, profile

pytestmark = pytest.mark.spark

ROWS = {
    "number": pa.array([1, 2, 3, 4, None], pa.int64()),
    "part": pa.array([0.5, float("nan"), float("-inf"), 1.5, 2.5]),
    "text": pa.array(["b", "b", "a", None, "c"]),
    "yes": pa.array([True, False, None, True, True]),
    "time": pa.array([datetime(2026, 3, 1, 12, tzinfo=UTC)] * 5, pa.timestamp("us", tz="UTC")),
    "nothing": pa.array([None] * 5, pa.string()),
    "record": pa.array([{"a": 1}, {"a": 2}, None, {"a": 1}, {"a": None}]),
    "list": pa.array([[1], [], None, [1, 2], [1]]),
    "map": pa.array([[("k", 1)], [], None, [("k", 1)], []], pa.map_(pa.string(), pa.int64())),
    "quoted \"'name": pa.array(["x"] * 5),
}


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ColumnProfile]:
    """Profile the rows, written as two files."""
    folder = tmp_path_factory.mktemp("rows")
    table = pa.table(ROWS)
    files = [folder / f"event_date={name}" / "a.parquet" for name in ("2026-03-01", "None")]
    for file, part in zip(files, (table.slice(0, 2), table.slice(2)), strict=True):
        file.parent.mkdir()
        pq.write_table(part, file)
    return {one.column: one for one in profile(files, list(ROWS))}


@pytest.mark.parametrize(
    ("column", "nulls"), [("number", 1), ("text", 1), ("yes", 1), ("time", 0), ("nothing", 5), ("map", 1)]
)
def test_nulls_are_counted_over_all_files(columns: dict[str, ColumnProfile], column: str, nulls: int) -> None:
    """Rows and nulls are exact, whatever the type."""
    assert (columns[column].rows, columns[column].nulls) == (5, nulls)


def test_extremes_and_distinct_values(columns: dict[str, ColumnProfile]) -> None:
    """Smallest and largest value as text; few distinct values are counted rightly."""
    assert (columns["number"].min, columns["number"].max, columns["number"].distinct) == ("1", "4", 4)
    assert (columns["text"].min, columns["text"].max, columns["text"].distinct) == ("a", "c", 3)
    assert (columns["nothing"].min, columns["nothing"].max, columns["nothing"].distinct) == (None, None, 0)
    assert columns["time"].min == "2026-03-01 12:00:00+00"


def test_quantiles_are_of_numbers_only(columns: dict[str, ColumnProfile]) -> None:
    """Numbers have all quantiles, other types none."""
    assert len(columns["number"].quantiles) == len(QUANTILES)
    assert columns["number"].quantiles[2] == 2.5
    assert columns["text"].quantiles == columns["nothing"].quantiles == ()


def test_a_quantile_is_a_number(columns: dict[str, ColumnProfile]) -> None:
    """A value that is no number, or infinite, is in no quantile: the report could not hold it."""
    assert columns["part"].quantiles[2] == 1.5
    assert loads(ColumnProfile, dumps(columns["part"])) == columns["part"]


def test_top_values_are_the_most_frequent(columns: dict[str, ColumnProfile]) -> None:
    """Most frequent first, equal ones by their text, nulls not among them, nested values too."""
    assert columns["text"].top == (("b", 2), ("a", 1), ("c", 1))
    assert columns["yes"].top == (("true", 3), ("false", 1))
    assert columns["record"].top[0] == ("{'a': 1}", 2)
    assert columns["quoted \"'name"].top == (("x", 5),)
    assert all(len(one.top) <= TOP for one in columns.values())


def test_no_files_are_no_profile() -> None:
    """A run without accepted rows has an empty profile."""
    assert profile([], ["number"]) == ()


def test_footers_and_rows_tell_the_same(tmp_path: Path) -> None:
    """What no footer tells is read: a text too long for one, a part without values, what is no number, no minimum."""
    long, many = "z" * 10_000, 2_000
    parts = [
        {"long": ["a", long], "none": [None, None], "same": [7, None], "part": [float("nan"), 1.0], "number": [1, 2]},
        {"long": ["b", None], "none": ["x", "y"], "same": [7, 7], "part": [None, None], "number": [-3, None]},
        {"long": ["c"] * many, "none": ["y"] * many, "same": [7] * many, "part": [0.5] * many, "number": [0] * many},
    ]
    tables = [pa.table({name: pa.array(values) for name, values in part.items()}) for part in parts]
    schema = pa.unify_schemas([table.schema for table in tables[1:]])
    for number, table in enumerate(tables):
        pq.write_table(table.cast(schema), tmp_path / f"{number}.parquet")
    columns = {one.column: one for one in profile(sorted(tmp_path.glob("*")), schema.names)}
    figures = {name: (one.nulls, one.distinct, one.min, one.max) for name, one in columns.items()}
    assert figures == {
        "long": (1, 4, "a", long),
        "none": (2, 2, "x", "y"),
        "same": (1, 1, "7", "7"),
        "part": (2, 3, "0.5", "nan"),
        "number": (1, 4, "-3", "2"),
    }
    assert columns["same"].top == (("7", many + 3),)


def test_a_file_without_rows_has_a_profile(tmp_path: Path) -> None:
    """A run whose accepted rows all turned out to be duplicates is profiled: it has no values."""
    pq.write_table(
        pa.table({"name": pa.array([], pa.string()), "ok": pa.array([], pa.bool_())}), tmp_path / "0.parquet"
    )
    columns = profile([tmp_path / "0.parquet"], ["name", "ok"])
    assert [(one.column, one.rows, one.nulls, one.distinct, one.min, one.top) for one in columns] == [
        ("name", 0, 0, 0, None, ()),
        ("ok", 0, 0, 0, None, ()),
    ]
