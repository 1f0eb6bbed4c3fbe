"""Circuits, pauses and budgets: when the machine stops, who lets it go on, and that nothing is lost meanwhile."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any

import orjson
import pytest

from agent.decide import BACK_OFF, LONGEST_PAUSE, Act, back_off
from agent.decision_agent import act, decide_run
from agent.ports import Ports
from agent.testing import MemoryJournal, memory_ports, scenario
from agent.tools import Tool
from agent.wiring import store_ports
from mend.contracts.decision import ActionTaken, Check, DecisionResult, ToolResult
from mend.runtime import clock
from mend.runtime.decision_log import broken_links
from mend.runtime.errors import UserError
from mend.store.engine import Store, open_store
from mend.store.runs import Failure
from orchestration.brakes import earlier_tries, refuse_open_circuit
from orchestration.decision_step import decide_about_failure
from orchestration.replay import found, replay, what_if
from orchestration.steps import job_failed
from orchestration.workspace import Workspace, open_workspace
from tests.fast.crashes import World

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DRIFT = {"schema_drift_detected": True, "drift": {"added": [{"name": "n", "type": "string", "nullable": True}]}}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an empty store."""
    with open_store(f"sqlite:///{tmp_path / 'mend.db'}") as opened:
        yield opened


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """Return a pipeline that never ran."""
    with open_workspace(World(home=tmp_path / "home").settings, "customers") as opened:
        yield opened


def fail(workspace: Workspace, error: str = "broker 7 is away", chance: float = 0.0) -> DecisionResult:
    """Let the job fail and decide about it."""
    job_failed(workspace, error, workspace.layout.ops / "log")
    return decide_about_failure(workspace, error, None, chance=chance)


# --- pure


def test_the_pause_doubles_with_some_chance_and_an_end() -> None:
    """Each try waits twice as long, up to half of it more by chance, and never longer than an hour."""
    assert [back_off(tries, 0) / BACK_OFF for tries in range(4)] == [1, 2, 4, 8]
    assert back_off(1, 1) == BACK_OFF * 3
    assert back_off(10**9, 1) == LONGEST_PAUSE


def test_tries_are_counted_for_a_cause_and_an_hour() -> None:
    """Other causes, older failures, and what came before a person closed the circuit do not count."""

    def failed(minutes: int, error: str = "task 3 of run 17 timed out") -> Failure:
        at = START - timedelta(minutes=minutes)
        return Failure(pipeline="p", run_id=None, error=error, cause=None, at=at)

    failures = [failed(0), failed(5, "task 4 of run 99 timed out"), failed(20), failed(30, "disk is full"), failed(61)]
    error = failures[0].error
    assert earlier_tries(failures, error, now=START, since=None) == 2
    assert earlier_tries(failures, error, now=START, since=START - timedelta(minutes=10)) == 1


def test_a_paused_machine_acts_on_nothing_but_calls_people() -> None:
    """While the brake is on a remap waits and is no failure; an escalation is done."""
    ports = memory_ports()
    object.__setattr__(ports, "brake", lambda: "paused by ada")
    waits = decide_run(scenario(DRIFT, run_id=None), ports, MemoryJournal())
    assert [(one.tool, one.paused) for one in waits.actions_taken] == [("apply_schema_remap", True)]
    assert not waits.escalation_required
    assert ports.mappings.version == 0
    called = decide_run(scenario({"late_records": 500}), ports, MemoryJournal())
    assert [(one.tool, one.paused) for one in called.actions_taken] == [("escalate_incident", False)]
    assert len(ports.incidents.opened) == 1


def test_a_brake_that_cannot_be_asked_holds() -> None:
    """When nobody knows whether the machine is paused, nothing is done."""

    def away() -> str | None:
        raise OSError("the store is away")

    ports = memory_ports()
    object.__setattr__(ports, "brake", away)
    assert decide_run(scenario(DRIFT), ports, MemoryJournal()).actions_taken[0].paused
    assert ports.mappings.version == 0


def test_acts_say_before_what_they_will_do() -> None:
    """The prediction is in the record that is written before the first act, the check with the result after it."""
    journal, ports = MemoryJournal(), memory_ports()
    decision = decide_run(scenario(DRIFT), ports, journal)
    assert "the active mapping has 'n'" in journal.decisions[0].predictions[0].effect
    assert journal.decisions[0].actions_taken == ()
    check = decision.actions_taken[0].result.check
    assert isinstance(check, Check)
    assert check.ok


