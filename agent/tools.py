"""The tools of the decision service: each does one thing through a port and returns what came of it.

A user's tool is a function like these in a file of its own, marked with `@tool`: see docs/extending.md.
"""

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

from agent.phrases import clean, listed, quoted
from agent.ports import Ports, QuarantineOrder, Retrigger
from agent.storms import partition_name
from mend.contracts import codec
from mend.contracts.decision import PartitionFilter, SegmentFilter, ToolResult
from mend.contracts.incident import Severity
from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest

Look = Callable[..., tuple[bool, str]]
"""Looks afterwards whether an act had its effect: `(ports, result, **params)` → whether it had, and what was found."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool, the name under which it is called, and how its effect is checked; None where nobody can look."""

    name: str
    function: Callable[..., ToolResult]
    look: Look | None = None

    def __call__(self, ports: Ports, **params: Any) -> ToolResult:
        """Run the tool; a parameter that it does not take is a UserError."""
        try:
            signature(self.function).bind(ports, **params)
        except TypeError as error:
            raise UserError(f"{self.name}: {error}. It takes {signature(self.function)}.") from error
        return self.function(ports, **params)


def tool(function: Callable[..., ToolResult]) -> Tool:
    """Mark a function `(ports, **params) -> ToolResult` as a tool of its own name."""
    return Tool(function.__name__, function)


def checked_by(look: Look) -> Callable[[Tool], Tool]:
    """Add the check of a tool: a tool that did not do what it says has failed."""
    return lambda one: replace(one, look=look)


def done(ports: Ports, message: str, **facts: Any) -> ToolResult:
    """Return a success, stamped with the time."""
    return ToolResult(success=True, message=message, timestamp=ports.clock().isoformat(), data=facts or None)


def request_waits(ports: Ports, _result: ToolResult, dag_id: str, task_id: str, **_others: Any) -> tuple[bool, str]:
    """Look for the request where the runner does."""
    waits = ports.retriggers.is_asked(dag_id, task_id)
    return waits, f"{'a' if waits else 'no'} request for {dag_id}.{task_id} waits"


@checked_by(request_waits)
@tool
def retrigger_task(ports: Ports, dag_id: str, task_id: str, execution_date: str | None = None) -> ToolResult:
    """Ask the runner to run a task again, not before `execution_date` where one is given."""
    at = ports.clock().isoformat()
    wanted = Retrigger(dag_id=dag_id, task_id=task_id, execution_date=execution_date, requested_at=at, key=ports.key)
    said = ports.retriggers.request(wanted)
    when = f"not before {execution_date}" if execution_date else "with the next batch"
    message = f"{dag_id}.{task_id} is asked to run again, {when}" + (f": {clean(said)}" if said else "")
    return done(ports, message, execution_date=execution_date)


def fields_are_mapped(ports: Ports, _result: ToolResult, mapping: dict[str, Any]) -> tuple[bool, str]:
    """Look for the fields in the active mapping."""
    missing = sorted(mapping.keys() - ports.mappings.active_names())
    return not missing, f"not in the active mapping: {listed(map(quoted, missing))}" if missing else "all are mapped"


@checked_by(fields_are_mapped)
@tool
def apply_schema_remap(ports: Ports, mapping: dict[str, Any]) -> ToolResult:
    """Add fields to the active mapping, used from the next run on."""
    version = ports.mappings.apply(mapping, ports.clock())
    return done(ports, f"mapping version {version} is active for {listed(map(quoted, mapping))}", version=version)


def order_is_kept(ports: Ports, result: ToolResult, **_others: Any) -> tuple[bool, str]:
    """Look for the order where the publishing does."""
    kept = ports.quarantine.is_kept(str((result.data or {}).get("quarantine_path")))
    return kept, f"the order is {'' if kept else 'not '}kept"


@checked_by(order_is_kept)
@tool
def quarantine_records(
    ports: Ports,
    filter_condition: Sequence[Mapping[str, Any]],
    source_path: str,
    reason: str = "data_quality_failure",
    partitions: Sequence[Mapping[str, Any]] = (),
) -> ToolResult:
    """Order the publishing to set aside the failing rows of segments {column, value, also}; of none: the rejected rows.

    `also` {column, value} is the other value of a pair.

    All rows of `partitions` {topic, partition} are set aside.
    """
    segments = tuple(codec.parse(SegmentFilter, dict(one)) for one in filter_condition)
    places = " or ".join(place(one) for one in segments)
    whole = tuple(codec.parse(PartitionFilter, dict(one)) for one in partitions)
    of_partitions = f"the row is of {listed(partition_name(one.topic, one.partition) for one in whole)}"
    otherwise = of_partitions if whole else "the row is rejected"
    order = QuarantineOrder(
        reason=reason,
        source_path=source_path,
        filter_condition=f"({places}) and the row fails a rule" if segments else otherwise,
        segments=segments,
        partitions=whole,
        quarantined_at=ports.clock(),
        key=ports.key,
    )
    path = ports.quarantine.record(order)
    return done(ports, f"rows to set aside: {order.filter_condition}", quarantine_path=path)


