"""Carrying out a decision: every row ends where it was decided, whenever the work is interrupted."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mend.contracts.decision import PartitionFilter, Rows, SegmentFilter, SegmentValue
from mend.contracts.settled import SettledManifest
from mend.runtime.errors import UserError
from mend.runtime.layout import Layout
from mend.runtime.settings import load_settings
from mend.sinks.parquet import ParquetSink
from orchestration.settle import held_rows, settle

RUN = "r-1"
THE_RUN = SettledManifest(run_id=RUN, pipeline="p", settled_at="2026-03-01T12:00:00+00:00", ranges=())
ACCEPTED = [
    # offset, country, score, passed
    (0, "US", 1.0, True), (1, "US", 1.0, False), (2, "DE", 1.0, False), (3, None, 2.5, False), (4, None, 1.0, True),
    (5, "US", 2.5, False), (6, "(missing)?", 1e20, False),
]  # fmt: skip
Tree = dict[str, list[int]]


class Killed(BaseException):
    """The process ends here."""


class Guillotine:
    """Ends the work before its nth step: a new folder, a change of a name, a copy or removal of a folder."""

    events = frozenset({"os.rename", "os.mkdir", "shutil.copytree", "shutil.rmtree"})

    def __init__(self) -> None:
        """Wait for `after` to be set."""
        self.left: int | None = None
        sys.addaudithook(self.hook)

    def hook(self, event: str, _: tuple[Any, ...]) -> None:
        """Count the events; at the last one the work ends."""
        if self.left is not None and event in self.events:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise Killed

    def cut(self, after: int, work: Callable[[], None]) -> bool:
        """Do the work; returns whether it was killed."""
        self.left = after
        try:
            work()
        except Killed:
            return True
        finally:
            self.left = None
        return False


@pytest.fixture(scope="module")
def guillotine() -> Guillotine:
    """Return what kills; an audit hook cannot be taken away again, so there is one."""
    return Guillotine()


def write(path: Path, table: pa.Table) -> None:
    """Write one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def stage(layout: Layout) -> None:
    """Stage a run with rows in every place."""
    staged = layout.staged(RUN)
    offsets, countries, scores, passed = zip(*ACCEPTED, strict=True)
    columns = {
        "kafka_topic": ["t"] * 7, "kafka_partition": pa.array([0] * 7, pa.int32()), "kafka_offset": offsets,
        "country": countries, "score": scores, "dq_passed": passed,
    }  # fmt: skip
    table = pa.table(columns)
    write(staged / "accepted" / "event_date=2026-03-01" / "part-a.parquet", table.slice(0, 4))
    write(staged / "accepted" / "event_date=2026-02-28" / "part-a.parquet", table.slice(4))
    for offset, place in enumerate(
        ("rejected/reason=type", "rejected/reason=required", "dead_letters", "duplicates", "keys"), start=10
    ):
        write(staged / place / "part-a.parquet", pa.table({"kafka_offset": [offset]}))


def tree(layout: Layout) -> Tree:
    """Return the offsets of every Parquet file, by path; published ones begin with `out`."""
    roots = {"home": layout.settings.home, "out": layout.settings.published}
    found = {}
    for name, root in roots.items():
        for path in sorted(root.rglob("*.parquet")):
            if name == "out" or layout.settings.published not in path.parents:
                offsets = pq.read_table(path, partitioning=None)["kafka_offset"].to_pylist()
                found[f"{name}/{path.relative_to(root)}"] = sorted(offsets)
    return found


@pytest.fixture
def single(home: Path) -> Layout:
    """Return where things lie on one file system."""
    return Layout(load_settings(_env_file=None, mend_home=home, parquet_out=home / "out"))


@pytest.fixture(params=["one file system", "two file systems"])
def layout(request: pytest.FixtureRequest, single: Layout, tmp_path: Path) -> Layout:
    """Return where things lie, once with PARQUET_OUT on a file system of its own."""
    if request.param == "one file system":
        return single
    home = single.settings.home
    if home.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has one file system only")
    return Layout(load_settings(_env_file=None, mend_home=home, parquet_out=tmp_path / "out"))


