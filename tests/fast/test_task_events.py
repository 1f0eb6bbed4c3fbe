"""Failed tasks of others: taken in once, decided about through the same log, followed, and taken back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from mend.contracts.incident import IncidentStatus
from mend.contracts.task_event import Effect, Strategy, TaskEvent
from mend.incidents.log import incident_log
from mend.runtime.clock import now
from mend.runtime.errors import UserError
from mend.runtime.settings import load_settings
from mend.store.task_events import KeptEvent
from orchestration.approval import approve
from orchestration.retriggers import seconds_until_due, take_due
from orchestration.task_events import take_event
from orchestration.workspace import Workspace, open_workspace

PIPELINES = Path(__file__).parents[2] / "pipelines"


@pytest.fixture
def workspace(home: Path) -> Iterator[Workspace]:
    """Open a pipeline."""
    settings = load_settings(_env_file=None, mend_home=home, MEND_PIPELINES=PIPELINES)
    with open_workspace(settings, "customers") as opened:
        yield opened


def taken(workspace: Workspace, number: int, error: str = "", **fields: Any) -> KeptEvent:
    """Take in an event of the task load."""
    event = TaskEvent(source="airflow", dag_id="nightly", task="load", error=error, id=str(number), **fields)
    return take_event(workspace, event)


def answer_of(kept: KeptEvent) -> Any:
    """Return what came of an event."""
    assert kept.answer is not None
    return kept.answer


def requests(workspace: Workspace) -> list[dict[str, Any]]:
    """Return what was asked of the runner."""
    path = workspace.layout.ops / "retrigger.json"
    return list(orjson.loads(path.read_bytes())["requests"]) if path.exists() else []


def open_incidents(workspace: Workspace) -> list[Any]:
    """Return the incidents that are open, without those that were folded into them."""
    known = incident_log(workspace.store, workspace.layout.ops).get_recent_incidents(at=now())
    return [one for one in known if one.status is IncidentStatus.OPEN and one.parent is None]


def test_a_safe_failure_is_retried_and_followed_until_the_task_succeeds(workspace: Workspace) -> None:
    """Decision, evidence and act stand where those of runs stand; success says that it helped."""
    kept = taken(workspace, 1, "connection timed out")
    assert (answer_of(kept).strategy, answer_of(kept).effect) == (Strategy.RETRY_TASK, Effect.PENDING)
    assert [(one["dag_id"], one["task_id"]) for one in requests(workspace)] == [("nightly", "load")]
    recorded = workspace.store.decisions.get(kept.id)
    assert recorded is not None
    assert recorded.result.rules == ("job_failed",)
    assert workspace.layout.run_file(kept.id, "evidence").exists()
    assert kept.id in (workspace.layout.ops / "decision_log.jsonl").read_text()
    taken(workspace, 2, status="succeeded")
    assert answer_of(workspace.store.task_events.known(kept.id)).effect is Effect.HELPED


def test_an_event_that_comes_twice_is_dealt_with_once(workspace: Workspace) -> None:
    """The second delivery returns the first answer: no second decision, no second act."""
    first = taken(workspace, 1, "timed out")
    assert taken(workspace, 1, "timed out") == first
    assert len(workspace.store.decisions.history()) == 1
    assert len(requests(workspace)) == 1


def test_an_event_whose_taking_died_is_taken_up_again(workspace: Workspace) -> None:
    """It was kept before anything was decided."""
    from sqlalchemy import update

    from mend.store.tables import task_events

    kept = taken(workspace, 1, "timed out")
    with workspace.store.transaction() as connection:
        connection.execute(update(task_events).values(answer=None))
    again = taken(workspace, 1, "timed out")
    assert answer_of(again).effect is Effect.PENDING
    assert again.received_at == kept.received_at
    assert len(requests(workspace)) == 1


def test_failures_of_one_cause_are_retried_within_the_budget_then_a_person_is_called(workspace: Workspace) -> None:
    """One incident, however often it comes; the task's success resolves it."""
    strategies = [answer_of(taken(workspace, number, "timed out")).strategy for number in range(5)]
    assert strategies[:2] == [Strategy.RETRY_TASK] * 2
    assert strategies[2:] == [Strategy.NOTIFY_HUMAN] * 3
    (incident,) = open_incidents(workspace)
    assert incident.cause == "task:nightly.load:connection_timeout"
    assert incident.context["failed_task"]["suggestions"]
    taken(workspace, 9, status="succeeded")
    assert open_incidents(workspace) == []


