"""A command on a leash ends with whoever holds it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psutil
import pytest

from embedded import leash

REPOSITORY = Path(leash.__file__).parents[1]


@pytest.fixture
def said(tmp_path: Path) -> Iterator[IO[bytes]]:
    """Open a file for what commands say."""
    with (tmp_path / "said").open("wb+") as output:
        yield output


def exit_code(script: str, said: IO[bytes]) -> int:
    """Run a shell script on a leash to its own end."""
    process = leash.start(["sh", "-c", script], output=said)
    try:
        return process.wait(timeout=10)
    finally:
        leash.kill(process)


def sleeper(process: subprocess.Popen[bytes]) -> psutil.Process:
    """Return the `sleep` among the descendants, once it runs."""
    while process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            if child.name() == "sleep":
                return child
    raise AssertionError("the command has ended")


def has_ended(process: psutil.Process) -> bool:
    """Whether the process ends within seconds; whoever adopts orphans may take his time to bury it."""
    for _ in range(500):
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def test_output_and_exit_code_come_through(said: IO[bytes]) -> None:
    """The supervisor adds nothing of its own; a death by signal is 128 + the signal, as in a shell."""
    assert exit_code("echo out; echo err >&2; exit 7", said) == 7
    assert exit_code("kill -9 $$", said) == 128 + 9
    said.seek(0)
    assert said.read() == b"out\nerr\n"


def test_release_lets_a_command_end_in_order(said: IO[bytes]) -> None:
    """The command is asked by SIGTERM, so that it can tidy up; a second release changes nothing."""
    process = leash.start(["sh", "-c", "trap 'echo tidy; exit 3' TERM; echo up; sleep 60 & wait"], output=said)
    while not os.fstat(said.fileno()).st_size:
        assert process.poll() is None
    assert [leash.release(process), leash.release(process)] == [3, 3]
    said.seek(0)
    assert said.read() == b"up\ntidy\n"


def test_kill_ends_a_command_that_does_not_listen(said: IO[bytes]) -> None:
    """Command and supervisor are gone on return, whatever the command ignores."""
    process = leash.start(["sh", "-c", "trap '' TERM; exec sleep 60"], output=said)
    command = sleeper(process)
    leash.kill(process)
    leash.kill(process)
    assert has_ended(command)


@pytest.mark.parametrize("victim", ["holder", "supervisor"])
def test_no_command_outlives_a_murdered_holder(victim: str) -> None:
    """The command ends when the process that holds the leash is killed, and on Linux when its supervisor is."""
    program = "import sys; from embedded import leash; leash.start(['sleep', '60'], output=1); sys.stdin.read()"
    if victim == "supervisor" and sys.platform != "linux":
        pytest.skip("only Linux tells a process of its parent's death")
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, cwd=REPOSITORY) as holder:
        try:
            command = sleeper(holder)
            supervisor = command.parent()
            assert supervisor is not None
            os.kill(holder.pid if victim == "holder" else supervisor.pid, signal.SIGKILL)
            assert has_ended(command)
        finally:
            holder.kill()
