"""What Spark hands each micro-batch to: it becomes a run, with the mapping that is the newest at that moment."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import orjson

from mend.contracts.rules import RuleSet
from mend.curate.plan import Plan, make_plan
from mend.runtime.layout import Layout
from mend.runtime.pipeline_file import Pipeline
from mend.runtime.schema_registry import registry_address
from mend.runtime.settings import Settings
from mend.store.engine import Store
from mend.store.tables import RunState
from spark.batch import Job, stage_batch

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MOST_WAITING = 2
"""Staged runs that may wait for their audit; then the next batch waits, and its events stay in Kafka."""
WAIT_SECONDS = 0.1


class Stopped(Exception):  # noqa: N818 - it is no error
    """A new batch came after the stream was asked to stop; Spark hands it out again at the next start."""


@dataclass(slots=True)
class Stager:
    """Stages micro-batches; `said` hears the id of each run. With `stop` it is a stream, which never runs far ahead."""

    settings: Settings
    store: Store
    pipeline: Pipeline
    rules: RuleSet
    said: Callable[[str], None]
    lag_before: int | None = None
    stop: Event | None = None
    refused: bool = False
    plan: Plan | None = field(default=None, init=False)

    @property
    def checkpoint(self) -> Path:
        """Spark's checkpoint of the pipeline."""
        return Layout(self.settings).checkpoint(self.pipeline.name)

    def __call__(self, frame: "DataFrame", batch_id: int) -> None:
        """Stage one batch."""
        if self.stop is not None:
            self.wait_for_turn(self.stop)
        job = Job(
            plan=self.newest_plan(),
            layout=Layout(self.settings),
            store=self.store,
            query_id=query_id(self.checkpoint),
            checkpoint=self.checkpoint,
            lag_before=self.lag_before,
            epoch=self.store.topics.epoch(self.pipeline.name, self.pipeline.topic),
            registry=registry_address(self.settings),
        )
        run_id = stage_batch(job, frame, batch_id)
        if run_id is not None:
            self.said(run_id)

    def newest_plan(self) -> Plan:
        """Compile the pipeline with its newest mapping, anew only when a decision changed that."""
        mapping = self.store.mappings.current(self.pipeline.name)
        if self.plan is None or self.plan.mapping_version != (mapping.version if mapping else 1):
            self.plan = make_plan(self.pipeline, self.rules, mapping)
        return self.plan

    def wait_for_turn(self, stop: Event) -> None:
        """Wait until the runs before are settled; a batch that comes after the wish to stop is refused."""
        while not stop.is_set():
            if self.waiting() < MOST_WAITING:
                return
            stop.wait(WAIT_SECONDS)
        self.refused = True
        raise Stopped

    def waiting(self) -> int:
        """Count the staged runs that nobody has decided about."""
        waiting = {RunState.STAGED, RunState.AUDITED, RunState.DECIDED}
        return sum(run.state in waiting for run in self.store.runs.unfinished(self.pipeline.name))


def query_id(checkpoint: Path) -> str:
    """Return the id that Spark gave the query when its checkpoint was made."""
    found: str = orjson.loads((checkpoint / "metadata").read_bytes())["id"]
    return found
