"""What every sink promises: a reader sees all rows of a run or none, and doing a thing twice changes nothing."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import structlog

from mend.runtime.errors import UserError
from mend.runtime.layout import Layout
from mend.runtime.settings import Settings, load_settings
from mend.sinks.choose import choose_sink
from mend.sinks.conformance import SinkPromises, stage, write
from mend.sinks.parquet import ParquetSink, count_rows, move_folder
from mend.sinks.port import Sink

OTHER_FILE_SYSTEM = Path("/dev/shm")  # noqa: S108 - the one other file system that Linux machines have


def on_another(folder: Path) -> bool:
    """Whether the machine has another file system that can be written."""
    return OTHER_FILE_SYSTEM.is_dir() and OTHER_FILE_SYSTEM.stat().st_dev != folder.stat().st_dev


def settings_of(folder: Path, **changes: object) -> Settings:
    """Return settings with everything below a folder, whatever the environment says."""
    return load_settings(_env_file=None, mend_home=folder, **changes)


class TestParquet(SinkPromises):
    """Parquet keeps what every sink promises."""

    def open(self, layout: Layout) -> Sink:
        """Return the sink under test."""
        return ParquetSink(layout)


class TestParquetElsewhere(TestParquet):
    """So it does where PARQUET_OUT is on a file system of its own, where nothing can be renamed to."""

    @pytest.fixture(autouse=True)
    def elsewhere(self, tmp_path: Path) -> Iterator[None]:
        """Find another file system."""
        if not on_another(tmp_path):
            pytest.skip("this machine has one file system only")
        with TemporaryDirectory(dir=OTHER_FILE_SYSTEM) as other:
            self.out = Path(other) / "out"
            yield

    def layout(self, folder: Path) -> Layout:
        """Publish there."""
        return Layout(settings_of(folder / "home", parquet_out=self.out))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return where things lie."""
    return Layout(settings_of(tmp_path))


def test_half_a_copy_of_an_attempt_that_died_is_not_used(tmp_path: Path) -> None:
    """What was left beside the readable folder is thrown away, the run arrives as a whole."""
    if not on_another(tmp_path):
        pytest.skip("this machine has one file system only")
    with TemporaryDirectory(dir=OTHER_FILE_SYSTEM) as other:
        layout = Layout(settings_of(tmp_path, parquet_out=Path(other) / "out"))
        left = layout.settings.published.parent / ".arriving-out" / "run=r-1" / "event_date=1970-01-01"
        left.mkdir(parents=True)
        pq.write_table(
            pa.table({"kafka_topic": ["t"], "kafka_partition": pa.array([0], pa.int32())}), left / "x.parquet"
        )
        ParquetSink(layout).publish("r-1", stage(layout, "r-1", files=2))
        assert ParquetSink(layout).count("r-1").total() == 4


def test_a_folder_of_other_rows_is_not_taken(layout: Layout) -> None:
    """A run is not retracted into a folder that holds something else: nothing is changed."""
    sink = ParquetSink(layout)
    sink.publish("r-1", stage(layout, "r-1", files=2))
    other = stage(layout, "r-2", files=1)
    with pytest.raises(UserError, match="holds other rows"):
        sink.retract("r-1", other)
    assert (sink.count("r-1").total(), count_rows(other).total()) == (4, 2)


def test_runs_of_before_and_after_a_new_column_are_one_table(layout: Layout) -> None:
    """A plain reader of all runs sees the new nullable column as null in the older run."""
    sink = ParquetSink(layout)
    sink.publish("r-1", stage(layout, "r-1", files=1))
    folder = stage(layout, "r-2", files=1)
    write(folder / "event_date=2026-04-01" / "more.parquet", 0, added=["x", None])
    sink.publish("r-2", folder)
    with duckdb.connect() as db:
        found = db.execute(
            "SELECT run, count(*), count(added) FROM read_parquet(?, union_by_name = true) GROUP BY run ORDER BY run",
            [str(layout.settings.published / "**" / "*.parquet")],
        ).fetchall()
    assert found == [("r-1", 2, 0), ("r-2", 4, 1)]


def test_a_moved_folder_is_whole_and_gone_from_its_place(tmp_path: Path, layout: Layout) -> None:
    """Files, bytes and folders arrive; nothing stays behind."""
    source = tmp_path / "from"
    (source / "a" / "b").mkdir(parents=True)
    (source / "a" / "b" / "x").write_bytes(b"\0\xff")
    target = layout.settings.published / "deep" / "to"
    move_folder(source, target)
    assert (target / "a" / "b" / "x").read_bytes() == b"\0\xff"
    assert not source.exists()


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("no_such_module_here:Sink", "No module named 'no_such_module_here'"),
        ("mend.sinks.port:Sinc", "has no attribute 'Sinc'"),
        ("mend.runtime.layout:Layout", "a sink must also publish, retract, count, location"),
    ],
)
def test_a_sink_that_is_none_is_refused(tmp_path: Path, place: str, line: str) -> None:
    """A wrong module, class or a class that is no sink: one line before anything starts."""
    layout = Layout(settings_of(tmp_path, sink_mode=place))
    with pytest.raises(UserError, match=line):
        choose_sink(layout)


def test_a_sink_of_ones_own_has_its_own_checkpoint(tmp_path: Path) -> None:
    """It starts with all that the topic holds."""
    layout = Layout(settings_of(tmp_path, sink_mode="my_sinks:JsonLines"))
    assert layout.checkpoint("orders").parts[-2:] == ("my_sinks.jsonlines", "orders")


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
