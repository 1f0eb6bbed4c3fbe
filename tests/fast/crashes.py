"""A small world to crash in: two batches of events, and all that a run does with them, in processes that may be killed.

Kafka and Spark are stood in for by their files and by a frame whose one task runs here; all else is what users run.
"""

import multiprocessing
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pyarrow as pa
import pytest

from mend.contracts.codec import dumps, loads
from mend.contracts.quality import QualityResults
from mend.curate.plan import make_plan
from mend.runtime import clock
from mend.runtime.errors import UserError
from mend.runtime.faults import arm
from mend.runtime.files import write_atomic
from mend.runtime.settings import Settings, SinkMode, load_settings
from mend.store.runs import Run
from orchestration import steps
from orchestration.audit_step import audit_staged
from orchestration.steps import FINISHING, cleanup_old_data, unfinished_runs
from orchestration.storage import at_work, refusals_told
from orchestration.workspace import Workspace, open_workspace
from spark.batch import Job, stage_batch
from tests.fast.conftest import ROOT, make_event, make_records

QUERY = "5eed5eed-0000-4000-8000-000000000000"
PEOPLE = ("US", "GB", "DE", "JP", "BR")
EVENTS = 200
NOW = 1_772_366_400_000
TOLD = 3
"""Exit code of a process that ended with an error for people."""

Work = Callable[["World"], None]
Change = Callable[[Workspace], Workspace]
Staging = Callable[[Job, Any, int], str | None]


def same(workspace: Workspace) -> Workspace:
    """Change nothing."""
    return workspace


class LocalFrame:
    """The frame of a batch: its one task runs where it is asked for."""

    def __init__(self, records: pa.Table) -> None:
        """Hold the batch's records."""
        self.records = records
        self.task: Callable[[Any], Any] | None = None

    def mapInArrow(self, task: Callable[[Any], Any], _schema: str) -> "LocalFrame":  # noqa: N802 - Spark's name
        """Take the task."""
        self.task = task
        return self

    def collect(self) -> list[SimpleNamespace]:
        """Run the task and return its rows."""
        assert self.task is not None
        batches = list(self.task(iter(self.records.to_batches())))
        return [SimpleNamespace(**row) for one in batches for row in one.to_pylist()]


@dataclass(frozen=True, kw_only=True)
class World:
    """A home, and what it publishes to; `variables` change settings."""

    home: Path
    variables: tuple[tuple[str, Any], ...] = ()
    fault: str = ""
    audits: Path | None = None

    @property
    def settings(self) -> Settings:
        """Settings for this world alone."""
        mine = {
            "mend_home": self.home,
            "MEND_PIPELINES": ROOT / "pipelines",
            "kafka_broker": "localhost:1",
            "sink_mode": SinkMode.PARQUET,
            "parquet_out": None,
            "spark_checkpoint_location": None,
            "database_url": "",
            "fault_at": self.fault,
        }
        return load_settings(**mine | dict(self.variables))

    @property
    def refusal(self) -> str:
        """What the last process said that was refused."""
        return self.said.read_text(encoding="utf-8")

    @property
    def said(self) -> Path:
        """Beside the home: the home may be full."""
        return self.home.with_name(f"{self.home.name}.refusal")

    @property
    def sent(self) -> list[tuple[int, int]]:
        """Partition and offset of every event."""
        return [(0, offset) for offset in range(sum(len(batch(number)) for number in range(2)))]


def batch(number: int) -> list[bytes]:
    """Return the events of a batch: one with a segment to hold, the other with drift that calls a person."""
    return mixed() if number == 0 else drifted()


def mixed() -> list[bytes]:
    """Return events of which some fail a rule in one country, one is late, and one each is set aside."""
    spoiled = ({"email": "nobody"} if n % 20 == 4 and n < 180 else {} for n in range(EVENTS))
    events = [event(n, **change) for n, change in enumerate(spoiled)]
    return [*events, event(0), event(EVENTS, event_ts=NOW - 10**10), event(EVENTS + 1, id=None), b"no event"]


