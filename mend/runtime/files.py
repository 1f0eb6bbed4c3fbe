"""Files are written to a temporary name, fsynced and renamed: a reader sees the old or the new one, never half."""

import glob
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

JSON_OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS


@contextmanager
def removed_on_error(path: Path) -> Iterator[None]:
    """Delete the half-written file when its writing fails or is interrupted."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make a rename inside the folder durable."""
    sync_files([folder])


def sync_files(paths: Iterable[Path]) -> None:
    """Make the content of files, and the names in folders, durable."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def duckdb_names(paths: Iterable[Path]) -> list[str]:
    """Return paths as DuckDB reads exactly these files; it takes even a list of names for patterns."""
    return [glob.escape(str(path)) for path in paths]


def write_atomic(path: Path, content: bytes) -> None:
    """Replace the file's content in one step; durable on return. Creates missing parent folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    with removed_on_error(temporary):
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    sync_folder(path.parent)


def write_json(path: Path, document: Any) -> None:
    """Write a document (dicts, lists, dataclasses, numbers, strings) as indented JSON with sorted keys, atomically."""
    write_atomic(path, orjson.dumps(document, option=JSON_OPTIONS))


def append_line(path: Path, line: bytes) -> None:
    """Append one line and fsync it; a crash leaves at most one torn last line, which the next one ends first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as out:
        end = out.seek(0, os.SEEK_END)
        torn = end > 0 and os.pread(out.fileno(), 1, end - 1) != b"\n"
        out.write((b"\n" if torn else b"") + line + b"\n")
        out.flush()
        os.fsync(out.fileno())
