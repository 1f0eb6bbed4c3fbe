"""Run a command for as long as the process that started it lives.

Between the two stands a small supervisor (this file, run as a script) that holds the read end of a pipe. The pipe
closes when its owner lets go or dies, however it dies; the supervisor then ends the command. Works from any thread and
on any Unix.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

GRACE_SECONDS = 10.0
PR_SET_PDEATHSIG = 1


def start(
    command: Sequence[str],
    *,
    output: int | IO[bytes],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start the command on a leash; stdout and stderr go to `output`. End it with `release` or `kill`.

    It has its own session, so Ctrl-C at a terminal reaches only the caller, who decides what to do.
    """
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, *command],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=env,
        start_new_session=True,
    )


def release(process: subprocess.Popen[bytes]) -> int:
    """Ask the command to end, wait for it, kill it after a grace of 10 s; returns the exit code. Safe to repeat."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        return process.wait(timeout=GRACE_SECONDS + 5)
    except BaseException:
        kill(process)
        raise


def kill(process: subprocess.Popen[bytes]) -> None:
    """End the command and its supervisor at once, without a chance to tidy up. Safe to repeat."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _death_signal() -> Callable[[], None] | None:
    """On Linux the kernel also ends the command when the supervisor itself is killed."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_when_let_go(command: subprocess.Popen[bytes]) -> None:
    os.read(sys.stdin.fileno(), 1)
    command.terminate()
    time.sleep(GRACE_SECONDS)
    command.kill()


def _supervise(arguments: Sequence[str]) -> int:
    # No other thread runs yet, so code between fork and exec is safe here.
    command = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, preexec_fn=_death_signal())  # noqa: PLW1509
    threading.Thread(target=_end_when_let_go, args=(command,), daemon=True).start()
    code = command.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(_supervise(sys.argv[1:]))
