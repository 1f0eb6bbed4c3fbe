"""`mend undo` of one large run against a copy of its files, which is what taking them out would cost without a rename.

The time depends on the files, not on the rows: every file's footer is read, and the offsets' partitions are counted.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from bench.measure import Wish, compare, show, wish
from mend.contracts.decision import Action, DecisionResult, Rows
from mend.contracts.report import PartitionRange, Places
from mend.runtime.layout import Layout
from mend.runtime.settings import load_settings
from mend.store.tables import RunState
from orchestration.settled_manifest import begun, vouch
from orchestration.undo import undo
from orchestration.workspace import Workspace, open_workspace

RUN, PIPELINE, PARTITIONS, FILES = "run-1", "customers", 4, 10
AT = datetime(2026, 3, 1, tzinfo=UTC)


def write_files(layout: Layout, rows: int) -> None:
    """Write the run's files, ten for each partition."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for partition in range(PARTITIONS):
        for number, offsets in enumerate(np.array_split(np.arange(rows // PARTITIONS), FILES)):
            table = pa.table(
                {
                    "kafka_topic": pa.array([PIPELINE]).take(pa.array(np.zeros(len(offsets), np.int64))),
                    "kafka_partition": pa.array(np.full(len(offsets), partition, np.int32)),
                    "kafka_offset": offsets,
                    "amount": offsets * 0.01,
                }
            )
            path = layout.published(RUN) / "event_date=2026-03-01" / f"part-{partition}-{number}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path)


def settle(workspace: Workspace, rows: int) -> None:
    """Enter the run in store and manifest as one that was published and recounted."""
    store, width = workspace.store, rows // PARTITIONS
    store.runs.open_run(RUN, PIPELINE, "q", 1, AT)
    places = Places(accepted=width)
    ranges = [
        PartitionRange(topic=PIPELINE, partition=one, from_offset=0, until_offset=width, records=width, places=places)
        for one in range(PARTITIONS)
    ]
    store.ledger.record_ranges(RUN, ranges)
    for state in (RunState.STAGED, RunState.AUDITED, RunState.DECIDED, RunState.PUBLISHED, RunState.VALIDATED):
        store.runs.advance(RUN, state, AT)
    store.ledger.settle(RUN, workspace.sink.count(RUN), {})
    manifest = begun(RUN, PIPELINE, store.ledger.ranges(RUN), settled_at=AT.isoformat(), sparse=False)
    vouch(workspace.layout, manifest, None)
    made = DecisionResult(
        decision="continue", actions=(Action.CONTINUE,), rows=Rows.PUBLISH, rules=("healthy",), reasoning="",
        confidence=1.0, escalation_required=False, timestamp=AT.isoformat(), run_id=RUN,
    )  # fmt: skip
    store.decisions.record(RUN, made, AT)


def ours(workspace: Workspace) -> float:
    """Return the seconds of an undo; it is taken back afterwards."""
    began = perf_counter()
    done = undo(workspace, RUN, by="bench", reason="").done
    seconds = perf_counter() - began
    undo(workspace, done.name if done else "", by="bench", reason="")
    return seconds


def peer(workspace: Workspace) -> float:
    """Return the seconds of a copy of the files."""
    target = workspace.settings.home / "copy"
    began = perf_counter()
    shutil.copytree(workspace.layout.published(RUN), target)
    seconds = perf_counter() - began
    shutil.rmtree(target)
    return seconds


def measure(asked: Wish) -> dict[str, Any]:
    """Make the run, then compare."""
    rows, repeats = (1_000_000, 3) if asked.quick else (10_000_000, 5)
    with TemporaryDirectory(prefix="mend-bench-") as name:
        settings = load_settings(_env_file=None, mend_home=Path(name), parquet_out=None)
        with open_workspace(settings, PIPELINE) as workspace:
            write_files(workspace.layout, rows)
            settle(workspace, rows)
            return compare("undo", "<= 2 s", "s", lambda: ours(workspace), lambda: peer(workspace), repeats)


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