def test_what_is_only_watched_is_kept_and_nothing_else(workspace: Workspace) -> None:
    """The source still tries by itself: no decision, no act."""
    kept = taken(workspace, 1, "timed out", retry_count=1, max_retries=3)
    assert answer_of(kept).assessment.intervene is False
    assert workspace.store.decisions.history() == ()
    assert requests(workspace) == []


def test_an_update_of_the_schema_that_does_not_help_is_taken_back(workspace: Workspace) -> None:
    """The same failure again: the mapping of before is restored, and the answer says so."""
    mappings = workspace.store.mappings
    kept = taken(workspace, 1, "unknown field loyalty", new_fields={"loyalty": "string"})
    assert answer_of(kept).mapping == 2
    assert "loyalty" in {one.name for one in mappings.current("customers").fields}  # type: ignore[union-attr]
    taken(workspace, 2, "unknown field loyalty")
    known = answer_of(workspace.store.task_events.known(kept.id))
    assert (known.effect, known.rollback) == (Effect.DID_NOT_HELP, "mapping 3 has the fields of 1 again")
    assert mappings.current("customers").fields == mappings.get("customers", 1).fields  # type: ignore[union-attr]


def test_a_mapping_that_somebody_changed_since_is_not_taken_back(workspace: Workspace) -> None:
    """A later change may rest on it."""
    kept = taken(workspace, 1, "unknown field loyalty", new_fields={"loyalty": "string"})
    current = workspace.store.mappings.current("customers")
    assert current is not None
    workspace.store.mappings.append("customers", current.fields, now(), created_by="ada")
    taken(workspace, 2, "unknown field loyalty")
    assert "left alone" in answer_of(workspace.store.task_events.known(kept.id)).rollback
    assert workspace.store.mappings.current("customers").version == 3  # type: ignore[union-attr]


def test_what_waits_is_done_once_a_person_approves(workspace: Workspace) -> None:
    """In that person's name, in the same log; twice is refused."""
    kept = taken(workspace, 1, "cannot cast x")
    assert (answer_of(kept).waits, requests(workspace)) == (True, [])
    done = answer_of(approve(workspace, kept.id, "ada"))
    assert (done.waits, done.approved_by, done.effect) == (False, "ada", Effect.PENDING)
    assert [one["task_id"] for one in requests(workspace)] == ["load"]
    newest = workspace.store.decisions.get(kept.id)
    assert newest is not None
    assert newest.result.decided_by == "person"
    with pytest.raises(UserError, match="nothing waits") as refused:
        approve(workspace, kept.id, "ada")
    assert refused.value.exit_code == 3


def test_a_run_of_mend_is_no_answer_to_a_request_for_another_task(workspace: Workspace) -> None:
    """It stays in the file for the scheduler that it is for."""
    taken(workspace, 1, "timed out")
    path = workspace.layout.ops / "retrigger.json"
    later = now().replace(year=2100)
    assert take_due(path, later) == 0
    assert len(requests(workspace)) == 1
    assert seconds_until_due(path, now()) == 0


def test_an_id_of_a_source_cannot_name_a_path(workspace: Workspace) -> None:
    """Files are named after a digest."""
    kept = take_event(workspace, TaskEvent(source="../x", task="../../y", error="timed out", id="../../../z"))
    assert kept.id.startswith("event-")
    assert "/" not in kept.id
