"""What the tools need of the world: a port has one or two verbs and stands here, beside its users."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from mend.contracts.decision import DecisionLogLine, DecisionResult, PartitionFilter, SegmentFilter, ToolResult
from mend.contracts.incident import Incident, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrigger:
    """A task that shall run again; `execution_date` (ISO 8601) is the moment before which it must not start."""

    dag_id: str
    task_id: str
    execution_date: str | None
    requested_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineOrder:
    """Rows to set aside: failing ones of segments, all of partitions, or the rejected ones where nothing is named."""

    reason: str
    source_path: str
    filter_condition: str
    segments: tuple[SegmentFilter, ...]
    quarantined_at: datetime
    key: str = ""
    partitions: tuple[PartitionFilter, ...] = ()


class IncidentPort(Protocol):
    """Where incidents are kept."""

    def open(
        self,
        incident_type: str,
        summary: str,
        context: dict[str, Any],
        severity: Severity,
        at: datetime,
        *,
        key: str = "",
        cause: str | None = None,
    ) -> Incident:
        """Keep a new open incident; durable on return.

        A key that was used before returns its incident, and so does a cause of which one is still open. Where no cause
        is named, type, pipeline and what the summary says, but for numbers and ids, are the cause.
        """

    def note(self, cause: str, note: str, at: datetime) -> Incident | None:
        """Add a note to the open incident of a cause, None if there is none."""

    def resolve(self, cause: str, notes: str, at: datetime) -> Incident | None:
        """End the open incident of a cause, None if there is none."""


class MappingPort(Protocol):
    """Where the active mapping is kept."""

    def apply(self, mapping: dict[str, Any], at: datetime) -> int:
        """Add the mapping to the active one, used from the next run on; return the new version.

        A mapping that is active already changes nothing.
        """


class QuarantinePort(Protocol):
    """Where orders to set rows aside are kept until the publishing executes them."""

    def record(self, order: QuarantineOrder) -> str:
        """Keep the order and return its path; orders share one only if they have the same key."""


class RetriggerPort(Protocol):
    """Where the runner looks for tasks to run again."""

    def request(self, retrigger: Retrigger) -> None:
        """Hand the request over; durable on return."""


class NoticePort(Protocol):
    """Where people read what happened."""

    def say(self, message: str, severity: str, title: str) -> str:
        """Pass the message on and return where it can be read."""


class ActPort(Protocol):
    """What was done already, so that nothing is done twice."""

    def find(self, key: str) -> ToolResult | None:
        """Return the result of the act when it was done, None if it never was."""

    def keep(self, key: str, run_id: str | None, tool: str, target: str, result: ToolResult) -> None:
        """Keep the result of an act; durable on return. A result that is there already stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The world as the tools see it.

    `key` is the act's own: a tool that died before its result was kept is called again with the same one.
    """

    incidents: IncidentPort
    mappings: MappingPort
    quarantine: QuarantinePort
    retriggers: RetriggerPort
    notices: NoticePort
    acts: ActPort
    clock: Callable[[], datetime]
    key: str = ""


class JournalPort(Protocol):
    """Where decisions are written down."""

    def record(self, decision: DecisionResult, line: DecisionLogLine) -> None:
        """Write the decision down before its first act; durable on return. The same one again changes nothing."""

    def finish(self, decision: DecisionResult) -> None:
        """Write down what was done."""
