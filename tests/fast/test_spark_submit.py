"""The ingest job as a process: what it is told, how it ends, and what its log says."""

import fcntl
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from agent.context import DecisionContext
from mend.contracts.codec import loads
from mend.runtime import clock
from mend.runtime.errors import UserError
from mend.runtime.kafka_access import SecurityProtocol
from mend.runtime.settings import SinkMode, load_settings
from orchestration import spark_submit
from orchestration.decision_step import decide_about_failure
from orchestration.retuned import retuned
from orchestration.storage import at_work, refusals_told
from orchestration.workspace import SparkPlatform, Workspace, open_workspace
from spark.failure import explained, root_cause

ROOT = Path(__file__).parents[2]
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-IS", "-c", "import time; time.sleep(60)"], start_new_session=True)
print("ready", flush=True)
child.wait()
"""
JAVA_CHAIN = """\
[STREAM_FAILED] Query [id = 1] terminated with exception: An exception was raised by the Python Proxy. Return Message:
Traceback (most recent call last):
  File "batch.py", line 93, in run_tasks
py4j.protocol.Py4JJavaError: An error occurred while calling o236.collectToPython.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 2.0 failed: Lost task 0.0 \
(TID 6): org.apache.kafka.common.errors.TimeoutException: Timeout of 20000ms expired before the position was known

Driver stacktrace:
	at org.apache.spark.scheduler.DAGScheduler.abortStage(DAGScheduler.scala:2935)
"""
DISK_FULL = (
    "pyspark.errors.PythonException: \nTraceback:\nOSError: [Errno 28] No space left on device: 'staging/x'\n\n SQL"
)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """Open the shipped pipeline in a home of its own."""
    settings = load_settings(
        mend_home=tmp_path / "home", MEND_PIPELINES=ROOT / "pipelines", kafka_broker="broker:1", database_url=""
    )
    platform = SparkPlatform(environment={"JAVA_HOME": "/java"}, jars=(Path("/a.jar"), Path("/b.jar")))
    with open_workspace(settings, "customers", platform) as opened:
        yield opened


def test_the_next_try_is_told_other_settings(workspace: Workspace) -> None:
    """After too little memory fewer events, after a time-out more patience; after neither nothing is changed."""
    assert retuned(workspace) == (workspace, [])
    for error in ("Java heap space", "Timeout of 20000ms expired"):
        workspace.store.runs.record_failure("customers", None, error, "retriable", clock.now())
    tuned, words = retuned(workspace)
    assert words == ["--most-events", str(workspace.pipeline.max_events_per_run // 2)]
    assert tuned.settings.kafka_timeout_seconds == 2 * workspace.settings.kafka_timeout_seconds
    assert "KAFKA_TIMEOUT_SECONDS" in spark_submit.environment(tuned)


def test_the_job_is_told_what_is_in_force(workspace: Workspace) -> None:
    """Pipeline, jars, lag and every setting that says where things are, whatever the environment says."""
    command = spark_submit.command(workspace, 7)
    assert command[1:] == [
        *("-m", "spark.ingest_job", "--pipeline", str(ROOT / "pipelines" / "customers.yml")),
        *("--jars", "/a.jar,/b.jar", "--lag", "7"),
    ]
    told = spark_submit.environment(workspace)
    settings = workspace.settings
    assert told["MEND_HOME"] == str(settings.home)
    assert told["KAFKA_BROKER"] == "broker:1"
    assert told["PARQUET_OUT"] == str(settings.published)
    assert told["SPARK_CHECKPOINT_LOCATION"] == str(settings.checkpoints)
    assert told["SPARK_MASTER"] == settings.spark_master
    assert told["PROCESSING_DURATION_MINUTES"] == "60"
    assert told["DATABASE_URL"] == settings.store_url
    assert told["JAVA_HOME"] == "/java"
    assert told["PATH"] == os.environ["PATH"]


def test_a_driver_of_a_cluster_is_not_told_to_be_on_loopback(workspace: Workspace) -> None:
    """Executors on other machines call the driver back; with a local master nobody else has to reach it."""
    here = replace(workspace, spark=SparkPlatform(environment={"SPARK_LOCAL_IP": "127.0.0.1"}))
    settings = workspace.settings.model_copy(update={"spark_master": "spark://master:7077"})
    assert spark_submit.environment(here)["SPARK_LOCAL_IP"] == "127.0.0.1"
    told = spark_submit.environment(replace(here, settings=settings))
    assert told.get("SPARK_LOCAL_IP") == os.environ.get("SPARK_LOCAL_IP")


def test_executors_memory_is_a_line_of_a_file(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spark reads its defaults from spark/conf, unless the user has a folder of his own."""
    folder = Path(spark_submit.environment(workspace)["SPARK_CONF_DIR"])
    assert "spark.executor.memory" in (folder / "spark-defaults.conf").read_text()
    monkeypatch.setenv("SPARK_CONF_DIR", "/mine")
    assert spark_submit.environment(workspace)["SPARK_CONF_DIR"] == "/mine"


