"""The newest entries of Spark's checkpoint after a crash of the machine: Spark does not sync them to the disk."""

from collections.abc import Callable
from pathlib import Path

import orjson

from mend.runtime.logging import get_logger

LINES = {"commits": 2, "offsets": 3}
"""Lines of a whole entry, commits before offsets: a batch is committed only if both are."""


def forget_torn_entries(checkpoint: Path) -> None:
    """Remove a newest commit, or newest offsets without a commit, that are half written: their batch is read again.

    A checksum without its entry goes too, or Spark could not write the entry again: who deletes one by hand leaves it.
    The batch keeps its run. Should that be decided about other offsets than the batch has now, the batch is refused.
    """
    for log, lines in LINES.items():
        number = max((int(path.name) for path in (checkpoint / log).glob("[0-9]*")), default=None)
        entry = checkpoint / log / str(number)
        committed = log == "offsets" and (checkpoint / "commits" / str(number)).exists()
        if number is not None and not committed and not is_whole(entry.read_bytes(), lines):
            get_logger().warning("torn_checkpoint_entry_forgotten", entry=str(entry))
            entry.unlink()
        for checksum in (checkpoint / log).glob(".[0-9]*.crc"):
            if not checksum.with_name(checksum.stem[1:]).exists():
                checksum.unlink()


def forget_open_batch(checkpoint: Path, may_go: Callable[[int], bool]) -> None:
    """Remove the newest offsets if they have no commit and may go: Spark plans that batch again, with its limit of now.

    It begins where the batch did: after the last commit, or where the query began, which Spark keeps elsewhere.
    """
    number = max((int(path.name) for path in (checkpoint / "offsets").glob("[0-9]*")), default=None)
    if number is None or (checkpoint / "commits" / str(number)).exists() or not may_go(number):
        return
    get_logger().info("batch_cut_anew", batch=number)
    for path in (checkpoint / "offsets" / str(number), checkpoint / "offsets" / f".{number}.crc"):
        path.unlink(missing_ok=True)


def is_whole(content: bytes, lines: int) -> bool:
    """Whether all lines are there, and each after the version is JSON."""
    version, *rest = content.split(b"\n")
    try:
        return version == b"v1" and len([orjson.loads(line) for line in rest]) >= lines - 1
    except orjson.JSONDecodeError:
        return False
