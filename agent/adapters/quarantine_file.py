"""Orders to set rows aside, as files that the publishing executes and people read."""

import re
from datetime import UTC
from itertools import count
from pathlib import Path

from agent.ports import QuarantineOrder
from mend.contracts import codec
from mend.runtime.files import write_json


class FileQuarantine:
    """Keeps `<folder>/<reason>/<YYYYmmdd_HHMMSS>_<first digits of the act's key>/metadata.json`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def record(self, order: QuarantineOrder) -> str:
        """Write the order into a folder of its own."""
        # A reason may come from a user's rule or tool: it names a folder here and never leads out of it.
        parent = self.folder / re.sub(r"[^A-Za-z0-9_-]", "_", order.reason)
        name = order.quarantined_at.astimezone(UTC).strftime("%Y%m%d_%H%M%S")
        mark = f"_{order.key[:12]}" if order.key else ""
        begun = sorted(parent.glob(f"*{mark}")) if mark else []
        path = begun[0] if begun else new_folder(parent, f"{name}{mark}")
        document = {
            "quarantined_at": order.quarantined_at.isoformat(),
            "reason": order.reason,
            "filter_condition": order.filter_condition,
            "segments": [codec.to_dict(one) for one in order.segments],
            "partitions": [codec.to_dict(one) for one in order.partitions],
            "source_path": order.source_path,
            "quarantine_path": str(path),
        }
        write_json(path / "metadata.json", document)
        return str(path)

    def is_kept(self, path: str) -> bool:
        """Look for the file."""
        return (Path(path) / "metadata.json").is_file()


def new_folder(parent: Path, name: str) -> Path:
    """Make a folder that nobody has; orders of one second are numbered."""
    for number in count(1):
        path = parent / (name if number == 1 else f"{name}_{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        return path
    raise AssertionError("count() does not end")
