"""An alert: a message about something, for people (not an incident: that is the problem with its life cycle)."""

from dataclasses import dataclass, field
from enum import StrEnum

from mend.contracts.codec import STRICT


class AlertSeverity(StrEnum):
    """How loud, mildest first."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class AlertKind(StrEnum):
    """Which part of the story it tells."""

    PROBLEM = "problem"
    UPDATE = "update"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Plain text in every field, whatever it came from; nothing in it is markup, a link or a mention.

    Alerts of one `cause` (without one: of one title and pipeline) are told once and counted while they repeat.
    Those of one `incident_id` are told in one thread. `channels` goes before the routing; `facts` are shown as a table.
    `repeats` and `repeated` are the outbox's: how many equal ones came, and when.
    """

    __pydantic_config__ = STRICT
    title: str
    severity: AlertSeverity
    message: str = ""
    done: str = ""
    todo: str = ""
    kind: AlertKind = AlertKind.PROBLEM
    cause: str = ""
    incident_id: str | None = None
    pipeline: str | None = None
    run_id: str | None = None
    facts: dict[str, str] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    slack_channel: str | None = None
    recipients: tuple[str, ...] = ()
    repeats: int = 0
    repeated: str = ""
