"""Gather what is known of a finished run from its files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
import pyarrow.parquet as pq

from cli.run_facts import RejectSample, RunFacts, StepTime
from mend.contracts.codec import loads
from mend.contracts.decision import DecisionResult
from mend.contracts.quality import QualityResults
from mend.contracts.report import RunReport
from orchestration.workspace import Workspace

SAMPLES_OF_A_REASON = 2
MASK = "•••"
EXCERPT = 160


def gather(workspace: Workspace, run_id: str, steps: Sequence[StepTime] = ()) -> RunFacts:
    """Read the run's reports; personal data in samples are masked here."""
    layout, pipeline = workspace.layout, workspace.pipeline
    return RunFacts(
        report=loads(RunReport, layout.run_file(run_id, "run_report").read_bytes()),
        quality=loads(QualityResults, layout.run_file(run_id, "ge_results").read_bytes()),
        decision=loads(DecisionResult, layout.run_file(run_id, "agent_decision").read_bytes()),
        validation=orjson.loads(layout.run_file(run_id, "load_validation").read_bytes()),
        files=tuple(existing_files(workspace, run_id)),
        samples=tuple(samples(workspace, run_id)),
        steps=tuple(steps),
        pii=pipeline.pii,
        held=sum(part.held or 0 for part in workspace.store.ledger.ranges(run_id)),
    )


def existing_files(workspace: Workspace, run_id: str) -> Iterator[tuple[str, str]]:
    """Return the places where something of the run lies."""
    layout = workspace.layout
    places = {
        "published": layout.published(run_id),
        "quarantine": layout.quarantine(run_id),
        "dead letters": layout.dead_letters(run_id),
        "duplicates": layout.duplicates(run_id),
        "reports": layout.run_file(run_id, "run_report").parent,
    }
    return ((label, str(path)) for label, path in places.items() if path.exists())


def samples(workspace: Workspace, run_id: str) -> Iterator[RejectSample]:
    """Return a few set-aside events of each reason."""
    layout = workspace.layout
    for reason in sorted(layout.quarantine(run_id).glob("reason=*")):
        if reason.name != "reason=held":
            yield from samples_of(reason, reason.name.removeprefix("reason="), workspace.pipeline.pii)
    yield from samples_of(layout.dead_letters(run_id), None, workspace.pipeline.pii)


def samples_of(folder: Path, reason: str | None, pii: frozenset[str]) -> Iterator[RejectSample]:
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
                excerpt=masked(row["value"], pii),
            )
            left -= 1
        if left <= 0:
            return


def masked(value: bytes | None, pii: frozenset[str]) -> str:
    """Show an event with its personal data masked; what cannot be read could hold some, so only its size is shown."""
    if value is None:
        return "no value"
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError:
        return f"{len(value)} bytes"
    if not isinstance(document, dict):
        return f"{len(value)} bytes"
    shown = {name: MASK if name in pii else one for name, one in document.items()}
    return orjson.dumps(shown).decode()[:EXCERPT]
