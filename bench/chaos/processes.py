"""Find and kill what a run is made of: `mend`, the ingest job, Spark's Java, its Python workers."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil

from mend.runtime.errors import UserError
from mend.runtime.faults import KILLED_AT

PARTS: Mapping[str, Callable[[str], bool]] = {
    "mend": lambda words: "bin/mend" in words,
    "job": lambda words: "-m spark.ingest_job" in words,
    "jvm": lambda words: "org.apache.spark" in words,
    "worker": lambda words: "pyspark.daemon" in words,
}
"""Parts of a run by words of their command lines."""

MEND = str(Path(sys.executable).with_name("mend"))
POLL_SECONDS = 0.1
LONGEST_SECONDS = 240.0


@dataclass
class Run:
    """One `mend run`, with everything that it started: all of it carries a mark of its own in the environment."""

    process: subprocess.Popen[bytes]
    mark: str
    spark_log: Path

    @property
    def running(self) -> bool:
        """Whether `mend` itself is still there."""
        return self.process.poll() is None

    def parts(self) -> dict[str, list[psutil.Process]]:
        """Return the live processes of each part."""
        found: dict[str, list[psutil.Process]] = {name: [] for name in PARTS}
        for one in psutil.process_iter():
            with suppress(psutil.Error):
                if self.mark not in one.environ() or one.status() == psutil.STATUS_ZOMBIE:
                    continue
                words = " ".join(one.cmdline())
                part = next((name for name, fits in PARTS.items() if fits(words)), None)
                if part:
                    found[part].append(one)
        return found

    def parts_left(self) -> bool:
        """Whether anything of it still lives."""
        return any(self.parts().values())

    def wait(self) -> int:
        """Wait until `mend` has ended and return its exit code; what it left behind goes on, as after a real crash."""
        return self.process.wait(timeout=LONGEST_SECONDS)

    def killed_itself(self) -> float | None:
        """Wait for the end; returns when the first process died by its own hand, None if none did."""
        first: float | None = None
        while self.running:
            first = first or self.rehearsed()
            time.sleep(POLL_SECONDS)
        return time.monotonic() if self.process.returncode == -signal.SIGKILL else first or self.rehearsed()

    def rehearsed(self) -> float | None:
        """Return the time if Spark's log has the last words of a process that killed itself."""
        with suppress(FileNotFoundError):
            if KILLED_AT in self.spark_log.read_text(encoding="utf-8", errors="replace"):
                return time.monotonic()
        return None

    def kill(self, part: str) -> bool:
        """Kill a part as a crash would; False if it is not there."""
        killed = False
        for one in self.parts()[part]:
            with suppress(psutil.Error):
                one.kill()
                killed = True
        return killed

    def end(self) -> None:
        """Kill what is left of it."""
        self.process.kill()
        self.process.wait()
        for part in PARTS:
            self.kill(part)


def prove(folder: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """Ask `mend prove` as a user does; UserError when it gives no answer."""
    done = subprocess.run(
        [MEND, "prove", "--json"],
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_SECONDS,
    )
    if not done.stdout:
        raise UserError(f"mend prove gave no answer: {done.stderr.strip()}", exit_code=1)
    return dict(orjson.loads(done.stdout))


def start(folder: Path, variables: Mapping[str, str], log: Path, spark_log: Path) -> Run:
    """Start `mend run` as a user does."""
    mark = f"MEND_CHAOS_{secrets.token_hex(6)}"
    spark_log.unlink(missing_ok=True)
    with log.open("ab") as out:
        process = subprocess.Popen(
            [MEND, "run"],
            cwd=folder,
            env={**os.environ, **variables, mark: "1"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    return Run(process, mark, spark_log)
