"""What the disk refuses is one line that says what to do; and only one process works on a pipeline at a time."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from mend.runtime.errors import UserError
from mend.runtime.locks import only_one
from mend.runtime.settings import Settings
from orchestration.undo import end_what_died
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
            advice = "Make it writable for this user, or set MEND_HOME or PARQUET_OUT to another folder, and run again."
        else:
            raise
        place = f"{error.filename}: " if error.filename else ""
        raise UserError(f"cannot write: {place}{os.strerror(error.errno)}. {advice}", exit_code=1) from error


@contextmanager
def at_work(workspace: Workspace) -> Iterator[Workspace]:
    """Lock the pipeline; a second process is refused. The ingest job inherits the lock: it may outlive its parent.

    An undo at which a process died is ended first.
    """
    name = workspace.pipeline.name
    with only_one(workspace.layout.lock(name), name) as lock:
        end_what_died(workspace)
        yield replace(workspace, lock=lock)


@contextmanager
def nobody_at_work(settings: Settings) -> Iterator[None]:
    """Refuse while a run is at work on any pipeline, or a job on a checkpoint, which may be another home's."""
    folder = settings.home / "locks"
    known = (
        {folder / f"{path.stem}.lock" for path in settings.pipelines.glob("*.yml")} if settings.home.exists() else set()
    )
    if known:
        folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        for path in sorted({*folder.glob("*.lock"), *settings.checkpoints.glob("*/*.lock"), *known}):
            try:
                fcntl.flock(stack.enter_context(path.open("ab")), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                why = "a run is at work. Wait for its end, or stop it, and call this again."
                raise UserError(why, exit_code=3) from error
        yield
