"""The ports: fakes, files and store keep the same promises."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from agent.decide import decide, log_line
from agent.matrix_file import load_matrix
from agent.ports import JournalPort, Ports, QuarantineOrder, Retrigger
from agent.testing import NOON, MemoryJournal, memory_ports, scenario
from agent.wiring import file_journal, file_ports, store_journal, store_ports
from mend.contracts.decision import SegmentFilter, ToolResult
from mend.contracts.incident import Incident, IncidentStatus, Severity
from mend.contracts.mapping import MappedField
from mend.contracts.trial import Trial, TriedRows
from mend.runtime.errors import UserError
from mend.store.engine import Store, open_store

pytestmark = pytest.mark.agent

CONTRACT = (MappedField(name="id", source="id", type="string", nullable=False),)
MAPPING = {"opt_in": {"type": "BOOLEAN", "nullable": True}}
RESULT = ToolResult(success=True, message="done", timestamp=NOON.isoformat(), data={"n": 1})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an empty store."""
    with open_store(f"sqlite:///{tmp_path / 'mend.db'}") as opened:
        yield opened


@pytest.fixture(params=["memory", "files", "store"])
def ports(request: pytest.FixtureRequest, tmp_path: Path) -> Ports:
    """Return the ports of each kind."""
    made: dict[str, Callable[[], Ports]] = {
        "memory": memory_ports,
        "files": lambda: file_ports(tmp_path),
        "store": lambda: store_ports(request.getfixturevalue("store"), tmp_path / "ops", "orders", CONTRACT),
    }
    return made[request.param]()


@pytest.fixture(params=["memory", "files", "store"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> JournalPort:
    """Return the journals of each kind."""
    output = tmp_path / "ops" / "agent_decision.json"
    made: dict[str, Callable[[], JournalPort]] = {
        "memory": MemoryJournal,
        "files": lambda: file_journal(output),
        "store": lambda: store_journal(
            request.getfixturevalue("store"), output, output.with_name("decision_log.jsonl")
        ),
    }
    return made[request.param]()


def order(reason: str = "dq_localised", at: datetime = NOON) -> QuarantineOrder:
    """Return an order."""
    return QuarantineOrder(
        reason=reason,
        source_path="staging/run=7",
        filter_condition="x",
        segments=(SegmentFilter(column="c", value="v"),),
        quarantined_at=at,
    )


def test_an_incident_is_opened(ports: Ports) -> None:
    """An incident is kept open with what it was opened with; one of another cause is another one."""
    first, again, second = (
        ports.incidents.open("late_over_limit", says, {"run_id": "r"}, Severity.HIGH, NOON)
        for says in ("too late: 5 events", "too late: 7 events", "far too late")
    )
    assert first.id == again.id != second.id
    once, again = (ports.incidents.open("t", "s", {}, Severity.LOW, NOON, key="act-1") for _ in range(2))
    assert once.id == again.id != first.id
    assert (first.incident_type, first.summary, first.severity) == (
        "late_over_limit",
        "too late: 5 events",
        Severity.HIGH,
    )
    assert (first.status, first.context["run_id"]) == (IncidentStatus.OPEN, "r")
    assert datetime.fromisoformat(first.created_at) == NOON


def test_a_mapping_gets_a_version_once(ports: Ports) -> None:
    """A new mapping is a new version; what is active already changes nothing."""
    first = ports.mappings.apply(MAPPING, NOON)
    assert ports.mappings.apply(MAPPING, NOON) == first
    assert ports.mappings.apply({**MAPPING, "segment": {"type": "VARCHAR", "nullable": True}}, NOON) == first + 1
    assert ports.mappings.apply(MAPPING, NOON) == first + 1


def test_orders_never_share_a_path(ports: Ports) -> None:
    """Two orders of the same second and reason lie in two places; the order of the same act lies where it lay."""
    paths = [ports.quarantine.record(order()) for _ in range(3)]
    assert len(set(paths)) == 3
    later = order(at=NOON + timedelta(hours=1))
    assert ports.quarantine.record(replace(order(), key="act-1")) == ports.quarantine.record(
        replace(later, key="act-1")
    )


def test_requests_are_taken(ports: Ports) -> None:
    """A request can be made twice, and others beside it."""
    request = Retrigger(dag_id="d", task_id="t", execution_date=None, requested_at=NOON.isoformat())
    for one in (request, request, replace(request, task_id="u")):
        ports.retriggers.request(one)


def test_notices_say_where(ports: Ports) -> None:
    """A notice of any severity is passed on and says where it can be read."""
    for severity in ("info", "warning", "error", "critical"):
        assert ports.notices.say("m", severity, "t")


def test_the_first_result_stays(ports: Ports) -> None:
    """An act's first result is found again, unlike that of an act that was never done."""
    assert ports.acts.find("k") is None
    ports.acts.keep("k", "run-7", "notify_ops", "target", RESULT)
    ports.acts.keep("k", "run-7", "notify_ops", "target", replace(RESULT, message="again"))
    ports.acts.keep("other", None, "notify_ops", "target", replace(RESULT, message="other"))
    assert ports.acts.find("k") == RESULT


def test_a_journal_takes_decisions(journal: JournalPort) -> None:
    """A decision is recorded before its acts and finished after them, again if it is made again."""
    context = scenario()
    decision = decide(context, load_matrix())
    for _ in range(2):
        journal.record(decision, log_line(context, decision))
        journal.finish(decision)


def test_file_journal(tmp_path: Path) -> None:
    """The newest decision is one file; all are lines of the log beside it."""
    context = scenario({"late_records": 500})
    decision = decide(context, load_matrix())
    journal = file_journal(tmp_path / "agent_decision.json")
    for one in (decision, decision, replace(decision, timestamp="2026-01-02T00:00:00+00:00")):
        journal.record(one, log_line(context, one))
    document = orjson.loads((tmp_path / "agent_decision.json").read_bytes())
    assert {"decision", "reasoning", "actions_taken", "confidence", "escalation_required", "timestamp"} <= set(document)
    lines = [orjson.loads(line) for line in (tmp_path / "decision_log.jsonl").read_bytes().splitlines()]
    assert len(lines) == 2
    assert lines[0]["context_summary"] == {
        "total_records": 1000,
        "late_records": 500,
        "dq_failures": 0,
        "schema_drift": False,
    }
    assert (lines[0]["decision"], lines[0]["actions_count"], lines[0]["confidence"]) == ("escalate", 1, 1.0)


def test_mapping_file(tmp_path: Path) -> None:
    """The mapping's file has the names that users read."""
    file_ports(tmp_path).mappings.apply(MAPPING, NOON)
    document = orjson.loads((tmp_path / "schema_remap.json").read_bytes())
    assert document == {"version": 1, "updated_at": NOON.isoformat(), "mappings": MAPPING, "applied": True}


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"version": "x", "mappings": {}}', b'{"version": 1, "mappings": 1}']
)
def test_a_broken_mapping_file_is_not_overwritten(tmp_path: Path, content: bytes) -> None:
    """A file that is no mapping is left as it is and named."""
    path = tmp_path / "schema_remap.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"schema_remap\.json is not a mapping"):
        file_ports(tmp_path).mappings.apply(MAPPING, NOON)
    assert path.read_bytes() == content


