"""Waiting rows counted by their cause, over all runs."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow.compute as pc

from mend.contracts.quarantine import Selection
from mend.quarantine.index import Index
from mend.quarantine.rows import Cause, Part, waiting


@dataclass(slots=True)
class Group:
    """Rows of one cause: how many, of which runs, judged by which versions of the mapping, when they were read."""

    cause: Cause
    rows: int = 0
    runs: set[str] = field(default_factory=set)
    mappings: set[int] = field(default_factory=set)
    first: datetime | None = None
    last: datetime | None = None

    def add(self, part: Part, many: int, versions: set[int]) -> None:
        """Count some rows."""
        at = part.source.run.opened_at
        self.rows += many
        self.runs.add(part.source.run.run_id)
        self.mappings |= versions
        self.first = min(at, self.first or at)
        self.last = max(at, self.last or at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What waits of one run, and what does not any more: replayed or given up."""

    run_id: str
    read_at: datetime
    waiting: dict[str, int]
    gone: int
    missing: tuple[str, ...]
    foreign: tuple[str, ...]


def groups(index: Index, selection: Selection) -> list[Group]:
    """Return the causes, those of most rows first."""
    found: dict[Cause, Group] = {}
    for part in waiting(index, selection):
        versions = set(pc.unique(part.records["mapping_version"]).to_pylist())
        counts = np.bincount(part.codes, minlength=len(part.causes))
        for cause, many in zip(part.causes, counts.tolist(), strict=True):
            if many:
                found.setdefault(cause, Group(cause=cause)).add(part, many, versions)
    return sorted(found.values(), key=lambda one: (-one.rows, one.cause.id))


def shelves(index: Index, selection: Selection) -> list[Shelf]:
    """Return the runs with files in the quarantine, oldest first, also those of which nothing waits any more."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for part in waiting(index, selection):
        counts[part.source.run.run_id][part.file.place] += part.records.num_rows
    home = index.layout.settings.home
    return [
        Shelf(
            run_id=one.run.run_id,
            read_at=one.run.opened_at,
            waiting=dict(counts[one.run.run_id]),
            gone=len(index.gone.get(one.run.run_id, ())),
            missing=tuple(str(path.relative_to(home)) for path in one.missing),
            foreign=tuple(str(path.relative_to(home)) for path in one.foreign),
        )
        for one in index.sources
        if not selection.runs or one.run.run_id in selection.runs
    ]
