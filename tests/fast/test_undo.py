"""Undo: what a decision published leaves the readable set and is held, and comes back by the undo of the undo."""

import os
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from agent.adapters.store import StoreMappings
from mend.contracts.decision import Rows
from mend.runtime import faults
from mend.runtime.errors import UserError
from mend.runtime.locks import only_one
from mend.store.tables import RunState
from orchestration import decision_step, settle, undo
from orchestration.decision_step import contract_fields
from orchestration.steps import cleanup_old_data, validate_load
from orchestration.storage import at_work
from tests.fast.test_retention import AT_ONCE, House, decision, house
from tests.fast.test_settle import Guillotine, guillotine

__all__ = ["guillotine", "house"]
ANN = {"by": "ann", "reason": "wrong currency"}


def readable(house: House) -> dict[str, str]:
    """Return every file that a reader sees, with its hash."""
    root = house.workspace.settings.published
    return {
        str(path.relative_to(root)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*")) if path.is_file()
    }  # fmt: skip


def places(house: House) -> dict[str, int]:
    """Return what the proof counts; it must hold."""
    certificate = house.certify(since="2000-01-01")
    assert certificate.proof.findings == ()
    return dict(certificate.proof.partitions[0].counts)


def decided(house: House, run_id: str, rows: Rows = Rows.PUBLISH) -> int:
    """Put the decision about a run on record."""
    made = replace(decision(rows), run_id=run_id, rules=("healthy",))
    return house.workspace.store.decisions.record(run_id, made, datetime.now(UTC))


def settled(house: House, first: int = 0, rows: Rows = Rows.PUBLISH) -> str:
    """Settle a run with a decision on record."""
    run_id = house.settle(first, rows)
    decided(house, run_id, rows)
    return run_id


def test_an_undone_run_is_held_and_comes_back_as_it_was(house: House) -> None:
    """Data after the undo are the data before the run, to the byte; the undo of the undo brings them back, likewise."""
    settled(house)
    before = readable(house)
    second = settled(house, 8)
    both = readable(house)
    assert len(both) > len(before)
    gone = undo.undo(house.workspace, second, **ANN)
    assert (gone.done and gone.done.rows, readable(house)) == (4, before)
    assert places(house) == {"published": 4, "held": 4, "rejected": 4, "dead_letter": 2, "duplicate": 2}
    assert house.workspace.store.ledger.ranges(second)[0].held == 4
    back = undo.undo(house.workspace, "undo-1", **ANN)
    assert (back.done and back.done.rows, readable(house)) == (4, both)
    assert places(house)["published"] == 8
    again = undo.undo(house.workspace, second, **ANN)
    assert (again.done and again.done.name, readable(house)) == ("undo-3", before)


def test_undone_twice_is_undone_once(house: House) -> None:
    """The second press, by run or number, changes nothing and names the first; so does that of an undo."""
    run_id = settled(house)
    undo.undo(house.workspace, run_id, **ANN)
    for name in (run_id, "1"):
        again = undo.undo(house.workspace, name, by="bob", reason="me too")
        assert (again.done and again.done.name, again.done and again.done.by) == ("undo-1", "ann")
    for _ in range(2):
        back = undo.undo(house.workspace, "undo-1", **ANN)
        assert (back.done and back.done.name) == "undo-2"
    assert len(house.workspace.store.undos.of_run(run_id)) == 2
    log = (house.workspace.layout.ops / "decision_log.jsonl").read_text().splitlines()
    assert ["ann" in line and '"undone"' in line for line in log] == [True, True]


def test_rows_that_were_held_already_stay_where_they_are(house: House) -> None:
    """Of a run that was published in part, only the published rows move, and only they come back."""
    run_id = house.stage()
    house.workspace.store.runs.advance(run_id, RunState.DECIDED, datetime.now(UTC))
    staged = house.workspace.layout.staged(run_id)
    part = next((staged / "accepted").rglob("*.parquet"))
    settle.set_aside(staged, "kafka_offset < 1")
    decision_step.settle_run(house.workspace, run_id, decision(Rows.PUBLISH))
    assert validate_load(house.workspace, run_id).outcome == "done"
    decided(house, run_id)
    assert part.name
    assert (places(house)["published"], places(house)["held"]) == (3, 1)
    undo.undo(house.workspace, run_id, **ANN)
    assert places(house)["held"] == 4
    undo.undo(house.workspace, "undo-1", **ANN)
    assert (places(house)["published"], places(house)["held"]) == (3, 1)


def test_killed_at_any_step_the_next_command_ends_it(house: House, guillotine: Guillotine) -> None:
    """Wherever an undo dies, the proof holds, readers see the whole run or none of it, and the next one ends it."""
    run_id = settled(house)
    whole = readable(house)
    kills = 0
    for wanted in ({}, whole):
        after, killed = 0, True
        while killed:
            name = newest(house) if wanted else run_id
            killed = guillotine.cut(after, partial(press, house, name))
            kills, after = kills + killed, after + 1
            assert readable(house) in ({}, whole)
            assert house.findings() == ()
            undo.end_what_died(house.workspace)
            assert house.workspace.store.undos.begun("customers") == ()
            if killed and readable(house) == wanted:  # it was begun, and is ended: once more from the other side
                assert house.findings() == ()
                undo.undo(house.workspace, newest(house), **ANN)
        assert readable(house) == wanted
    assert kills >= 4


def press(house: House, name: str) -> None:
    """Undo."""
    undo.undo(house.workspace, name, **ANN)


def newest(house: House) -> str:
    """Return the newest undo."""
    return house.workspace.store.undos.of_decision(1)[-1].name


@pytest.mark.parametrize("point", ["undo_begun", "rows_back", "undo_moved"])
def test_killed_at_a_point_the_next_run_ends_it(house: House, point: str) -> None:
    """A process is killed at each point of an undo: the next command that works on the pipeline ends it."""
    run_id = settled(house)
    child = os.fork()
    if not child:
        faults.arm(point)
        undo.undo(house.workspace, run_id, **ANN)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert house.findings() == ()
    with at_work(house.workspace):
        assert readable(house) == {}
        assert places(house)["held"] == 4
    run = house.workspace.store.runs.get(run_id)
    assert run is not None
    assert run.state is RunState.VALIDATED


@pytest.fixture
def mappings(house: House) -> StoreMappings:
    """Return the mapping as a decision about run-1 changes it."""
    workspace = house.workspace
    return StoreMappings(workspace.store.mappings, "customers", contract_fields(workspace), "run-1")


def test_the_mapping_before_the_decision_is_back(house: House, mappings: StoreMappings) -> None:
    """What the decision added is taken out by a new version and added by no decision; the undo's undo brings it."""
    store, now = house.workspace.store, datetime.now(UTC)
    run_id = settled(house)
    mappings.apply({"score": {"type": "DOUBLE"}}, now)
    other = StoreMappings(store.mappings, "customers", contract_fields(house.workspace), "run-9")
    other.apply({"tone": {"type": "VARCHAR"}}, now)
    undo.undo(house.workspace, run_id, **ANN)
    current = store.mappings.current("customers")
    assert current is not None
    assert (current.version, current.field("score"), bool(current.field("tone"))) == (4, None, True)
    assert current.declined == ("score",)
    assert mappings.apply({"score": {"type": "DOUBLE"}}, now) == 4
    undo.undo(house.workspace, "undo-1", **ANN)
    current = store.mappings.current("customers")
    assert current is not None
    assert (current.version, bool(current.field("score")), current.declined) == (5, True, ())
    assert [one.version for one in store.mappings.versions("customers")] == [1, 2, 3, 4, 5]
    assert (house.workspace.layout.ops / "mappings" / "customers" / "v5.json").exists()


def test_what_cannot_be_undone_whole_is_refused(house: House) -> None:
    """A run that is held, at work, disputed or whose held rows are not all there any more: nothing is changed."""
    held = settled(house, 0, Rows.HOLD)
    staged = house.stage(8)
    decided(house, staged)
    for name, why in ((held, "published nothing"), (staged, "is audited"), ("nobody", "no decision"), ("undo-7", "no")):
        with pytest.raises(UserError, match=why):
            undo.undo(house.workspace, name, **ANN)
    third = settled(house, 16)
    undo.undo(house.workspace, third, **ANN)
    next(house.workspace.layout.undone(third).rglob("*.parquet")).unlink()
    with pytest.raises(UserError, match="undo-1 held 4 rows, 0 of them are left"):
        undo.undo(house.workspace, "undo-1", **ANN)
    assert house.workspace.store.undos.begun("customers") == ()


def test_an_undo_that_finds_other_rows_calls_a_person(house: House) -> None:
    """Files were lost since the recount: the run is disputed, and an incident says so, until the counts agree again."""
    run_id = settled(house)
    path = house.file(run_id)
    pq.write_table(pq.read_table(path, partitioning=None).slice(1), path)
    undo.undo(house.workspace, run_id, **ANN)
    run = house.workspace.store.runs.get(run_id)
    assert run is not None
    assert run.state is RunState.DISPUTED
    (incident,) = house.workspace.store.incidents.created_since(datetime.now(UTC) - timedelta(days=1))
    assert incident.context["run_id"] == run_id


def test_retention_and_an_undo_wait_for_each_other(house: House) -> None:
    """While one moves rows of settled runs the other does nothing; later the held rows follow their own policy."""
    run_id = settled(house)
    layout = house.workspace.layout
    with only_one(layout.settled_lock("customers"), "a test"):
        assert cleanup_old_data(house.workspace).outcome == "nothing_to_do"
        with pytest.raises(UserError, match="rows of settled runs"):
            undo.undo(house.workspace, run_id, **ANN)
    undo.undo(house.workspace, run_id, **ANN)
    house.clean(published=timedelta(days=9))
    assert places(house)["held"] == 4
    house.clean(quarantine=AT_ONCE)
    assert house.findings() == ()


def test_counters_do_not_fall_by_an_undo(house: House) -> None:
    """An event that was published and is held now has been in both places."""
    run_id = settled(house)
    measures = house.workspace.store.measures
    assert measures.events()["published"] == 4
    undo.undo(house.workspace, run_id, **ANN)
    assert (measures.events()["published"], measures.events()["held"]) == (4, 4)
    undo.undo(house.workspace, "undo-1", **ANN)
    assert (measures.events()["published"], measures.events()["held"]) == (8, 4)


def test_a_run_that_another_replaced_is_not_undone(house: House, tmp_path: Path) -> None:
    """A backfill took the place of a run: without it the offsets would be nowhere."""
    run_id = settled(house)
    house.workspace.store.runs.plan_replacement(run_id, ["run-0"])
    with pytest.raises(UserError, match="took the place of run-0"):
        undo.undo(house.workspace, run_id, **ANN)
    assert tmp_path
