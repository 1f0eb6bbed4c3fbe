"""Notices that go to people through the outbox."""

from collections.abc import Callable
from datetime import datetime

from mend.contracts.alert import Alert, AlertSeverity
from mend.store.engine import Store


class OutboxNotices:
    """Notices go to people through the outbox."""

    def __init__(self, store: Store, pipeline: str, clock: Callable[[], datetime]) -> None:
        self.store = store
        self.pipeline = pipeline
        self.clock = clock

    def say(self, message: str, severity: str, title: str) -> str:
        """Keep it for delivery; durable on return."""
        alert = Alert(title=title, message=message, severity=AlertSeverity(severity), pipeline=self.pipeline)
        self.store.outbox.put(alert, self.clock())
        return "the outbox"