def test_of_a_cause_one_incident_is_open(ports: Ports) -> None:
    """A second one of the cause is the first with a note; after its end one is open again; others are untouched."""

    def storm(cause: str) -> Incident:
        return ports.incidents.open("poison_storm", "bad", {}, Severity.HIGH, NOON, cause=cause)

    first, other, again = storm("c/0"), storm("c/1"), storm("c/0")
    assert (again.id, again.context["notes"]) == (first.id, ["bad"])
    assert other.id != first.id
    noted = ports.incidents.note("c/0", "goes on", NOON)
    assert noted is not None
    assert (noted.id, noted.context["notes"], noted.status) == (first.id, ["bad", "goes on"], IncidentStatus.OPEN)
    ended = ports.incidents.resolve("c/0", "over", NOON)
    assert ended is not None
    assert (ended.id, ended.status, ended.resolution_notes) == (first.id, IncidentStatus.RESOLVED, "over")
    assert (ports.incidents.resolve("c/0", "", NOON), ports.incidents.note("c/9", "", NOON)) == (None, None)
    assert (storm("c/0").live, ports.incidents.note("c/0", "again", NOON) is None) == (True, False)


def test_quarantine_file(tmp_path: Path) -> None:
    """An order lies below reason and time; its segments are typed."""
    ports = file_ports(tmp_path)
    ports.quarantine.record(order(at=NOON + timedelta(seconds=1)))
    path = tmp_path / "quarantine" / "dq_localised" / "20260101_120001"
    document = orjson.loads((path / "metadata.json").read_bytes())
    assert document == {
        "quarantined_at": "2026-01-01T12:00:01+00:00",
        "reason": "dq_localised",
        "filter_condition": "x",
        "segments": [{"column": "c", "value": "v", "also": None}],
        "partitions": [],
        "source_path": "staging/run=7",
        "quarantine_path": str(path),
    }


def test_a_reason_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    """Whatever a reason is called, its folder lies inside the quarantine."""
    path = Path(file_ports(tmp_path).quarantine.record(order(reason="../../etc/x y")))
    assert path.resolve().is_relative_to(tmp_path / "quarantine")
    assert path.parent.name == "______etc_x_y"


