"""A first pipeline for a topic: sample, propose, try the proposal on the sample, write."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from mend.curate.curator import Curator
from mend.curate.decoders import decoder
from mend.draft.observe import Record, observe
from mend.draft.propose import Proposal, propose
from mend.draft.write import Draft, write_draft
from mend.runtime import clock
from mend.runtime.errors import UserError
from mend.runtime.files import write_atomic
from mend.runtime.pipeline_file import NAME
from orchestration.check import check_pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Where the sampled records would end, and why events of the sample would be rejected."""

    accepted: int
    rejected: int
    dead_letters: int
    duplicates: int
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A proposal, its files, and how it does on its own sample."""

    name: str
    proposal: Proposal
    draft: Draft
    trial: Trial


def draft_pipeline(records: Sequence[Record], *, topic: str, name: str) -> Proposed:
    """Propose a pipeline from a sample. Nothing is written; the proposal passes every check of a pipeline file."""
    if not NAME.fullmatch(name):
        raise UserError(f"'{name}' is no name of a pipeline (lower-case letters, digits, _). Give one with --name.")
    if not records:
        raise UserError(f"topic '{topic}' is empty: there is nothing to propose from. Send events first.", exit_code=1)
    proposal = propose(observe(records))
    draft = write_draft(proposal, name=name, topic=topic)
    with TemporaryDirectory(prefix="mend-init-") as folder:
        write_files(Path(folder), draft)
        return Proposed(name=name, proposal=proposal, draft=draft, trial=tried(Path(folder) / f"{name}.yml", records))


def tried(path: Path, records: Sequence[Record]) -> Trial:
    """Run the pass of a pipeline file over records."""
    plan = check_pipeline(path)
    curated = Curator(plan, decoder(plan.pipeline), run_id="trial", now=clock.now()).curate(as_source(records))
    reasons = Counter(
        f"{reason['rule']} {reason['column']}" for row in curated.rejected["reasons"].to_pylist() for reason in row
    )
    return Trial(
        accepted=curated.accepted.num_rows,
        rejected=curated.rejected.num_rows,
        dead_letters=curated.dead_letters.num_rows,
        duplicates=curated.duplicates.num_rows,
        reasons=tuple(reasons.most_common(5)),
    )


def as_source(records: Sequence[Record]) -> pa.Table:
    """Give records the columns of Spark's Kafka source."""
    count = len(records)
    return pa.table(
        {
            "key": pa.array([one.key for one in records], pa.binary()),
            "value": pa.array([one.value for one in records], pa.binary()),
            "topic": pa.array(["sample"] * count, pa.string()),
            "partition": pa.array([0] * count, pa.int32()),
            "offset": pa.array(range(count), pa.int64()),
            "timestamp": pa.array([one.timestamp * 1000 for one in records], pa.timestamp("us", tz="UTC")),
            "timestampType": pa.array([0] * count, pa.int32()),
            "headers": pa.array([None] * count, pa.string()),
        }
    )


def write_files(folder: Path, draft: Draft, *, replace: bool = False) -> list[Path]:
    """Write a draft's files below a folder; files that are there are left alone unless they may be replaced."""
    paths = {folder / path: text for path, text in draft.files.items()}
    there = [path for path in paths if path.exists()]
    if there and not replace:
        raise UserError(f"{there[0]} exists. Choose another --name, or replace it with --force.", exit_code=3)
    for path, text in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text.encode())
    return list(paths)
