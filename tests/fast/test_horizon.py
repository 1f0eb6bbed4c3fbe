"""How far back duplicates are looked for: from when a run was opened for the first time, to the microsecond."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mend.curate.firsts import Staged, earlier_keys
from mend.curate.plan import Plan
from mend.runtime.settings import load_settings
from mend.store.tables import RunState
from orchestration.retention import judge
from orchestration.workspace import Workspace, open_workspace
from spark.batch import Job

pytestmark = pytest.mark.waits

PIPELINES = Path(__file__).parents[2] / "pipelines"
OPENED = datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)
"""An hour is skipped right after it where summer time begins."""
HORIZON = timedelta(days=7)
TICK = timedelta(microseconds=1)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """Open the shipped pipeline in a home of its own."""
    settings = load_settings(_env_file=None, mend_home=tmp_path, MEND_PIPELINES=PIPELINES)
    with open_workspace(settings, "customers") as opened:
        yield opened


@pytest.fixture
def job(workspace: Workspace, customers: Plan) -> Job:
    """Return what an ingest job knows."""
    return Job(plan=customers, layout=workspace.layout, store=workspace.store, query_id="q", checkpoint=Path())


def open_run(job: Job, number: int, at: datetime, state: RunState = RunState.STAGED) -> None:
    """Open a run with a file of keys, and take it to a state."""
    run_id = f"r-{number}"
    job.store.runs.open_run(run_id, "customers", "q", number, at)
    if state is not RunState.OPENED:
        job.store.runs.advance(run_id, state, at)
    folder = job.layout.settled_keys(run_id)
    folder.mkdir(parents=True)
    (folder / "part.parquet").touch()


def found(job: Job, run_id: str) -> list[str]:
    """Return the runs in which duplicates of a run are looked for."""
    run = job.store.runs.get(run_id)
    assert run is not None
    return [
        path.parent.name
        for path in earlier_keys(
            Staged(run_id=run_id, plan=job.plan, layout=job.layout, store=job.store), run.opened_at - HORIZON
        )
    ]


def test_the_edge_of_the_horizon_is_exact(job: Job) -> None:
    """A run opened exactly so long before still counts, one a microsecond earlier does not; half a run never does."""
    open_run(job, 1, OPENED - HORIZON - TICK)
    open_run(job, 2, OPENED - HORIZON)
    open_run(job, 3, OPENED - TICK, RunState.OPENED)
    open_run(job, 4, OPENED - TICK)
    open_run(job, 5, OPENED, RunState.OPENED)
    assert found(job, "r-5") == ["run=r-2", "run=r-4"]


def test_a_replay_long_after_looks_back_from_then(job: Job, workspace: Workspace) -> None:
    """Staged again after a month, a run sees the runs that it saw, and their keys are kept until it is done."""
    open_run(job, 1, OPENED - HORIZON)
    open_run(job, 2, OPENED, RunState.OPENED)
    job.store.runs.open_run("r-2", "customers", "q", 2, OPENED + timedelta(days=30))
    assert found(job, "r-2") == ["run=r-1"]
    job.store.runs.record_failure("customers", "r-1", "x", None, OPENED)
    assert judge(workspace, OPENED + timedelta(days=30)).oldest_at_work == OPENED
