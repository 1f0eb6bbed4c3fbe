"""A channel carries one message to people and says whether it arrived."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from mend.contracts.alert import Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An alert on its way. `id` is the same in every attempt; `root` refers to the first message of its thread."""

    id: str
    alert: Alert
    at: datetime
    root: str | None = None
    links: Mapping[str, str] = field(default_factory=dict)


class Away(Exception):  # noqa: N818 - the condition, not the exception, is what people read
    """The channel does not work now, for any message. `retry_after` seconds is what it asked for."""

    def __init__(self, why: str, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Refused(Exception):  # noqa: N818
    """The channel works, and does not take this message."""


class Channel(Protocol):
    """A way to people."""

    pace: float
    """Seconds that must lie between two messages."""

    def send(self, message: Message) -> str | None:
        """Send and return a reference for later messages of the thread. Arrived on return, else Away or Refused."""
