"""One SQLite store, several processes: the Spark driver's and the command line's."""

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from mend.store.engine import open_store
from mend.store.tables import RunState

AT = datetime(2024, 1, 15, 10, 0, tzinfo=UTC)
DECIDED = (RunState.STAGED, RunState.AUDITED, RunState.DECIDED)

COMING_TOGETHER = """
import sys
from datetime import UTC, datetime
from mend.store.engine import open_store
print("ready", flush=True)
sys.stdin.readline()
with open_store(sys.argv[1]) as store:
    for number in range(25):
        store.runs.open_run(f"run-{sys.argv[2]}-{number}", "orders", sys.argv[2], number, datetime.now(UTC))
print("done", flush=True)
"""

PUBLISHING = """
import sys
from datetime import UTC, datetime
from mend.store.engine import open_store
from mend.store.runs import IllegalTransition
from mend.store.tables import RunState
with open_store(sys.argv[1]) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        store.runs.advance("run-1", RunState.PUBLISHED, datetime.now(UTC))
        print("won", flush=True)
    except IllegalTransition:
        print("lost", flush=True)
"""

DYING = """
import sys
from datetime import UTC, datetime
from mend.store.engine import open_store
from mend.store.tables import RunState
with open_store(sys.argv[1]) as store, store.transaction():
    store.runs.advance("run-1", RunState.STAGED, datetime.now(UTC))
    print("ready", flush=True)
    sys.stdin.readline()
"""

LOOKING = """
import sys
from mend.store.engine import open_store
open_store(sys.argv[1]).close()
print("alembic" in sys.modules)
"""


def started(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a script in a process of its own."""
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line_of(process: subprocess.Popen[str]) -> str:
    """Wait for the next line that it prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def told_to_go(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Let all go at once when each is ready, and return what each says in the end."""
    assert {line_of(process) for process in processes} == {"ready"}
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate(timeout=60)[0].strip() for process in processes]


def test_processes_that_open_a_new_store_together_all_write(tmp_path: Path) -> None:
    """A first open by several processes migrates once, and none of their runs is lost to a lock."""
    url = f"sqlite:///{tmp_path}/mend.db"
    assert told_to_go([started(COMING_TOGETHER, url, str(number)) for number in range(3)]) == ["done"] * 3
    with open_store(url) as store:
        assert len(store.runs.recent(limit=100)) == 75


def test_of_two_processes_one_publishes(tmp_path: Path) -> None:
    """A run is published once."""
    url = f"sqlite:///{tmp_path}/mend.db"
    with open_store(url) as store:
        store.runs.open_run("run-1", "orders", "q", 1, AT)
        for state in DECIDED:
            store.runs.advance("run-1", state, AT)
        assert sorted(told_to_go([started(PUBLISHING, url) for _ in range(2)])) == ["lost", "won"]


def test_a_process_that_is_killed_leaves_neither_lock_nor_half_a_change(tmp_path: Path) -> None:
    """After kill -9 in the middle of a transaction the store is as before it, and can be written."""
    url = f"sqlite:///{tmp_path}/mend.db"
    with open_store(url) as store:
        store.runs.open_run("run-1", "orders", "q", 1, AT)
        process = started(DYING, url)
        assert line_of(process) == "ready"
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        run = store.runs.get("run-1")
        assert run is not None
        assert run.state is RunState.OPENED
        assert store.runs.advance("run-1", RunState.STAGED, AT).state is RunState.STAGED


def test_an_up_to_date_store_opens_without_the_migration_library(tmp_path: Path) -> None:
    """Every command opens the store: Alembic is imported only where there is something to migrate."""
    url = f"sqlite:///{tmp_path}/mend.db"
    assert [started(LOOKING, url).communicate(timeout=60)[0].strip() for _ in range(2)] == ["True", "False"]