def place(segment: SegmentFilter) -> str:
    """Return the condition of a segment in words."""
    words = f"{clean(segment.column)} = {quoted(segment.value)}"
    also = segment.also
    return f"{words} and {clean(also.column)} = {quoted(also.value)}" if also else words


@tool
def notify_ops(ports: Ports, message: str, severity: str = "info", title: str = "Data Pipeline Alert") -> ToolResult:
    """Tell people what happened; severities are info, warning, error and critical."""
    severities = ("info", "warning", "error", "critical")
    if severity not in severities:
        raise UserError(f"unknown severity '{severity}'.{nearest(severity, severities)}")
    where = ports.notices.say(message, severity, title)
    return done(ports, f"said in {where}: {clean(title)}", where=where)


def incident_is_open(ports: Ports, result: ToolResult, **_others: Any) -> tuple[bool, str]:
    """Look for the incident in its log."""
    is_open = ports.incidents.is_open(str((result.data or {}).get("incident_id")))
    return is_open, f"the incident is {'' if is_open else 'not '}open"


@checked_by(incident_is_open)
@tool
def escalate_incident(
    ports: Ports,
    summary: str,
    context: dict[str, Any],
    severity: str = "medium",
    incident_type: str = "escalation",
    cause: str | None = None,
) -> ToolResult:
    """Open an incident for a person; severities are low, medium, high, critical. Of a cause one is open at a time."""
    valid = [one.value for one in Severity]
    if severity not in valid:
        raise UserError(f"unknown severity '{severity}'.{nearest(severity, valid)}")
    opened = ports.incidents.open(
        incident_type, summary, context, Severity(severity), ports.clock(), key=ports.key, cause=cause
    )
    return done(ports, f"incident {opened.id} is open", incident_id=opened.id, incident_type=incident_type)


@tool
def update_incident(ports: Ports, cause: str, note: str) -> ToolResult:
    """Add a note to the open incident of a cause; nobody is called again."""
    known = ports.incidents.note(cause, note, ports.clock())
    return done(ports, f"incident {known.id} is up to date" if known else f"no incident is open about {clean(cause)}")


@tool
def resolve_incident(ports: Ports, cause: str, notes: str) -> ToolResult:
    """End the open incident of a cause."""
    known = ports.incidents.resolve(cause, notes, ports.clock())
    return done(ports, f"incident {known.id} is resolved" if known else f"no incident is open about {clean(cause)}")


def circuit_is_open(ports: Ports, _result: ToolResult, **_others: Any) -> tuple[bool, str]:
    """Look at the circuit."""
    is_open = ports.circuit.is_open()
    return is_open, f"the circuit is {'open' if is_open else 'closed'}"


@checked_by(circuit_is_open)
@tool
def open_circuit(ports: Ports, cause: str, why: str, run_id: str | None = None) -> ToolResult:
    """Keep scheduled runs of the pipeline waiting until a person closes the circuit."""
    number = ports.circuit.open(cause, why, run_id, ports.clock())
    return done(ports, f"the circuit is open ({number}): scheduled runs wait for a person", circuit=number)


def tools_of(module: ModuleType) -> dict[str, Tool]:
    """Return the tools of a module by their names."""
    return {one.name: one for one in vars(module).values() if isinstance(one, Tool)}


def load_tools(path: Path | None = None) -> dict[str, Tool]:
    """Return the tools by name: the five of Mend, and those of the user's file. None may take the name of another."""
    ours = tools_of(sys.modules[__name__])
    if path is None:
        return ours
    theirs = tools_of(imported(path))
    taken = sorted(name for name in ours.keys() & theirs.keys() if theirs[name] is not ours[name])
    if taken:
        raise UserError(f"{path}: the tool '{taken[0]}' is Mend's own. Give yours another name.")
    return ours | theirs


def imported(path: Path) -> ModuleType:
    """Import a file of the user."""
    spec = importlib.util.spec_from_file_location(f"mend_user_tools_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UserError(f"{path}: no Python file. Expected one with functions marked @tool.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tool_named(tools: Mapping[str, Tool], name: str) -> Tool:
    """Return a tool; an unknown name is a UserError with the nearest one."""
    if name not in tools:
        raise UserError(f"unknown tool '{name}'.{nearest(name, tools)}")
    return tools[name]
