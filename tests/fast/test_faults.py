"""Killed at every line that matters: nothing is lost, nothing is twice, and no reader sees half a run.

Each protection has a control: with it taken away in the process that is killed, the loss or the double shows.
"""

import os
import re
import secrets
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import duckdb
import orjson
import pyarrow as pa
import pytest

from bench.chaos.count import Sum, count
from bench.chaos.reader import Reader
from mend.contracts.codec import dumps
from mend.contracts.decision import DecisionResult
from mend.curate.staging import MANIFEST
from mend.runtime import clock
from mend.runtime.errors import UserError
from mend.runtime.faults import OF_HEALING, POINTS, arm, armed, fault_point
from mend.runtime.files import removed_on_error, write_atomic
from mend.runtime.layout import Layout
from mend.runtime.locks import only_one
from mend.sinks.parquet import ParquetSink
from mend.store.engine import open_store
from mend.store.tables import RunState
from orchestration.decision_record import verify
from orchestration.replay import replay
from orchestration.settle import settle
from orchestration.settled_manifest import begun
from orchestration.storage import at_work
from orchestration.workspace import Workspace, open_workspace
from spark.batch import Job, stage_batch
from tests.fast.conftest import ROOT
from tests.fast.crashes import (
    TOLD,
    LocalFrame,
    Staging,
    Work,
    World,
    crashing,
    drive,
    job_of,
    log_offsets,
    log_start,
    processes_with,
    records,
)

KILLED, DONE = -9, 0
KEY = ("id", "event_ts")
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - the file system in memory that Linux machines have
PASSES = [*(name for name in POINTS if name not in OF_HEALING), "half_staged:3", "folder_moved:4"]


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Return cheap processes to kill."""
    return processes_with("great_expectations", "scipy.stats", "mend.quality.audit", "alembic.command", "pyspark")


@pytest.fixture(scope="module")
def audits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the audits of the two batches are remembered."""
    return tmp_path_factory.mktemp("audits")


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """Return a folder on another file system than the temporary one."""
    if not IN_MEMORY.is_dir():
        pytest.skip("needs a second file system")
    folder = IN_MEMORY / f"mend-{secrets.token_hex(6)}"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def total(world: World) -> Sum:
    """Count every place."""
    return count(world.home, world.settings.published, world.sent)


def log_lines(world: World) -> list[dict[str, Any]]:
    """Read the decision log, every line of it that is about a run."""
    lines = (world.home / "ops" / "decision_log.jsonl").read_bytes().splitlines()
    return [line for line in map(orjson.loads, lines) if line["run_id"]]


def incidents(world: World) -> int:
    """Count the incidents in the store."""
    with open_store(world.settings.store_url) as store, store.database.reading() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM incidents").scalar_one())


def crash_and_go_on(world: World, point: str, work: Work, processes: ForkServerContext) -> Reader:
    """Kill the work at a point, do it again, and let a reader look all the time."""
    with Reader(world.settings.published, key=KEY, pause=0.01) as reader:
        assert crashing(world, point, work, processes) == KILLED
        assert crashing(world, "", work, processes) == DONE
    return reader


@pytest.mark.parametrize("point", PASSES)
def test_a_crash_loses_nothing(
    tmp_path: Path, elsewhere: Path, processes: ForkServerContext, audits: Path, point: str
) -> None:
    """Killed there and run again: every event in one place, one decision a run, one incident, whole runs only."""
    variables = (("parquet_out", elsewhere / "out"),) if point == "run_arriving" else ()
    world = World(home=tmp_path, audits=audits, variables=variables)
    reader = crash_and_go_on(world, point, drive, processes)
    found = total(world)
    assert found.whole
    assert found.places == {"published": 252, "held": 9, "rejected": 31, "dead_letter": 1, "duplicate": 1}
    assert not reader.anomalies
    assert len(reader.seen) == 2
    assert [line["run_id"][-1] for line in log_lines(world)] == ["0", "1"]
    assert incidents(world) == 2
    assert len(list(world.home.glob("quarantine/d*/*/metadata.json"))) == 2


@dataclass(frozen=True, kw_only=True)
class Control:
    """Work with one protection taken away, where it is killed, and what is then to be seen."""

    work: Work
    point: str
    shows: Callable[[World, Reader], object]


def instead(**changes: Any) -> None:
    """Put other functions in the places of a module's own, in this process, which is to end: nothing is put back."""
    for place, other in changes.items():
        pytest.MonkeyPatch().setattr(place.replace("__", "."), other)


