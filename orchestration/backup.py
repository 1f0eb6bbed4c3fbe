"""Everything that Mend keeps, in one file, as of one moment.

The archive is a plain tar: `store.db` (all rows of the store, whatever database it is in), `home/…`, `published/…` and
`checkpoints/…` as they lie, and at its end `backup.json` with the digest of each. Rows are compressed already.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from mend.runtime.errors import UserError
from mend.runtime.files import removed_on_error, sync_folder
from mend.runtime.settings import Settings
from mend.store.engine import open_store
from mend.store.tables import REVISION
from mend.store.transfer import copy_store
from orchestration.storage import nobody_at_work

KEPT = ("staging", "quarantine", "dead_letters", "duplicates", "keys", "replaced", "ops")
"""Folders of MEND_HOME beside published rows, checkpoints and the store."""
INDEX, STORE = "backup.json", "store.db"
Said = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What an archive holds: files and rows of the store, as of a time."""

    path: str
    at: str
    revision: str
    files: int
    rows: int
    bytes: int


def roots(settings: Settings) -> dict[str, Path]:
    """Return what is kept, by its name in the archive."""
    home = {f"home/{name}": settings.home / name for name in KEPT}
    return home | {"published": settings.published, "checkpoints": settings.checkpoints}


def files_below(name: str, root: Path) -> Iterator[Path]:
    """Return the files of a root in order, without locks; of the published folder only runs, for others may use it."""
    for path in sorted(root.glob("run=*/**/*" if name == "published" else "**/*")):
        if path.is_file() and path.suffix != ".lock":
            yield path


def back_up(settings: Settings, target: Path, at: datetime, say: Said = lambda _: None) -> Kept:
    """Write the archive, whole or not at all; runs are refused meanwhile, and one at work refuses this."""
    if target.exists():
        raise UserError(f"{target} is there already. Name a new file.", exit_code=3)
    if not settings.store_exists:
        raise UserError(f"there is nothing to keep yet in {settings.home}.", exit_code=3)
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f".{target.name}.half")
    with nobody_at_work(settings), TemporaryDirectory(dir=target.parent) as scratch, removed_on_error(half):
        say("copying the store")
        copy = Path(scratch) / STORE
        with open_store(settings.store_url) as source, open_store(f"sqlite:///{copy}") as kept:
            rows = copy_store(source, kept)
        with half.open("wb") as out:
            digests = write_archive(
                out, copy, settings, {"at": at.isoformat(), "revision": REVISION, "rows": rows}, say
            )
            out.flush()
            os.fsync(out.fileno())
    half.rename(target)
    sync_folder(target.parent)
    size = target.stat().st_size
    return Kept(path=str(target), at=at.isoformat(), revision=REVISION, files=len(digests), rows=rows, bytes=size)


def write_archive(
    out: io.BufferedWriter, store: Path, settings: Settings, told: dict[str, object], say: Said
) -> dict[str, str]:
    """Write the store, the files and the index; returns the digest of each file."""
    digests: dict[str, str] = {}
    with tarfile.open(fileobj=out, mode="w") as archive:
        add(archive, store, STORE, digests)
        for name, root in roots(settings).items():
            say(f"copying {root}")
            for path in files_below(name, root):
                add(archive, path, f"{name}/{path.relative_to(root).as_posix()}", digests)
        index = orjson.dumps(told | {"sha256": digests})
        header = tarfile.TarInfo(INDEX)
        header.size = len(index)
        archive.addfile(header, io.BytesIO(index))
    return digests


def add(archive: tarfile.TarFile, path: Path, name: str, digests: dict[str, str]) -> None:
    """Add a file and note its digest."""
    with path.open("rb") as file:
        digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
    archive.add(path, name, recursive=False)
