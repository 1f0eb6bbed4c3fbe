"""A lane through a pipeline without Kafka and Spark: events go in batch by batch, each becomes a run and is decided."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.testing import AUDIT
from mend.contracts.report import RunReport
from mend.proof.prove import Scope
from mend.runtime import clock
from mend.runtime.settings import load_settings
from mend.store.tables import RunState
from orchestration.prove import Certificate, certify
from orchestration.steps import StepResult, agent_decide, validate_load
from orchestration.workspace import Workspace, open_workspace
from spark.batch import stage_batch
from tests.fast.conftest import ROOT, make_records
from tests.fast.crashes import LocalFrame, job_of, log_start, write


@dataclass
class Lane:
    """A home of its own; offsets count up."""

    workspace: Workspace
    batches: int = 0
    offset: int = 0

    def stage(self, *values: bytes | None) -> str:
        """Stage a batch with the newest mapping; the audit finds it good."""
        job = job_of(self.workspace)
        if not self.batches:
            log_start(job.checkpoint)
        first, self.offset = self.offset, self.offset + len(values)
        write(job.checkpoint / "offsets" / str(self.batches), b'v1\n{}\n{"customers":{"0":%d}}' % self.offset)
        frame: Any = LocalFrame(make_records(values, first=first))
        run_id = stage_batch(job, frame, self.batches)
        write(job.checkpoint / "commits" / str(self.batches), b"v1\n{}")
        self.batches += 1
        assert run_id is not None
        now = clock.now()
        self.workspace.layout.write(run_id, "ge_results", AUDIT | {"run_id": run_id, "timestamp": now.isoformat()})
        self.workspace.store.runs.advance(run_id, RunState.AUDITED, now)
        return run_id

    def decide(self, run_id: str) -> StepResult:
        """Decide about a run and recount it."""
        step = agent_decide(self.workspace, run_id)
        assert validate_load(self.workspace, run_id).outcome == "done"
        return step

    def run(self, *values: bytes | None) -> str:
        """Take events to where they belong."""
        run_id = self.stage(*values)
        self.decide(run_id)
        return run_id

    def report(self, run_id: str) -> RunReport:
        """Return what a run reported."""
        run = self.workspace.store.runs.get(run_id)
        assert run is not None
        assert run.report is not None
        return run.report

    def certify(self) -> Certificate:
        """Prove what is there; no broker is asked."""
        workspace = self.workspace
        scope = Scope(since="2000-01-01")
        return certify(workspace.settings, workspace.store, scope, now=clock.now())

    def for_commands(self, environment: pytest.MonkeyPatch) -> None:
        """Let the commands of a test work here."""
        settings = self.workspace.settings
        for name, value in {"MEND_HOME": settings.home, "MEND_PIPELINES": settings.pipelines}.items():
            environment.setenv(name, str(value))


@contextmanager
def open_lane(home: Path) -> Iterator[Lane]:
    """Open a lane for the customers."""
    settings = load_settings(
        _env_file=None, mend_home=home, MEND_PIPELINES=ROOT / "pipelines", kafka_broker="127.0.0.1:1"
    )
    with open_workspace(settings, "customers") as workspace:
        yield Lane(workspace)