def carried_out(layout: Layout, rows: Rows, *hold: SegmentFilter) -> Tree:
    """Stage a run and carry out a decision."""
    stage(layout)
    settle(layout, ParquetSink(layout), THE_RUN, rows, hold)
    return tree(layout)


SETTLED = {
    "home/quarantine/run=r-1/reason=type/part-a.parquet": [10],
    "home/quarantine/run=r-1/reason=required/part-a.parquet": [11],
    "home/dead_letters/run=r-1/part-a.parquet": [12],
    "home/duplicates/run=r-1/part-a.parquet": [13],
    "home/keys/run=r-1/part-a.parquet": [14],
}
FIRST, SECOND = "event_date=2026-03-01/part-a.parquet", "event_date=2026-02-28/part-a.parquet"
US, MISSING = SegmentFilter(column="country", value="US"), SegmentFilter(column="country", value="(missing)")


def also(one: SegmentFilter, column: str, value: str) -> SegmentFilter:
    """Return a pair."""
    return replace(one, also=SegmentValue(column=column, value=value))


def published(first: list[int], second: list[int]) -> Tree:
    """Return the readable files."""
    return {f"out/run=r-1/{FIRST}": first, f"out/run=r-1/{SECOND}": second}


def held(first: list[int], second: list[int]) -> Tree:
    """Return the held files."""
    files = {FIRST: first, SECOND: second}
    return {f"home/quarantine/run=r-1/reason=held/{name}": rows for name, rows in files.items() if rows}


def test_published(layout: Layout) -> None:
    """All accepted rows are readable; everything else lies in its place."""
    assert carried_out(layout, Rows.PUBLISH) == SETTLED | published([0, 1, 2, 3], [4, 5, 6])
    assert held_rows(layout, RUN).total() == 0


def test_held(layout: Layout) -> None:
    """No accepted row is readable, all of them are kept in quarantine."""
    assert carried_out(layout, Rows.HOLD) == SETTLED | held([0, 1, 2, 3], [4, 5, 6])
    assert held_rows(layout, RUN) == {("t", 0): 7}
    assert not layout.published(RUN).exists()


@pytest.mark.parametrize(
    ("segments", "first", "second"),
    [
        ([US], [1], [5]),
        ([MISSING], [3], []),
        ([US, MISSING], [1, 3], [5]),
        ([SegmentFilter(column="country", value="FR")], [], []),
        ([SegmentFilter(column="score", value="2.5")], [3], [5]),
        ([SegmentFilter(column="score", value="1.0")], [1, 2], []),
        ([SegmentFilter(column="score", value="1e+20")], [], [6]),
        ([SegmentFilter(column="country", value="US' OR '1'='1")], [], []),
        ([also(US, "score", "1.0")], [1], []),
        ([also(US, "score", "2.5")], [], [5]),
        ([also(US, "score", "2.5"), also(MISSING, "score", "2.5")], [3], [5]),
        ([also(US, "country", "(missing)")], [], []),
    ],
)
def test_the_failing_rows_of_a_segment_are_held(
    single: Layout, segments: list[SegmentFilter], first: list[int], second: list[int]
) -> None:
    """Exactly the rows that fail a rule and have the segment's value, as the report writes it; the rest is readable."""
    rest = ([one for one in [0, 1, 2, 3] if one not in first], [one for one in [4, 5, 6] if one not in second])
    assert carried_out(single, Rows.PUBLISH_EXCEPT_SEGMENT, *segments) == SETTLED | held(first, second) | published(
        *rest
    )
    assert held_rows(single, RUN).total() == len(first) + len(second)


def test_the_rows_of_a_paused_partition_are_held(layout: Layout) -> None:
    """All of them, good and bad, beside the failing ones of a segment; the other partitions are readable."""
    stage(layout)
    second = layout.staged(RUN) / "accepted" / SECOND
    table = pq.read_table(second, partitioning=None)
    write(second, table.set_column(1, "kafka_partition", pa.array([1] * table.num_rows, pa.int32())))
    paused = (PartitionFilter(topic="t", partition=1), PartitionFilter(topic="other", partition=0))
    for _ in range(2):
        settle(layout, ParquetSink(layout), THE_RUN, Rows.PUBLISH_EXCEPT_PARTITION, (US,), paused)
        rest = {name: one for name, one in tree(layout).items() if "/staging/" not in name}
        assert rest == SETTLED | held([1], [4, 5, 6]) | published([0, 2, 3], [])
    assert held_rows(layout, RUN) == {("t", 0): 1, ("t", 1): 3}


