"""How incidents develop: per day or week, by type and severity, how fast people are, what comes back. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import mean

from mend.contracts.incident import Incident, IncidentStatus, Severity, Transition
from mend.incidents.lifecycle import GRAVITY, created

WEEKLY_FROM = 60
"""From so many days on trends are per week."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trends:
    """Figures of a period. `periods` are (first day, incidents) for each day or week, empty ones too.

    Seconds are means over the incidents that have them: to a person's acknowledgement, and to the first resolution.
    """

    period_days: int
    step_days: int
    incidents: int
    folded: int
    live: int
    periods: tuple[tuple[str, int], ...]
    by_type: dict[str, int]
    by_severity: dict[str, int]
    mtta_seconds: float | None
    mttr_seconds: float | None
    reopened: int
    recurred: int
    resolutions_helped: int
    resolutions_failed: int


def trends(incidents: Iterable[Incident], days: int, at: datetime) -> Trends:
    """Count the incidents created in the `days` before the given time."""
    recent = [one for one in incidents if at - timedelta(days=days) < created(one) <= at]
    roots = [one for one in recent if one.parent is None]
    judged = [step.helped for one in recent for step in one.transitions]
    types = Counter(one.incident_type for one in roots)
    severities = Counter(one.severity for one in roots)
    return Trends(
        period_days=days,
        step_days=step_of(days),
        incidents=len(roots),
        folded=len(recent) - len(roots),
        live=sum(one.live for one in roots),
        periods=periods(roots, days, at),
        by_type=dict(types.most_common()),
        by_severity={
            str(one): severities[one]
            for one in sorted(Severity, key=GRAVITY.__getitem__, reverse=True)
            if severities[one]
        },
        mtta_seconds=mean_time(roots, IncidentStatus.ACKNOWLEDGED),
        mttr_seconds=mean_time(roots, IncidentStatus.RESOLVED),
        reopened=sum(times_reopened(one) for one in roots),
        recurred=sum(one.previous is not None for one in roots),
        resolutions_helped=sum(one is True for one in judged),
        resolutions_failed=sum(one is False for one in judged),
    )


def step_of(days: int) -> int:
    """Return the days of a period."""
    return 7 if days >= WEEKLY_FROM else 1


def periods(roots: Sequence[Incident], days: int, at: datetime) -> tuple[tuple[str, int], ...]:
    """Count by period, the oldest first; the last one ends with the given day."""
    step = step_of(days)
    counts = Counter((at.date() - created(one).astimezone(at.tzinfo).date()).days // step for one in roots)
    many = -(-days // step)
    first = [at.date() - timedelta(days=(back + 1) * step - 1) for back in range(many)]
    return tuple((first[back].isoformat(), counts[back]) for back in reversed(range(many)))


def mean_time(roots: Iterable[Incident], status: IncidentStatus) -> float | None:
    """Return the mean seconds from opening to the first step of a kind."""
    spans = [span for one in roots if (span := seconds_to(one, lambda step: step.status is status)) is not None]
    return round(mean(spans), 3) if spans else None


def seconds_to(incident: Incident, wanted: Callable[[Transition], bool]) -> float | None:
    """Return the seconds from opening to the first step that is wanted."""
    step = next((one for one in incident.transitions if wanted(one)), None)
    return (datetime.fromisoformat(step.at) - created(incident)).total_seconds() if step else None


def times_reopened(incident: Incident) -> int:
    """Return how often it was opened again."""
    return sum(step.status is IncidentStatus.OPEN for step in incident.transitions[1:])
