"""The active mapping as a file: {version, updated_at, mappings, applied}."""

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from mend.runtime.errors import UserError
from mend.runtime.files import write_json


class FileMappings:
    """Keeps `schema_remap.json`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def apply(self, mapping: dict[str, Any], at: datetime) -> int:
        """Rewrite the file with the mapping added."""
        version, active = self._active()
        if mapping.items() <= active.items() and version:
            return version
        document = {
            "version": version + 1,
            "updated_at": at.isoformat(),
            "mappings": active | mapping,
            "applied": True,
        }
        write_json(self.path, document)
        return version + 1

    def active_names(self) -> frozenset[str]:
        """Read them from the file."""
        return frozenset(self._active()[1])

    def _active(self) -> tuple[int, dict[str, Any]]:
        if not self.path.exists():
            return 0, {}
        try:
            document = orjson.loads(self.path.read_bytes())
            return int(document["version"]), dict(document["mappings"])
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(
                f"{self.path} is not a mapping ({error}), expected version and mappings. Restore or remove it."
            ) from error