def test_a_partition_that_is_not_named_is_refused(single: Layout) -> None:
    """Nothing is moved when it is not clear which partition is paused."""
    stage(single)
    with pytest.raises(UserError, match="r-1: a partition is to be held, and none is named"):
        settle(single, ParquetSink(single), THE_RUN, Rows.PUBLISH_EXCEPT_PARTITION, (US,))


def test_a_segment_that_is_not_named_is_refused(single: Layout) -> None:
    """Nothing is published and nothing moved when it is not clear what is to be held."""
    stage(single)
    before = tree(single)
    with pytest.raises(UserError, match="r-1: a segment is to be held, and none is named"):
        settle(single, ParquetSink(single), THE_RUN, Rows.PUBLISH_EXCEPT_SEGMENT, ())
    assert tree(single) == before


@pytest.mark.parametrize("rows", [Rows.HOLD, Rows.PUBLISH_EXCEPT_SEGMENT])
def test_a_run_that_was_settled_stays_as_it_is(layout: Layout, rows: Rows) -> None:
    """Doing it again changes nothing."""
    after = carried_out(layout, rows, US)
    settle(layout, ParquetSink(layout), THE_RUN, rows, (US,))
    assert tree(layout) == after


def test_a_run_that_is_staged_again_after_it_was_settled_stays(layout: Layout) -> None:
    """What was settled first counts: nothing is put on top of it, nothing of it is lost."""
    after = carried_out(layout, Rows.PUBLISH)
    again = carried_out(layout, Rows.PUBLISH)
    assert {name: one for name, one in again.items() if "/staging/" not in name} == after


@pytest.mark.parametrize("rows", [Rows.HOLD, Rows.PUBLISH_EXCEPT_SEGMENT])
def test_work_that_was_killed_is_finished(layout: Layout, guillotine: Guillotine, rows: Rows) -> None:
    """Killed before any of its steps, and done again, it ends as if nothing had happened.

    No half run was readable, and none without the manifest that names its files.
    """
    expected = carried_out(layout, rows, US)
    readable = {name: offsets for name, offsets in expected.items() if name.startswith("out/")}
    work = partial(settle, layout, ParquetSink(layout), THE_RUN, rows, (US,))
    # A step of the copy takes longer: there every third one is tried, on one file system all of them.
    for kills in count(step=1 if layout.settings.home in layout.settings.published.parents else 3):
        for folder in (layout.settings.home, layout.settings.published):
            shutil.rmtree(folder, ignore_errors=True)
        stage(layout)
        killed = guillotine.cut(kills, work)
        seen = {name: offsets for name, offsets in tree(layout).items() if name.startswith("out/")}
        assert seen in ({}, readable)
        assert not seen or layout.run_file(RUN, "manifest").exists()
        work()
        # A copy to another file system may leave its source behind; cleanup removes it with the staging folder.
        assert {name: one for name, one in tree(layout).items() if "/staging/" not in name} == expected
        if not killed:
            assert kills >= 6
            return


def test_a_run_of_nothing_is_settled(layout: Layout) -> None:
    """A run without any file is no error, in whatever way it was decided."""
    for rows in (Rows.PUBLISH, Rows.HOLD, Rows.PUBLISH_EXCEPT_SEGMENT, Rows.NOTHING):
        settle(layout, ParquetSink(layout), THE_RUN, rows, (US,))
    assert tree(layout) == {}


def test_nothing_is_published_when_that_was_decided(layout: Layout) -> None:
    """`nothing` leaves the accepted rows staged."""
    found = carried_out(layout, Rows.NOTHING)
    staged = {
        f"home/staging/run=r-1/accepted/{FIRST}": [0, 1, 2, 3],
        f"home/staging/run=r-1/accepted/{SECOND}": [4, 5, 6],
    }
    assert found == SETTLED | staged
