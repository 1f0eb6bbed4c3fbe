"""A stream without Spark: what the job says, how it is stopped, and how far it may run ahead."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Timer

import pytest

from cli.backfill import asked_for
from cli.stream import seconds_between
from mend.quality.rules import load_rules
from mend.runtime.errors import UserError
from mend.runtime.pipeline_file import load_pipeline
from mend.runtime.settings import load_settings
from mend.store.engine import open_store
from mend.store.tables import RunState
from orchestration.backfill import Asked
from orchestration.stream import News, Stop, staged_run, staged_runs
from spark.stager import MOST_WAITING, Stager, Stopped

CUSTOMERS = Path(__file__).parents[2] / "pipelines" / "customers.yml"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = """
import sys
print('noise', flush=True)
print('{"staged": "run-1"}', flush=True)
sys.stdin.read()
print('{"staged": "run-2"}', flush=True)
"""


@pytest.fixture
def stager(tmp_path: Path) -> Iterator[Stager]:
    """Return what a stream hands its batches to, over a store with as many staged runs as may wait."""
    settings = load_settings(mend_home=tmp_path, database_url="")
    pipeline = load_pipeline(CUSTOMERS)
    rules = load_rules(pipeline.rules_path, pipeline=pipeline.name)
    with open_store(settings.store_url) as store:
        for number in range(MOST_WAITING):
            store.runs.open_run(f"run-{number}", "customers", "q", number, NOW)
            store.runs.advance(f"run-{number}", RunState.STAGED, NOW)
        yield Stager(settings, store, pipeline, rules, said=lambda _: None, stop=Event())


@pytest.mark.waits
def test_a_job_is_stopped_by_closing_its_stdin() -> None:
    """Runs are heard between other lines; the one that is staged after the wish to stop is heard as well."""
    stop, news = Stop(), list[News]()
    with subprocess.Popen([sys.executable, "-c", JOB], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as job:
        heard = staged_runs(job, stop, news.append)
        assert next(heard) == "run-1"
        stop(signal.SIGTERM, None)
        assert list(heard) == ["run-2"]
    assert [one.kind for one in news] == ["stopping"]
    assert job.returncode == 0


@pytest.mark.waits
def test_a_stream_without_events_has_time_for_its_chores() -> None:
    """What is to be done beside the runs is done while the job says nothing, too."""
    stop = Stop()
    with subprocess.Popen([sys.executable, "-c", JOB], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as job:
        assert list(staged_runs(job, stop, lambda _: None, idle=stop.asked.set)) == ["run-1", "run-2"]


def test_the_second_signal_does_not_wait() -> None:
    """The first one only asks; SIGTERM again ends the process with its code, Ctrl-C again interrupts."""
    stop = Stop()
    stop(signal.SIGINT, None)
    assert stop.asked.is_set()
    with pytest.raises(KeyboardInterrupt):
        stop(signal.SIGINT, None)
    with pytest.raises(SystemExit) as told:
        stop(signal.SIGTERM, None)
    assert told.value.code == 143


@pytest.mark.parametrize(
    ("line", "run_id"),
    [(b'{"staged": "a-1"}\n', "a-1"), (b'{"run_ids": []}', None), (b"[1]", None), (b"WARN", None), (b"", None)],
)
def test_only_a_line_about_a_run_is_one(line: bytes, run_id: str | None) -> None:
    """Whatever else a job prints is passed over."""
    assert staged_run(line) == run_id


@pytest.mark.waits
def test_a_stream_does_not_run_ahead(stager: Stager) -> None:
    """With as many staged runs as may wait the next batch waits, until one of them is settled."""
    assert stager.stop is not None
    settled = Event()

    def settle() -> None:
        for state in (RunState.AUDITED, RunState.DECIDED, RunState.PUBLISHED):
            stager.store.runs.advance("run-0", state, NOW)
        settled.set()

    Timer(0.3, settle).start()
    stager.wait_for_turn(stager.stop)
    assert settled.is_set()


@pytest.mark.waits
def test_a_batch_after_the_wish_to_stop_is_refused(stager: Stager) -> None:
    """It is not begun: Spark hands it out again at the next start."""
    assert stager.stop is not None
    stager.stop.set()
    with pytest.raises(Stopped):
        stager.wait_for_turn(stager.stop)
    assert stager.refused


@pytest.mark.parametrize(("text", "seconds"), [("5s", 5), ("500ms", 0.5), ("2m", 120), ("1 h", 3600), ("", 30)])
def test_a_trigger_is_a_length_of_time(text: str, seconds: float) -> None:
    """From the command line, else from the pipeline file."""
    assert seconds_between(text, load_pipeline(CUSTOMERS)) == seconds


@pytest.mark.parametrize("text", ["0s", "5", "soon", "-1s"])
def test_a_trigger_that_is_none_is_refused(text: str) -> None:
    """With what can be written."""
    with pytest.raises(UserError, match="is no length of time above 0"):
        seconds_between(text, load_pipeline(CUSTOMERS))


def test_a_backfill_is_asked_for_by_times_or_offsets() -> None:
    """A time without a zone is UTC; an offset needs its partition."""
    at = datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert asked_for("2026-11-20T10:00", "", None) == Asked(begin=at)
    assert asked_for("2026-11-20T11:00+01:00", "2026-11-21", 3) == Asked(
        begin=at, end=at + timedelta(hours=14), partition=3
    )
    assert asked_for("100", "200", 2) == Asked(begin=100, end=200, partition=2)


@pytest.mark.parametrize(
    ("begin", "end", "partition", "why"),
    [
        ("", "", None, "say from where"),
        ("100", "", None, "is an offset: say of which partition"),
        ("100", "2026-11-20", 0, "expected two times or two offsets"),
        ("200", "100", 0, "is not after"),
        ("yesterday", "", None, "expected a time such as"),
    ],
)
def test_a_backfill_that_is_not_clear_is_refused(begin: str, end: str, partition: int | None, why: str) -> None:
    """Nothing is guessed about what to replace."""
    with pytest.raises(UserError, match=why):
        asked_for(begin, end, partition)
