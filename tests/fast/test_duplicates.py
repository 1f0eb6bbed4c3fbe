"""Duplicates between tasks and between runs: the first offset wins, and each file of duplicates says which it was."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mend.curate.curator import Curated
from mend.curate.duplicates import Duplicates, drop_keys, find_duplicates, holds_any, split, write_firsts
from mend.curate.plan import Plan
from mend.curate.staging import StagedWriter
from mend.curate.suspects import Suspects
from mend.curate.tally import merge, moved

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


def pairs(found: Duplicates | None) -> dict[tuple[int, int], tuple[int, int]]:
    """Return the position of each duplicate with the one that it repeats."""
    if found is None:
        return {}
    first = zip(found.first["first_partition"].to_pylist(), found.first["first_offset"].to_pylist(), strict=True)
    return dict(zip(zip(found.partition.tolist(), found.offset.tolist(), strict=True), first, strict=True))


def found(tmp_path: Path, mine: Sequence[Path], earlier: Sequence[Path] = ()) -> dict[tuple[int, int], tuple[int, int]]:
    """Find duplicates."""
    return pairs(find_duplicates(mine, earlier, spill=tmp_path / "spill"))


def test_without_files_there_are_no_duplicates(tmp_path: Path) -> None:
    """A run without accepted events, and a first run."""
    assert found(tmp_path, [], [keys(tmp_path / "old.parquet", (1, 1, 0, 0))]) == {}
    assert found(tmp_path, [keys(tmp_path / "a.parquet", (1, 1, 0, 0), (1, 2, 0, 1), (2, 1, 0, 2))]) == {}


def test_a_key_file_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """A run that is settled meanwhile moves its key files: whoever looks must know, and look again."""
    mine = keys(tmp_path / "a.parquet", (1, 1, 0, 0))
    with pytest.raises(FileNotFoundError):
        found(tmp_path, [mine], [tmp_path / "gone.parquet"])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_the_first_offset_wins_between_tasks(tmp_path: Path, order: tuple[int, ...]) -> None:
    """Of three events of a key in three files, the smallest partition and offset stays, whichever task ends first."""
    files = [
        keys(tmp_path / "run=r" / "keys" / "c.parquet", (7, 7, 1, 3), (8, 8, 1, 4)),
        keys(tmp_path / "run=r" / "keys" / "a.parquet", (7, 7, 0, 9)),
        keys(tmp_path / "run=r" / "keys" / "b.parquet", (7, 7, 0, 2)),
    ]
    assert found(tmp_path, [files[one] for one in order]) == {(0, 9): (0, 2), (1, 3): (0, 2)}


def test_an_event_of_an_earlier_run_wins(tmp_path: Path) -> None:
    """All events of the run with a key of an earlier run are duplicates of it, the first of them too."""
    mine = keys(tmp_path / "run=2" / "a.parquet", (7, 7, 0, 10), (7, 7, 0, 11), (9, 9, 0, 12))
    earlier = [
        keys(tmp_path / "run=1" / "a.parquet", (7, 7, 3, 0)),
        keys(tmp_path / "run=0" / "a.parquet", (5, 5, 0, 0)),
    ]
    assert found(tmp_path, [mine], earlier) == {(0, 10): (3, 0), (0, 11): (3, 0)}


def test_both_halves_of_a_digest_count(tmp_path: Path) -> None:
    """Keys that agree in one half only are two keys; the largest numbers are not rounded."""
    top = 2**64 - 1
    mine = keys(tmp_path / "a.parquet", (top, 1, 0, 0), (top, 2, 0, 1), (top - 1, 1, 0, 2))
    assert found(tmp_path, [mine], [keys(tmp_path / "b.parquet", (top, 3, 0, 0), (top - 2, 1, 0, 1))]) == {}


def test_a_run_with_many_keys_is_looked_through_in_parts(tmp_path: Path) -> None:
    """However many parts, the same keys are suspects: those twice in the run, in an earlier run, or in a task."""
    mine = keys(tmp_path / "mine.parquet", *((one % 90, 0, 0, one) for one in range(100)))
    earlier = keys(tmp_path / "old.parquet", *((one, 0, 0, one) for one in range(80, 120)))
    tasks = keys(tmp_path / "task.parquet", (50, 0, 0, 0), (51, 0, 0, 1))
    for at_once in (1_000, 30, 7):
        suspects = Suspects([mine], [earlier], [tasks], at_once=at_once)
        assert suspects.halves.tolist() == [*range(10), 50, 51, *range(80, 90)]
        assert sum(rows.num_rows for rows in suspects.rows(mine)) == 2 * 10 + 2 + 10


def test_many_keys_need_little_memory(tmp_path: Path) -> None:
    """Of two million keys in 48 MB the one duplicate is found: DuckDB gets only digests that may repeat."""
    big, last = tmp_path / "mine.parquet", tmp_path / "earlier.parquet"
    query = """SELECT hash(i) AS key_high, hash(i + 1) AS key_low, 't' AS kafka_topic, 0::INTEGER AS kafka_partition,
      i::BIGINT AS kafka_offset FROM range($begin, $begin + 2_000_000) AS t(i)"""
    with duckdb.connect() as db:
        for path, begin in ((big, 0), (last, 1_999_999)):
            db.sql(query, params={"begin": begin}).write_parquet(str(path))
    assert pairs(find_duplicates([big], [last], spill=tmp_path / "spill", memory="48MB")) == {
        (0, 1_999_999): (0, 1_999_999)
    }
    assert not list(tmp_path.glob("spill/*")), "what was spilled is gone again"


# --- whole files -----------------------------------------------------------------------------------------------------


@pytest.fixture
def staged(tmp_path: Path, curate: Callable[..., Curated], event: Callable[..., bytes]) -> tuple[Path, Curated]:
    """Stage a task's files: two good events, one bad by a rule that publishes, and one that came twice in the task."""
    events = [event(id="a"), event(id="a"), event(id="b", email="x"), event(id="c")]
    out = curate(*events)
    with StagedWriter(tmp_path / "run=r", "0") as writer:
        writer.add(out)
    return tmp_path / "run=r", out