def test_the_job_is_told_how_kafka_lets_it_in(workspace: Workspace) -> None:
    """What is in force reaches the job, whatever its .env says; what is not set is told as empty."""
    update = {"kafka_security_protocol": SecurityProtocol.SASL_SSL, "kafka_sasl_username": "mend",
              "kafka_sasl_password": SecretStr("hidden"), "kafka_ssl_ca": Path("/ca.pem")}  # fmt: skip
    told = spark_submit.environment(replace(workspace, settings=workspace.settings.model_copy(update=update)))
    given = {name: value for name, value in told.items() if re.match("KAFKA_(SEC|SASL|SSL)", name)}
    assert given == {
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_USERNAME": "mend",
        "KAFKA_SASL_PASSWORD": "hidden", "KAFKA_SSL_CA": "/ca.pem", "KAFKA_SSL_CERTIFICATE": "", "KAFKA_SSL_KEY": "",
        "KAFKA_SSL_KEY_PASSWORD": "",
    }  # fmt: skip


def test_the_job_reads_the_checkpoint_that_the_lag_is_measured_by(workspace: Workspace) -> None:
    """A sink that the settings name and the environment does not is told as well: each has its own checkpoint."""
    settings = workspace.settings.model_copy(update={"sink_mode": SinkMode.SNOWFLAKE})
    told = spark_submit.environment(replace(workspace, settings=settings))
    assert told["SINK_MODE"] == "SNOWFLAKE"


