"""Start the ingest job as a process of its own and wait for it."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import orjson

from mend.runtime.settings import variable
from orchestration.workspace import Workspace

LAST_LINES = 400
ROOT_CAUSE = re.compile(r"^(?:Caused by: |error: |pyspark\.errors\S+: |[\w.$]+(?:Exception|Error): ?)(.+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """How the job ended. `error` is its root cause in one line, None when it succeeded."""

    run_ids: tuple[str, ...]
    error: str | None
    log: Path


def run_ingest_job(workspace: Workspace, *, lag: int | None) -> JobResult:
    """Run the job to its end; its own words go to a log file. Ctrl-C ends the job too, then is raised."""
    log = workspace.layout.ops / "logs" / "spark.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            command(workspace, lag),
            env=environment(workspace),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=out,
            start_new_session=True,
        )
        try:
            stdout, _ = process.communicate()
        except BaseException:
            end(process)
            raise
    if process.returncode == 0:
        return JobResult(run_ids=tuple(orjson.loads(stdout.splitlines()[-1])["run_ids"]), error=None, log=log)
    return JobResult(run_ids=(), error=root_cause(log, process.returncode), log=log)


def command(workspace: Workspace, lag: int | None) -> list[str]:
    """Return the job's command line."""
    jars = ",".join(str(jar) for jar in workspace.spark.jars)
    words = [sys.executable, "-m", "spark.ingest_job", "--pipeline", str(workspace.pipeline.path)]
    return words + (["--jars", jars] if jars else []) + (["--lag", str(lag)] if lag is not None else [])


def environment(workspace: Workspace) -> dict[str, str]:
    """Return the job's environment: this one's, with the settings that are in force."""
    settings = workspace.settings
    told = {
        "mend_home": settings.home,
        "kafka_broker": settings.kafka_broker,
        "parquet_out": settings.published,
        "spark_checkpoint_location": settings.checkpoints,
        "spark_master": settings.spark_master,
        "database_url": settings.store_url,
    }
    return dict(os.environ) | {variable(name): str(value) for name, value in told.items()} | workspace.spark.environment


def end(process: subprocess.Popen[bytes]) -> None:
    """End the job with everything it started: Spark's Java and its Python workers are in its process group."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def root_cause(log: Path, code: int) -> str:
    """Return the deepest cause that the job's log names."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
    found = [match[0] for line in lines if (match := ROOT_CAUSE.match(line.strip()))]
    return (found[-1] if found else f"the ingest job ended with exit code {code}")[:500]
