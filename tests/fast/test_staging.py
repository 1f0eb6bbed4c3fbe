"""Staged files: what a manifest names is the run, whatever else a failed attempt left behind."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mend.contracts.codec import ContractError
from mend.curate.curator import Curated, Curator
from mend.curate.decode import decode_json
from mend.curate.plan import Plan
from mend.curate.staging import MANIFEST, MOST_OPEN, Manifest, StagedFile, StagedWriter, read_manifest, write_manifest

pytestmark = pytest.mark.spark

DAY = 86_400_000
MILLIS = 1_772_366_400_000


def manifest(files: list[StagedFile]) -> Manifest:
    """Return the manifest of a run with these files."""
    return Manifest(run_id="r", pipeline="customers", mapping_version=1, files=tuple(files))


def staged(folder: Path, curated: Curated, task: str = "00000-1") -> list[StagedFile]:
    """Write one batch as a task does."""
    with StagedWriter(folder, task) as writer:
        writer.add(curated)
    return writer.files


def rows_below(folder: Path) -> int:
    """Count the rows of all Parquet files below a folder."""
    return sum(pq.read_metadata(path).num_rows for path in folder.rglob("*.parquet"))


@pytest.fixture(scope="module")
def batch(event: Callable[..., bytes], curate: Callable[..., Curated]) -> Curated:
    """Curate events of every place and of two days."""
    return curate(event(), event(id="c-2", event_ts=MILLIS - DAY), event(), event(plan=...), event(name=1), None, b"x")


def test_every_place_has_its_folder(tmp_path: Path, batch: Curated) -> None:
    """Accepted rows lie by event date, rejected ones by reason; the folder's column is not in the file again."""
    files = staged(tmp_path, batch)
    folders = {str(Path(one.path).parent): (one.place, one.rows) for one in files}
    assert folders == {
        "accepted/event_date=2026-03-01": ("accepted", 1), "accepted/event_date=2026-02-28": ("accepted", 1),
        "rejected/reason=required": ("rejected", 1), "rejected/reason=type": ("rejected", 1),
        "dead_letters": ("dead_letters", 2), "duplicates": ("duplicates", 1), "keys": ("keys", 2),
    }  # fmt: skip
    for one in files:
        path = tmp_path / one.path
        assert (path.stat().st_size, pq.read_metadata(path).num_rows) == (one.bytes, one.rows)
        assert not {"event_date"} & set(pq.read_schema(path).names)


def test_kept_records_are_read_as_they_came(tmp_path: Path, batch: Curated) -> None:
    """The files of rejected records hold bytes and reasons."""
    staged(tmp_path, batch)
    (path,) = (tmp_path / "rejected" / "reason=type").glob("*.parquet")
    (row,) = pq.read_table(path, partitioning=None).to_pylist()
    assert (row["value"], row["offset"]) == (batch.rejected["value"][1].as_py(), 4)
    assert row["reasons"] == [{"rule": "type", "column": "name", "expected": "string", "found": "UBIGINT"}]


def test_a_place_without_rows_has_no_file(
    tmp_path: Path, event: Callable[..., bytes], curate: Callable[..., Curated]
) -> None:
    """A run of good events writes accepted rows and keys only; an empty one writes nothing."""
    assert {one.place for one in staged(tmp_path / "a", curate(event()))} == {"accepted", "keys"}
    assert staged(tmp_path / "b", curate()) == []
    assert not (tmp_path / "b").exists()


def test_many_event_dates_do_not_exhaust_the_descriptors(
    tmp_path: Path, event: Callable[..., bytes], records: Callable[..., pa.Table], customers: Plan, now: datetime
) -> None:
    """No more files are open than allowed, a date that comes again gets another file, and no row is lost."""
    dates = 3 * MOST_OPEN
    curator = Curator(customers, decode_json, run_id="r", now=now)
    with StagedWriter(tmp_path, "t") as writer:
        for turn in range(2):
            values = [event(id=f"{turn}-{day}", event_ts=MILLIS - day * DAY) for day in range(dates)]
            writer.add(curator.curate(records(values)))
            assert len(writer.open_files) <= MOST_OPEN
    accepted = [one for one in writer.files if one.place == "accepted"]
    assert len({one.path for one in writer.files}) == len(writer.files)
    assert sum(one.rows for one in accepted) == rows_below(tmp_path / "accepted") == 2 * dates
    assert len({Path(one.path).parent for one in accepted}) == dates


def test_the_manifest_removes_what_it_does_not_name(tmp_path: Path, batch: Curated) -> None:
    """Files of an attempt that failed, or of nobody, are gone before the manifest is there; named ones stay."""
    with suppress(RuntimeError), StagedWriter(tmp_path, "00000-1") as failed:
        failed.add(batch)
        raise RuntimeError
    assert rows_below(tmp_path / "accepted") == 2
    foreign = tmp_path / "accepted" / "event_date=1970-01-01" / "part-x.parquet"
    foreign.parent.mkdir()
    foreign.write_bytes(b"half a file")
    files = staged(tmp_path, batch, task="00000-2")
    write_manifest(tmp_path, manifest(files))
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.parquet")} == {
        one.path for one in files
    }
    assert read_manifest(tmp_path) == manifest(files)


def test_a_replay_writes_the_same_rows(tmp_path: Path, batch: Curated) -> None:
    """Staging the same batch again, by another attempt, leaves one copy of each row."""
    write_manifest(tmp_path, manifest(staged(tmp_path, batch, task="00000-1")))
    write_manifest(tmp_path, manifest(staged(tmp_path, batch, task="00000-9")))
    assert rows_below(tmp_path / "accepted") == batch.accepted.num_rows
    assert rows_below(tmp_path / "rejected") == batch.rejected.num_rows


def test_files_by_place(tmp_path: Path, batch: Curated) -> None:
    """The manifest knows the files of a place."""
    files = staged(tmp_path, batch)
    assert {one.place for one in manifest(files).of("accepted")} == {"accepted"}
    assert sum(one.rows for one in manifest(files).of("accepted")) == 2


def test_a_manifest_that_is_not_one_is_refused(tmp_path: Path) -> None:
    """No manifest, half of one, or one with other fields: the run is not complete."""
    with pytest.raises(OSError, match=MANIFEST):
        read_manifest(tmp_path)
    for content in (
        b"",
        b'{"run_id":"r"',
        b'{"run_id":"r"}',
        b'{"run_id":"r","pipeline":"p","mapping_version":1,"x":1}',
    ):
        (tmp_path / MANIFEST).write_bytes(content)
        with pytest.raises(ContractError):
            read_manifest(tmp_path)


def test_an_empty_run_has_a_manifest_too(tmp_path: Path) -> None:
    """A run of dead letters alone, or of nothing, is complete as well."""
    write_manifest(tmp_path, manifest([]))
    assert read_manifest(tmp_path) == replace(manifest([]), files=())
