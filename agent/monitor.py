"""How grave a failed task is and whether something is done about it, by its pattern, tries and history. Pure."""

from dataclasses import dataclass

from agent.diagnose import Pattern, Policy
from mend.contracts.incident import Severity
from mend.contracts.task_event import Assessment, TaskEvent

GRAVITY = tuple(Severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What is known of a task before this failure.

    `seen` counts failures of the same cause in the window, `in_a_row` all failures since it last succeeded, `tries`
    what Mend had done again for the cause since then.
    """

    seen: int = 0
    in_a_row: int = 0
    tries: int = 0


def assess(event: TaskEvent, pattern: Pattern, before: Before, policy: Policy) -> Assessment:
    """Assess a failure."""
    reasons = [f"{pattern.id} is {pattern.severity.value}"]
    if event.retry_count >= policy.retries_raise:
        reasons.append(f"{event.retry_count} tries did not help")
    if before.seen >= policy.recurrences_raise:
        reasons.append(f"it came {before.seen} times in {policy.window_hours} hours")
    steps = GRAVITY.index(pattern.severity) + len(reasons) - 1
    # What is only watched stays so however often it comes: a person who stops a task every day is no incident.
    watched = policy.intervention[pattern.severity] == "never"
    severity = pattern.severity if watched else GRAVITY[min(steps, len(GRAVITY) - 1)]
    intervene, why = intervention(event, pattern, before, severity, policy)
    return Assessment(severity=severity, intervene=intervene, seen=before.seen, why=", ".join([*reasons, why]))


def intervention(
    event: TaskEvent, pattern: Pattern, before: Before, severity: Severity, policy: Policy
) -> tuple[bool, str]:
    """Return whether something is done, and why or why not."""
    rule = policy.intervention[severity]
    if rule in {"always", "never"}:
        return rule == "always", f"{severity.value}: {rule}"
    if event.max_retries is not None and event.retry_count < event.max_retries:
        return False, f"the source still tries by itself ({event.retry_count} of {event.max_retries})"
    if rule == "by_pattern" and pattern == policy.unknown and not before.seen:
        return False, f"{severity.value}: an unknown failure that came for the first time is watched"
    return True, f"{severity.value}: {rule}"