def test_ending_the_job_ends_what_it_started() -> None:
    """Children in sessions of their own end too, and all of them are gone on return."""
    with subprocess.Popen([sys.executable, "-IS", "-c", PARENT], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (child,) = psutil.Process(process.pid).children()
        spark_submit.end(process)
        assert process.poll() is not None
        assert not child.is_running()
    spark_submit.end(process)


def test_sigterm_is_noticed_like_ctrl_c() -> None:
    """A scheduler's SIGTERM unwinds the stack, so that what was started is ended; afterwards it is as before."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended, spark_submit.term_as_interrupt():
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("stdout", "run_ids"),
    [
        (b'some words\n{"run_ids":["a","b"]}\n', ("a", "b")),
        (b'{"run_ids":[]}', ()),
        (b"", None),
        (b"killed", None),
        (b"[1]", None),
        (b"{}", None),
    ],
)
def test_a_job_that_does_not_say_what_it_did_has_failed(stdout: bytes, run_ids: tuple[str, ...] | None) -> None:
    """Only the last line of a whole job names runs."""
    assert spark_submit.said(stdout) == run_ids


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("java.lang.RuntimeException: first\nerror: the job's own word\nWARN: closing", "the job's own word"),
        ("x\nCaused by: java.net.ConnectException: refused\n\tat a.b", "Caused by: java.net.ConnectException: refused"),
        ("", "the ingest job ended with exit code -9 and said nothing"),
    ],
)
def test_the_log_names_the_cause(tmp_path: Path, log: str, cause: str) -> None:
    """The job's own last word, else the deepest exception, else that there is none."""
    path = tmp_path / "spark.log"
    path.write_text(log, encoding="utf-8")
    assert spark_submit.root_cause(path, -9) == cause


def test_the_cause_of_a_failed_job_is_its_innermost_exception() -> None:
    """Of Spark's many words the last exception counts, in one line, with what to do."""
    assert root_cause(JAVA_CHAIN) == "TimeoutException: Timeout of 20000ms expired before the position was known"
    assert explained(JAVA_CHAIN).endswith("Check that Kafka runs at KAFKA_BROKER, then run again.")
    assert explained(DISK_FULL) == (
        "OSError: [Errno 28] No space left on device: 'staging/x'. Free some space, then run again."
    )
    assert explained("no exception at all") == "no exception at all. The log says more."
    assert explained("") == "the job failed. The log says more."
    assert len(explained("ValueError: " + "x" * 10_000)) < 500


def test_only_one_process_works_on_a_pipeline(workspace: Workspace) -> None:
    """A second one is refused while the first, or a job that it started, is alive."""
    with at_work(workspace) as working:
        assert working.lock is not None
        job = subprocess.Popen([sys.executable, "-IS", "-c", "import time; time.sleep(60)"], pass_fds=(working.lock,))
        with pytest.raises(UserError, match=f"at work \\(process {os.getpid()},") as told, at_work(workspace):
            pass
        assert told.value.exit_code == 3
    with pytest.raises(UserError, match="at work"), at_work(workspace):
        pass
    job.kill()
    job.wait()
    with at_work(workspace) as working:
        assert working.lock is not None
        assert fcntl.fcntl(working.lock, fcntl.F_GETFD) & fcntl.FD_CLOEXEC


def test_what_the_disk_refuses_is_one_line(tmp_path: Path) -> None:
    """A full disk, a file in the place of a folder: what happened, where, and what to do."""
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=r"cannot write: .*file/below: Not a directory. Make it writable"),
        refusals_told(),
    ):
        (tmp_path / "file" / "below").mkdir()
    with pytest.raises(UserError, match=r"No space left on device. Free some space"), refusals_told():
        Path("/dev/full").write_text("x", encoding="utf-8")
    with pytest.raises(FileNotFoundError), refusals_told():
        (tmp_path / "missing").read_bytes()


def test_a_log_does_not_grow_for_ever(workspace: Workspace) -> None:
    """Under the eyes of the job that appends to it, it begins anew; its end, and that of the job before, are kept."""
    log = spark_submit.log_file(workspace)
    log.write_bytes(b"the job before")
    program = "import sys; sys.stderr.write('a' * 50); sys.stderr.flush(); input(); sys.stderr.write('b')"
    words = [sys.executable, "-c", program]
    with spark_submit.started(workspace, words, log, stdin=subprocess.PIPE) as process:
        assert spark_submit.before(log).read_bytes() == b"the job before"
        while log.stat().st_size < 50:
            pass
        spark_submit.shorten(log, longest=50)
        assert log.stat().st_size == 50
        spark_submit.shorten(log, longest=49)
        process.communicate(b"\n")
    assert (spark_submit.before(log).read_bytes(), log.read_bytes()) == (b"a" * 50, b"b")


def test_a_decision_about_a_failed_job_keeps_what_it_was_made_from(workspace: Workspace) -> None:
    """The file that its hash names holds the evidence, and from it comes the same decision again."""
    decision = decide_about_failure(workspace, "connection refused", None)
    assert decision.evidence_hash is not None
    content = workspace.layout.failure(decision.evidence_hash).read_bytes()
    assert sha256(content).hexdigest() == decision.evidence_hash
    assert loads(DecisionContext, content).job_status == "failed"