def forgetful(world: World) -> None:
    """Give a batch that comes again a new identity: a run's id is no function of the batch."""

    def staging(job: Job, frame: Any, number: int) -> str | None:
        return stage_batch(replace(job, query_id=str(uuid4())), frame, number)

    drive(world, staging=staging)


def careless(world: World) -> None:
    """Let what a dead job left behind lie where it is, and publish it with the rest."""
    instead(
        spark__batch__shutil=SimpleNamespace(rmtree=lambda *_, **__: None),
        spark__batch__write_manifest=lambda folder, manifest: write_atomic(folder / MANIFEST, dumps(manifest)),
        orchestration__settle__forget_unnamed=lambda _: None,
    )
    drive(world)


class CopyingSink(ParquetSink):
    """Copies file by file into the folder that readers read."""

    def publish(self, run_id: str, accepted: Path) -> None:
        """Copy slowly; what is there is done."""
        target = self.layout.published(run_id)
        if target.exists():
            return
        for path in sorted(accepted.rglob("*.parquet")):
            copy = target / path.relative_to(accepted)
            copy.parent.mkdir(parents=True)
            shutil.copyfile(path, copy)
            fault_point("before_publish")
            time.sleep(0.2)


def copying(world: World) -> None:
    """Publish by copying."""
    drive(world, lambda workspace: replace(workspace, sink=CopyingSink(workspace.layout)))


def repeating(world: World) -> None:
    """Write a decision down whenever it is made."""
    instead(mend__runtime__decision_log__unchained=lambda _: {})
    drive(world)


def keyless(world: World) -> None:
    """Open an incident whenever a tool is called."""
    instead(agent__adapters__store__incident_id=lambda _: str(uuid4()))
    drive(world)


def impatient(world: World) -> None:
    """Tell the store that a run is settled before it is."""

    def early(workspace: Workspace, run_id: str, decision: DecisionResult) -> None:
        workspace.store.runs.advance(run_id, RunState.PUBLISHED, clock.now(), published_rows=None)
        workspace.store.ledger.settle(run_id, {}, {})
        ranges, at = workspace.store.ledger.ranges(run_id), clock.now().isoformat()
        manifest = begun(run_id, "customers", ranges, settled_at=at, sparse=False)
        settle(workspace.layout, workspace.sink, manifest, decision.rows, decision.hold)

    instead(orchestration__decision_step__settle_run=early, orchestration__steps__check_load=lambda *_: ())
    drive(world)


