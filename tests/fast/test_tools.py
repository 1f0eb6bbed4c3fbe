"""The tools: what each does through its port, and how a user adds one."""

from pathlib import Path

import pytest

from agent.testing import NOON, memory_ports
from agent.tools import load_tools, tool_named
from mend.contracts.codec import ContractError
from mend.contracts.decision import PartitionFilter, SegmentFilter
from mend.contracts.incident import Severity
from mend.runtime.errors import UserError

pytestmark = pytest.mark.agent

TOOLS = load_tools()
MINE = """
from agent.ports import Ports
from agent.tools import tool
from mend.contracts.decision import ToolResult

@tool
def ring_bell(ports: Ports, times: int = 1) -> ToolResult:
    '''Ring.'''
    return ToolResult(success=True, message=f"rang {times} times", timestamp=ports.clock().isoformat())
"""


def test_the_tools_have_their_names() -> None:
    """Rules and people call the tools by these names."""
    assert set(TOOLS) == {
        "retrigger_task",
        "apply_schema_remap",
        "quarantine_records",
        "notify_ops",
        "escalate_incident",
        "update_incident",
        "resolve_incident",
        "open_circuit",
    }


def test_retrigger_task() -> None:
    """The runner is asked for the task, with or without a time before which it must wait."""
    ports = memory_ports()
    result = TOOLS["retrigger_task"](ports, dag_id="d", task_id="t", execution_date="2026-01-01T12:01:00+00:00")
    assert (result.success, result.timestamp) == (True, NOON.isoformat())
    TOOLS["retrigger_task"](ports, dag_id="d", task_id="t")
    assert [one.execution_date for one in ports.retriggers.requests] == ["2026-01-01T12:01:00+00:00", None]


def test_apply_schema_remap() -> None:
    """A mapping becomes the active one under a new version; the same again changes nothing."""
    ports = memory_ports()
    mapping = {"marketing_opt_in": {"type": "boolean", "nullable": True}}
    for _ in range(2):
        result = TOOLS["apply_schema_remap"](ports, mapping=mapping)
        assert result.data == {"version": 1}
    assert ports.mappings.active == mapping


def test_quarantine_records() -> None:
    """The order carries typed segments and the same in words."""
    ports = memory_ports()
    where = [{"column": "country", "value": "BR"}]
    result = TOOLS["quarantine_records"](
        ports, filter_condition=where, source_path="staging/run=7", reason="dq_localised"
    )
    order = ports.quarantine.orders[0]
    assert order.segments == (SegmentFilter(column="country", value="BR"),)
    assert order.filter_condition == "(country = 'BR') and the row fails a rule"
    assert result.data == {"quarantine_path": "quarantine/dq_localised/1"}


def test_quarantine_of_rejected_rows() -> None:
    """Without a segment the rejected rows are meant, never all rows."""
    ports = memory_ports()
    TOOLS["quarantine_records"](ports, filter_condition=[], source_path="s")
    assert ports.quarantine.orders[0].filter_condition == "the row is rejected"
    assert ports.quarantine.orders[0].reason == "data_quality_failure"


def test_quarantine_refuses_another_filter() -> None:
    """A filter that is not a typed segment is refused: no text is ever evaluated."""
    with pytest.raises(ContractError):
        TOOLS["quarantine_records"](memory_ports(), filter_condition=[{"column": "c", "sql": "1=1"}], source_path="s")


def test_notify_ops() -> None:
    """A notice goes where people read it, and the result says where that is."""
    ports = memory_ports()
    result = TOOLS["notify_ops"](ports, message="hello", severity="warning")
    assert ports.notices.said == [("hello", "warning", "Data Pipeline Alert")]
    assert result.data == {"where": "memory"}


def test_escalate_incident() -> None:
    """An incident is opened with summary, context and severity."""
    ports = memory_ports()
    result = TOOLS["escalate_incident"](ports, summary="late", context={"run_id": "r"}, severity="high")
    incident = ports.incidents.opened[0]
    assert (incident.severity, incident.summary, incident.context) == (Severity.HIGH, "late", {"run_id": "r"})
    assert result.data == {"incident_id": incident.id, "incident_type": "escalation"}