def drifted() -> list[bytes]:
    """Return events of which many have a field of another type."""
    return [event(1000 + n, **({"signup_ts": "2024-01-15"} if n % 3 == 0 else {})) for n in range(90)]


def event(number: int, **changes: Any) -> bytes:
    """Return an event; every fifth is of the same country."""
    whose = {"id": f"c-{number}", "country": PEOPLE[number % 5], "event_ts": NOW + number}
    return make_event(**whose | changes)


def drive(world: World, change: Change = same, staging: Staging = stage_batch) -> None:
    """Do what `mend run` does: finish what was begun, stage what is new, finish it, tidy up."""
    with (
        refusals_told(),
        open_workspace(world.settings, "customers") as opened,
        at_work(opened) as locked,
    ):
        workspace = change(locked)
        if world.audits is not None:
            pytest.MonkeyPatch().setattr(steps, "audit_staged", partial(remembered, world.audits))
        finish(workspace)
        stage(workspace, staging)
        finish(workspace)
        cleanup_old_data(workspace)


def remembered(audits: Path, workspace: Workspace, run: Run) -> QualityResults:
    """Audit the rows of a batch once; they are the same in every world, and an audit takes half of a run's time."""
    path = audits / f"{run.run_id[-1]}.json"
    if not path.exists():
        write_atomic(path, dumps(audit_staged(workspace, run)))
    return replace(loads(QualityResults, path.read_bytes()), run_id=run.run_id, timestamp=clock.now().isoformat())


def finish(workspace: Workspace) -> None:
    """Take every staged run to its end."""
    for run_id in unfinished_runs(workspace):
        for step in FINISHING:
            result = step(workspace, run_id)
            if result.outcome == "failed":
                raise UserError(result.message)
            if result.outcome == "paused":
                break


def stage(workspace: Workspace, staging: Staging = stage_batch) -> None:
    """Do what Spark does: log a batch's offsets, hand it over, commit it."""
    job = job_of(workspace)
    log_start(job.checkpoint)
    for number in range(2):
        if not (job.checkpoint / "commits" / str(number)).exists():
            log_offsets(job.checkpoint, number)
            staging(job, LocalFrame(records(number)), number)
            write(job.checkpoint / "commits" / str(number), b"v1\n{}")


def job_of(workspace: Workspace) -> Job:
    """Return the ingest job of a workspace."""
    plan = make_plan(workspace.pipeline, workspace.rules, workspace.store.mappings.current("customers"))
    checkpoint = workspace.layout.checkpoint("customers")
    return Job(plan=plan, layout=workspace.layout, store=workspace.store, query_id=QUERY, checkpoint=checkpoint)


def records(number: int) -> pa.Table:
    """Return a batch as Kafka gives it."""
    return make_records(batch(number), first=first_offset(number))


def first_offset(number: int) -> int:
    """Return where a batch begins."""
    return sum(len(batch(one)) for one in range(number))


def log_start(checkpoint: Path) -> None:
    """Write what Spark writes when a query starts for the first time."""
    write(checkpoint / "metadata", orjson.dumps({"id": QUERY}))
    write(checkpoint / "sources" / "0" / "0", b'v1\n{"customers":{"0":0}}')


def log_offsets(checkpoint: Path, number: int) -> None:
    """Write the end of a batch into the write-ahead log."""
    end = first_offset(number + 1)
    write(checkpoint / "offsets" / str(number), b'v1\n{}\n{"customers":{"0":%d}}' % end)


def write(path: Path, content: bytes) -> None:
    """Write one file of the checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def crashing(world: World, fault: str, work: Work, processes: ForkServerContext) -> int:
    """Do work in a process of its own that dies at a point; returns its exit code, -9 when it was killed."""
    process = processes.Process(target=told, args=(work, replace(world, fault=fault)))
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def told(work: Work, world: World) -> None:
    """End with an exit code and one line where the work is refused."""
    arm(world.fault)
    try:
        work(world)
    except UserError as error:
        world.said.write_text(str(error), encoding="utf-8")
        sys.exit(TOLD)


def processes_with(*modules: str) -> ForkServerContext:
    """Return processes that are copies of one that has loaded what is needed: a start costs milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *modules])
    return context