def test_an_act_without_effect_has_failed() -> None:
    """A tool that says it is done, while its effect is not to be seen, is recorded as failed and escalated."""
    ports = memory_ports()
    object.__setattr__(ports, "mappings", Forgetful())
    decision = decide_run(scenario(DRIFT), ports, MemoryJournal())
    assert (decision.rules[-1], decision.escalation_required) == ("act_failed", True)
    assert "not in the active mapping" in decision.actions_taken[0].result.message
    assert ports.acts.results.keys().isdisjoint({"apply_schema_remap"})


class Forgetful:
    """A mapping that says it took the fields, and has none."""

    def apply(self, mapping: dict[str, Any], at: datetime) -> int:  # noqa: ARG002 - the port's signature
        """Say version 2."""
        return 2

    def active_names(self) -> frozenset[str]:
        """Have nothing."""
        return frozenset()


def test_a_users_tool_needs_no_check() -> None:
    """A tool without a look of its own is what its result says."""
    assert Tool("mine", lambda _: ToolResult(success=True, message="m", timestamp="t")).look is None


# --- the store


@pytest.mark.waits
def test_a_circuit_is_open_until_somebody_closes_it(store: Store) -> None:
    """One circuit a pipeline at a time, with who opened and who closed it; another pipeline goes on."""
    brakes = store.brakes
    first = brakes.open_circuit("orders", "consecutive_failures", "3 runs failed", START, by="decision")
    assert brakes.open_circuit("orders", "other", "again", START, by="decision") == first
    assert (brakes.circuit("orders"), brakes.circuit("customers")) == (first, None)
    closed = brakes.close_circuit("orders", "fixed", START + timedelta(hours=1), by="ada")
    assert closed is not None
    assert (closed.closed_by, closed.closed_why, brakes.circuit("orders")) == ("ada", "fixed", None)
    assert brakes.last_closed("orders") == START + timedelta(hours=1)
    assert brakes.close_circuit("orders", "again", START, by="ada") is None


@pytest.mark.waits
def test_a_pause_ends_by_itself_or_by_a_person(store: Store) -> None:
    """A pause holds for its pipeline or for all, up to its end, or until it is resumed."""
    brakes = store.brakes
    brakes.pause(START, by="ada", reason="night", until=START + timedelta(hours=2), pipeline="orders")
    assert brakes.why_paused("orders", START) == "paused until 2026-03-01 14:00 UTC by ada: night"
    assert brakes.why_paused("customers", START) is None
    assert brakes.why_paused("orders", START + timedelta(hours=2)) is None
    brakes.pause(START, by="ada")
    assert brakes.why_paused("customers", START + timedelta(days=9)) == "paused by ada"
    assert len(brakes.resume(START + timedelta(days=9), by="bob")) == 1
    assert brakes.why_paused("customers", START + timedelta(days=9)) is None


# --- a pipeline


@pytest.mark.waits
def test_failures_open_the_circuit_and_a_person_closes_it(workspace: Workspace) -> None:
    """Three failures in a row: two tries, then one call, and no further run until a person has looked."""
    decisions = [fail(workspace, f"broker {number} is away") for number in range(3)]
    assert [one.decision for one in decisions] == ["retrigger", "retrigger", "escalate"]
    waited = [str(one.predictions[0].by) for one in decisions[:2]]
    starts = [datetime.fromisoformat(one.timestamp) for one in decisions[:2]]
    assert [datetime.fromisoformat(by) - at for by, at in zip(waited, starts, strict=True)] == [BACK_OFF, BACK_OFF * 2]
    with pytest.raises(UserError, match=r"circuit is open .* mend circuit close customers") as refused:
        refuse_open_circuit(workspace)
    assert refused.value.exit_code == 3
    with workspace.store.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM incidents").scalar_one() == 1
    workspace.store.brakes.close_circuit("customers", "broker is back", clock.now(), by="ada")
    refuse_open_circuit(workspace)
    assert fail(workspace).decision == "retrigger"


@pytest.mark.waits
def test_another_try_is_dropped_while_paused(workspace: Workspace) -> None:
    """The decision is on record, its retrigger is not asked for."""
    workspace.store.brakes.pause(clock.now(), by="ada")
    decision = fail(workspace)
    assert (decision.decision, decision.actions_taken[0].paused) == ("retrigger", True)
    assert not (workspace.layout.ops / "retrigger.json").exists()
    assert workspace.store.decisions.listed(1)[0].result.decision == "retrigger"


