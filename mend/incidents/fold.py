"""What belongs together: recurrences into their incident, symptoms under their cause. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce

from mend.contracts.incident import Incident, IncidentStatus, Severity
from mend.incidents.lifecycle import GRAVITY, created, instant, last_seen, reopened
from mend.store.incident_rows import Folded, Known

JOB = frozenset({"job_failed_for_good", "retrigger_budget_spent", "consecutive_failures"})
COMES_OF = {
    "consecutive_failures": frozenset({"job_failed_for_good", "retrigger_budget_spent"}),
    "retrigger_budget_spent": frozenset({"job_failed_for_good"}),
    "airflow_task_failure": JOB | {"offsets_gone"},
    "report_missing": JOB,
    "report_unusable": JOB,
    "audit_missing": JOB | {"report_missing"},
    "audit_unusable": JOB | {"report_unusable"},
    "audit_failed": frozenset({"drift_breaking"}),
    "dq_over_limit": frozenset({"drift_breaking", "drift_removed", "poison_storm"}),
    "dq_over_limit_localised": frozenset({"drift_breaking", "poison_storm"}),
    "dead_letters_over_limit": frozenset({"poison_storm"}),
    "dead_letters_unsent": frozenset({"offsets_gone"}),
}
"""Type of a symptom → types of which it comes, of the same run or pipeline."""
MOST_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """How long what happened belongs together."""

    reopen: timedelta = timedelta(hours=24)
    """A resolved incident whose cause comes back within this time is open again; later it is a new one."""
    fold: timedelta = timedelta(minutes=30)
    """A symptom that comes within this time of its cause is folded under it."""


def folded(new: Incident, known: Known, windows: Windows) -> Folded:
    """Put a new incident where it belongs: into the one of its cause, under what it comes of, or over its symptoms."""
    same = known.same
    if same and (same.live or comes_back(new, same, windows)):
        return recurred(new, same, known.above)
    if same:
        new = replace(new, previous=same.id)
    causes = [one for one in known.live if is_cause(one, new, windows)]
    if causes:
        cause = first_of(causes)
        return Folded(new=replace(new, parent=cause.id), stands=counted(cause, new))
    symptoms = [one for one in known.live if is_cause(new, one, windows)]
    over = reduce(counted, symptoms, new)
    return Folded(new=over, stands=over, others=tuple(replace(one, parent=new.id) for one in symptoms))


def recurred(new: Incident, same: Incident, above: Sequence[Incident]) -> Folded:
    """Count it in the incident of its cause, which is opened again if it was over, and in those above that one."""
    # A recurrence gives its cause's name up: of a cause one incident is live.
    child = replace(new, parent=same.id, cause=None)
    if same.live:
        return Folded(new=child, stands=counted(same, new), others=tuple(counted(one, new) for one in above))
    again = reopened(same, created(new), who=new.created_by, note=new.summary)
    return Folded(new=child, stands=counted(replace(again, parent=None), new))


def comes_back(new: Incident, same: Incident, windows: Windows) -> bool:
    """Whether a resolved incident is open again."""
    ended = same.status is IncidentStatus.RESOLVED and same.resolved_at
    return bool(ended) and created(new) - datetime.fromisoformat(str(ended)) <= windows.reopen


def counted(incident: Incident, part: Incident) -> Incident:
    """Return it with another that belongs to it: as grave as that, seen when that was, counted with what is in it."""
    gravest: Severity = max(incident.severity, part.severity, key=GRAVITY.__getitem__)
    seen = instant(max(last_seen(incident), last_seen(part)))
    occurrences = incident.occurrences + part.occurrences
    updated = max(incident.updated_at, part.created_at, key=datetime.fromisoformat)
    return replace(incident, severity=gravest, occurrences=occurrences, last_seen_at=seen, updated_at=updated)


def is_cause(one: Incident, symptom: Incident, windows: Windows) -> bool:
    """Whether a symptom comes of an incident: the same part is away, or its type depends on that one's."""
    if one.id == symptom.id or apart(one, symptom) > windows.fold:
        return False
    if one.outage and one.outage == symptom.outage:
        return created(one) <= created(symptom)
    return one.incident_type in COMES_OF.get(symptom.incident_type, ()) and same_place(one, symptom)


def apart(one: Incident, other: Incident) -> timedelta:
    """Return how far apart they are, from the last that was seen of one to the first of the other."""
    first, second = sorted((one, other), key=created)
    return max(created(second) - last_seen(first), timedelta(0))


def same_place(one: Incident, other: Incident) -> bool:
    """Whether both are about the same run, or partition, or, where one names no run, the same pipeline."""
    mine, theirs = one.context, other.context
    if mine.get("run_id") and theirs.get("run_id"):
        same = mine["run_id"] == theirs["run_id"]
        return same or (one.incident_type in JOB and at_same(mine, theirs, ("pipeline",)))
    return at_same(mine, theirs, ("topic", "partition")) or at_same(mine, theirs, ("pipeline",))


def at_same(mine: dict[str, object], theirs: dict[str, object], names: Sequence[str]) -> bool:
    """Whether both name the same values."""
    return all(mine.get(name) is not None and mine.get(name) == theirs.get(name) for name in names)


def first_of(causes: Iterable[Incident]) -> Incident:
    """Return the cause of the causes: what nothing else comes of, and of these the first that was seen."""
    found = list(causes)
    roots = [
        one for one in found if not any(other.incident_type in COMES_OF.get(one.incident_type, ()) for other in found)
    ]
    return min(roots or found, key=lambda one: (created(one), one.id))


def explained(root: Incident, children: Sequence[Incident]) -> str:
    """Say what came first, what depends on it and why that is thought, from the facts alone."""
    said = [f"First seen: {root.incident_type} at {root.created_at}."]
    again = [one for one in children if one.cause is None and one.incident_type == root.incident_type]
    symptoms = [one for one in children if one not in again]
    if again:
        said.append(f"The same came {len(again)} more times, last at {max(one.created_at for one in children)}.")
    if symptoms:
        kinds = sorted({one.incident_type for one in symptoms})
        more = f" and {len(kinds) - MOST_NAMED} more kinds" if len(kinds) > MOST_NAMED else ""
        said.append(f"{len(symptoms)} followed from it: {', '.join(kinds[:MOST_NAMED])}{more}.")
    runs = {str(one.context["run_id"]) for one in (root, *children) if one.context.get("run_id")}
    if len(runs) > 1:
        said.append(f"{len(runs)} runs are affected.")
    if root.outage:
        said.append(f"Their errors say that the {root.outage} was away; what needs it fails until it is back.")
    elif symptoms:
        said.append(f"What is of such a type comes of {root.incident_type} where run or pipeline are the same.")
    if root.previous:
        said.append(f"The same cause had incident {root.previous} before.")
    return " ".join(said)
