"""Incidents like one, what ended them, and how often that helped. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from mend.contracts.incident import Incident, IncidentStatus
from mend.incidents.fingerprint import masked

LEAST = 0.5
"""From this likeness on an incident is told as similar."""
READ = 2_000
SAME = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Similar:
    """An incident like another, 0..1; 1 is the same cause or fingerprint."""

    incident: Incident
    likeness: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What ended incidents before: how often, and of these how often it is known to have helped or not."""

    note: str
    times: int
    helped: int
    failed: int
    score: float
    incidents: tuple[str, ...]


def similar(incident: Incident, others: Iterable[Incident], limit: int = 10) -> tuple[Similar, ...]:
    """Return the incidents like one: of the same cause or fingerprint first, then by their words; newest first."""
    found = [Similar(incident=one, likeness=likeness(incident, one)) for one in others if not akin(incident, one)]
    close = sorted(
        (one for one in found if one.likeness >= LEAST), key=lambda one: one.incident.created_at, reverse=True
    )
    return tuple(sorted(close, key=lambda one: -one.likeness)[:limit])


def akin(one: Incident, other: Incident) -> bool:
    """Whether they are one story: the same incident, or one folded into the other."""
    return one.id in {other.id, other.parent} or other.id == one.parent


def likeness(one: Incident, other: Incident) -> float:
    """Return how alike two incidents are: shared words of type and summary over all their words (Jaccard)."""
    if (one.cause and one.cause == other.cause) or (one.fingerprint and one.fingerprint == other.fingerprint):
        return SAME
    mine, theirs = words(one.incident_type, one.summary), words(other.incident_type, other.summary)
    shared = len(mine & theirs)
    # Never as much as the same fingerprint: the order of words may say another thing.
    return min(shared / (len(mine) + len(theirs) - shared), 0.99) if shared else 0.0


@lru_cache(maxsize=2048)
def words(incident_type: str, summary: str) -> frozenset[str]:
    """Return the words of an incident, without what changes from run to run."""
    text = masked(summary[:READ]).lower()
    return frozenset(word.strip(".,:;()[]'\"") for word in f"{incident_type} {text}".split()) - {"", "#"}


def recommended(found: Iterable[Similar], limit: int = 3) -> tuple[Remedy, ...]:
    """Return what ended similar incidents, best first.

    Scored by (weight of helped + 1) / (weight of helped and failed + 2), where a weight is the likeness of its
    incident (Laplace's rule of succession): what helped often goes before what helped once, what failed comes last.
    A note that differs only in numbers and ids is the same remedy.
    """
    ends: dict[str, list[tuple[Similar, str, bool | None]]] = {}
    for one in found:
        # What is folded into another ends with that one, and by what ended it.
        for step in one.incident.transitions if one.incident.parent is None else ():
            if step.status is IncidentStatus.RESOLVED and step.note:
                ends.setdefault(masked(step.note).lower(), []).append((one, step.note, step.helped))
    remedies = (remedy(several) for several in ends.values())
    return tuple(sorted(remedies, key=lambda one: (-one.score, -one.times, one.note))[:limit])


def remedy(ends: list[tuple[Similar, str, bool | None]]) -> Remedy:
    """Sum up one remedy."""
    helped = sum(one.likeness for one, _, judged in ends if judged is True)
    failed = sum(one.likeness for one, _, judged in ends if judged is False)
    return Remedy(
        note=ends[0][1],
        times=len(ends),
        helped=sum(judged is True for _, _, judged in ends),
        failed=sum(judged is False for _, _, judged in ends),
        score=round((helped + 1) / (helped + failed + 2), 4),
        incidents=tuple(dict.fromkeys(one.incident.id for one, _, _ in ends)),
    )
