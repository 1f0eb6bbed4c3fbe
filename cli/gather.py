"""Gather what is known of a finished run from its files."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import orjson
import pyarrow.parquet as pq

from cli.run_facts import RejectSample, RunFacts, StepTime
from mend.contracts.codec import ContractError, loads
from mend.contracts.decision import DecisionResult
from mend.runtime.errors import UserError
from orchestration.workspace import Workspace

SAMPLES_OF_A_REASON = 2
MASK = "•••"
EXCERPT = 160
STEPS = "steps"
"""The file of the step times of a run; only who ran all steps knows them."""


def gather(workspace: Workspace, run_id: str, steps: Sequence[StepTime] = ()) -> RunFacts:
    """Read what is known of a run: from the store, since files may have been changed or lost on the way.

    Personal data in samples are masked here.
    """
    layout, store = workspace.layout, workspace.store
    run, recorded = store.runs.get(run_id), store.decisions.get(run_id)
    if run is None or run.report is None or run.quality is None or recorded is None:
        raise UserError(f"{run_id} was not staged, audited and decided here. See: mend status")
    return RunFacts(
        report=run.report,
        quality=run.quality,
        decision=with_acts(layout.run_file(run_id, "agent_decision"), recorded.result),
        validation=orjson.loads(layout.run_file(run_id, "load_validation").read_bytes()),
        files=tuple(existing_files(workspace, run_id)),
        samples=tuple(samples(workspace, run_id)),
        steps=tuple(steps) or kept_times(layout.run_file(run_id, STEPS)),
        pii=workspace.pipeline.pii,
        held=sum(part.held or 0 for part in store.ledger.ranges(run_id)),
    )


def kept_times(path: Path) -> tuple[StepTime, ...]:
    """Return the step times that were kept, none where nobody timed the run."""
    return tuple(StepTime(**one) for one in orjson.loads(path.read_bytes())) if path.exists() else ()


def with_acts(path: Path, recorded: DecisionResult) -> DecisionResult:
    """Return the decision with what was done, which only its file has; without the file the recorded decision."""
    try:
        return loads(DecisionResult, path.read_bytes())
    except (OSError, ContractError):
        return recorded


def existing_files(workspace: Workspace, run_id: str) -> Iterator[tuple[str, str]]:
    """Return the places where something of the run lies."""
    layout = workspace.layout
    places = {
        "published": Path(workspace.sink.location(run_id)),
        "quarantine": layout.quarantine(run_id),
        "dead letters": layout.dead_letters(run_id),
        "duplicates": layout.duplicates(run_id),
        "reports": layout.run_file(run_id, "run_report").parent,
    }
    return ((label, str(path)) for label, path in places.items() if path.exists())


def samples(workspace: Workspace, run_id: str) -> Iterator[RejectSample]:
    """Return a few set-aside events of each reason."""
    layout, pipeline = workspace.layout, workspace.pipeline
    public = {pipeline.source(name) for name in pipeline.schema.names if name not in pipeline.pii}
    for reason in sorted(layout.quarantine(run_id).glob("reason=*")):
        if reason.name != "reason=held":
            yield from samples_of(reason, reason.name.removeprefix("reason="), public)
    yield from samples_of(layout.dead_letters(run_id), None, public)


def samples_of(folder: Path, reason: str | None, public: Collection[str]) -> Iterator[RejectSample]:
    """Return the first events of a folder."""
    left = SAMPLES_OF_A_REASON
    for path in sorted(folder.rglob("*.parquet")):
        for row in next(pq.ParquetFile(path).iter_batches(left)).to_pylist():
            yield RejectSample(
                reason=reason or row["reasons"][0]["rule"],
                column=row["reasons"][0]["column"],
                topic=row["topic"],
                partition=row["partition"],
                offset=row["offset"],
                excerpt=masked(row["value"], public),
            )
            left -= 1
        if left <= 0:
            return


def masked(value: bytes | None, public: Collection[str]) -> str:
    """Show an event with the values of its public fields; any other field may hold personal data.

    What cannot be read could hold some too, so only its size is shown.
    """
    if value is None:
        return "no value"
    try:
        document = orjson.loads(value)
        shown = {name: one if name in public else MASK for name, one in document.items()}
        return orjson.dumps(shown).decode()[:EXCERPT]
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, AttributeError):
        return f"{len(value)} bytes"
