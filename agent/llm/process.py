"""The owner of the model's process: it is started at the first question and ended when one takes too long."""

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-P", "-m", "agent.llm")
LARGEST_REPLY = 64 * 1024
PASSED_ON = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
)  # fmt: skip
"""All that the process knows of the environment: no secret of anybody else, no switch that sends traces away."""


class ModelProcess:
    """A process that answers questions, one at a time. Whatever it does, an answer takes no longer than its time."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self.command = command
        self.running: subprocess.Popen[bytes] | None = None

    def ask(self, question: bytes, seconds: float) -> bytes | None:
        """Return the line that answers the question; None when none came in time or the process ended."""
        until = time.monotonic() + seconds
        try:
            process = self._started()
            line = exchanged(process, question, until)
        except OSError:
            line = None
        if line is None:
            self.close()
        return line

    def close(self) -> None:
        """End the process, at once."""
        process, self.running = self.running, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            closed(pipe)

    def _started(self) -> subprocess.Popen[bytes]:
        if self.running is None or self.running.poll() is not None:
            self.close()
            known = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
            self.running = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env=known | {"PYTHONPATH": str(ROOT)},
            )
        return self.running


def closed(pipe: IO[bytes] | None) -> None:
    """Close a pipe to a process that is gone."""
    if pipe is not None:
        pipe.close()


def exchanged(process: subprocess.Popen[bytes], question: bytes, until: float) -> bytes | None:
    """Write the question and read the line that answers it, None when there is none in time."""
    if process.stdin is None or process.stdout is None:
        return None
    process.stdin.write(question + b"\n")
    answer = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while b"\n" not in answer:
            left = until - time.monotonic()
            if left <= 0 or len(answer) > LARGEST_REPLY or not selector.select(left):
                return None
            chunk = os.read(process.stdout.fileno(), LARGEST_REPLY)
            if not chunk:
                return None
            answer += chunk
    return answer
