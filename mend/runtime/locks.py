"""Only one process works on a thing at a time: a lock belongs to an open file and goes when its last process ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mend.runtime.errors import UserError

REFUSED = 3


@contextmanager
def only_one(path: Path, what: str, inherited: int | None = None) -> Iterator[int]:
    """Hold the lock and yield its open file; a second process gets a UserError at once and changes nothing.

    A child that was given the open file (`inherited`) holds what its parent holds, also when the parent dies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") if inherited is None else handed_over(inherited, path) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise taken(path, what) from error
        if inherited is None:
            lock.truncate(0)
            lock.write(str(os.getpid()).encode())
            lock.flush()
        yield lock.fileno()


def handed_over(descriptor: int, path: Path) -> BinaryIO:
    """Open what the parent handed over, after a look that it is the lock."""
    try:
        same = os.fstat(descriptor).st_ino == path.stat().st_ino
    except OSError:
        same = False
    if not same:
        raise UserError(f"the open file {descriptor} is not the lock {path}. Leave --lock out.")
    return os.fdopen(descriptor, "a+b")


class Taken(UserError):  # noqa: N818 - it names what happened
    """Somebody else holds the lock; nothing was changed."""


def taken(path: Path, what: str) -> Taken:
    """Say who has it."""
    owner = path.read_text(encoding="utf-8") or "unknown"
    return Taken(
        f"another run of {what} is at work (process {owner}, or the ingest job it started). Wait for its end.",
        exit_code=REFUSED,
    )
