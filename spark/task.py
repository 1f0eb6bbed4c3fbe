"""What a Spark task does: curate the records of its offsets and write them itself; one line of counts goes back."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mend.runtime.faults import arm, armed

if TYPE_CHECKING:
    import pyarrow as pa

    from mend.curate.plan import Plan
    from mend.runtime.schema_registry import RegistryAddress

RESULT_SCHEMA = "result string"
ROWS_AT_ONCE = 200_000
BYTES_AT_ONCE = 64 * 2**20


def curate_task(
    plan: "Plan",
    *,
    run_id: str,
    folder: Path,
    now: datetime,
    registry: "RegistryAddress | None" = None,
    attempt: int = 1,
) -> Callable[[Iterator["pa.RecordBatch"]], Iterator["pa.RecordBatch"]]:
    """Return the function for mapInArrow. A task that is tried again writes files of other names.

    So does a run that is staged again (`attempt`): a job that was taken for dead and still writes spoils no file.
    """
    fault = armed()

    def curate(batches: Iterator["pa.RecordBatch"]) -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa
        from pyspark import TaskContext

        from mend.contracts.codec import dumps
        from mend.curate.curator import Curator
        from mend.curate.decoders import decoder
        from mend.curate.staging import StagedWriter, TaskResult
        from mend.curate.tally import merge

        arm(fault)
        pa.set_memory_pool(pa.system_memory_pool())  # the others give pages back after each batch, to fault them again
        context = TaskContext.get()
        number = f"{context.partitionId():05d}-{context.taskAttemptId()}" if context else "00000-0"
        task = f"{number}-{attempt}"
        curator = Curator(plan, decoder(plan.pipeline, registry, plan.direct), run_id=run_id, now=now)
        tallies = []
        with StagedWriter(folder, task) as writer:
            for records in chunks(batches):
                curated = curator.curate(records)
                writer.add(curated)
                tallies.append(curated.tally)
        result = TaskResult(files=tuple(writer.files), tally=merge(tallies))
        yield pa.RecordBatch.from_pydict({"result": [dumps(result).decode()]})

    return curate


def chunks(batches: Iterable["pa.RecordBatch"]) -> Iterator["pa.Table"]:
    """Put small batches together: a pass over many rows costs less than many passes."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if held and (rows + batch.num_rows > ROWS_AT_ONCE or size + batch.nbytes > BYTES_AT_ONCE):
            yield pa.Table.from_batches(held)
            held, rows, size = [], 0, 0
        held.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
    if rows:
        yield pa.Table.from_batches(held)
