"""A small world with rows that wait: three events each of some mistakes, in two runs, made by what users run."""

from typing import Any

from mend.contracts.quality import ExpectationResult, QualityResults
from mend.contracts.quarantine import Selection, Step
from mend.contracts.report import Places
from mend.proof.prove import Known, Proof, Scope
from mend.quality.summary import no_validation, summarise
from mend.runtime import clock
from mend.store.runs import Run
from orchestration.held import accept, trial_of
from orchestration.prove import steady_proof
from orchestration.steps import FINISHING, unfinished_runs
from orchestration.workspace import Workspace
from spark.batch import stage_batch
from tests.fast.conftest import make_event, make_records
from tests.fast.crashes import LocalFrame, job_of, log_start, write

NOW = 1_772_366_400_000
RENAMED, WORDS, GOOD = range(3)
"""Mistakes of the first run: a field under another name, a number as a text; and events without one."""


def events() -> list[list[bytes]]:
    """Return two runs: thirty events each, of which a third has another name for a field, a third a text."""
    return [[event(run, n) for n in range(30)] for run in range(2)]


def event(run: int, number: int) -> bytes:
    """Return an event with a mistake by its number; a good one is there a second time in the second run."""
    whose: dict[str, Any] = {"id": f"c-{run}-{number}", "event_ts": NOW + number}
    mistake = number % 3
    if mistake == RENAMED:
        return make_event(**whose, plan=..., tariff="free")
    if mistake == WORDS:
        return make_event(**whose, signup_ts=" 1700000000000")
    return make_event(**whose)


def audit(workspace: Workspace, run: Run) -> QualityResults:
    """Pass every expectation: what the library finds is another test's business."""
    rows = ((run.report and run.report.places) or Places()).accepted
    if not rows:
        return no_validation("There are no staged rows.", rules=workspace.rules, run_id=run.run_id, now=clock.now())
    results = [
        ExpectationResult(
            expectation_type=one.expectation, column=", ".join(one.columns), severity=one.severity, verdict="pass",
            evaluated=rows, failures=0, observed=None, error=None,
        )
        for one in workspace.rules.rules
    ]  # fmt: skip
    return summarise(results, rules=workspace.rules, rows=rows, run_id=run.run_id, now=clock.now())


def ingest(workspace: Workspace, batches: list[list[bytes]] | None = None) -> None:
    """Stage and finish a run for each batch."""
    job = job_of(workspace)
    log_start(job.checkpoint)
    first = 0
    for number, values in enumerate(events() if batches is None else batches):
        end = first + len(values)
        write(job.checkpoint / "offsets" / str(number), b'v1\n{}\n{"customers":{"0":%d}}' % end)
        stage_batch(job, LocalFrame(make_records(values, first=first)), number)  # type: ignore[arg-type]
        write(job.checkpoint / "commits" / str(number), b"v1\n{}")
        first = end
        finish(workspace)


def finish(workspace: Workspace) -> None:
    """Take every run to its end."""
    for run_id in unfinished_runs(workspace):
        for step in FINISHING:
            assert step(workspace, run_id).outcome != "failed"


def prove(workspace: Workspace) -> Proof:
    """Prove everything from the files."""
    return steady_proof(workspace.settings, workspace.store, Scope(), Known())


RENAME = Step(kind="rename", target="plan", value="tariff")
CAST = Step(kind="cast", target="signup_ts", value="int")
MISSING = Selection(reasons=("required",), columns=("plan",))
TEXTS = Selection(reasons=("type",), columns=("signup_ts",))


def accepted(workspace: Workspace, selection: Selection, *some: Step) -> str:
    """Try a repair and accept it."""
    return accept(workspace, selection, some, trial_of(workspace, selection, some), "ada").id