CONTROLS = {
    "a new id for a replayed batch": Control(
        work=forgetful, point="batch_staged", shows=lambda world, _: total(world).doubled
    ),
    "files that no manifest names": Control(
        work=careless, point="files_staged", shows=lambda world, reader: total(world).doubled and reader.anomalies
    ),
    "publishing file by file": Control(
        work=copying, point="before_publish", shows=lambda world, reader: total(world).lost or reader.anomalies
    ),
    "a decision that is written down again": Control(
        work=repeating, point="acts_done", shows=lambda world, _: len(log_lines(world)) > 2
    ),
    "an act without a key": Control(work=keyless, point="act_done:2", shows=lambda world, _: incidents(world) > 2),
    "a state before its deed": Control(work=impatient, point="folder_moved", shows=lambda world, _: total(world).lost),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_without_its_protection_the_damage_shows(
    tmp_path: Path, processes: ForkServerContext, audits: Path, name: str
) -> None:
    """The same crash with the protection taken away loses, doubles or half shows: the tests above can fail."""
    control = CONTROLS[name]
    world = World(home=tmp_path, audits=None if control.work is careless else audits)
    with Reader(world.settings.published, key=KEY, pause=0.01) as reader:
        assert crashing(world, control.point, control.work, processes) == KILLED
        crashing(world, "", control.work, processes)
    assert control.shows(world, reader)


def test_a_reader_sees_a_run_only_whole(tmp_path: Path, processes: ForkServerContext, audits: Path) -> None:
    """Without any crash: published by copying, a run grows under the reader's eyes; published by Mend, it does not."""
    for work, clean in ((drive, True), (copying, False)):
        world = World(home=tmp_path / work.__name__, audits=audits)
        with Reader(world.settings.published, key=KEY, pause=0.01) as reader:
            assert crashing(world, "", work, processes) == DONE
        assert (not reader.anomalies) == clean
        assert total(world).whole


class Pausing(LocalFrame):
    """A frame whose task is overtaken before it writes."""

    def __init__(self, table: pa.Table, meanwhile: Callable[[], object]) -> None:
        """Do something before the task runs."""
        super().__init__(table)
        self.meanwhile = meanwhile

    def collect(self) -> list[SimpleNamespace]:
        """Run the task late."""
        self.meanwhile()
        return super().collect()


def beside(meanwhile: Callable[[], object], staging: Staging) -> Staging:
    """Let something happen once, while the first batch is being staged."""
    waiting = [meanwhile]

    def stage(job: Job, frame: Any, number: int) -> str | None:
        return staging(job, Pausing(frame.records, waiting.pop()) if waiting else frame, number)

    return stage


def renamed(job: Job, frame: Any, number: int) -> str | None:
    """Stage a batch whose run has an id of its own, as a copy of the job elsewhere would."""
    return stage_batch(replace(job, query_id=str(uuid4())), frame, number)


def pressed_twice(world: World) -> None:
    """Press `mend run` again while the first one stages; run ids do not help here, so that only the lock does."""

    def second() -> None:
        with suppress(UserError):
            drive(world, staging=renamed)

    drive(world, staging=beside(second, renamed))


def pressed_twice_unlocked(world: World) -> None:
    """Do so without the pipeline's lock."""
    instead(tests__fast__crashes__at_work=nullcontext)
    pressed_twice(world)


def two_homes(world: World) -> None:
    """Let another home's job begin on the checkpoint while this one's stages."""
    other = replace(world, home=world.home.with_name("other"))

    def locked(job: Job, frame: Any, number: int) -> str | None:
        with only_one(job.layout.checkpoint_lock("customers"), "customers"):
            return stage_batch(job, frame, number)

    def second() -> None:
        with suppress(UserError):
            drive(other, staging=locked)

    drive(world, staging=beside(second, locked))


def two_homes_unlocked(world: World) -> None:
    """Do so without the checkpoint's lock."""
    instead(tests__fast__test_faults__only_one=lambda *_: nullcontext())
    two_homes(world)


@pytest.mark.parametrize("work", [pressed_twice, pressed_twice_unlocked, two_homes, two_homes_unlocked])
def test_two_at_once_are_kept_apart_by_a_lock(
    tmp_path: Path, processes: ForkServerContext, audits: Path, work: Work
) -> None:
    """Two runs in a home, or two jobs on a checkpoint: one works. Without the lock events are twice, or missing."""
    protected = work in {pressed_twice, two_homes}
    shared = (("spark_checkpoint_location", tmp_path / "checkpoints"),)
    world = World(home=tmp_path / "home", audits=audits, variables=shared)
    assert crashing(world, "", work, processes) == DONE or not protected
    assert total(world).whole == protected


def snapshot(folder: Path) -> dict[Path, bytes]:
    """Read everything below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def at_work_in(world: World) -> Iterator[None]:
    """Hold the lock of the world's pipeline, as a `mend run` does."""
    with open_workspace(world.settings, "customers") as opened, at_work(opened):
        yield


def test_a_second_run_is_refused(tmp_path: Path, processes: ForkServerContext, audits: Path) -> None:
    """Two at once: one works, the other says who does and changes nothing."""
    world = World(home=tmp_path, audits=audits)
    assert crashing(world, "files_staged", drive, processes) == KILLED
    before = {path: text for path, text in snapshot(tmp_path).items() if "mend.db" not in path.name}
    with at_work_in(world):
        before |= snapshot(tmp_path / "locks")
        assert crashing(world, "", drive, processes) == TOLD
        refusal = world.refusal
        assert {path: path.read_bytes() for path in before} == before
    assert f"another run of customers is at work (process {os.getpid()}" in refusal
    assert crashing(world, "", drive, processes) == DONE
    assert total(world).whole


@pytest.mark.parametrize("shared", ["home", "checkpoint"])
def test_a_job_by_hand_is_refused_beside_a_run(tmp_path: Path, shared: str) -> None:
    """`python -m spark.ingest_job` starts no Spark while a run is at work, in this home or on this checkpoint."""
    world = World(home=tmp_path / "a")
    variables = {
        "MEND_HOME": str(tmp_path / ("a" if shared == "home" else "b")),
        "MEND_PIPELINES": str(ROOT / "pipelines"),
        "SPARK_CHECKPOINT_LOCATION": str(world.settings.checkpoints),
        "JAVA_HOME": "/nowhere",
    }
    lock = Layout(world.settings).checkpoint_lock("customers")
    with at_work_in(world), only_one(lock, "customers"):
        done = by_hand(variables)
    assert done.returncode == 3
    assert done.stderr.startswith("error: another run of customers")
    assert f"(process {os.getpid()}" in done.stderr
    assert "/nowhere/bin/java" in by_hand(variables).stderr


def by_hand(variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Start the ingest job as a person would."""
    command = [sys.executable, "-m", "spark.ingest_job", "--pipeline", "customers"]
    environment = os.environ | variables
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def paused(world: World, meanwhile: Callable[[Workspace], object]) -> None:
    """Let a job pause before it writes: it is taken for dead, something else happens, then it wakes up."""
    with open_workspace(world.settings, "customers") as workspace:
        job, staging = job_of(workspace), cast("Staging", stage_batch)
        log_start(job.checkpoint)
        log_offsets(job.checkpoint, 0)
        staging(job, Pausing(records(0), lambda: meanwhile(workspace)), 0)


def woken_late(world: World) -> None:
    """Wake up when another run has published the batch."""
    paused(world, lambda _: drive(world))


def woken_soon(world: World) -> None:
    """Wake up when another job has begun the batch anew."""

    def begun(workspace: Workspace) -> None:
        job = job_of(workspace)
        workspace.store.runs.open_run(job.run_id(0), "customers", job.query_id, 0, clock.now())

    paused(world, begun)


@pytest.mark.parametrize("work", [woken_late, woken_soon])
def test_a_job_that_wakes_up_late_spoils_nothing(
    tmp_path: Path, processes: ForkServerContext, audits: Path, work: Work
) -> None:
    """Overtaken by another that took over its batch, it is told so; what that one published stays as it is."""
    world = World(home=tmp_path, audits=audits)
    with Reader(world.settings.published, key=KEY, pause=0.01) as reader:
        assert crashing(world, "", work, processes) == TOLD
        assert "it was replayed (attempt 2, expected 1)" in world.refusal
        assert crashing(world, "", drive, processes) == DONE
    assert total(world).whole
    assert not reader.anomalies


def test_a_batch_with_other_offsets_than_its_run_is_refused(
    tmp_path: Path, processes: ForkServerContext, audits: Path
) -> None:
    """The end of the checkpoint was lost and made anew: what a decided run does not cover is not taken for read."""
    world = World(home=tmp_path, audits=audits)
    assert crashing(world, "", drive, processes) == DONE
    checkpoint = Layout(world.settings).checkpoint("customers")
    (checkpoint / "commits" / "1").unlink()
    assert crashing(world, "", longer, processes) == TOLD
    assert "customers-5eed5eed-000001 is decided and covers [204, 294) of customers/0; the checkpoint" in world.refusal
    assert crashing(world, "", drive, processes) == DONE
    assert total(world).whole


def longer(world: World) -> None:
    """Read a batch again, with offsets that go on further than before."""

    def staging(job: Job, frame: Any, number: int) -> str | None:
        entry = job.checkpoint / "offsets" / str(number)
        entry.write_bytes(entry.read_bytes().replace(b"294", b"300"))
        return stage_batch(job, frame, number)

    drive(world, staging=staging)


@pytest.mark.parametrize("protected", [True, False])
def test_what_is_written_after_the_manifest_is_not_published(
    tmp_path: Path, processes: ForkServerContext, audits: Path, protected: bool
) -> None:
    """A worker that outlived its job still writes: its file goes before the run moves, else its rows are twice."""
    world = World(home=tmp_path, audits=audits)
    assert crashing(world, "batch_staged", drive, processes) == KILLED
    file = next(tmp_path.glob("staging/run=*0/accepted/**/*.parquet"))
    shutil.copyfile(file, file.with_name("part-late.parquet"))
    assert crashing(world, "", drive if protected else trusting, processes) == (DONE if protected else TOLD)
    assert total(world).whole == protected


def trusting(world: World) -> None:
    """Publish whatever lies in the run's folder."""
    instead(orchestration__settle__forget_unnamed=lambda _: None)
    drive(world)


def test_a_store_that_is_locked_is_waited_for_and_then_named(
    tmp_path: Path, processes: ForkServerContext, audits: Path
) -> None:
    """Somebody else keeps the database locked: after the stated wait one line, and the next run does it all."""
    url = f"sqlite:///{tmp_path / 'mend.db'}?timeout=0.5"
    world = World(home=tmp_path, audits=audits, variables=(("database_url", url),))
    assert crashing(world, "files_staged", drive, processes) == KILLED
    with locked(tmp_path):
        assert crashing(world, "", drive, processes) == TOLD
    assert "Another process keeps it locked: wait for it to end and try again." in world.refusal
    assert crashing(world, "", drive, processes) == DONE
    assert total(world).whole


STORES = {
    "staging": "home/staging",
    "published rows": "out",
    "reports": "home/ops",
    "quarantine": "home/quarantine",
    "dead letters": "home/dead_letters",
    "database": "base",
}


@pytest.mark.parametrize("store", STORES)
def test_a_full_disk_loses_nothing(tmp_path: Path, processes: ForkServerContext, audits: Path, store: str) -> None:
    """No room at one of the stores: the run ends with one line, nothing is half readable, and the next one goes on."""
    world = World(
        home=tmp_path / "home",
        audits=audits,
        variables=(
            ("parquet_out", tmp_path / "out" / "parquet"),
            ("database_url", f"sqlite:///{tmp_path / 'base' / 'mend.db'}"),
        ),
    )
    with small_disk(tmp_path / STORES[store]) as disk:
        with Reader(world.settings.published, key=KEY, pause=0.01) as reader, full(disk):
            assert crashing(world, "", drive, processes) == TOLD
            assert "Free some space" in world.refusal
            assert not reader.rows
        assert crashing(world, "", drive, processes) == DONE
        reader.look()
        assert total(world).whole
        assert not reader.anomalies


@pytest.mark.parametrize("store", [*STORES, "locked database", "broker"])
def test_trouble_that_is_passed_over_loses_events(
    tmp_path: Path, processes: ForkServerContext, audits: Path, store: str
) -> None:
    """The control: a batch is committed whatever became of it, or a folder grows where it is looked for."""
    place = tmp_path / STORES.get(store, "base")
    world = World(
        home=tmp_path / "home",
        audits=audits,
        variables=(
            ("parquet_out", tmp_path / "out" / "parquet"),
            ("database_url", f"sqlite:///{tmp_path / 'base' / 'mend.db'}?timeout=0.2"),
        ),
    )
    trouble = {"locked database": locked, "broker": away}.get(store, full)
    careless = in_place if store in {"published rows", "quarantine", "dead letters"} else committed
    with small_disk(place) if trouble is full else nullcontext():
        crashing(world, "", partial(careless, trouble, place), processes)
        assert crashing(world, "", drive, processes) == DONE or careless is in_place
        assert total(world).lost


Trouble = Callable[[Path], AbstractContextManager[None]]


def committed(trouble: Trouble, place: Path, world: World) -> None:
    """Take a batch for staged although its staging failed."""

    def staging(job: Job, frame: Any, number: int) -> None:
        with suppress(UserError, OSError, duckdb.Error), trouble(place):
            stage_batch(job, frame, number)

    drive(world, staging=staging)


def in_place(trouble: Trouble, place: Path, world: World) -> None:
    """Move a folder file by file to where it is looked for, and take what is there for moved."""

    def copied(source: Path, target: Path) -> None:
        for path in source.rglob("*.parquet"):
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            with removed_on_error(copy):
                shutil.copyfile(path, copy)

    instead(orchestration__settle__move_folder=copied, mend__sinks__parquet__move_folder=copied)
    with trouble(place):
        drive(world)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep the database locked, as another process does."""
    with closing(sqlite3.connect(folder / "mend.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def away(_: Path) -> Iterator[None]:
    """Let a task's records end in an error, as they do when the broker dies."""

    def broken(frame: LocalFrame) -> Iterator[pa.RecordBatch]:
        yield frame.records.to_batches()[0].slice(0, 10)
        raise ConnectionError("the broker is away")

    def collect(frame: LocalFrame) -> list[Any]:
        assert frame.task is not None
        return list(frame.task(broken(frame)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalFrame, "collect", collect)
        yield


def test_a_broker_that_is_away_costs_a_try(tmp_path: Path, processes: ForkServerContext, audits: Path) -> None:
    """It dies while a task reads: the job fails before its batch is committed, and the next one reads it all again."""
    world = World(home=tmp_path, audits=audits)
    assert crashing(world, "", deserted, processes) == TOLD
    assert crashing(world, "", drive, processes) == DONE
    assert total(world).whole


def deserted(world: World) -> None:
    """Read from a broker that dies."""
    try:
        with away(world.home):
            drive(world)
    except ConnectionError as error:
        raise UserError(str(error)) from error


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a disk of 4 MB."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, check=False, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Leave no room on a disk."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as out, suppress(OSError):
        while out.write(bytes(4096)):
            pass
    yield
    ballast.unlink()


def test_a_command_is_killed_by_its_environment(tmp_path: Path, processes: ForkServerContext, audits: Path) -> None:
    """FAULT_AT reaches a step that a scheduler starts; it says that it was a rehearsal, and the next one goes on."""
    world = World(home=tmp_path, audits=audits)
    assert crashing(world, "published", drive, processes) == KILLED
    mend = [str(Path(sys.executable).with_name("mend")), "step", "agent_decide"]
    variables = {"MEND_HOME": str(tmp_path), "MEND_PIPELINES": str(ROOT / "pipelines"), "FAULT_AT": "published"}
    died = subprocess.run(mend, env=os.environ | variables, capture_output=True, text=True, check=False, timeout=60)
    assert (died.returncode, died.stdout) == (KILLED, "")
    assert died.stderr.endswith("rehearsal: killed at published\n")
    assert crashing(world, "", drive, processes) == DONE
    assert total(world).whole


def test_a_point_that_does_not_exist_is_told(tmp_path: Path) -> None:
    """FAULT_AT with a slip of the pen starts nothing, and names the nearest point."""
    for text, told in (
        ("publishd", "FAULT_AT: no point 'publishd'. Did you mean 'published'?"),
        ("published:0", "expected a point, or a point and its pass from 1 on, such as published:3"),
    ):
        with (
            pytest.raises(UserError, match=re.escape(told)),
            open_workspace(World(home=tmp_path, fault=text).settings, "customers"),
        ):
            pass
    assert not armed()


def test_every_point_is_a_line_and_every_line_a_point() -> None:
    """The list of points is the code's: a point that is gone, or one that nobody lists, is found."""
    code = [path for folder in ("agent", "mend", "orchestration", "spark") for path in (ROOT / folder).rglob("*.py")]
    lines = [name for path in code for name in re.findall(r'fault_point\("(\w+)"\)', path.read_text())]
    assert set(lines) == set(POINTS)


def test_nothing_happens_at_points_that_are_not_armed() -> None:
    """A point costs nothing, and an armed one lets the passes before its own go by."""
    fault_point("published")
    arm("published:3")
    try:
        fault_point("published")
        arm("published:3")
        fault_point("published")
        fault_point("before_publish")
        assert armed() == "published:3"
    finally:
        arm("")


def paused_by(world: World, *, paused: bool) -> None:
    """Pause the machine, or resume it."""
    with open_store(world.settings.store_url) as store:
        if paused:
            store.brakes.pause(clock.now(), by="ada", reason="a rehearsal")
        else:
            store.brakes.resume(clock.now(), by="ada")


def test_a_pause_holds_acts_and_rows_until_it_ends(tmp_path: Path, audits: Path) -> None:
    """Paused, runs are decided about and nothing of them is readable or set aside; afterwards each act is done once."""
    world = World(home=tmp_path, audits=audits)
    paused_by(world, paused=True)
    drive(world)
    assert not list(world.settings.published.rglob("*.parquet"))
    assert not list(world.home.glob("quarantine/d*/*/metadata.json"))
    assert incidents(world) == 2
    paused_by(world, paused=False)
    drive(world)
    assert total(world).places == {"published": 252, "held": 9, "rejected": 31, "dead_letter": 1, "duplicate": 1}
    assert [line["run_id"][-1] for line in log_lines(world)] == ["0", "1"]
    assert len(list(world.home.glob("quarantine/d*/*/metadata.json"))) == 2
    with open_workspace(world.settings, "customers") as workspace:
        assert verify(workspace.store, workspace.layout.ops / "decision_log.jsonl").findings == ()
        decisions = workspace.store.decisions.listed(9)
        assert [replay(workspace.layout, one).same for one in decisions] == [True, True]
        checks = [act.result.check for one in decisions for act in workspace.store.decisions.actions(one.run_id or "")]
    assert all(one is not None and one.ok for one in checks)
    assert {one.found for one in checks if one} >= {"9 rows are held", "30 rejected rows are in quarantine"}
