"""A small world with rows that wait: two runs with a few events each of some mistakes, made by what users run."""

from typing import Any

from agent.adapters.store import StoreMappings
from mend.contracts.quality import ExpectationResult, QualityResults
from mend.contracts.quarantine import Selection, Step
from mend.contracts.report import Places
from mend.proof.prove import Known, Proof, Scope
from mend.quality.summary import no_validation, summarise
from mend.runtime import clock
from mend.store.runs import Run
from orchestration.decision_step import contract_fields
from orchestration.held import accept, trial_of
from orchestration.prove import steady_proof
from orchestration.steps import FINISHING, unfinished_runs
from orchestration.workspace import Workspace
from spark.batch import stage_batch
from tests.fast.conftest import make_event, make_records
from tests.fast.crashes import LocalFrame, job_of, log_start, write

NOW = 1_772_366_400_000
GOOD = 120
EVENTS = GOOD + 5


def events() -> list[list[bytes]]:
    """Return two runs: good events, three with a number as a text, two with another name for a field."""
    return [[event(run, n) for n in range(EVENTS)] for run in range(2)]


def event(run: int, number: int) -> bytes:
    """Return an event; one of the second run has the key of a good one of the first, and a mistake."""
    whose: dict[str, Any] = {"id": f"c-{run}-{number}", "event_ts": NOW + number}
    if number < GOOD:
        return make_event(**whose)
    if number >= GOOD + 3:
        return make_event(**whose, plan=..., tariff="free")
    if (run, number) == (1, GOOD):
        whose = {"id": "c-0-0", "event_ts": NOW}
    return make_event(**whose, signup_ts=" 1700000000000")


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
    log_start(job_of(workspace).checkpoint)
    first = 0
    for number, values in enumerate(events() if batches is None else batches):
        job, end = job_of(workspace), first + len(values)
        write(job.checkpoint / "offsets" / str(number), b'v1\n{}\n{"customers":{"0":%d}}' % end)
        stage_batch(job, LocalFrame(make_records(values, first=first)), number)  # type: ignore[arg-type]
        write(job.checkpoint / "commits" / str(number), b"v1\n{}")
        first = end
        finish(workspace)
        new_mapping(workspace, number)


def new_mapping(workspace: Workspace, number: int) -> None:
    """Add a field to the mapping, so that each run is judged by another version."""
    mappings = StoreMappings(workspace.store.mappings, "customers", contract_fields(workspace))
    mappings.apply({f"extra_{number}": {"type": "VARCHAR"}}, clock.now())


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
