"""Recount what a reader sees, and everything else, against the ledger: from the files, not from what was reported."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from mend.store.ledger import LedgerRange
from orchestration.settle import held_rows
from orchestration.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceCount:
    """One place: rows that the ledger expects, and rows in the files."""

    place: str
    expected: int
    found: int

    @property
    def agrees(self) -> bool:
        """Whether both are the same."""
        return self.expected == self.found


def check_load(workspace: Workspace, run_id: str) -> tuple[PlaceCount, ...]:
    """Count every place of a settled run."""
    layout = workspace.layout
    ranges = workspace.store.ledger.ranges(run_id)
    rejected = count_files(layout.quarantine(run_id)) - sum(held_rows(layout, run_id).values())
    found = {
        "published": sum(workspace.sink.count(run_id).values()),
        "held": sum(held_rows(layout, run_id).values()),
        "rejected": rejected,
        "dead_letter": count_files(layout.dead_letters(run_id)),
        "duplicate": count_files(layout.duplicates(run_id)),
    }
    expected = expected_counts(ranges)
    return tuple(PlaceCount(place=place, expected=expected[place], found=rows) for place, rows in found.items())


def expected_counts(ranges: tuple[LedgerRange, ...]) -> Counter[str]:
    """Add the ledger's counts of a run up."""
    total: Counter[str] = Counter()
    for part in ranges:
        total["published"] += part.published or 0
        total["held"] += part.held or 0
        total["rejected"] += part.read.places.rejected
        total["dead_letter"] += part.read.places.dead_letter
        total["duplicate"] += part.read.places.duplicate
    return total


def count_files(folder: Path) -> int:
    """Count the rows of the Parquet files below a folder, from their footers."""
    return sum(pq.read_metadata(path).num_rows for path in folder.rglob("*.parquet"))