def files(folder: Path, place: str) -> list[Path]:
    """Return the files of a place."""
    return sorted((folder / place).rglob("*.parquet"))


def test_every_file_of_duplicates_has_one_schema_and_says_what_it_repeats(
    staged: tuple[Path, Curated], customers: Plan
) -> None:
    """A duplicate that the task saw keeps its bytes, one of an earlier run the row; both name the first position."""
    folder, out = staged
    (_, *of_b), (_, *of_c) = [(row["kafka_offset"], row["key_high"], row["key_low"]) for row in out.keys.to_pylist()][
        1:
    ]
    earlier = keys(folder.parent / "run=0" / "k.parquet", (*of_c, 2, 5), (*of_b, 3, 77))
    result = find_duplicates(files(folder, "keys"), [earlier], files(folder, "duplicates"), spill=folder / "spill")
    assert result is not None
    assert pairs(result) == {(0, 1): (0, 0), (0, 2): (3, 77), (0, 3): (2, 5)}
    assert pairs(result.among_accepted()) == {(0, 2): (3, 77), (0, 3): (2, 5)}
    (accepted,), (of_task,) = files(folder, "accepted"), files(folder, "duplicates")
    split(accepted, folder / "duplicates" / "late.parquet", result, customers, "run-1")
    write_firsts(of_task, result)
    tables = [pq.ParquetFile(path).read() for path in files(folder, "duplicates")]
    assert tables[0].schema.equals(tables[1].schema)
    rows = {row["offset"]: row for table in tables for row in table.to_pylist()}
    assert (rows[1]["value"] is not None, rows[1]["row"]) == (True, None)
    assert (rows[2]["value"], orjson.loads(rows[2]["row"])["id"]) == (None, "b")
    assert [(rows[one]["first_partition"], rows[one]["first_offset"]) for one in (1, 2, 3)] == [(0, 0), (3, 77), (2, 5)]
    assert (rows[1]["first_topic"], rows[2]["first_topic"]) == ("customers", "t")
    assert [rows[one]["reasons"][0]["rule"] for one in (1, 2)] == ["duplicate", "duplicate"]
    assert rows[1]["timestamp"] == rows[2]["timestamp"]
    assert pq.ParquetFile(accepted).read()["kafka_offset"].to_pylist() == [0]


def test_duplicates_found_late_leave_every_count(staged: tuple[Path, Curated], customers: Plan) -> None:
    """Late, failed, rules, segments and places are those of a run that had known of the duplicate from the start."""
    folder, out = staged
    mine = out.keys["key_high"][1].as_py(), out.keys["key_low"][1].as_py()
    result = find_duplicates(
        files(folder, "keys"), [keys(folder / "k.parquet", (*mine, 3, 77))], spill=folder / "spill"
    )
    assert result is not None
    gone = split(files(folder, "accepted")[0], folder / "duplicates" / "x.parquet", result, customers, "run-1")
    after = moved(merge([out.tally]), gone)
    assert (out.tally.failed, after.failed) == (1, 0)
    assert [one.failures for one in out.tally.rules if "email" in one.rule] != []
    assert not [one for one in after.rules if "email" in one.rule]
    assert {one.value: one.rows for one in after.segments if one.column == "country"} == {"US": 2}
    assert [(one.values, one.rows, one.failures) for one in after.pairs] == [(("US", "free"), 2, 0)]
    assert (after.places.accepted, after.places.duplicate) == (2, 2)
    assert after.places.total == out.tally.places.total


def test_files_without_duplicates_stay_as_they_are(tmp_path: Path) -> None:
    """Partition and offset together name an event; only files that hold one are written again."""
    mine = keys(tmp_path / "a.parquet", (1, 1, 0, 5), (2, 2, 0, 6))
    other = keys(tmp_path / "b.parquet", (3, 3, 1, 5), (1, 1, 1, 6))
    result = find_duplicates([mine, other], [], spill=tmp_path / "spill")
    assert result is not None
    assert (holds_any(mine, result), holds_any(other, result)) == (False, True)
    assert len(result.among_accepted()) == 1
    assert drop_keys(other, result) == 1
    assert pq.read_table(other)["kafka_offset"].to_pylist() == [5]
    assert not holds_any(mine, replace(result, partition=result.partition + 1))
