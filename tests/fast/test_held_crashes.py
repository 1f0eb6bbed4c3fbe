"""A replay is killed at every point that it passes: nothing is lost or twice, and the next press ends it."""

import shutil
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from tempfile import mkdtemp

import duckdb
import pytest

from mend.contracts.quarantine import Selection
from mend.store.tables import RunState
from orchestration import steps
from orchestration.held import replay_rows, undo_replay
from orchestration.storage import at_work, refusals_told
from orchestration.workspace import open_workspace
from tests.fast.crashes import TOLD, World, crashing, processes_with
from tests.fast.held_world import CAST, GOOD, TEXTS, accepted, audit, ingest, prove
from tests.fast.test_faults import full, small_disk

pytestmark = pytest.mark.waits
KILLED = -9
POINTS = (
    "batch_opened", "half_staged", "files_staged", "manifest_written", "report_written", "taken_written",
    "batch_staged", "audit_written", "decision_stored", "folder_moved", "folder_moved:2", "before_publish",
    "published", "load_counted",
)  # fmt: skip
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - the file system in memory that Linux machines have


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Return processes that have loaded all that a replay needs."""
    return processes_with("tests.fast.held_world", "orchestration.held", "mend.quarantine.propose", "pandas")


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """Make the world once, with an accepted repair."""
    home = Path(mkdtemp(dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
    patch = pytest.MonkeyPatch()
    patch.setattr(steps, "audit_staged", audit)
    with open_workspace(World(home=home).settings, "customers") as workspace:
        ingest(workspace)
        accepted(workspace, TEXTS, CAST)
    yield home
    patch.undo()
    shutil.rmtree(home)


@pytest.fixture
def world(made: Path, home: Path) -> World:
    """Return a copy of the world."""
    shutil.copytree(made, home / "data")
    return World(home=home / "data")


def press(world: World) -> None:
    """Replay everything that waits, in this process."""
    pytest.MonkeyPatch().setattr(steps, "audit_staged", audit)
    with refusals_told(), open_workspace(world.settings, "customers") as opened, at_work(opened) as workspace:
        replay_rows(workspace, Selection(), by="ada", reason="crash")


def sound(world: World) -> tuple[bool, int]:
    """Return whether the proof holds and no reader sees an offset twice, and how many rows readers see."""
    with open_workspace(world.settings, "customers") as workspace:
        holds = prove(workspace).holds
    with duckdb.connect() as db:
        files = str(world.settings.published / "**" / "*.parquet")
        counted = "SELECT count(*), count(DISTINCT kafka_offset) FROM read_parquet($1)"
        ((rows, different),) = db.execute(counted, [files]).fetchall()
    return holds and rows == different, rows


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_replay_is_brought_to_its_end(world: World, processes: ForkServerContext, point: str) -> None:
    """The proof holds after the crash, after the next press and after one more; rows are readable as a whole or not."""
    assert crashing(world, point, press, processes) == KILLED
    holds, rows = sound(world)
    assert holds
    assert rows in {2 * GOOD, 2 * GOOD + 5}
    for _ in range(2):
        assert crashing(world, "", press, processes) == 0
        assert sound(world) == (True, 2 * GOOD + 5)
    with open_workspace(world.settings, "customers") as workspace:
        assert workspace.store.runs.unfinished("customers") == ()


def take_back(world: World) -> None:
    """Undo the one replay there is."""
    with refusals_told(), open_workspace(world.settings, "customers") as opened, at_work(opened) as workspace:
        (replay,) = [one.run_id for one in workspace.store.runs.standing() if "-replay-" in one.run_id]
        undo_replay(workspace, replay, by="ada", reason="crash")


def test_a_killed_undo_is_asked_for_again(world: World, processes: ForkServerContext) -> None:
    """Readers see none of its rows from the first step on; the second press ends it, a third changes nothing."""
    assert crashing(world, "", press, processes) == 0
    assert crashing(world, "folder_moved", take_back, processes) == KILLED
    assert sound(world)[1] == 2 * GOOD
    for _ in range(2):
        assert crashing(world, "", take_back, processes) == 0
        assert sound(world) == (True, 2 * GOOD)


def test_a_replay_beside_a_run_is_refused(world: World, processes: ForkServerContext) -> None:
    """While another process works on the pipeline, ingest or retention, the press says so and changes nothing."""
    with open_workspace(world.settings, "customers") as opened, at_work(opened):
        assert crashing(world, "", press, processes) == TOLD
    assert "is at work" in world.refusal
    assert sound(world) == (True, 2 * GOOD)


def test_a_full_disk_leaves_everything_waiting(world: World, processes: ForkServerContext) -> None:
    """No half of a replay stays behind, and with room again the same press succeeds."""
    shutil.rmtree(world.home / "staging", ignore_errors=True)
    with small_disk(world.home / "staging") as disk:
        with full(disk):
            assert crashing(world, "", press, processes) == TOLD
        assert "Free some space" in world.refusal
        assert sound(world) == (True, 2 * GOOD)
        with open_workspace(world.settings, "customers") as workspace:
            assert [one.state for one in workspace.store.runs.standing()][2:] == [RunState.FAILED]
        assert not [*disk.glob("*replay*")]
        assert crashing(world, "", press, processes) == 0
        assert sound(world) == (True, 2 * GOOD + 5)
