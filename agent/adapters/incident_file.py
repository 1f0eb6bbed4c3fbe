"""Incidents as lines of a file, with the keys of the incident log."""

from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from mend.contracts import codec
from mend.contracts.incident import Incident, Severity
from mend.incidents.lifecycle import opened
from mend.runtime.files import append_line


class FileIncidents:
    """Appends to `incidents.jsonl`; for where there is no store."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(
        self, incident_type: str, summary: str, context: dict[str, Any], severity: Severity, at: datetime
    ) -> Incident:
        """Append a line."""
        incident = opened(str(uuid4()), incident_type, summary, severity, at, context=context)
        append_line(self.path, codec.dumps(incident))
        return incident
