"""Duplicates between tasks and between runs: the first offset wins."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mend.curate.duplicates import Position, find_duplicates, without

pytestmark = pytest.mark.spark


def keys(path: Path, *rows: tuple[int, int, int, int]) -> Path:
    """Write a key file of rows (high, low, partition, offset), as a task does."""
    high, low, partition, offset = zip(*rows, strict=True)
    columns = {
        "key_high": pa.array(high, pa.uint64()), "key_low": pa.array(low, pa.uint64()),
        "kafka_topic": pa.array(["t"] * len(rows)), "kafka_partition": pa.array(partition, pa.int32()),
        "kafka_offset": pa.array(offset, pa.int64()),
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def found(mine: Sequence[Path], earlier: Sequence[Path] = ()) -> set[tuple[int, int]]:
    """Return partition and offset of the duplicates."""
    return {(one.partition, one.offset) for one in find_duplicates(mine, earlier)}


def test_without_files_there_are_no_duplicates(tmp_path: Path) -> None:
    """A run without accepted events, and a first run."""
    assert find_duplicates([], [keys(tmp_path / "old.parquet", (1, 1, 0, 0))]) == frozenset()
    assert found([keys(tmp_path / "a.parquet", (1, 1, 0, 0), (1, 2, 0, 1), (2, 1, 0, 2))]) == set()


def test_the_first_offset_wins_between_tasks(tmp_path: Path) -> None:
    """Of three events of a key in three files, the one with the smallest partition and offset stays."""
    files = [
        keys(tmp_path / "run=r" / "keys" / "c.parquet", (7, 7, 1, 3), (8, 8, 1, 4)),
        keys(tmp_path / "run=r" / "keys" / "a.parquet", (7, 7, 0, 9)),
        keys(tmp_path / "run=r" / "keys" / "b.parquet", (7, 7, 0, 2)),
    ]
    assert found(files) == {(0, 9), (1, 3)}


def test_an_event_of_an_earlier_run_wins(tmp_path: Path) -> None:
    """All events of the run with a key of an earlier run are duplicates, the first of them too."""
    mine = keys(tmp_path / "run=2" / "a.parquet", (7, 7, 0, 10), (7, 7, 0, 11), (9, 9, 0, 12))
    earlier = [
        keys(tmp_path / "run=1" / "a.parquet", (7, 7, 3, 0)),
        keys(tmp_path / "run=0" / "a.parquet", (5, 5, 0, 0)),
    ]
    assert found([mine], earlier) == {(0, 10), (0, 11)}


def test_both_halves_of_a_digest_count(tmp_path: Path) -> None:
    """Keys that agree in one half only are two keys; the largest numbers are not rounded."""
    top = 2**64 - 1
    mine = keys(tmp_path / "a.parquet", (top, 1, 0, 0), (top, 2, 0, 1), (top - 1, 1, 0, 2))
    assert found([mine], [keys(tmp_path / "b.parquet", (top, 3, 0, 0), (top - 2, 1, 0, 1))]) == set()


def test_a_file_is_split_into_rows_that_stay_and_duplicates(tmp_path: Path) -> None:
    """Partition and offset together name a row; the order of rows stays; nothing is lost."""
    path = tmp_path / "run=r" / "event_date=2026-03-01" / "a.parquet"
    path.parent.mkdir(parents=True)
    table = pa.table({
        "kafka_partition": pa.array([0, 1, 0, 1], pa.int32()), "kafka_offset": pa.array([5, 5, 6, 6], pa.int64()),
        "name": ["a", "b", "c", "d"],
    })  # fmt: skip
    pq.write_table(table, path)
    parts = without(path, frozenset({Position(partition=1, offset=5), Position(partition=0, offset=6)}))
    assert parts is not None
    kept, duplicates = parts
    assert (kept["name"].to_pylist(), duplicates["name"].to_pylist()) == (["a", "d"], ["b", "c"])
    assert kept.schema == duplicates.schema == table.schema
    assert without(path, frozenset({Position(partition=2, offset=5)})) is None
