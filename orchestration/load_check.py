"""Recount what a reader sees, and everything else, against the ledger: from the files, not from what was reported."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from mend.quarantine.replay import takes
from mend.runtime.layout import Layout
from mend.sinks.port import PartitionRows
from mend.store.ledger import LedgerRange
from orchestration import settled_manifest
from orchestration.replay_step import replay_of
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
    """Count every place of a settled run, and compare the accepted rows partition by partition.

    Accepted rows are published or held: where their sum differs from what the tasks staged, rows were lost or doubled.
    What retention deleted counts as it was counted then.
    """
    layout = workspace.layout
    ranges = workspace.store.ledger.ranges(run_id)
    retired = retired_rows(layout, run_id)
    if replay_of(workspace, run_id):
        return replay_counts(workspace, run_id, retired)
    held_now = held_rows(layout, run_id)
    published, held = workspace.sink.count(run_id) + retired["published"], held_now + retired["held"]
    found = {
        "published": published.total(),
        "held": held.total(),
        "accepted": (published + held).total(),
        "rejected": count_files(layout.quarantine(run_id)) - held_now.total() + retired["rejected"].total(),
        "dead_letter": count_files(layout.dead_letters(run_id)) + retired["dead_letter"].total(),
        "duplicate": count_files(layout.duplicates(run_id)) + retired["duplicate"].total(),
    }
    expected = expected_counts(ranges)
    places = (PlaceCount(place=place, expected=expected[place], found=rows) for place, rows in found.items())
    return (*places, *wrong_partitions(ranges, published + held))


def replay_counts(workspace: Workspace, run_id: str, retired: dict[str, PartitionRows]) -> tuple[PlaceCount, ...]:
    """Count a replay's rows in its files, against the list of what it took; the ledger has no range of it."""
    taken = takes(workspace.layout, workspace.pipeline.name, run_id)
    published = workspace.sink.count(run_id) + retired["published"]
    found = {
        "published": published.total(),
        "duplicate": count_files(workspace.layout.duplicates(run_id)) + retired["duplicate"].total(),
    }
    expected: dict[str, PartitionRows] = {place: Counter() for place in found}
    for one in taken:
        expected[one.into][one.topic, one.partition] += one.rows
    places = (PlaceCount(place=one, expected=expected[one].total(), found=rows) for one, rows in found.items())
    return (*places, *different(expected["published"], published))


def retired_rows(layout: Layout, run_id: str) -> dict[str, PartitionRows]:
    """Return what retention deleted of each place, as the manifest says."""
    rows: dict[str, PartitionRows] = {place: Counter() for place in settled_manifest.PLACES}
    if layout.run_file(run_id, "manifest").exists():
        for one in settled_manifest.read(layout, run_id).retired:
            rows[one.place][one.topic, one.partition] += one.rows
    return rows


def wrong_partitions(ranges: tuple[LedgerRange, ...], found: PartitionRows) -> Iterator[PlaceCount]:
    """Return the partitions whose accepted rows are not those that were staged; two errors may hide in one sum."""
    staged: PartitionRows = Counter()
    for part in ranges:
        staged[part.read.topic, part.read.partition] += part.read.places.accepted
    yield from different(staged, found)


def different(staged: PartitionRows, found: PartitionRows) -> Iterator[PlaceCount]:
    """Return the partitions that have other rows than they must."""
    for topic, partition in sorted(staged.keys() | found.keys()):
        expected, came = staged[topic, partition], found[topic, partition]
        if expected != came:
            yield PlaceCount(place=f"accepted of {topic}/{partition}", expected=expected, found=came)


def expected_counts(ranges: tuple[LedgerRange, ...]) -> Counter[str]:
    """Add the ledger's counts of a run up."""
    total: Counter[str] = Counter()
    for part in ranges:
        total["published"] += part.published or 0
        total["held"] += part.held or 0
        for place in ("accepted", "rejected", "dead_letter", "duplicate"):
            total[place] += getattr(part.read.places, place)
    return total


def count_files(folder: Path) -> int:
    """Count the rows of the Parquet files below a folder, from their footers."""
    return sum(pq.read_metadata(path).num_rows for path in folder.rglob("*.parquet"))
