"""Entries of Spark's checkpoint that a crash of the machine tore."""

from pathlib import Path

import pytest

from spark.checkpoint import forget_open_batch, forget_torn_entries

OFFSETS = b'v1\n{"batchWatermarkMs":0}\n{"t":{"0":5}}'
COMMIT = b'v1\n{"nextBatchWatermarkMs":0}'


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Return a checkpoint with a committed batch, and one that is not."""
    for number in range(2):
        write(tmp_path / "offsets" / str(number), OFFSETS)
    write(tmp_path / "commits" / "0", COMMIT)
    return tmp_path


def write(path: Path, content: bytes) -> None:
    """Write an entry with its checksum."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.with_name(f".{path.name}.crc").write_bytes(b"crc")


def entries(checkpoint: Path) -> list[str]:
    """List what is there."""
    return sorted(str(path.relative_to(checkpoint)) for path in checkpoint.rglob("*") if path.is_file())


def test_whole_entries_stay(checkpoint: Path) -> None:
    """Nothing is removed from a checkpoint that is as Spark writes it, and a new one may be empty."""
    before = entries(checkpoint)
    forget_torn_entries(checkpoint)
    forget_torn_entries(checkpoint / "nowhere")
    assert entries(checkpoint) == before


@pytest.mark.parametrize("log", ["offsets", "commits"])
@pytest.mark.parametrize("size", [0, 2, 3, 20, -1])
def test_a_torn_newest_entry_is_forgotten(checkpoint: Path, log: str, size: int) -> None:
    """Wherever it was torn, it goes with its checksum, and nothing else does."""
    content = OFFSETS if log == "offsets" else COMMIT
    before = entries(checkpoint)
    write(checkpoint / log / "1", content[:size])
    forget_torn_entries(checkpoint)
    assert entries(checkpoint) == [name for name in before if name not in {f"{log}/1", f"{log}/.1.crc"}]


@pytest.mark.parametrize("log", ["offsets", "commits"])
def test_a_checksum_without_its_entry_is_removed(checkpoint: Path, log: str) -> None:
    """Who deletes an entry by hand may leave its checksum: Spark could not write the entry again."""
    before = entries(checkpoint)
    write(checkpoint / log / "1", b"")
    (checkpoint / log / "1").unlink()
    forget_torn_entries(checkpoint)
    assert entries(checkpoint) == [name for name in before if name not in {f"{log}/1", f"{log}/.1.crc"}]


def test_torn_offsets_of_a_committed_batch_are_not_touched(checkpoint: Path) -> None:
    """That is no crash: what was committed would be read again as something else, so Spark is to say so."""
    write(checkpoint / "commits" / "1", COMMIT)
    write(checkpoint / "offsets" / "1", b"")
    before = entries(checkpoint)
    forget_torn_entries(checkpoint)
    assert entries(checkpoint) == before


def test_a_batch_that_is_not_committed_may_be_cut_anew(checkpoint: Path) -> None:
    """Its offsets go with their checksum; those of a committed batch stay, and those of a run that was decided."""
    before = entries(checkpoint)
    forget_open_batch(checkpoint, lambda batch: batch != 1)
    assert entries(checkpoint) == before
    forget_open_batch(checkpoint, lambda batch: batch == 1)
    assert entries(checkpoint) == [name for name in before if name not in {"offsets/1", "offsets/.1.crc"}]
    forget_open_batch(checkpoint, lambda _: True)
    assert "offsets/0" in entries(checkpoint)
    forget_open_batch(checkpoint / "nowhere", lambda _: True)
