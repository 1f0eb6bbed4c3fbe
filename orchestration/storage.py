"""What the disk refuses is one line that says what to do; and only one process works on a pipeline at a time."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mend.runtime.errors import UserError
from orchestration.workspace import Workspace

FULL = {errno.ENOSPC, errno.EDQUOT}
REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST}


@contextmanager
def refusals_told() -> Iterator[None]:
    """Turn a full or read-only disk into a UserError; any other OSError goes on as it is."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            advice = "Free some space and run again: what was begun is picked up."
        elif error.errno in REFUSED:
            advice = "Make it writable for this user, or set MEND_HOME to another folder, and run again."
        else:
            raise
        place = f"{error.filename}: " if error.filename else ""
        raise UserError(f"cannot write: {place}{os.strerror(error.errno)}. {advice}", exit_code=1) from error


@contextmanager
def at_work(workspace: Workspace) -> Iterator[Workspace]:
    """Lock the pipeline; a second process is refused. The ingest job inherits the lock: it may outlive who started it.

    The lock belongs to the open file, so it goes when the last process ends, however it ends.
    """
    path = workspace.settings.home / "locks" / f"{workspace.pipeline.name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise taken(path, workspace.pipeline.name) from error
        lock.truncate(0)
        lock.write(str(os.getpid()).encode())
        lock.flush()
        yield replace(workspace, lock=lock.fileno())


def taken(path: Path, pipeline: str) -> UserError:
    """Say who works on the pipeline."""
    owner = path.read_text(encoding="utf-8") or "unknown"
    return UserError(
        f"another run of {pipeline} is at work (process {owner}, or the ingest job it started). Wait for its end.",
        exit_code=3,
    )