def test_retrigger_file(tmp_path: Path) -> None:
    """Requests wait in their order; the same one waits once."""
    ports = file_ports(tmp_path)
    request = Retrigger(dag_id="d", task_id="t", execution_date=None, requested_at=NOON.isoformat())
    for one in (request, request, replace(request, execution_date="2026-01-01T12:01:00+00:00")):
        ports.retriggers.request(one)
    waiting = orjson.loads((tmp_path / "retrigger.json").read_bytes())["requests"]
    assert [one["execution_date"] for one in waiting] == [None, "2026-01-01T12:01:00+00:00"]


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"requests": [1]}'])
def test_a_broken_retrigger_file_is_named(tmp_path: Path, content: bytes) -> None:
    """A file that holds no requests is not overwritten in silence."""
    (tmp_path / "retrigger.json").write_bytes(content)
    request = Retrigger(dag_id="d", task_id="t", execution_date=None, requested_at=NOON.isoformat())
    with pytest.raises(UserError, match=r"retrigger\.json holds no requests"):
        file_ports(tmp_path).retriggers.request(request)


def test_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    """A line that a crash tore does not hide the whole ones before it, nor count as done."""
    ports = file_ports(tmp_path)
    ports.acts.keep("k", None, "t", "x", RESULT)
    with (tmp_path / "agent_actions.jsonl").open("ab") as file:
        file.write(b'{"key": "torn", "result": {"succ')
    assert ports.acts.find("k") == RESULT
    assert ports.acts.find("torn") is None


def test_the_store_maps_new_fields_on_top_of_the_contract(store: Store, tmp_path: Path) -> None:
    """The first remap keeps the contract as version 1 and adds its fields in version 2."""
    ports = store_ports(store, tmp_path, "orders", CONTRACT)
    assert ports.mappings.apply(MAPPING, NOON) == 2
    first, second = store.mappings.get("orders", 1), store.mappings.get("orders", 2)
    assert first is not None
    assert second is not None
    assert first.fields == CONTRACT
    assert second.fields == (*CONTRACT, MappedField(name="opt_in", source="opt_in", type="BOOLEAN", added=True))


def test_the_store_does_not_pretend_a_rename(store: Store, tmp_path: Path) -> None:
    """A rename without its trial, or of a field that there is none of, is refused, not recorded as done."""
    ports = store_ports(store, tmp_path, "orders", CONTRACT)
    name = CONTRACT[0].name
    for change, why in (
        ({"renamed_from": "nobody"}, "no field is called so"),
        ({"renamed_from": name}, "was not tried"),
        ({"renamed_from": name, "trial": "0" * 64}, "was not tried"),
    ):
        with pytest.raises(UserError, match=why):
            ports.mappings.apply({"tier": change}, NOON)
    assert store.mappings.current("orders") is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [({}, None), ({"against": ("it is worse",)}, "did not pass its trial: it is worse"),
     ({"base": 3}, "another mapping"), ({"fields": CONTRACT}, "another mapping")],
)  # fmt: skip
def test_the_store_renames_what_was_tried(
    store: Store, tmp_path: Path, changes: dict[str, Any], why: str | None
) -> None:
    """A field is read from elsewhere only if this very mapping passed its trial on the version of now."""
    ports = store_ports(store, tmp_path, "orders", CONTRACT)
    first = replace(CONTRACT[0], source="tier", renamed_from=CONTRACT[0].source)
    trial = Trial(
        pipeline="orders", base=0, fields=(first, *CONTRACT[1:]), contract={}, set_aside_before=TriedRows(),
        set_aside=TriedRows(), again=TriedRows(),
    )  # fmt: skip
    name = store.trials.record(replace(trial, **changes), NOON)
    wanted = {"tier": {"renamed_from": CONTRACT[0].name, "trial": name}}
    if why:
        with pytest.raises(UserError, match=why):
            ports.mappings.apply(wanted, NOON)
        return
    assert ports.mappings.apply(wanted, NOON) == ports.mappings.apply(wanted, NOON) == 2
    current = store.mappings.current("orders")
    assert current is not None
    assert (current.fields[0], current.trial) == (first, name)


def test_the_store_keeps_decisions_and_incidents(store: Store, tmp_path: Path) -> None:
    """A decision is in the store as well as in the files; an escalated incident is marked as such."""
    context = scenario({"run_id": "run-7"})
    decision = decide(context, load_matrix())
    output = tmp_path / "agent_decision.json"
    store_journal(store, output, tmp_path / "log.jsonl").record(decision, log_line(context, decision))
    recorded = store.decisions.get("run-7")
    assert recorded is not None
    assert recorded.result == decision
    opened = store_ports(store, tmp_path, "orders", CONTRACT).incidents.open("t", "s", {}, Severity.LOW, NOON)
    found = store.incidents.find(opened.id)
    assert found is not None
    assert found.escalated
