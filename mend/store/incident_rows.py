"""A place for incidents, and what every such place shares."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mend.contracts.incident import Incident
from mend.runtime.errors import UserError

Change = Callable[[Incident], Incident]

MOST_LIVE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is there when an incident comes.

    `same` is the live one of its cause, else the newest; `above` are those that it is folded under; `live` are the
    live ones of late that are folded under none.
    """

    same: Incident | None = None
    above: tuple[Incident, ...] = ()
    live: tuple[Incident, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What is to be kept: the new incident, the one that stands for it (or itself), others that change by it."""

    new: Incident
    stands: Incident
    others: tuple[Incident, ...] = ()

    @property
    def changed(self) -> tuple[Incident, ...]:
        """All but the new one."""
        return tuple(one for one in (self.stands, *self.others) if one.id != self.new.id)


Fold = Callable[[Incident, Known], Folded]


class IncidentRows(Protocol):
    """A place for incidents."""

    def add(self, incident: Incident) -> None:
        """Keep a new incident, durably; its id must be new."""

    def fold(self, new: Incident, since: datetime, fold: Fold) -> Incident:
        """Keep a new incident where `fold` puts it, durably, and return the one that stands for it.

        It is shown what was seen since a time; nobody else opens or changes one in between. The same id again changes
        nothing.
        """

    def find(self, incident_id: str) -> Incident | None:
        """Return the incident as it stands, or None."""

    def named(self, beginning: str) -> tuple[Incident, ...]:
        """Return the first incidents whose id begins so."""

    def below(self, incident_id: str) -> tuple[Incident, ...]:
        """Return what is folded under an incident, all the way down, oldest first."""

    def change(self, incident_id: str, change: Change, below: Change | None = None) -> Incident:
        """Replace the incident by the changed one, and the live ones under it; nobody can change them in between."""

    def created_since(self, start: datetime) -> tuple[Incident, ...]:
        """Return the incidents created at or after a time, newest first."""

    def open_about(self, causes: str) -> tuple[Incident, ...]:
        """Return the live incidents whose cause begins with a text, oldest first."""


def known_of(same: Incident | None, live: tuple[Incident, ...], find: Callable[[str], Incident | None]) -> Known:
    """Put together what is known, with all that `same` is folded under."""
    above: list[Incident] = []
    one = same
    while one and one.parent and one.parent not in {known.id for known in above}:
        one = find(one.parent)
        above += [one] if one else []
    return Known(same=same, above=tuple(above), live=live)


def levels(incident_id: str, under: Callable[[list[str]], Iterable[Incident]]) -> list[Incident]:
    """Return all that is below an incident."""
    found: dict[str, Incident] = {}
    parents = [incident_id]
    while parents:
        new = {one.id: one for one in under(parents) if one.id not in found}
        found |= new
        parents = list(new)
    return list(found.values())


def by_age(incident: Incident) -> tuple[datetime, str]:
    """Sort the oldest first."""
    return datetime.fromisoformat(incident.created_at), incident.id


def unknown(incident_id: str) -> UserError:
    """Return the error for an id that nobody logged."""
    return UserError(f"Incident {incident_id} is not known. See the recent ones with: mend incident ls")


def already_there(incident_id: str) -> UserError:
    """Return the error for an id that is taken."""
    return UserError(f"Incident {incident_id} was logged already: a new incident needs a new id.")


def another_is_live(incident: Incident) -> UserError:
    """Return the error for a second live incident of a cause."""
    return UserError(
        f"Incident {incident.id} cannot be opened again: another one is open about {incident.cause}. "
        "See it with: mend incident ls --open",
        exit_code=3,
    )
