"""Incidents: one suite for the database and for the file."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from mend.contracts.incident import Incident, Severity
from mend.incidents.lifecycle import escalated
from mend.incidents.log import FirstThatWorks, IncidentLog, incident_log
from mend.runtime.errors import UserError
from mend.store.engine import Store, open_store
from mend.store.incident_file import JsonlIncidents
from mend.store.incident_rows import IncidentRows

AT = datetime(2024, 1, 15, 10, 0, tzinfo=UTC)


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """Say where a new store can be made."""
    return f"sqlite:///{tmp_path / 'mend.db'}"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """Open a new store."""
    with open_store(store_url) as opened:
        yield opened


@pytest.fixture(params=["database", "file", "both"])
def rows(request: pytest.FixtureRequest, store: Store, tmp_path: Path) -> IncidentRows:
    """Give each place for incidents."""
    file = JsonlIncidents(tmp_path / "ops" / "incidents.jsonl")
    places: dict[str, IncidentRows] = {
        "database": store.incidents,
        "file": file,
        "both": FirstThatWorks(store.incidents, file),
    }
    return places[request.param]


@pytest.fixture
def log(rows: IncidentRows) -> IncidentLog:
    """Make the log over each place."""
    return IncidentLog(rows)


def logged(log: IncidentLog, name: str, *, days: float = 0, severity: Severity = Severity.MEDIUM) -> Incident:
    """Log an incident so many days before AT."""
    at = AT - timedelta(days=days)
    return log.log_incident(name, "schema_drift", f"summary of {name}", severity, at, context={"run_id": "run-1"})


def test_an_incident_comes_back_as_it_was_logged(log: IncidentLog) -> None:
    """All fields of the record, whatever text is in them."""
    context = {"run_id": "run-1", "counts": [1, 2.5, None, {"é": "\x00"}]}
    incident = log.log_incident("id-1", "job_failed", "line\nbreak é", Severity.HIGH, AT, context=context)
    assert log.get_incident("id-1") == incident
    assert (incident.status, incident.created_at, incident.created_by) == ("open", AT.isoformat(), "pipeline_agent")
    assert log.get_incident("id-2") is None


def test_an_id_is_used_once(log: IncidentLog) -> None:
    """Logging under a known id is refused and changes nothing."""
    first = logged(log, "id-1")
    with pytest.raises(UserError, match="id-1 was logged already"):
        log.log_incident("id-1", "other", "other", Severity.LOW, AT)
    assert log.get_incident("id-1") == first


def test_recent_incidents_come_newest_first(log: IncidentLog) -> None:
    """Seven days unless told otherwise; the edge is inside."""
    for name, days in {"old": 7.1, "edge": 7, "new": 0, "middle": 3}.items():
        logged(log, name, days=days)
    assert [one.id for one in log.get_recent_incidents(at=AT)] == ["new", "middle", "edge"]
    assert [one.id for one in log.get_recent_incidents(at=AT, days=30)] == ["new", "middle", "edge", "old"]
    assert [one.id for one in log.get_recent_incidents(at=AT, days=1)] == ["new"]


def test_an_incident_lives_until_it_is_resolved(log: IncidentLog) -> None:
    """Escalated, made graver, resolved: each change is kept, and after the end none is possible."""
    logged(log, "id-1")
    log.escalate_incident("id-1", "call Ann", AT + timedelta(hours=1))
    log.raise_severity("id-1", Severity.CRITICAL, AT + timedelta(hours=2))
    resolved = log.resolve_incident("id-1", "schema registered", AT + timedelta(hours=3))
    assert log.get_incident("id-1") == resolved
    assert (resolved.status, resolved.severity, resolved.escalated) == ("resolved", "critical", True)
    assert resolved.escalated_at == (AT + timedelta(hours=1)).isoformat()
    assert resolved.resolved_at == resolved.updated_at == (AT + timedelta(hours=3)).isoformat()
    assert resolved.resolution_notes == "schema registered"
    assert resolved.context == {"run_id": "run-1", "escalation_notes": ["call Ann"]}
    with pytest.raises(UserError, match="cannot be resolved. It can be closed or re-opened now"):
        log.resolve_incident("id-1", "again", AT)
    assert log.get_incident("id-1") == resolved


def test_an_unknown_incident_is_said(log: IncidentLog) -> None:
    """Changing what nobody logged is an error that names the id."""
    with pytest.raises(UserError, match="id-9 is not known"):
        log.escalate_incident("id-9", "who?", AT)


def test_statistics_have_the_keys_users_read(log: IncidentLog) -> None:
    """Counts over the period, by type, severity and status."""
    logged(log, "id-1", severity=Severity.HIGH)
    logged(log, "id-2", days=1)
    logged(log, "id-3", days=31)
    log.log_incident("id-4", "job_failed", "away", Severity.HIGH, AT)
    log.escalate_incident("id-2", "", AT)
    log.resolve_incident("id-4", "back", AT)
    assert log.get_incident_stats(at=AT) == {
        "period_days": 30,
        "total_incidents": 3,
        "escalated_incidents": 1,
        "by_type": {"schema_drift": 2, "job_failed": 1},
        "by_severity": {"high": 2, "medium": 1},
        "by_status": {"open": 2, "resolved": 1},
        "generated_at": AT.isoformat(),
    }


def test_nobody_changes_an_incident_in_the_middle_of_a_change(log: IncidentLog) -> None:
    """A second change waits until the first is kept, and is made on top of it."""
    logged(log, "id-1")
    with ThreadPoolExecutor(1) as pool:
        second = []

        def slowly(incident: Incident) -> Incident:
            second.append(pool.submit(log.escalate_incident, "id-1", "second", AT))
            assert not wait(second, timeout=0.1).done, "the second change did not wait"
            return escalated(incident, "first", AT)

        log.rows.change("id-1", slowly)
        assert second[0].result(timeout=20).context["escalation_notes"] == ["first", "second"]


def test_the_file_has_the_keys_of_the_record_a_line_each(tmp_path: Path) -> None:
    """JSON lines that any script can read; the last line of an id is how it stands."""
    log = incident_log(None, tmp_path)
    logged(log, "id-1")
    log.resolve_incident("id-1", "done", AT)
    lines = [orjson.loads(line) for line in (tmp_path / "incidents.jsonl").read_bytes().splitlines()]
    assert [line["status"] for line in lines] == ["open", "resolved"]
    assert set(lines[0]) == set(Incident.__dataclass_fields__)


def test_a_torn_line_swallows_nothing(tmp_path: Path) -> None:
    """After a crash in the middle of a line, what is before and after it is read."""
    log = incident_log(None, tmp_path)
    logged(log, "id-1")
    with (tmp_path / "incidents.jsonl").open("ab") as file:
        file.write(b'{"id": "id-2", "incident_ty')
    logged(log, "id-3", days=1)
    assert [one.id for one in log.get_recent_incidents(at=AT)] == ["id-1", "id-3"]


def test_while_the_database_is_away_the_file_takes_over(store: Store, store_url: str, tmp_path: Path) -> None:
    """Nothing is lost and nothing raised; when it is back, both places are read and changed."""
    with open_store(f"{store_url}?timeout=0.01") as hurried:
        log = incident_log(hurried, tmp_path)
        logged(log, "before", days=2)
        with store.transaction():
            logged(log, "while", days=1)
        logged(log, "after")
        assert [one.id for one in log.get_recent_incidents(at=AT)] == ["after", "while", "before"]
        assert log.resolve_incident("while", "back", AT).status == "resolved"
        assert log.resolve_incident("before", "back", AT).status == "resolved"
    assert store.incidents.find("while") is not None
    assert store.incidents.find("before") is not None
