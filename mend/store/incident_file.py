"""Incidents as JSON lines with the keys of the record, for while the database is away."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from mend.contracts import codec
from mend.contracts.incident import Incident
from mend.store.incident_rows import (
    MOST_LIVE,
    Change,
    Fold,
    already_there,
    another_is_live,
    by_age,
    known_of,
    levels,
    unknown,
)


class JsonlIncidents:
    """Incidents as lines of a file: each change appends the whole record, the last line of an id is how it stands."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, incident: Incident) -> None:
        """Append a line."""
        with self._alone() as lines:
            if incident.id in standing(lines):
                raise already_there(incident.id)
            append(lines, incident)

    def fold(self, new: Incident, since: datetime, fold: Fold) -> Incident:
        """Append the changed records under the file's lock."""
        with self._alone() as lines:
            there = standing(lines)
            known = there.get(new.id)
            if known is not None:
                return there.get(known.parent or "", known) if known.cause is None else known
            about = sorted(
                (one for one in there.values() if one.cause and one.cause == new.cause),
                key=lambda one: (one.live, by_age(one)),
            )
            roots = [one for one in there.values() if one.live and one.parent is None]
            live = tuple(one for one in roots if datetime.fromisoformat(one.last_seen_at or one.updated_at) >= since)
            folded = fold(new, known_of(about[-1] if about else None, live[-MOST_LIVE:], there.get))
            append(lines, folded.new, *folded.changed)
            return folded.stands

    def find(self, incident_id: str) -> Incident | None:
        """Read the file."""
        return self._read().get(incident_id)

    def named(self, beginning: str) -> tuple[Incident, ...]:
        """Read the file."""
        found = sorted((one for one in self._read().values() if one.id.startswith(beginning)), key=lambda one: one.id)
        return tuple(found[:10])

    def below(self, incident_id: str) -> tuple[Incident, ...]:
        """Read the file."""
        return below_in(self._read(), incident_id)

    def change(self, incident_id: str, change: Change, below: Change | None = None) -> Incident:
        """Append the changed records under the file's lock."""
        with self._alone() as lines:
            there = standing(lines)
            known = there.get(incident_id)
            if known is None:
                raise unknown(incident_id)
            changed = change(known)
            if changed.live and changed.cause and changed.cause in live_causes(there, changed.id):
                raise another_is_live(changed)
            under = below_in(there, incident_id) if below else ()
            append(lines, changed, *(below(one) for one in under if below and one.live))
            return changed

    def created_since(self, start: datetime) -> tuple[Incident, ...]:
        """Read the file."""
        recent = [one for one in self._read().values() if datetime.fromisoformat(one.created_at) >= start]
        by_id = sorted(recent, key=lambda one: one.id)
        return tuple(sorted(by_id, key=lambda one: datetime.fromisoformat(one.created_at), reverse=True))

    def open_about(self, causes: str) -> tuple[Incident, ...]:
        """Read the file."""
        about = (one for one in self._read().values() if one.live and one.cause and one.cause.startswith(causes))
        return tuple(sorted(about, key=by_age))

    def empty_into(self, take: Callable[[tuple[Incident, ...]], None]) -> None:
        """Hand all incidents over, oldest first, and forget them when they were taken; after a crash, again."""
        if not self.path.exists() or not self.path.stat().st_size:
            return
        with self._alone() as lines:
            take(tuple(sorted(standing(lines).values(), key=by_age)))
            lines.truncate(0)
            os.fsync(lines.fileno())

    def _read(self) -> dict[str, Incident]:
        if not self.path.exists():
            return {}
        with self.path.open("rb") as lines:
            return standing(lines)

    @contextmanager
    def _alone(self) -> Iterator[BinaryIO]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as lines:
            fcntl.flock(lines, fcntl.LOCK_EX)
            yield lines


def live_causes(there: dict[str, Incident], but: str) -> set[str | None]:
    """Return what the live incidents but one are about."""
    return {one.cause for one in there.values() if one.live and one.id != but}


def below_in(there: dict[str, Incident], incident_id: str) -> tuple[Incident, ...]:
    """Return what is folded under an incident, oldest first."""
    found = levels(incident_id, lambda parents: [one for one in there.values() if one.parent in parents])
    return tuple(sorted(found, key=by_age))


def standing(lines: BinaryIO) -> dict[str, Incident]:
    """Return each incident as its last whole line says; a line torn by a crash is passed over."""
    found: dict[str, Incident] = {}
    lines.seek(0)
    for line in lines:
        try:
            incident = codec.loads(Incident, line)
        except codec.ContractError:
            continue
        found[incident.id] = incident
    return found


def append(lines: BinaryIO, *changed: Incident) -> None:
    """Append lines at once and fsync; a torn line before them is ended first, so that it swallows nothing."""
    end = lines.seek(0, os.SEEK_END)
    torn = end and os.pread(lines.fileno(), 1, end - 1) != b"\n"
    lines.write((b"\n" if torn else b"") + b"".join(codec.dumps(one) + b"\n" for one in changed))
    lines.flush()
    os.fsync(lines.fileno())
