"""The log of decisions: a JSON line each, chained by hashes, so that none can be changed, left out or moved unseen.

A line names the hash of the line before it (`prev_hash`) and its own (`hash`), SHA-256 over its canonical bytes without
`hash`. The first chained line names the hash of all bytes before it: older lines without hashes are the accepted
beginning, and stay as they are from then on.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from mend.contracts import codec
from mend.contracts.decision import ContextSummary, DecisionLogLine
from mend.runtime.faults import fault_point
from mend.runtime.files import write_atomic

TAIL = 2**20
REPAIRED = "log_repaired"
"""What the line says, in place of a decision, that follows half a line of a crash."""

NO_FIGURES = ContextSummary(total_records=None, late_records=None, dq_failures=None, schema_drift=None)
Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong with a log; `line` counts from 1, None where a line is missing."""

    line: int | None
    run_id: str | None
    what: str


def note(
    decision: str, reasoning: str, at: str, *, by: str | None = None, run_id: str | None = None
) -> DecisionLogLine:
    """Return a line about something else than a run's decision: what a person did, or a repair."""
    return DecisionLogLine(
        timestamp=at,
        decision=decision,
        reasoning=reasoning,
        confidence=1.0,
        escalation_required=False,
        actions_count=0,
        context_summary=NO_FIGURES,
        run_id=run_id,
        by=by,
    )


def append(path: Path, line: DecisionLogLine) -> None:
    """Append the line to the chain; durable on return. One that is among the last ones (1 MB) is not written again.

    Writers wait for each other. Half a line that a crash left is kept aside first, and a line says so.
    """
    with locked(path) as log:
        set_torn_aside(log, path, line.timestamp)
        if codec.to_dict(line) not in [unchained(one) for one in last_lines(log)]:
            write(log, size(log), chained(line, head(log)))


@contextmanager
def locked(path: Path) -> Iterator[BinaryIO]:
    """Open the log for one writer at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with path.open("r+b", buffering=0) as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        yield log


def set_torn_aside(log: BinaryIO, path: Path, at: str) -> None:
    """Copy half a line at the end into `decision_log.torn/`, and write over it the line that says so.

    Written over and not cut off first: killed in between, there is still half a line, which the next one finds.
    """
    start = end_of_lines(log)
    torn = os.pread(log.fileno(), size(log) - start, start)
    if not torn:
        return
    aside = path.with_suffix(".torn") / f"{start}-{sha256(torn).hexdigest()[:12]}"
    write_atomic(aside, torn)
    kept = f"It is kept in {aside.parent.name}/{aside.name}."
    says = f"A crash left half a line of {len(torn)} bytes at byte {start}. {kept}"
    write(log, start, chained(note(REPAIRED, says, at), head(log)))


def write(log: BinaryIO, start: int, line: DecisionLogLine) -> None:
    """Write a line at a place and end the file behind it, on disk on return."""
    content = codec.dumps(line) + b"\n"
    half = len(content) // 2
    # In two pieces, so that a crash between them can be rehearsed; until the newline is there it is no line.
    os.pwrite(log.fileno(), content[:half], start)
    fault_point("log_torn")
    os.pwrite(log.fileno(), content[half:], start + half)
    log.truncate(start + len(content))
    os.fsync(log.fileno())


def chained(line: DecisionLogLine, prev_hash: str) -> DecisionLogLine:
    """Return the line with its place in the chain."""
    linked = replace(line, prev_hash=prev_hash, hash=None)
    return replace(linked, hash=hash_of(codec.to_dict(linked)))


def hash_of(document: Document) -> str:
    """Return the hash of a line: over its canonical bytes without `hash`."""
    rest = {name: value for name, value in document.items() if name != "hash"}
    return sha256(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)).hexdigest()


def unchained(line: bytes) -> Document:
    """Return what a line says without its place in the chain; nothing for half a line."""
    return {**(parsed(line) or {}), "prev_hash": None, "hash": None}


def parsed(line: bytes) -> Document | None:
    """Return a line's document, None if it is none."""
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def head(log: BinaryIO) -> str:
    """Return what the next line names as the one before it."""
    lines = last_lines(log)
    last = (parsed(lines[-1]) or {}) if lines else {}
    if last.get("hash"):
        return str(last["hash"])
    log.seek(0)
    return sha256(log.read(end_of_lines(log))).hexdigest()


def last_lines(log: BinaryIO) -> list[bytes]:
    """Return the last whole lines, of at most 1 MB if one fits into that."""
    end, span = end_of_lines(log), TAIL
    while True:
        start = max(end - span, 0)
        lines = os.pread(log.fileno(), end - start, start).split(b"\n")[:-1]
        if start == 0 or len(lines) > 1:
            return lines if start == 0 else lines[1:]
        span *= 2


def end_of_lines(log: BinaryIO) -> int:
    """Return where the last whole line ends."""
    end = size(log)
    while end > 0:
        start = max(end - TAIL, 0)
        found = os.pread(log.fileno(), end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def size(log: BinaryIO) -> int:
    """Return the length of the file."""
    return os.fstat(log.fileno()).st_size


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Return the lines of a log, numbered from 1, while no writer is at work; half a line at the end has no newline."""
    if not path.exists():
        return
    with path.open("rb") as log:
        fcntl.flock(log, fcntl.LOCK_SH)
        yield from enumerate(log, start=1)


def broken_links(path: Path) -> Iterator[Finding]:
    """Return every line that is not as it was written, or does not follow the one before it."""
    beginning, before = sha256(), None
    for number, line in lines_of(path):
        document = parsed(line) or {}
        run_id = document.get("run_id")
        own = document.get("hash")
        if before is None and not own:
            beginning.update(line)
            if not line.endswith(b"\n"):
                yield Finding(line=number, run_id=run_id, what=TORN)
            continue
        expected = before or beginning.hexdigest()
        before = own or before
        what = wrong_in(line, document) or (UNLINKED if document.get("prev_hash") != expected else None)
        if what:
            yield Finding(line=number, run_id=run_id, what=what)


UNLINKED = "it does not follow what stands before it: lines were removed, added, moved or edited there"
TORN = "half a line, as a crash leaves it; the next decision sets it aside and says so"


def wrong_in(line: bytes, document: Document) -> str | None:
    """Return what is wrong with a line by itself."""
    if not line.endswith(b"\n"):
        return TORN
    if not document.get("hash"):
        return "a line without a hash inside the chain: it was added or spoilt"
    canonical = orjson.dumps(document, option=orjson.OPT_SORT_KEYS) + b"\n"
    edited = line != canonical or hash_of(document) != document["hash"]
    return "the line was edited: its hash is of another content" if edited else None
