"""Incidents as lines of a file, with the keys of the incident log."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

from mend.contracts import codec
from mend.contracts.incident import Incident, Severity
from mend.incidents.lifecycle import opened
from mend.runtime.files import append_line


class FileIncidents:
    """Appends to `incidents.jsonl`; for where there is no store."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(
        self,
        incident_type: str,
        summary: str,
        context: dict[str, Any],
        severity: Severity,
        at: datetime,
        *,
        key: str = "",
    ) -> Incident:
        """Append a line."""
        incident = opened(incident_id(key), incident_type, summary, severity, at, context=context)
        known = self.find(incident.id)
        if known is None:
            append_line(self.path, codec.dumps(incident))
        return known or incident

    def find(self, wanted: str) -> Incident | None:
        """Look for the incident's line; one torn by a crash is passed over."""
        lines = self.path.read_bytes().splitlines() if self.path.exists() else []
        for line in (one for one in lines if wanted.encode() in one):
            with suppress(codec.ContractError):
                return codec.loads(Incident, line)
        return None


def incident_id(key: str) -> str:
    """Return the id of the incident that an act opens: the same act opens the same one, none at all a new one."""
    return str(uuid5(NAMESPACE_OID, key) if key else uuid4())
