"""Incidents as lines of a file, with the keys of the incident log."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

from mend.contracts import codec
from mend.contracts.codec import ContractError
from mend.contracts.incident import Incident, Severity
from mend.incidents.fingerprint import cause_of
from mend.incidents.lifecycle import noted, opened, resolved
from mend.runtime.files import append_line


class FileIncidents:
    """Appends to `incidents.jsonl`, where the last line of an id is how it stands; for where there is no store."""

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
        cause: str | None = None,
    ) -> Incident:
        """Append a line."""
        cause = cause or cause_of(incident_type, context.get("pipeline"), summary)
        made = replace(opened(incident_id(key), incident_type, summary, severity, at, context=context), cause=cause)
        known = next((one for one in self._lines() if one.id == made.id), None) or self.note(cause, summary, at)
        if known is None:
            append_line(self.path, codec.dumps(made))
        return known or made

    def note(self, cause: str, note: str, at: datetime) -> Incident | None:
        """Append the incident with the note."""
        return self._changed(cause, lambda known: noted(known, note, at))

    def resolve(self, cause: str, notes: str, at: datetime) -> Incident | None:
        """Append the incident as resolved."""
        return self._changed(cause, lambda known: resolved(known, notes, at))

    def is_open(self, incident_id: str) -> bool:
        """Look at the last line of the id."""
        standing = {one.id: one for one in self._lines()}
        return incident_id in standing and standing[incident_id].live

    def _changed(self, cause: str, change: Callable[[Incident], Incident]) -> Incident | None:
        standing = {one.id: one for one in self._lines()}.values()
        known = next((one for one in standing if one.cause == cause and one.live), None)
        if known is None:
            return None
        changed = change(known)
        append_line(self.path, codec.dumps(changed))
        return changed

    def _lines(self) -> list[Incident]:
        lines = self.path.read_bytes().splitlines() if self.path.exists() else []
        found = []
        for line in lines:
            try:
                found.append(codec.loads(Incident, line))
            except ContractError:  # torn by a crash
                continue
        return found


def incident_id(key: str) -> str:
    """Return the id of the incident that an act opens: the same act opens the same one, none at all a new one."""
    return str(uuid5(NAMESPACE_OID, key) if key else uuid4())
