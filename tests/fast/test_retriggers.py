"""The local runner answers the requests to run again."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from agent.adapters.retrigger_file import FileRetriggers
from agent.decide import DAG
from agent.ports import Retrigger
from orchestration.retriggers import seconds_until_due, take_due

pytestmark = pytest.mark.agent
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ask(path: Path, start: datetime | None) -> None:
    """Ask as the agent does."""
    FileRetriggers(path).request(
        Retrigger(
            dag_id=DAG, task_id="t", execution_date=start.isoformat() if start else None, requested_at=NOW.isoformat()
        )
    )


def test_due_requests_are_taken_once(tmp_path: Path) -> None:
    """A request without a moment, or whose moment has passed, is answered by the next run and by no other."""
    path = tmp_path / "retrigger.json"
    ask(path, None)
    ask(path, NOW - timedelta(seconds=1))
    assert take_due(path, NOW) == 2
    assert take_due(path, NOW) == 0
    assert not path.exists()


def test_a_request_for_later_waits(tmp_path: Path) -> None:
    """The pause after a failure is kept."""
    path = tmp_path / "retrigger.json"
    ask(path, None)
    ask(path, NOW + timedelta(seconds=30))
    assert take_due(path, NOW) == 1
    assert len(orjson.loads(path.read_bytes())["requests"]) == 1
    assert take_due(path, NOW + timedelta(seconds=30)) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"requests": [{}]}'])
def test_an_unreadable_file_is_put_aside(tmp_path: Path, content: bytes) -> None:
    """A broken file neither stops the run nor is lost."""
    path = tmp_path / "retrigger.json"
    path.write_bytes(content)
    assert take_due(path, NOW) == 0
    assert path.with_suffix(".unreadable").read_bytes() == content


def test_the_wait_for_a_request_is_until_its_moment(tmp_path: Path) -> None:
    """The stream waits as long as the first request says, and not at all where there is none or it is due."""
    path = tmp_path / "retrigger.json"
    assert seconds_until_due(path, NOW) == 0
    ask(path, NOW + timedelta(seconds=60))
    ask(path, NOW + timedelta(seconds=30))
    assert seconds_until_due(path, NOW) == 30
    assert seconds_until_due(path, NOW + timedelta(minutes=5)) == 0
    path.write_text("{")
    assert seconds_until_due(path, NOW) == 0
