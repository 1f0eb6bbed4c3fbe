"""Rehearse a crash: with FAULT_AT=<point> a process is killed at a named line, at once and without tidying up.

Every process of a run arms itself from the settings at its start, Spark's tasks included. `FAULT_AT=<point>:3` is the
third time that the process passes the point.
"""

import os
import re
import signal
from dataclasses import dataclass

from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest

POINTS = {
    "batch_opened": "the run is opened in the store, nothing of it is written",
    "half_staged": "a task has written some of its files, another is half written",
    "files_staged": "the checkpoint has the batch's offsets, all files are written, no manifest names them",
    "manifest_written": "the manifest names the files, there is no report",
    "report_written": "the report is written, the store does not know of it",
    "taken_written": "a replay has written down what it takes, its run is not staged",
    "batch_staged": "the batch is staged, Spark has not committed it to its checkpoint",
    "audit_written": "the audit's results are written, the store does not know of them",
    "evidence_kept": "the evidence is kept, nothing is decided",
    "decision_stored": "the decision is in the store, not in the log",
    "log_torn": "half of a decision's line is in the log",
    "decision_recorded": "the decision is on record, none of its acts is done",
    "act_done": "an act is done and not noted as done",
    "acts_done": "all acts are done, no row is moved",
    "columns_filled": "rescued values of a new column are written beside a file, which is without them still",
    "segment_split": "a segment's failing rows are written aside, the accepted file has them still",
    "folder_moved": "a folder of the run is where it belongs, the next one is not",
    "before_publish": "all that is not readable is in place, nothing is published",
    "run_arriving": "the run is copied to the readable file system, and not readable yet",
    "published": "the run is readable, the ledger does not know",
    "load_counted": "the recount is written, the run is not marked as validated",
    "cleaning": "something that no run needs is removed, the rest is not",
    "migrating": "the store's tables are changed, the change is not committed",
    "undo_begun": "the undo is in the store, the mapping is the former one again, no row is moved",
    "rows_back": "the rows have left the readable set, or are about to come back, the manifest does not say so",
    "undo_moved": "rows and manifest are as the undo wants them, the ledger does not know",
}
"""Every point, and what a crash leaves behind there."""

OF_HEALING = frozenset({"taken_written", "columns_filled", "undo_begun", "rows_back", "undo_moved"})
"""Points that a run of events without new fields does not pass."""

KILLED_AT = "rehearsal: killed at "
"""The last words of a process, on stderr: a rehearsal is not to be taken for the real thing."""

WRITTEN = re.compile(r"([a-z_]+)(?::([1-9]\d*))?")


@dataclass(slots=True)
class Fault:
    """An armed point; `left` counts down the passes."""

    text: str
    point: str
    left: int


_armed: list[Fault] = []
"""At most one; a list, so that arming is no rebinding of a module's name."""


def arm(text: str) -> None:
    """Arm a point from `name` or `name:n`, disarm with an empty text; the same text again keeps its count.

    A point that does not exist is a UserError that names the nearest one.
    """
    if [one.text for one in _armed] != [text]:
        _armed[:] = [parsed(text)] if text else []


def armed() -> str:
    """Return what is armed, for a process that has to be told; empty when nothing is."""
    return _armed[0].text if _armed else ""


def parsed(text: str) -> Fault:
    """Read `name` or `name:n`."""
    found = WRITTEN.fullmatch(text)
    name = found[1] if found else text.partition(":")[0]
    if name not in POINTS:
        raise UserError(f"FAULT_AT: no point '{name}'.{nearest(name, POINTS)}")
    if found is None:
        raise UserError(f"FAULT_AT={text}: expected a point, or a point and its pass from 1 on, such as {name}:3.")
    return Fault(text, name, int(found[2] or 1))


def fault_point(name: str) -> None:
    """Kill the process here if this point is armed and its pass has come."""
    if not _armed or _armed[0].point != name:
        return
    _armed[0].left -= 1
    if not _armed[0].left:
        os.write(2, f"{KILLED_AT}{name}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
