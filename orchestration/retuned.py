"""The next try after a failure that a setting can help: fewer events at once after too little memory, more patience."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mend.runtime.logging import get_logger
from mend.store.runs import Failure
from orchestration.workspace import Workspace

MEMORY = re.compile(
    r"OutOfMemory|Java heap space|GC overhead limit|MemoryError|Cannot allocate memory|exit code (?:137|-9)\b"
)
LATE = re.compile(r"timed?[ -]?out|timeout|deadline exceeded|stopped after \d+ minutes", re.IGNORECASE)
MOST_DOUBLINGS = 4
LOOK_BACK = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """By what the next try divides the events of a batch, and multiplies the time-outs."""

    fewer: int = 1
    longer: int = 1


def tuning(failures: Sequence[Failure], last_end: datetime | None) -> Tuning:
    """Return what the failures since the last settled run ask for; each one of a kind doubles it, up to 16 times."""
    since = [one.error for one in failures if last_end is None or one.at > last_end]
    many = {name: sum(bool(kind.search(one)) for one in since) for name, kind in (("m", MEMORY), ("t", LATE))}
    return Tuning(fewer=2 ** min(many["m"], MOST_DOUBLINGS), longer=2 ** min(many["t"], MOST_DOUBLINGS))


def retuned(workspace: Workspace) -> tuple[Workspace, list[str]]:
    """Return the workspace with the time-outs of the next try, and words for the job's command line."""
    store, name = workspace.store, workspace.pipeline.name
    found = tuning(store.runs.failures(name, LOOK_BACK), store.measures.last_end(name))
    if found == Tuning():
        return workspace, []
    get_logger().info("next_try_retuned", fewer_events=found.fewer, longer_time_outs=found.longer)
    settings = workspace.settings
    patient = settings.model_copy(
        update={
            "kafka_timeout_seconds": settings.kafka_timeout_seconds * found.longer,
            "processing_duration_minutes": settings.processing_duration_minutes * found.longer,
        }
    )
    most = max(workspace.pipeline.max_events_per_run // found.fewer, 1)
    words = ["--most-events", str(most)] if found.fewer > 1 else []
    return replace(workspace, settings=patient), words
