"""What every sink promises, as tests: make a class of yours from SinkPromises, and pytest runs them.

class TestMySink(SinkPromises):
    def open(self, layout):
        return MySink(layout)
"""

import inspect
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mend.runtime.layout import Layout
from mend.runtime.settings import load_settings
from mend.sinks import parquet
from mend.sinks.parquet import count_rows
from mend.sinks.port import Sink

ODD = ("o'clock", "a b", "naïve-😀", "50%2F", "--; drop", "a=b", 'quo"te')
MOST_LINES = 2_000
LARGE = 300_000
HALF = -1


class Killed(BaseException):
    """The process ends here. No `except Exception` of a sink catches it."""


class SinkPromises:
    """Whole runs or nothing, for readers, after crashes, twice; `open` says which sink is meant."""

    def open(self, layout: Layout) -> Sink:
        """Return a new sink over the layout, as a new process would make it."""
        raise NotImplementedError

    def layout(self, folder: Path) -> Layout:
        """Return where things lie during a test."""
        return Layout(load_settings(_env_file=None, mend_home=folder / "home"))

    def test_a_published_run_is_readable(self, tmp_path: Path) -> None:
        """Its rows are counted by topic and partition; other runs are not among them, an unknown one has none."""
        layout = self.layout(tmp_path)
        sink = self.open(layout)
        assert sink.count("r-1") == Counter()
        sink.publish("r-1", stage(layout, "r-1", files=3))
        sink.publish("r-2", stage(layout, "r-2", files=1))
        assert self.open(layout).count("r-1") == {("t", 0): 4, ("t", 1): 2}
        assert sink.count("r-2") == {("t", 0): 2}
        assert sink.location("r-1") != sink.location("r-2")

    def test_publishing_twice_changes_nothing(self, tmp_path: Path) -> None:
        """A published run stays as it is: not doubled, not replaced, not emptied."""
        layout = self.layout(tmp_path)
        sink = self.open(layout)
        sink.publish("r-1", stage(layout, "r-1", files=2))
        sink.publish("r-1", stage(layout, "r-1", files=1))
        sink.publish("r-1", tmp_path / "nowhere")
        assert sink.count("r-1").total() == 4  # noqa: PLR2004

    def test_a_run_without_rows_is_published_as_nothing(self, tmp_path: Path) -> None:
        """There may be no folder, or one without files; that is no error, and there is nothing to retract."""
        layout = self.layout(tmp_path)
        sink = self.open(layout)
        empty = layout.staged("r-2") / "accepted"
        empty.mkdir(parents=True)
        sink.publish("r-1", layout.staged("r-1") / "accepted")
        sink.publish("r-2", empty)
        sink.retract("r-1", tmp_path / "aside")
        assert sink.count("r-1") == sink.count("r-2") == Counter()

    def test_a_retracted_run_is_gone_and_kept(self, tmp_path: Path) -> None:
        """Readers do not see it, other runs stay, its rows lie in the folder as Parquet; twice is as once."""
        layout = self.layout(tmp_path)
        sink = self.open(layout)
        for run_id in ("r-1", "r-2"):
            sink.publish(run_id, stage(layout, run_id, files=2))
        aside = tmp_path / "quarantine" / "run=r-1" / "reason=undone"
        for _ in range(2):
            sink.retract("r-1", aside)
            assert sink.count("r-1") == Counter()
            assert count_rows(aside) == sink.count("r-2") == {("t", 0): 2, ("t", 1): 2}

    def test_a_retracted_run_can_be_published_again(self, tmp_path: Path) -> None:
        """From the folder in which it was put: undoing an undoing loses nothing."""
        layout = self.layout(tmp_path)
        sink = self.open(layout)
        sink.publish("r-1", stage(layout, "r-1", files=2))
        sink.retract("r-1", tmp_path / "aside")
        sink.publish("r-1", tmp_path / "aside")
        assert sink.count("r-1").total() == 4  # noqa: PLR2004

    def test_any_run_id_will_do(self, tmp_path: Path) -> None:
        """Quotes, spaces, percent signs and other scripts: each run is counted and retracted by itself."""
        layout = self.layout(tmp_path)
        sink = self.open(layout)
        for number, run_id in enumerate(ODD):
            sink.publish(run_id, stage(layout, f"s-{number}", files=1))
        sink.retract(ODD[0], tmp_path / "aside")
        assert [sink.count(run_id).total() for run_id in ODD] == [0, *(2 for _ in ODD[1:])]

    def test_columns_may_be_added(self, tmp_path: Path) -> None:
        """Files of a run before and after a remap are counted together, and so are runs."""
        layout = self.layout(tmp_path)
        sink = self.open(layout)
        folder = stage(layout, "r-1", files=1)
        write(folder / "event_date=2026-04-01" / "more.parquet", 0, added=["x", None])
        sink.publish("r-1", folder)
        assert sink.count("r-1") == {("t", 0): 4}

    def test_killed_at_any_line_of_publishing(self, tmp_path: Path) -> None:
        """At every line: all rows are readable or none, and the next attempt makes them all readable once."""
        layout = self.layout(tmp_path)
        for line in range(1, MOST_LINES):
            run_id, sink = f"r-{line}", self.open(layout)
            folder = stage(layout, run_id, files=2)
            killed = killed_at(line, sink, lambda: sink.publish(run_id, folder))  # noqa: B023 - called at once
            assert self.open(layout).count(run_id).total() in {0, 4}, f"half a run is readable, line {line}"
            self.open(layout).publish(run_id, folder)
            assert self.open(layout).count(run_id).total() == 4, f"line {line}"  # noqa: PLR2004
            if not killed:
                assert line > 1, "no line of the sink ran"
                return
        raise AssertionError(f"publishing two files takes more than {MOST_LINES} lines")

    def test_killed_at_any_line_of_retracting(self, tmp_path: Path) -> None:
        """At every line: all rows are readable or none, and the next attempt ends with all of them in the folder."""
        layout = self.layout(tmp_path)
        for line in range(1, MOST_LINES):
            run_id, sink = f"r-{line}", self.open(layout)
            sink.publish(run_id, stage(layout, run_id, files=2))
            aside = tmp_path / "aside" / run_id
            killed = killed_at(line, sink, lambda: sink.retract(run_id, aside))  # noqa: B023 - called at once
            assert self.open(layout).count(run_id).total() in {0, 4}, f"half a run is readable, line {line}"
            self.open(layout).retract(run_id, aside)
            assert self.open(layout).count(run_id) == Counter(), f"still readable, line {line}"
            assert count_rows(aside).total() == 4, f"rows are lost, line {line}"  # noqa: PLR2004
            if not killed:
                return
        raise AssertionError(f"retracting two files takes more than {MOST_LINES} lines")

    def test_a_reader_never_sees_half_a_run(self, tmp_path: Path) -> None:
        """Whoever counts while a run is published and retracted sees all of its rows or none."""
        layout = self.layout(tmp_path)
        sink, seen, stop = self.open(layout), Counter[int](), threading.Event()
        folder = stage(layout, "r-1", files=40)
        write(folder / "event_date=2026-04-01" / "large.parquet", 0, rows=LARGE)

        def read() -> None:
            reader = self.open(layout)
            while not stop.is_set():
                seen[count_or_gone(reader, "r-1")] += 1

        reading = threading.Thread(target=read)
        reading.start()
        while not seen and reading.is_alive():
            pass
        try:
            sink.publish("r-1", folder)
            sink.retract("r-1", tmp_path / "aside")
            sink.publish("r-1", tmp_path / "aside")
        finally:
            stop.set()
            reading.join()
        assert seen.keys() <= {0, 80 + LARGE}


