"""For people's own scripts: say something to people, by the channels that the settings set up.

Each function returns what became of it by channel: `sent`, `waits: why` (a worker tries again), or `repeats an alert`
where an equal one was said in the last minutes. None raises for a channel that is down.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from mend.alerts import about
from mend.alerts.channel import Away, Channel, Message, Refused
from mend.alerts.wiring import addresses, channels_of, courier_of
from mend.contracts.alert import Alert, AlertSeverity
from mend.runtime import clock
from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest
from mend.runtime.settings import Settings, load_settings
from mend.store.database import StoreUnavailable
from mend.store.engine import open_store
from mend.store.tables import DeliveryState

TITLE = "Data Pipeline Alert"
PATIENCE = timedelta(seconds=5)
Said = dict[str, str]


def send_slack(message: str, title: str = TITLE, severity: str = "info", channel: str | None = None) -> Said:
    """Say it in Slack; only a bot can choose the channel, a webhook has its own."""
    alert = Alert(title=title, message=message, severity=severity_of(severity), channels=("slack",))
    return send(replace(alert, slack_channel=channel))


def send_email(
    subject: str, body: str, to: str | Sequence[str] = (), severity: str = "info", *, html: bool = False
) -> Said:
    """Say it by e-mail, to ALERT_EMAIL unless somebody is named. Every mail has a text and an HTML part.

    The body is text in any case: HTML is not passed on, it would be a way in for what stands in data.
    """
    del html
    alert = Alert(title=subject, message=body, severity=severity_of(severity), channels=("email",))
    return send(replace(alert, recipients=addresses(to)))


def send_notification(
    message: str, title: str = TITLE, severity: str = "info", channels: Sequence[str] = ("slack", "email")
) -> Said:
    """Say it in several channels."""
    return send(Alert(title=title, message=message, severity=severity_of(severity), channels=tuple(channels)))


def notify_pipeline_failure(pipeline: str, error: str, run_id: str | None = None, task: str | None = None) -> Said:
    """Say that a run failed."""
    return send(about.pipeline_failure(pipeline, error, run_id=run_id, task=task))


def notify_data_quality_issue(dataset: str, failure_rate: float, details: str = "", run_id: str | None = None) -> Said:
    """Say that a percentage of rows fails."""
    return send(about.data_quality_issue(dataset, failure_rate, details, run_id=run_id))


def notify_schema_drift(pipeline: str, drift: Mapping[str, Any], run_id: str | None = None) -> Said:
    """Say that events have another shape: {new_fields, removed_fields, type_changes, version}."""
    return send(about.schema_drift(pipeline, drift, run_id=run_id))


def severity_of(text: str) -> AlertSeverity:
    """Return the severity; an unknown one is a UserError."""
    if text not in set(AlertSeverity):
        raise UserError(f"unknown severity '{text}'.{nearest(text, list(AlertSeverity))}")
    return AlertSeverity(text)


def send(alert: Alert, settings: Settings | None = None) -> Said:
    """Put it into the outbox and try it once; with the store away it is sent at once, or lost with a log line."""
    known = settings or load_settings()
    once = f"notify:{uuid4().hex}"
    try:
        with open_store(known.store_url) as store:
            store.outbox.put(alert, clock.now(), once=once)
            courier_of(known, store).work(PATIENCE)
            entry = store.outbox.named(once)
            made = store.deliveries.of_alert(entry.id) if entry else ()
            return {one.channel: said(one.state, one.error) for one in made} or {"outbox": "repeats an alert"}
    except StoreUnavailable:
        return send_now(alert, known)


def said(state: DeliveryState, error: str | None) -> str:
    """Return what became of a delivery."""
    return "sent" if state is DeliveryState.SENT else f"waits: {error or 'its time has not come'}"


def try_channels(alert: Alert, settings: Settings) -> Said:
    """Send it through every channel, without an outbox, and return which works."""
    return {name: tried(channel, alert) for name, channel in channels_of(settings).items()}


def tried(channel: Channel, alert: Alert) -> str:
    """Return `sent`, or why not."""
    try:
        channel.send(Message(id=uuid4().hex, alert=alert, at=clock.now()))
    except (Away, Refused) as error:
        return f"failed: {error}"
    return "sent"


def send_now(alert: Alert, settings: Settings) -> Said:
    """Send through the first channel that works, without an outbox: for when the store itself is the trouble."""
    found: Said = {}
    for name, channel in channels_of(settings).items():
        found[name] = tried(channel, alert)
        if found[name] == "sent":
            break
    return found
