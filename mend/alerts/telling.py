"""Incidents that people hear of: whoever opens or ends one, its alert is in the outbox in the same transaction."""

from datetime import datetime

from mend.alerts.about import about_incident
from mend.contracts.alert import AlertKind
from mend.contracts.incident import Incident
from mend.store.engine import Store
from mend.store.outbox import Outbox


def tell_incidents(store: Store, pipeline: str | None = None) -> None:
    """Have every incident of the store told from now on; `pipeline` is named where an incident names none.

    What is opened while the database is away is told when it comes back, with the incident itself.
    """
    store.incidents.told = lambda before, after: tell(store.outbox, before, after, pipeline)


def tell(outbox: Outbox, before: Incident | None, after: Incident, pipeline: str | None) -> None:
    """Put the alert about a change into the outbox; with the open transaction, or durably on return."""
    kind = news(before, after)
    if kind is not None:
        named = after.context.get("pipeline")
        alert = about_incident(after, kind, named if isinstance(named, str) else pipeline)
        outbox.put(alert, datetime.fromisoformat(after.updated_at))


def news(before: Incident | None, after: Incident) -> AlertKind | None:
    """Return what people hear about a change: that there is a problem, again or still, or that it is over."""
    if after.live:
        again = before is None or not before.live or after.occurrences > before.occurrences
        return AlertKind.PROBLEM if again else None
    return AlertKind.RESOLVED if before is not None and before.live else None
