"""What every sink promises: a reader sees all rows of a run or none, and doing a thing twice changes nothing."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import structlog

from mend.runtime.errors import UserError
from mend.runtime.layout import Layout
from mend.runtime.settings import Settings, load_settings
from mend.sinks.choose import choose_sink
from mend.sinks.parquet import ParquetSink, count_rows, move_folder
from mend.sinks.port import Sink

OTHER_FILE_SYSTEM = Path("/dev/shm")  # noqa: S108 - the one other file system that Linux machines have


def on_another(folder: Path) -> bool:
    """Whether the machine has another file system that can be written."""
    return OTHER_FILE_SYSTEM.is_dir() and OTHER_FILE_SYSTEM.stat().st_dev != folder.stat().st_dev


def settings_of(folder: Path, **changes: object) -> Settings:
    """Return settings with everything below a folder, whatever the environment says."""
    return load_settings(_env_file=None, mend_home=folder, **changes)


@pytest.fixture(params=["parquet", "parquet on another file system"])
def layout(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Layout]:
    """Return where things lie, once with PARQUET_OUT on a file system of its own."""
    if request.param == "parquet":
        yield Layout(settings_of(tmp_path))
        return
    if not on_another(tmp_path):
        pytest.skip("this machine has one file system only")
    with TemporaryDirectory(dir=OTHER_FILE_SYSTEM) as other:
        yield Layout(settings_of(tmp_path, parquet_out=Path(other) / "out"))


@pytest.fixture
def sink(layout: Layout) -> Sink:
    """Return the sink under test."""
    return ParquetSink(layout)


@pytest.fixture
def stage(layout: Layout) -> Callable[[str, int], Path]:
    """Return a function that stages the accepted rows of a run, in many files."""

    def write(run_id: str, files: int) -> Path:
        folder = layout.staged(run_id) / "accepted"
        for number in range(files):
            table = pa.table({"kafka_topic": ["t"] * 2, "kafka_partition": pa.array([number % 2] * 2, pa.int32())})
            path = folder / f"event_date=2026-03-{number % 28 + 1:02d}" / f"part-{number}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path)
        return folder

    return write


def test_a_published_run_is_readable(sink: Sink, stage: Callable[[str, int], Path]) -> None:
    """Its rows are counted by topic and partition where a reader finds them; other runs are not among them."""
    assert sink.count("r-1") == Counter()
    sink.publish("r-1", stage("r-1", 3))
    sink.publish("r-2", stage("r-2", 1))
    assert sink.count("r-1") == {("t", 0): 4, ("t", 1): 2}
    assert Path(sink.location("r-1")).is_dir()


def test_publishing_twice_changes_nothing(sink: Sink, stage: Callable[[str, int], Path]) -> None:
    """A run that is published stays as it is: not doubled, not replaced."""
    sink.publish("r-1", stage("r-1", 2))
    sink.publish("r-1", stage("r-1", 1))
    assert sink.count("r-1").total() == 4
    sink.publish("r-1", Path("/nowhere"))
    assert sink.count("r-1").total() == 4


def test_a_retracted_run_is_gone_and_kept(
    sink: Sink, stage: Callable[[str, int], Path], layout: Layout, tmp_path: Path
) -> None:
    """Readers do not see it any more, its rows lie in the folder named; doing it twice changes nothing."""
    sink.publish("r-1", stage("r-1", 2))
    aside = tmp_path / "quarantine" / "run=r-1" / "reason=undone"
    for _ in range(2):
        sink.retract("r-1", aside)
        assert sink.count("r-1") == Counter()
        assert count_rows(aside).total() == 4
    assert not layout.published("r-1").exists()


def test_a_run_without_accepted_rows_is_published_as_nothing(sink: Sink, layout: Layout) -> None:
    """There is no folder and nothing to count; that is no error."""
    sink.publish("r-1", layout.staged("r-1") / "accepted")
    assert sink.count("r-1") == Counter()


def test_a_reader_never_sees_half_a_run(sink: Sink, stage: Callable[[str, int], Path], layout: Layout) -> None:
    """Whoever globs while runs are published and retracted finds all files of a run or none."""
    many, seen, stop = 60, set(), threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(sum(1 for _ in layout.settings.published.glob("**/*.parquet")))

    folder = stage("r-1", many)
    layout.settings.published.mkdir(parents=True, exist_ok=True)
    reader = threading.Thread(target=read)
    reader.start()
    try:
        sink.publish("r-1", folder)
        while many not in seen and reader.is_alive():
            pass
    finally:
        stop.set()
        reader.join()
    assert seen <= {0, many}


def test_half_a_copy_of_an_attempt_that_died_is_not_used(
    sink: Sink, stage: Callable[[str, int], Path], layout: Layout
) -> None:
    """What was left beside the readable folder is thrown away, the run arrives as a whole."""
    folder = stage("r-1", 2)
    published = layout.settings.published
    left = published.parent / f".arriving-{published.name}" / "run=r-1" / "event_date=1970-01-01"
    left.mkdir(parents=True)
    pq.write_table(pa.table({"kafka_topic": ["t"], "kafka_partition": pa.array([0], pa.int32())}), left / "x.parquet")
    sink.publish("r-1", folder)
    assert sink.count("r-1").total() == 4


def test_a_moved_folder_is_whole_and_gone_from_its_place(tmp_path: Path, layout: Layout) -> None:
    """Files, bytes and folders arrive, between file systems too; nothing stays behind."""
    source = tmp_path / "from"
    (source / "a" / "b").mkdir(parents=True)
    (source / "a" / "b" / "x").write_bytes(b"\0\xff")
    target = layout.settings.published / "deep" / "to"
    move_folder(source, target)
    assert (target / "a" / "b" / "x").read_bytes() == b"\0\xff"
    assert not source.exists()


def test_rows_of_files_with_other_columns_are_counted_together(tmp_path: Path) -> None:
    """A run before and after a remap, and columns that are called like folders, do not disturb the count."""
    columns = {"kafka_topic": ["t"], "kafka_partition": pa.array([0], pa.int32())}
    others: tuple[dict[str, Any], ...] = ({}, {"added": [1]}, {"reason": ["x"]})
    for number, more in enumerate(others):
        path = tmp_path / "reason=held" / f"{number}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table(columns | more), path)
    assert count_rows(tmp_path) == {("t", 0): 3}


# --- which sink ------------------------------------------------------------------------------------------------------


@pytest.fixture
def warnings(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[str]]]:
    """Return a function that gives the lines logged so far."""
    import sys

    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    yield lambda: [line for line in capsys.readouterr().err.splitlines() if line]
    structlog.reset_defaults()


def test_parquet_is_the_default(tmp_path: Path, warnings: Callable[[], list[str]]) -> None:
    """Nothing is said about it."""
    assert isinstance(choose_sink(Layout(settings_of(tmp_path))), ParquetSink)
    assert warnings() == []


def test_snowflake_without_an_account_is_parquet_and_says_so(tmp_path: Path, warnings: Callable[[], list[str]]) -> None:
    """Snowflake is optional: one warning names the variable that is empty, rows go to Parquet."""
    sink = choose_sink(Layout(settings_of(tmp_path, sink_mode="SNOWFLAKE")))
    assert isinstance(sink, ParquetSink)
    (line,) = warnings()
    found = json.loads(line)
    assert (found["event"], found["level"], found["sink"]) == ("snowflake_not_configured", "warning", "PARQUET")
    assert "SNOWFLAKE_ACCOUNT" in found["hint"]


def test_snowflake_with_an_account_is_refused(tmp_path: Path) -> None:
    """Rows that were meant for Snowflake are not put elsewhere without a word."""
    with pytest.raises(UserError, match=r"SINK_MODE=SNOWFLAKE .*xy12345.*SINK_MODE=PARQUET") as caught:
        choose_sink(Layout(settings_of(tmp_path, sink_mode="SNOWFLAKE", snowflake_account="xy12345")))
    assert caught.value.exit_code == 2


def test_an_account_alone_does_not_change_the_sink(tmp_path: Path, warnings: Callable[[], list[str]]) -> None:
    """SINK_MODE decides."""
    assert isinstance(choose_sink(Layout(settings_of(tmp_path, snowflake_account="xy12345"))), ParquetSink)
    assert warnings() == []


def test_the_root_of_another_file_system_cannot_be_parquet_out(tmp_path: Path) -> None:
    """There is no place beside it where a run could arrive unseen; the error names a folder that works."""
    if not on_another(tmp_path):
        pytest.skip("this machine has one file system only")
    with pytest.raises(UserError, match=r"PARQUET_OUT=/dev/shm .* /dev/shm/parquet"):
        choose_sink(Layout(settings_of(tmp_path, parquet_out=OTHER_FILE_SYSTEM)))
    assert choose_sink(Layout(settings_of(tmp_path, parquet_out=OTHER_FILE_SYSTEM / "parquet")))
    assert choose_sink(Layout(settings_of(OTHER_FILE_SYSTEM / "x", parquet_out=OTHER_FILE_SYSTEM)))


def test_the_environment_chooses_the_sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SINK_MODE and PARQUET_OUT as users set them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SINK_MODE", "PARQUET")
    monkeypatch.setenv("PARQUET_OUT", str(tmp_path / "mine"))
    assert choose_sink(Layout(load_settings())).location("r") == str(tmp_path / "mine" / "run=r")
