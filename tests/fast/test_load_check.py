"""The recount of a settled run finds every row that is not where the ledger says."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mend.contracts.decision import Rows, SegmentFilter
from mend.contracts.report import PartitionRange
from mend.curate.curator import Curated, Curator
from mend.curate.decode import decode_json
from mend.curate.plan import Plan
from mend.curate.staging import Manifest, StagedWriter, write_manifest
from mend.runtime.settings import load_settings
from orchestration.load_check import PlaceCount, check_load
from orchestration.settle import held_rows, settle
from orchestration.settled_manifest import begun
from orchestration.workspace import Workspace, open_workspace

RUN = "run-1"
PIPELINES = Path(__file__).parents[2] / "pipelines"
Settle = Callable[..., None]


@pytest.fixture(scope="module")
def curated(event: Callable[..., bytes], records: Callable[..., pa.Table], customers: Plan, now: datetime) -> Curated:
    """Curate two partitions with events of every place."""
    values = [
        event(), event(id="c-2"), event(id="c-3", email="x"), event(), event(plan=...), b"x", None,
        event(id="c-4", email="y", country="DE"), event(id="c-5"),
    ]  # fmt: skip
    curator = Curator(customers, decode_json, run_id=RUN, now=now)
    return curator.curate(records(values, partitions=[0] * 7 + [1] * 2))


@pytest.fixture
def workspace(tmp_path: Path, curated: Curated, now: datetime) -> Iterator[Workspace]:
    """Open a pipeline with one staged run in the ledger."""
    settings = load_settings(_env_file=None, mend_home=tmp_path, MEND_PIPELINES=PIPELINES)
    with open_workspace(settings, "customers") as opened:
        folder = opened.layout.staged(RUN)
        with StagedWriter(folder, "t") as writer:
            writer.add(curated)
        manifest = Manifest(run_id=RUN, pipeline="customers", mapping_version=1, files=tuple(writer.files))
        write_manifest(folder, manifest)
        opened.store.runs.open_run(RUN, "customers", "q", 0, now)
        ranges = [
            PartitionRange(
                topic=one.topic, partition=one.partition, from_offset=one.first_offset,
                until_offset=one.last_offset + 1, records=one.records, places=one.places,
            )
            for one in curated.tally.partitions
        ]  # fmt: skip
        opened.store.ledger.record_ranges(RUN, ranges)
        yield opened


def settled(workspace: Workspace, rows: Rows = Rows.PUBLISH, *hold: SegmentFilter) -> None:
    """Carry out a decision and write down what lies where, as the decision step does."""
    manifest = begun(RUN, "customers", workspace.store.ledger.ranges(RUN), settled_at="2026-03-01", sparse=False)
    settle(workspace.layout, workspace.sink, manifest, rows, hold)
    workspace.store.ledger.settle(RUN, workspace.sink.count(RUN), held_rows(workspace.layout, RUN))


def wrong(workspace: Workspace) -> dict[str, tuple[int, int]]:
    """Return the places that do not agree: rows expected and found."""
    return {one.place: (one.expected, one.found) for one in check_load(workspace, RUN) if not one.agrees}


def counts(workspace: Workspace) -> dict[str, int]:
    """Return the rows found by place."""
    return {one.place: one.found for one in check_load(workspace, RUN)}


@pytest.mark.parametrize(
    ("rows", "published", "held"), [(Rows.PUBLISH, 5, 0), (Rows.HOLD, 0, 5), (Rows.PUBLISH_EXCEPT_SEGMENT, 4, 1)]
)
def test_a_settled_run_agrees(workspace: Workspace, rows: Rows, published: int, held: int) -> None:
    """Every place holds what the ledger expects, in whatever way the run was decided."""
    settled(workspace, rows, SegmentFilter(column="country", value="DE"))
    assert wrong(workspace) == {}
    assert counts(workspace) == {
        "published": published, "held": held, "accepted": 5, "rejected": 1, "dead_letter": 2, "duplicate": 1,
    }  # fmt: skip


def only_file(folder: Path) -> Path:
    """Return the only Parquet file below a folder."""
    (path,) = folder.rglob("*.parquet")
    return path


def test_a_published_file_that_is_gone_is_found(workspace: Workspace) -> None:
    """Readers see less than was published."""
    settled(workspace)
    only_file(workspace.layout.published(RUN)).unlink()
    assert wrong(workspace) == {
        "published": (5, 0), "accepted": (5, 0), "accepted of customers/0": (3, 0), "accepted of customers/1": (2, 0),
    }  # fmt: skip


def test_rows_that_were_lost_before_they_were_published_are_found(workspace: Workspace) -> None:
    """The ledger writes down what it finds published; what was staged is known from before."""
    path = only_file(workspace.layout.staged(RUN) / "accepted")
    pq.write_table(pq.read_table(path, partitioning=None).slice(1), path)
    settled(workspace)
    assert wrong(workspace) == {"accepted": (5, 4), "accepted of customers/0": (3, 2)}


def test_a_row_that_is_readable_twice_is_found(workspace: Workspace) -> None:
    """A file that somebody copied into the folder of the run."""
    settled(workspace)
    path = only_file(workspace.layout.published(RUN))
    path.with_name("copy.parquet").write_bytes(path.read_bytes())
    assert wrong(workspace)["published"] == (5, 10)


def test_two_errors_do_not_cancel_out(workspace: Workspace) -> None:
    """A row less of one partition and one more of another give the same sum, and are found."""
    settled(workspace)
    path = only_file(workspace.layout.published(RUN))
    table = pq.read_table(path, partitioning=None)
    partitions = [0, 1, 1, 1, 1]
    changed = table.set_column(
        table.schema.get_field_index("kafka_partition"), "kafka_partition", pa.array(partitions, pa.int32())
    )
    pq.write_table(changed, path)
    assert wrong(workspace) == {"accepted of customers/0": (3, 1), "accepted of customers/1": (2, 4)}


@pytest.mark.parametrize("place", ["rejected", "dead_letter", "duplicate"])
def test_rows_that_are_missing_in_another_place_are_found(workspace: Workspace, place: str) -> None:
    """Quarantine, dead letters and duplicates are recounted too."""
    settled(workspace)
    layout = workspace.layout
    folder = {"rejected": layout.quarantine, "dead_letter": layout.dead_letters, "duplicate": layout.duplicates}[place]
    only_file(folder(RUN)).unlink()
    assert list(wrong(workspace)) == [place]


def test_a_run_that_read_nothing_agrees(workspace: Workspace) -> None:
    """No ranges, no files: nothing is expected and nothing found."""
    assert all(one.agrees for one in check_load(workspace, "run-of-nothing"))


def test_a_count_agrees_when_it_is_the_same() -> None:
    """One row more or less does not."""
    assert PlaceCount(place="held", expected=1, found=1).agrees
    assert not PlaceCount(place="held", expected=1, found=0).agrees
