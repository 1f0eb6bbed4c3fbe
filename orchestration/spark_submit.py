"""Start the ingest job as a process of its own, and end it with all that it started."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import orjson
import psutil

from mend.runtime.redact import masked
from mend.runtime.settings import Settings, variable
from orchestration.retuned import retuned
from orchestration.workspace import Workspace

CONFIGURATION = Path(__file__).parents[1] / "spark" / "conf"
LOCAL_ADDRESS = "SPARK_LOCAL_IP"
LAST_LINES = 400
LAST_WORD = "error: "
LONGEST = 500
LONGEST_LOG = 32 * 2**20
ROOT_CAUSE = re.compile(r"^(?:Caused by: |pyspark\.errors\S+: |[\w.$]+(?:Exception|Error): ?)(.+)$")
GRACE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """How the job ended. `error` is its root cause in one line, None when it succeeded."""

    run_ids: tuple[str, ...]
    error: str | None
    log: Path


def run_ingest_job(workspace: Workspace, *, lag: int | None, start: Mapping[int, int] | None = None) -> JobResult:
    """Run the job to its end; its own words go to a log file. Ctrl-C and SIGTERM end the job too, then are raised.

    After a failure that other settings can help the job has those.
    """
    workspace, words = retuned(workspace)
    return run_job(workspace, [*command(workspace, lag, start), *words])


def run_job(workspace: Workspace, words: list[str]) -> JobResult:
    """Run a job that stages runs and says their ids at its end."""
    log = log_file(workspace)
    with term_as_interrupt(), started(workspace, words, log) as process:
        stdout, _ = process.communicate()
    run_ids = said(stdout) if process.returncode == 0 else None
    if run_ids is None:
        return JobResult(run_ids=(), error=root_cause(log, process.returncode), log=log)
    return JobResult(run_ids=run_ids, error=None, log=log)


def log_file(workspace: Workspace) -> Path:
    """Return where the job's own words go."""
    log = workspace.layout.ops / "logs" / "spark.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    return log


def before(log: Path) -> Path:
    """Return where the end of the log before this one is kept."""
    return log.with_name(f"{log.name}.1")


def shorten(log: Path, longest: int = LONGEST_LOG) -> None:
    """Begin a log that has grown too long anew, under the eyes of a job that appends to it."""
    if log.stat().st_size > longest:
        shutil.copyfile(log, before(log))
        os.truncate(log, 0)


@contextmanager
def started(
    workspace: Workspace, words: list[str], log: Path, *, stdin: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the job; whatever ends the block before the job ends it, with all that it started."""
    if log.exists():
        log.replace(before(log))
    with log.open("ab") as out:
        process = subprocess.Popen(
            words,
            env=environment(workspace),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=out,
            start_new_session=True,
            pass_fds=() if workspace.lock is None else (workspace.lock,),
        )
    try:
        yield process
    except BaseException:
        end(process)
        raise


@contextmanager
def term_as_interrupt() -> Iterator[None]:
    """Let SIGTERM, which schedulers and `docker stop` send, be noticed as Ctrl-C is; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def said(stdout: bytes) -> tuple[str, ...] | None:
    """Return the run ids of the job's last line, None if it is no such line."""
    lines = stdout.splitlines()
    try:
        return tuple(orjson.loads(lines[-1])["run_ids"])
    except (IndexError, KeyError, TypeError, orjson.JSONDecodeError):
        return None


def command(workspace: Workspace, lag: int | None, start: Mapping[int, int] | None = None) -> list[str]:
    """Return the job's command line; `start` is where a query without a checkpoint begins."""
    words = [*job_words(workspace), *(["--lag", str(lag)] if lag is not None else [])]
    return words + (["--start", offsets_json(start)] if start else [])


def job_words(workspace: Workspace) -> list[str]:
    """Return what every job's command line begins with: pipeline and jars, unless the cluster brings those."""
    jars = ",".join(str(jar) for jar in workspace.spark.jars)
    words = [sys.executable, "-m", "spark.ingest_job", "--pipeline", str(workspace.pipeline.path)]
    told = {"--jars": jars or None, "--lock": workspace.lock}
    return words + [word for name, value in told.items() if value is not None for word in (name, str(value))]


def offsets_json(offsets: Mapping[int, int]) -> str:
    """Write offsets by partition as the job reads them."""
    return orjson.dumps({str(partition): offset for partition, offset in offsets.items()}).decode()


def environment(workspace: Workspace) -> dict[str, str]:
    """Return the job's environment: this one's, with the settings that are in force."""
    settings = workspace.settings
    told = {
        "mend_home": settings.home,
        "kafka_broker": settings.kafka_broker,
        "kafka_timeout_seconds": settings.kafka_timeout_seconds,
        **kafka_access(settings),
        "sink_mode": str(settings.sink_mode),
        "parquet_out": settings.published,
        "spark_checkpoint_location": settings.checkpoints,
        "spark_master": settings.spark_master,
        "processing_duration_minutes": settings.processing_duration_minutes,
        "database_url": settings.store_url,
        "fault_at": settings.fault_at,
        "schema_registry_url": settings.schema_registry_url.get_secret_value(),
        "schema_registry_wait_seconds": settings.schema_registry_wait_seconds,
    }
    platform = workspace.spark.environment
    if not settings.spark_master.startswith("local"):  # executors elsewhere have to reach the driver
        platform = {name: value for name, value in platform.items() if name != LOCAL_ADDRESS}
    own = {variable(name): str(value) for name, value in told.items()}
    return {"SPARK_CONF_DIR": str(CONFIGURATION)} | dict(os.environ) | own | platform


def kafka_access(settings: Settings) -> dict[str, object]:
    """Return how Kafka lets us in, setting by setting; one without a value is told as empty, which is its default."""
    return {
        "kafka_security_protocol": settings.kafka_security_protocol,
        "kafka_sasl_mechanism": settings.kafka_sasl_mechanism,
        "kafka_sasl_username": settings.kafka_sasl_username,
        "kafka_sasl_password": settings.kafka_sasl_password.get_secret_value(),
        "kafka_ssl_ca": settings.kafka_ssl_ca or "",
        "kafka_ssl_certificate": settings.kafka_ssl_certificate or "",
        "kafka_ssl_key": settings.kafka_ssl_key or "",
        "kafka_ssl_key_password": settings.kafka_ssl_key_password.get_secret_value(),
    }


def end(process: subprocess.Popen[bytes]) -> None:
    """End the job with everything it started, Spark's Java and its Python workers; return when all of it is gone."""
    family: list[psutil.Process] = []
    try:
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE_SECONDS)
        psutil.wait_procs(family, timeout=GRACE_SECONDS)
    finally:
        process.kill()
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()


def root_cause(log: Path, code: int) -> str:
    """Return the job's own last word, else the deepest cause that its log names; no secret of the settings."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]]
    own = [line.removeprefix(LAST_WORD) for line in lines if line.startswith(LAST_WORD)]
    found = own or [match[0] for line in lines if (match := ROOT_CAUSE.match(line))]
    return masked(found[-1] if found else f"the ingest job ended with exit code {code} and said nothing")[:LONGEST]