@pytest.mark.waits
def test_a_decision_is_derived_again(workspace: Workspace, tmp_path: Path) -> None:
    """From what was kept come the same bytes; changed evidence and a changed matrix are refused."""
    fail(workspace, chance=0.3)
    known = found(workspace.store, "1")
    assert replay(workspace.layout, known).same
    (table,) = (workspace.layout.ops / "matrices").iterdir()
    content = table.read_bytes()
    table.write_bytes(content + b"\n")
    with pytest.raises(UserError, match=r"matrix .* was changed"):
        replay(workspace.layout, known)
    table.write_bytes(content)
    evidence = workspace.layout.failure(str(known.result.evidence_hash))
    evidence.write_bytes(evidence.read_bytes().replace(b'retriggers":0', b'retriggers":1'))
    with pytest.raises(UserError, match=r"evidence .* is not kept"):
        replay(workspace.layout, known)
    assert list(broken_links(workspace.layout.ops / "decision_log.jsonl")) == []
    assert not tmp_path.joinpath("decision_log.torn").exists()


@pytest.mark.waits
def test_a_failed_act_is_derived_again(workspace: Workspace) -> None:
    """An act that failed made the decision another one; that, too, comes again from what is kept."""
    (workspace.layout.ops / "retrigger.json").mkdir(parents=True)
    decision = fail(workspace)
    assert decision.rules[-1] == "act_failed"
    known = workspace.store.decisions.listed(9)
    assert [one.result.rules[-1] for one in known] == ["act_failed", "job_failed"]
    assert all(replay(workspace.layout, one).same for one in known)


@pytest.mark.waits
def test_another_matrix_is_tried_on_the_past(workspace: Workspace, tmp_path: Path) -> None:
    """The same matrix differs in nothing; one that calls a person at once differs, with one alert more."""
    from agent.matrix_file import MATRIX, load_matrix

    fail(workspace)
    since = clock.now() - timedelta(days=90)
    same = what_if(workspace.layout, workspace.store, load_matrix(), since)
    assert (same.decisions, same.missing, same.differences) == (1, 0, ())
    stricter = tmp_path / "m.yml"
    text = re.sub(r"(id: job_failed\n(?:.*\n)*?    actions: )\[retrigger\]", r"\1[escalate]", MATRIX.read_text())
    stricter.write_text(text)
    (other,) = what_if(workspace.layout, workspace.store, load_matrix(stricter), since).differences
    assert (other.before, other.after, other.alerts, other.published) == ("retrigger", "escalate", 1, 0)


@pytest.mark.waits
def test_a_decision_file_has_what_was_done(workspace: Workspace) -> None:
    """The file has the predictions, the acts and their checks under their names."""
    fail(workspace)
    written = orjson.loads((workspace.layout.ops / "agent_decision.json").read_bytes())
    assert written["predictions"][0]["tool"] == "retrigger_task"
    assert written["actions_taken"][0]["result"]["check"]["ok"] is True


@pytest.mark.waits
def test_a_pause_stops_a_machine_at_work_within_seconds(store: Store, tmp_path: Path) -> None:
    """While acts are being done, `mend pause` in another process stops the next one, in much less than five seconds."""
    ports = store_ports(store, tmp_path, "orders", ())
    done: list[float] = []

    def work(ports: Ports) -> ToolResult:
        sleep(0.02)
        done.append(monotonic())
        return ToolResult(success=True, message="done", timestamp=ports.clock().isoformat())

    acts = [Act(tool="mine", target=str(number), params={}) for number in range(1500)]
    taken: list[ActionTaken] = []
    machine = Thread(target=lambda: taken.extend(act(acts, {"mine": Tool("mine", work)}, ports, scenario())))
    machine.start()
    while not done:
        sleep(0.01)
    address = store.database.engine.url.render_as_string(hide_password=False)
    variables = {"MEND_HOME": str(tmp_path), "DATABASE_URL": address}
    pause = [sys.executable, "-c", "from cli.main import app; app()", "pause", "--by", "ada"]
    subprocess.run(pause, check=True, env=os.environ | variables, capture_output=True)
    paused_at = monotonic()
    machine.join(timeout=5)
    assert not machine.is_alive()
    assert 0 < len(done) < len(acts)
    assert done[-1] < paused_at + 1
    assert [one.paused for one in taken] == [False] * len(done) + [True] * (len(acts) - len(done))