def count_or_gone(sink: Sink, run_id: str) -> int:
    """Count as a reader does: 0 for files that were retracted between listing and reading, HALF for half a file."""
    try:
        return sink.count(run_id).total()
    except Exception as error:  # noqa: BLE001 - each engine has its own
        if isinstance(error, OSError) or "No files found" in str(error) or "Cannot open file" in str(error):
            return 0
        return HALF


def stage(layout: Layout, run_id: str, *, files: int) -> Path:
    """Stage accepted rows of a run, two a file, partitions 0 and 1 in turn."""
    folder = layout.staged(run_id) / "accepted"
    for number in range(files):
        write(folder / f"event_date=2026-03-{number % 28 + 1:02d}" / f"part-{number}.parquet", number % 2)
    return folder


def write(path: Path, partition: int, *, rows: int = 2, **more: list[Any]) -> None:
    """Write a file of a few rows, an even number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partitions = pa.array([partition] * rows, pa.int32())
    columns = {"kafka_topic": ["t"] * rows, "kafka_partition": partitions, "value": ["ü", None] * (rows // 2)}
    pq.write_table(pa.table(columns | more), path)


STEPS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.copyfile", "shutil.move"}
"""What libraries do for a sink on the disk, as Python's audit events name it."""


class Countdown:
    """Ends the work of its thread at the n-th step: a line of the sink's own code, or something done on the disk."""

    def __init__(self, steps: int, own: Collection[str]) -> None:
        """Count these files' lines."""
        self.left, self.own, self.thread = steps, own, threading.get_ident()

    def step(self) -> None:
        """Count one, and end the work at the last."""
        self.left -= 1
        if self.left == 0:
            raise Killed

    def trace(self, frame: FrameType, event: str, _argument: object) -> Any:
        """Count the lines, as Python's trace function."""
        if frame.f_code.co_filename not in self.own:
            return None
        if event == "line":
            self.step()
        return self.trace


RUNNING: list[Countdown] = []


def watch(event: str, _arguments: object) -> None:
    """Count what is done on the disk, as Python's audit hook."""
    if event in STEPS and RUNNING and RUNNING[-1].thread == threading.get_ident():
        RUNNING[-1].step()


@cache
def watched() -> None:
    """Start to watch the disk, once: an audit hook stays for good."""
    sys.addaudithook(watch)


def killed_at(step: int, sink: Sink, work: Callable[[], None]) -> bool:
    """Do the work, but end it before its n-th step; False where it ran to its end."""
    watched()
    countdown = Countdown(step, {inspect.getfile(type(sink)), parquet.__file__})
    before = sys.gettrace()
    RUNNING.append(countdown)
    sys.settrace(countdown.trace)
    try:
        work()
    except Killed:
        return True
    finally:
        sys.settrace(before)
        RUNNING.pop()
    return False