def test_an_incident_with_a_cause_is_opened_once_and_followed() -> None:
    """The second call updates what is open; once resolved, the cause is free for a new incident."""
    ports = memory_ports()
    call = {"summary": "storm", "context": {}, "severity": "high", "cause": "storm:c/0"}
    first, again = (TOOLS["escalate_incident"](ports, **call).data for _ in range(2))
    assert first == again
    TOOLS["update_incident"](ports, cause="storm:c/0", note="goes on")
    assert (ports.incidents.opened[0].context["notes"], ports.incidents.opened[0].context["seen"]) == (
        ["storm", "goes on"],
        3,
    )
    TOOLS["resolve_incident"](ports, cause="storm:c/0", notes="over")
    assert ports.incidents.opened[0].status == "resolved"
    assert TOOLS["update_incident"](ports, cause="storm:c/0", note="x").message.startswith("no incident is open")
    assert TOOLS["escalate_incident"](ports, **call).data != first


def test_whole_partitions_are_ordered_aside() -> None:
    """An order names the partitions, typed, and says so in words."""
    ports = memory_ports()
    whole = [{"topic": "t", "partition": 3}]
    TOOLS["quarantine_records"](ports, filter_condition=[], source_path="s", partitions=whole)
    assert ports.quarantine.orders[0].partitions == (PartitionFilter(topic="t", partition=3),)
    assert ports.quarantine.orders[0].filter_condition == "the row is of t/3"


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("notify_ops", {"message": "m", "severity": "warn"}),
        ("escalate_incident", {"summary": "s", "context": {}, "severity": "hig"}),
    ],
)
def test_an_unknown_severity_is_refused(name: str, params: dict[str, object]) -> None:
    """A severity that nobody knows is refused with the nearest one."""
    with pytest.raises(UserError, match=r"Did you mean '(warning|high)'"):
        TOOLS[name](memory_ports(), **params)


def test_an_unknown_parameter_is_refused() -> None:
    """A call with a parameter that the tool does not take says what it takes."""
    with pytest.raises(UserError, match=r"retrigger_task: .*dag_id"):
        TOOLS["retrigger_task"](memory_ports(), dag="d")


def test_a_tool_of_the_user(tmp_path: Path) -> None:
    """A marked function in a file of the user's is a tool beside ours, and returns its result."""
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    tools = load_tools(path)
    assert tools.keys() - TOOLS.keys() == {"ring_bell"}
    result = tools["ring_bell"](memory_ports(), times=2)
    assert (result.success, result.message) == (True, "rang 2 times")


def test_a_tool_of_the_user_may_import_ours(tmp_path: Path) -> None:
    """A file that imports one of the five to build on it does not take its name."""
    path = tmp_path / "mine.py"
    path.write_text(MINE.replace("import tool\n", "import notify_ops, tool\n"))
    assert "notify_ops" in load_tools(path)


def test_a_tool_cannot_replace_ours(tmp_path: Path) -> None:
    """Nobody escalates into the void because a file has a tool of the same name."""
    path = tmp_path / "mine.py"
    path.write_text(MINE.replace("ring_bell", "escalate_incident"))
    with pytest.raises(UserError, match="'escalate_incident' is Mend's own"):
        load_tools(path)


@pytest.mark.parametrize("name", ["none.py", "tools.txt"])
def test_a_missing_tool_file(tmp_path: Path, name: str) -> None:
    """A file that is not there, or no Python, is named."""
    with pytest.raises(UserError, match="no Python file"):
        load_tools(tmp_path / name)


def test_an_unknown_tool() -> None:
    """A tool that is not there is refused with the nearest one."""
    with pytest.raises(UserError, match="Did you mean 'notify_ops'"):
        tool_named(TOOLS, "notify_op")
