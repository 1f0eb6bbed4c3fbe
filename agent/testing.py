"""Ports that remember instead of acting and keep the promises of the real ones, and contexts of healthy runs."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from agent.context import DecisionContext, context_from
from agent.ports import Ports, QuarantineOrder, Retrigger
from mend.contracts.decision import DecisionLogLine, DecisionResult, ToolResult
from mend.contracts.incident import Incident, Severity
from mend.incidents.fingerprint import cause_of
from mend.incidents.lifecycle import noted, opened, resolved

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class MemoryIncidents:
    """Incidents in a list."""

    opened: list[Incident] = field(default_factory=list)

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
        """Keep the incident."""
        number = f"incident-{key or len(self.opened) + 1}"
        cause = cause or cause_of(incident_type, context.get("pipeline"), summary)
        known = next((one for one in self.opened if one.id == number), None) or self.note(cause, summary, at)
        if known:
            return known
        incident = opened(number, incident_type, summary, severity, at, context=context)
        self.opened.append(replace(incident, cause=cause))
        return self.opened[-1]

    def note(self, cause: str, note: str, at: datetime) -> Incident | None:
        """Replace the incident by the one with the note."""
        return self._changed(cause, lambda known: noted(known, note, at))

    def resolve(self, cause: str, notes: str, at: datetime) -> Incident | None:
        """Replace the incident by the resolved one."""
        return self._changed(cause, lambda known: resolved(known, notes, at))

    def is_open(self, incident_id: str) -> bool:
        """Look for it."""
        return any(one.id == incident_id and one.live for one in self.opened)

    def _changed(self, cause: str, change: Callable[[Incident], Incident]) -> Incident | None:
        for at, one in enumerate(self.opened):
            if one.cause == cause and one.live:
                self.opened[at] = change(one)
                return self.opened[at]
        return None


@dataclass
class MemoryMappings:
    """The active mapping in a dictionary."""

    version: int = 0
    active: dict[str, Any] = field(default_factory=dict)

    def apply(self, mapping: dict[str, Any], at: datetime) -> int:  # noqa: ARG002 - the port's signature
        """Add the mapping."""
        if not (self.version and mapping.items() <= self.active.items()):
            self.version += 1
            self.active |= mapping
        return self.version

    def active_names(self) -> frozenset[str]:
        """Return the names."""
        return frozenset(self.active)


@dataclass
class MemoryQuarantine:
    """Orders in a list."""

    orders: list[QuarantineOrder] = field(default_factory=list)

    def record(self, order: QuarantineOrder) -> str:
        """Keep the order."""
        if not order.key or order.key not in {one.key for one in self.orders}:
            self.orders.append(order)
        return f"quarantine/{order.reason}/{order.key or len(self.orders)}"

    def is_kept(self, path: str) -> bool:
        """Compare the number of orders, or the key."""
        last = path.rpartition("/")[2]
        return last in {one.key for one in self.orders} or (last.isdigit() and int(last) <= len(self.orders))


@dataclass
class MemoryRetriggers:
    """Requests in a list."""

    requests: list[Retrigger] = field(default_factory=list)

    def request(self, retrigger: Retrigger) -> str:
        """Keep the request, once."""
        asked = {(one.dag_id, one.task_id, one.execution_date) for one in self.requests}
        if (retrigger.dag_id, retrigger.task_id, retrigger.execution_date) not in asked:
            self.requests.append(retrigger)
        return ""

    def is_asked(self, dag_id: str, task_id: str) -> bool:
        """Look for the request."""
        return any((one.dag_id, one.task_id) == (dag_id, task_id) for one in self.requests)


@dataclass
class MemoryCircuit:
    """A circuit that remembers why it is open."""

    opened: list[tuple[str, str]] = field(default_factory=list)

    def open(self, cause: str, why: str, run_id: str | None, at: datetime) -> str:  # noqa: ARG002 - the port's signature
        """Open it, once."""
        if not self.opened:
            self.opened.append((cause, why))
        return "1"

    def is_open(self) -> bool:
        """Whether it was opened."""
        return bool(self.opened)


@dataclass
class MemoryNotices:
    """Messages in a list."""

    said: list[tuple[str, str, str]] = field(default_factory=list)

    def say(self, message: str, severity: str, title: str) -> str:
        """Keep the message."""
        self.said.append((message, severity, title))
        return "memory"


@dataclass
class MemoryActs:
    """Results by key."""

    results: dict[str, ToolResult] = field(default_factory=dict)

    def find(self, key: str) -> ToolResult | None:
        """Return the first result."""
        return self.results.get(key)

    def keep(self, key: str, run_id: str | None, tool: str, target: str, result: ToolResult) -> None:  # noqa: ARG002
        """Keep the first result."""
        self.results.setdefault(key, result)


@dataclass
class MemoryJournal:
    """Decisions in lists."""

    lines: list[DecisionLogLine] = field(default_factory=list)
    decisions: list[DecisionResult] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)

    def keep(self, name: str, content: bytes) -> None:
        """Keep the file."""
        self.kept.setdefault(name, content)

    def record(self, decision: DecisionResult, line: DecisionLogLine) -> None:
        """Keep the line and the decision."""
        if line not in self.lines:
            self.lines.append(line)
        self.finish(decision)

    def finish(self, decision: DecisionResult) -> None:
        """Keep the decision."""
        self.decisions.append(decision)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPorts(Ports):
    """All ports in memory."""

    incidents: MemoryIncidents
    mappings: MemoryMappings
    quarantine: MemoryQuarantine
    retriggers: MemoryRetriggers
    notices: MemoryNotices
    acts: MemoryActs
    circuit: MemoryCircuit


def memory_ports(at: datetime = NOON) -> MemoryPorts:
    """Return ports that remember, and whose clock stands still."""
    return MemoryPorts(
        incidents=MemoryIncidents(),
        mappings=MemoryMappings(),
        quarantine=MemoryQuarantine(),
        retriggers=MemoryRetriggers(),
        notices=MemoryNotices(),
        acts=MemoryActs(),
        circuit=MemoryCircuit(),
        clock=lambda: at,
    )


REPORT = {"total_records": 1000, "late_records": 0, "dq_failures": 0, "schema_drift_detected": False}
AUDIT = {
    "status": "success",
    "summary": {"total_expectations": 15, "success_count": 15, "failure_count": 0, "overall_success_rate": 1.0},
}


def scenario(
    report: dict[str, Any] | None = None, audit: dict[str, Any] | None = None, **history: Any
) -> DecisionContext:
    """Return the context of a healthy run of 1000 events at noon, but for what is given.

    `report` and `audit` change or add fields of the two documents; `history` are fields of the context.
    """
    document = {"run_report": REPORT | (report or {}), "ge_results": AUDIT | (audit or {}), **history}
    return context_from(document, now=NOON.isoformat())
