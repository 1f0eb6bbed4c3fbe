"""What a backup holds, put back into an empty home: checked as a whole before, the store last."""

import hashlib
import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Any

import orjson

from mend.runtime.errors import UserError
from mend.runtime.files import write_atomic
from mend.runtime.settings import Settings
from mend.store.engine import open_store
from mend.store.transfer import copy_store, is_empty
from orchestration.backup import INDEX, STORE, Kept, Said, files_below, roots
from orchestration.storage import nobody_at_work

UNFINISHED = ".restoring"
CHUNK = 2**20


def restore(settings: Settings, source: Path, say: Said = lambda _: None) -> Kept:
    """Check the whole archive, then put everything where these settings say, the store last.

    Home, published folder and store must be empty. A restore that was killed is begun anew by calling it again.
    """
    say("checking the archive")
    index = checked(source)
    mark = settings.home / UNFINISHED
    begun = mark.exists() and mark.read_bytes() == fingerprint(index)
    with open_store(made(settings).store_url) as store, nobody_at_work(settings):
        if not begun:
            refuse_full(settings, store_empty=is_empty(store))
            write_atomic(mark, fingerprint(index))
        if is_empty(store):  # its rows come last and at once: if they are there, everything is
            with TemporaryDirectory(dir=settings.home) as scratch:
                say("putting files back")
                put_files(settings, source, Path(scratch))
                say("putting the store back")
                with open_store(f"sqlite:///{Path(scratch) / STORE}") as kept:
                    copy_store(kept, store)
    mark.unlink()
    told = {name: index[name] for name in ("at", "revision", "rows")}
    return Kept(path=str(source), files=len(index["sha256"]), bytes=source.stat().st_size, **told)


def made(settings: Settings) -> Settings:
    """Make the home."""
    settings.home.mkdir(parents=True, exist_ok=True)
    return settings


def fingerprint(index: dict[str, Any]) -> bytes:
    """Return what tells one archive from another."""
    return hashlib.sha256(orjson.dumps(index)).hexdigest().encode()


def refuse_full(settings: Settings, *, store_empty: bool) -> None:
    """Refuse to mix two histories."""
    full = next((root for name, root in roots(settings).items() if any(files_below(name, root))), None)
    if full is None and store_empty:
        return
    what = full or "the store"
    raise UserError(f"{what} is not empty. Restore into a new MEND_HOME, or call `mend reset-data` first.", exit_code=3)


def checked(source: Path) -> dict[str, Any]:
    """Return the index of an archive of which every file is there as it was; anything else is a UserError."""
    found: dict[str, str] = {}
    index: dict[str, Any] = {"sha256": {}}
    try:
        with tarfile.open(source) as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is None:
                    raise broken(source, member.name)
                if member.name == INDEX:
                    index = orjson.loads(content.read())
                else:
                    found[member.name] = digest(content)
    except (OSError, tarfile.TarError, orjson.JSONDecodeError) as error:
        raise broken(source, str(error)) from error
    wrong = sorted(name for name in {*found, *index["sha256"]} if found.get(name) != index["sha256"].get(name))
    if wrong or not found:
        raise broken(source, wrong[0] if wrong else INDEX)
    return index


def digest(content: IO[bytes]) -> str:
    """Return the digest of a member."""
    sha = hashlib.sha256()
    while chunk := content.read(CHUNK):
        sha.update(chunk)
    return sha.hexdigest()


def broken(source: Path, why: str) -> UserError:
    """Say that an archive is not one, or not whole."""
    return UserError(f"{source} is no whole backup: {why}. Nothing was changed.", exit_code=1)


def put_files(settings: Settings, source: Path, scratch: Path) -> None:
    """Put the files where they belong, and the copy of the store into the scratch folder."""
    with tarfile.open(source) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if member.name == INDEX or content is None:
                continue
            there = scratch / STORE if member.name == STORE else place_of(settings, member.name)
            there.parent.mkdir(parents=True, exist_ok=True)
            with there.open("wb") as out:
                shutil.copyfileobj(content, out, CHUNK)
                out.flush()
                os.fsync(out.fileno())
            os.utime(there, (member.mtime, member.mtime))


def place_of(settings: Settings, name: str) -> Path:
    """Return where a file belongs; a name that leads elsewhere is refused."""
    root = next((one for one in roots(settings) if name.startswith(f"{one}/")), None)
    if root is None or ".." in PurePosixPath(name).parts:
        raise UserError(
            f"{name} is nothing that Mend keeps. Remove what was put back, and get a good archive.", exit_code=1
        )
    return roots(settings)[root] / name.removeprefix(f"{root}/")
