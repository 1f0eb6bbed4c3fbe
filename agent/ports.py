"""What the tools need of the world: a port has one or two verbs and stands here, beside its users."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from mend.contracts.decision import (
    DecisionLogLine,
    DecisionResult,
    Fallback,
    PartitionFilter,
    Proposal,
    SegmentFilter,
    ToolResult,
)
from mend.contracts.incident import Incident, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrigger:
    """A task that shall run again; `execution_date` (ISO 8601) is the moment before which it must not start."""

    dag_id: str
    task_id: str
    execution_date: str | None
    requested_at: str
    key: str = ""
    """The act that asks: asked for again with the same key, it is the same request."""


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

    def is_open(self, incident_id: str) -> bool:
        """Whether the incident is kept, and open."""


class MappingPort(Protocol):
    """Where the active mapping is kept."""

    def apply(self, mapping: dict[str, Any], at: datetime) -> int:
        """Add the mapping to the active one, used from the next run on; return the new version.

        A mapping that is active already changes nothing.
        """

    def active_names(self) -> frozenset[str]:
        """Return the names of the active mapping's fields."""


class QuarantinePort(Protocol):
    """Where orders to set rows aside are kept until the publishing executes them."""

    def record(self, order: QuarantineOrder) -> str:
        """Keep the order and return its path; orders share one only if they have the same key."""

    def is_kept(self, path: str) -> bool:
        """Whether an order lies there."""


class RetriggerPort(Protocol):
    """Where the runner looks for tasks to run again."""

    def request(self, retrigger: Retrigger) -> str:
        """Hand the request over, durable on return; returns what came of it, nothing where it just waits."""

    def is_asked(self, dag_id: str, task_id: str) -> bool:
        """Whether a request for the task waits, or is at work."""


class CircuitPort(Protocol):
    """What keeps scheduled runs of a pipeline waiting until a person has looked."""

    def open(self, cause: str, why: str, run_id: str | None, at: datetime) -> str:
        """Open the circuit and return its number; one that is open already stays as it is."""

    def is_open(self) -> bool:
        """Whether scheduled runs wait."""


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
    `brake` is asked before each act: it returns why nothing may be done now, None if a person has not paused anything.
    """

    incidents: IncidentPort
    mappings: MappingPort
    quarantine: QuarantinePort
    retriggers: RetriggerPort
    notices: NoticePort
    acts: ActPort
    circuit: CircuitPort
    clock: Callable[[], datetime]
    brake: Callable[[], str | None] = lambda: None
    key: str = ""


class JournalPort(Protocol):
    """Where decisions are written down."""

    def keep(self, name: str, content: bytes) -> None:
        """Keep a file that a decision names by the hash in its name; durable on return."""

    def record(self, decision: DecisionResult, line: DecisionLogLine) -> None:
        """Write the decision down before its first act; durable on return. The same one again changes nothing."""

    def finish(self, decision: DecisionResult) -> None:
        """Write down what was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A proposal, or why there is none, and how long that took."""

    proposal: Proposal | None = None
    why_not: Fallback | None = None
    seconds: float | None = None


class AdviserPort(Protocol):
    """Whoever proposes what is done about a run; nobody has to follow."""

    def propose(self, pack: dict[str, Any]) -> Advice:
        """Propose something about an evidence pack (`agent.evidence`), in bounded time."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """Says again what was said when a recorded decision was made, so that the same evidence decides the same."""

    recorded: DecisionResult

    def propose(self, pack: dict[str, Any]) -> Advice:  # noqa: ARG002 - the port's signature
        """Return the recorded advice."""
        one = self.recorded
        return Advice(proposal=one.proposal, why_not=None if one.proposal else one.fallback, seconds=one.model_seconds)
