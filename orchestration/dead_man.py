"""The dead man's check: run by cron or a loop of its own, it tells when the pipelines have stopped."""

from datetime import datetime, timedelta

from mend.alerts.notify import send_now
from mend.alerts.wiring import courier_of
from mend.contracts.alert import Alert, AlertKind, AlertSeverity
from mend.runtime.errors import UserError
from mend.runtime.settings import Settings
from mend.store.engine import Store, open_store
from orchestration.alerts import A_MOMENT

CAUSE = "silence:"


def look(settings: Settings, now: datetime) -> list[str]:
    """Return the pipelines that gave no sign of life for too long, after people were told; and tell who is back.

    A store that cannot be opened is told at once, through whatever channel works: that is a stop, too.
    """
    try:
        with open_store(settings.store_url) as store:
            worker = courier_of(settings, store)
            silent = look_at(store, worker.policy.silence, now)
            worker.work(A_MOMENT)
            return silent
    except UserError as error:
        send_now(store_is_away(error), settings)
        return ["the store"]


def look_at(store: Store, longest: timedelta, now: datetime) -> list[str]:
    """Put an alert into the outbox for each pipeline that has become silent, or speaks again; return the silent."""
    last = store.beats.last()
    silent = [name for name, at in last.items() if now - at > longest]
    for name, at in last.items():
        key = f"{CAUSE}{name}"
        told = store.outbox.head_of(key)
        is_silent = name in silent
        if is_silent:
            store.outbox.put(stopped(name, at, longest), now, once=f"{key}:{at.isoformat()}")
        elif told is not None and told.alert.kind is not AlertKind.RESOLVED:
            store.outbox.put(back(name), now, once=f"{key}:{told.id}:back")
    return silent


def stopped(name: str, at: datetime, longest: timedelta) -> Alert:
    """Return the alert that a pipeline has stopped."""
    return Alert(
        title=f"{name}: no sign of life",
        severity=AlertSeverity.CRITICAL,
        message=f"No run settled everything in the topic since {at:%Y-%m-%d %H:%M} UTC, "
        f"longer than {longest.total_seconds() / 60:g} minutes.",
        todo="See whether the scheduler or the stream still runs: `mend status`, `mend doctor`.",
        cause=f"{CAUSE}{name}",
        pipeline=name,
    )


def back(name: str) -> Alert:
    """Return the alert that it runs again."""
    return Alert(
        title=f"{name}: no sign of life",
        severity=AlertSeverity.CRITICAL,
        message="Everything in the topic is settled again.",
        kind=AlertKind.RESOLVED,
        cause=f"{CAUSE}{name}",
        pipeline=name,
    )


def store_is_away(error: UserError) -> Alert:
    """Return the alert that nothing can run."""
    return Alert(
        title="The store cannot be used: no pipeline can run",
        severity=AlertSeverity.CRITICAL,
        message=str(error),
        todo="Bring the database back; the next run goes on where the last one stopped.",
    )
