"""What the steps of a run need: settings, layout, store, sink, and how Spark is started."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from mend.alerts.telling import tell_incidents
from mend.contracts.rules import RuleSet
from mend.quality.rules import load_rules
from mend.quality.snapshot import read_snapshot
from mend.runtime.faults import arm
from mend.runtime.layout import Layout
from mend.runtime.pipeline_file import Pipeline, find_pipeline, load_pipeline
from mend.runtime.settings import Settings
from mend.sinks.choose import choose_sink
from mend.sinks.port import Sink
from mend.store.engine import Store, open_store


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkPlatform:
    """How Spark runs here: variables to add for its process, and the jars of its Kafka connector."""

    environment: dict[str, str] = field(default_factory=dict)
    jars: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One pipeline, opened for work. `lock` is the open file that keeps other processes from it."""

    settings: Settings
    layout: Layout
    pipeline: Pipeline
    rules: RuleSet
    store: Store
    sink: Sink
    spark: SparkPlatform
    lock: int | None = None


@contextmanager
def open_workspace(settings: Settings, pipeline_name: str, spark: SparkPlatform | None = None) -> Iterator[Workspace]:
    """Open a pipeline by name or file; what is wrong with its files is a UserError before anything starts."""
    arm(settings.fault_at)
    pipeline = load_pipeline(find_pipeline(settings.pipelines, pipeline_name))
    layout = Layout(settings)
    sink = choose_sink(layout)
    with open_store(settings.store_url) as store:
        tell_incidents(store, pipeline.name)
        yield Workspace(
            settings=settings,
            layout=layout,
            pipeline=pipeline,
            rules=load_rules(pipeline.rules_path, pipeline=pipeline.name),
            store=store,
            sink=sink,
            spark=spark or SparkPlatform(),
        )


def as_started(workspace: Workspace, run_id: str) -> Workspace:
    """Return the workspace with the pipeline's files as they were when the run was staged."""
    snapshot = read_snapshot(workspace.layout.contract(run_id))
    return workspace if snapshot is None else replace(workspace, pipeline=snapshot[0], rules=snapshot[1])
