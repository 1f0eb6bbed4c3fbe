"""A circuit as a file, for where there is no store: whoever starts runs looks for it, a person removes it."""

from datetime import datetime
from pathlib import Path

from mend.runtime.files import write_json


class FileCircuit:
    """Keeps `circuit.json`: {cause, why, run_id, opened_at}; the circuit is open while the file is there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, cause: str, why: str, run_id: str | None, at: datetime) -> str:
        """Write the file unless it is there."""
        if not self.path.exists():
            write_json(self.path, {"cause": cause, "why": why, "run_id": run_id, "opened_at": at.isoformat()})
        return self.path.name

    def is_open(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()
