"""Files are seen whole or not at all."""

from pathlib import Path

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mend.runtime.files import append_line, duckdb_names, write_atomic, write_json


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Missing folders are made, old content is gone, nothing else lies beside it, others may read it."""
    path = tmp_path / "a" / "b.json"
    write_atomic(path, b"old and longer")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert [one.name for one in path.parent.iterdir()] == ["b.json"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """What cannot be written changes nothing and leaves no temporary file."""
    path = tmp_path / "a.json"
    write_atomic(path, b"old")
    with pytest.raises(TypeError):
        write_atomic(path, "text")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    """Whoever opened the old file reads it to its end; the name leads to the new one at once."""
    path = tmp_path / "a"
    write_atomic(path, b"old")
    with path.open("rb") as reader:
        write_atomic(path, b"new")
        assert (reader.read(), path.read_bytes()) == (b"old", b"new")


def test_a_folder_in_the_way_is_an_error(tmp_path: Path) -> None:
    """A name that is a folder is not written over."""
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="a"):
        write_atomic(tmp_path / "a", b"x")
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_documents_are_written_for_people_and_scripts(tmp_path: Path) -> None:
    """Indented, keys in order, a line break at the end, numbers as keys allowed."""
    path = tmp_path / "a.json"
    write_json(path, {"b": 1, "a": {2: [None, True, "é"]}})
    assert orjson.loads(path.read_bytes()) == {"a": {"2": [None, True, "é"]}, "b": 1}
    assert path.read_text(encoding="utf-8").startswith('{\n  "a"')
    assert path.read_bytes().endswith(b"}\n")


def test_lines_are_appended(tmp_path: Path) -> None:
    """The file and its folder are made with the first line; earlier lines stay."""
    path = tmp_path / "ops" / "log.jsonl"
    append_line(path, b"1")
    append_line(path, b"2")
    assert path.read_bytes() == b"1\n2\n"


def test_a_torn_last_line_swallows_nothing(tmp_path: Path) -> None:
    """What a crash tore is ended before the next line is written: that one can be read."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"1\n{half")
    append_line(path, b"2")
    assert path.read_bytes() == b"1\n{half\n2\n"


@pytest.mark.parametrize("name", ["a[1]", "s*r", "q?", "a{b,c}", "back\\slash", "spâce %20"])
def test_duckdb_reads_the_file_that_is_named(tmp_path: Path, name: str) -> None:
    """A folder whose name is a pattern is that folder, and none that the pattern fits; also in a list of names."""
    for folder in (name, "a1", "sir", "qu", "ab"):
        path = tmp_path / folder / "f.parquet"
        path.parent.mkdir()
        pq.write_table(pa.table({"folder": [folder]}), path)
    files = duckdb_names([tmp_path / name / "f.parquet"])
    with duckdb.connect() as db:
        assert db.execute("SELECT folder FROM read_parquet($files)", {"files": files}).fetchall() == [(name,)]
        assert db.read_parquet(files).fetchall() == [(name,)]
