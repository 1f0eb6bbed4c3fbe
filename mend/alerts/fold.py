"""Which alerts are told, and which are only counted. Pure."""

from dataclasses import replace
from datetime import datetime

from mend.alerts.policy import Policy
from mend.alerts.words import RANK
from mend.contracts.alert import Alert, AlertKind
from mend.store.outbox import Entry


def folds(entry: Entry, head: Entry | None, policy: Policy) -> bool:
    """Whether an alert only repeats the last told one: soon after it, no graver, and the end is not the beginning."""
    if head is None:
        return False
    over = AlertKind.RESOLVED
    if (entry.alert.kind is over) != (head.alert.kind is over):
        return False
    since_last = policy.remind if entry.thread else policy.deduplicate
    soon = entry.at - head.last_at <= since_last and entry.at - head.at <= policy.remind
    return soon and RANK[entry.alert.severity] <= RANK[head.alert.severity]


def with_repeats(alert: Alert, head: Entry | None) -> Alert:
    """Return the alert with how often the last told one was repeated since, if that was not said yet."""
    if head is None or not head.repeats:
        return alert
    return replace(alert, facts={**alert.facts, "before it": f"{many(head.repeats)} of '{head.alert.title}'"})


def reminder(head: Entry, at: datetime, policy: Policy) -> Alert:
    """Return what is said about the repeats of an alert."""
    goes_on = at - head.last_at <= policy.deduplicate
    since = f"since {head.at:%Y-%m-%d %H:%M} UTC" + ("" if goes_on else f", the last at {head.last_at:%H:%M} UTC")
    last = "It goes on." if goes_on else "None came after that."
    told = f"{many(head.repeats)} {since}. {last}"
    return replace(head.alert, kind=AlertKind.UPDATE, repeats=head.repeats, repeated=told)


def many(repeats: int) -> str:
    """Return how often in words."""
    return "1 more alert" if repeats == 1 else f"{repeats} more alerts"
