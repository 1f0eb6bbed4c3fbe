"""Incidents: one suite for the database and for the file."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from mend.contracts.incident import Incident, Severity
from mend.incidents.lifecycle import escalated, opened, resolved
from mend.incidents.log import FirstThatWorks, IncidentLog, incident_log
from mend.runtime.errors import UserError
from mend.store.engine import Store, open_store
from mend.store.incident_file import JsonlIncidents
from mend.store.incident_rows import IncidentRows

ROOT = Path(__file__).parents[2]
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
    with pytest.raises(UserError, match=r"cannot be resolved\. It can be closed or re-opened now"):
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


def reported(
    log: IncidentLog, name: str, cause: str, *, minutes: float = 0, says: str = "away", **facts: object
) -> Incident:
    """Open an incident of a cause so many minutes after AT, and return the one that stands for it."""
    at = AT + timedelta(minutes=minutes)
    return log.open_incident(
        replace(opened(name, "job_failed_for_good", says, Severity.HIGH, at, context=facts), cause=cause)
    )


def test_of_a_cause_one_is_live_and_counts_the_others(log: IncidentLog) -> None:
    """The same cause again is folded into the incident and seen beneath it; the same id again is no other one."""
    first = reported(log, "a", "c", run_id="run-1")
    for at in range(1, 5):
        assert reported(log, f"b{at}", "c", minutes=at, run_id=f"run-{at}").id == "a"
    assert (reported(log, "b4", "c", minutes=9).occurrences, reported(log, "a", "c", minutes=9).occurrences) == (5, 5)
    assert (first.occurrences, log.get_incident("a")) == (1, log.find_open("c"))
    assert [one.id for one in log.folded_under("a")] == ["b1", "b2", "b3", "b4"]
    assert log.get_incident_stats(at=AT + timedelta(hours=1))["total_incidents"] == 1


def test_what_comes_back_soon_is_open_again_later_it_is_a_new_one(log: IncidentLog) -> None:
    """Within a day the resolved incident is opened again; after it, or once closed, the new one refers to the old."""
    reported(log, "a", "c")
    log.resolve_incident("a", "restarted", AT, who="ann")
    again = reported(log, "b", "c", minutes=24 * 60)
    assert (again.id, again.status, again.occurrences, again.transitions[1].helped) == ("a", "open", 2, False)
    log.resolve_incident("a", "new disk", AT + timedelta(days=2))
    later = reported(log, "c", "c", minutes=(3 * 24 * 60) + 1)
    assert (later.id, later.previous, later.occurrences) == ("c", "a", 1)
    log.resolve_incident("c", "gone", AT + timedelta(days=4))
    log.close_incident("c", "", AT + timedelta(days=4), who="ann")
    assert (reported(log, "d", "c", minutes=4 * 24 * 60 + 5).id, log.get_incident("d").previous) == ("d", "c")  # type: ignore[union-attr]


def test_a_person_cannot_open_a_second_one_of_a_cause(log: IncidentLog) -> None:
    """The old incident stays resolved while the new one about the same is live."""
    reported(log, "a", "c")
    log.resolve_incident("a", "restarted", AT)
    reported(log, "b", "c", minutes=2 * 24 * 60)
    with pytest.raises(UserError, match="another one is open about c"):
        log.reopen_incident("a", "", AT, who="ann")
    assert log.get_incident("a").status == "resolved"  # type: ignore[union-attr]


def test_an_outage_is_one_incident(log: IncidentLog) -> None:
    """Runs of many pipelines that fail because the broker is away are one incident, and end with it."""
    for at in range(40):
        reported(
            log,
            f"i{at:02}",
            f"cause-{at}",
            minutes=at / 4,
            says=f"pipeline-{at}: all brokers are down",
            run_id=f"r{at}",
        )
    root = log.get_incident("i00")
    assert root is not None
    assert (root.occurrences, root.outage, len(log.folded_under("i00"))) == (40, "broker", 39)
    other = reported(log, "x", "other", minutes=11, says="No module named 'x'")
    assert (other.id, other.parent) == ("x", None)
    log.resolve_incident("i00", "broker is back", AT + timedelta(minutes=12))
    assert {one.status for one in log.folded_under("i00")} == {"resolved"}
    assert log.find_open("cause-7") is None
    assert log.find_open("other") is not None


def test_a_symptom_that_came_first_goes_under_its_cause(log: IncidentLog) -> None:
    """Whatever the order, what the others depend on stands above them, and its count is all of them."""
    for at in range(2):
        symptom = opened(f"s{at}", "audit_failed", "many", Severity.CRITICAL, AT, context={"run_id": "r"})
        log.open_incident(replace(symptom, cause="s"))
    cause = opened(
        "c", "drift_breaking", "plan is a number", Severity.LOW, AT + timedelta(minutes=1), context={"run_id": "r"}
    )
    stands = log.open_incident(replace(cause, cause="c"))
    assert (stands.id, stands.occurrences, stands.severity) == ("c", 3, "critical")
    assert [one.id for one in log.folded_under("c")] == ["s0", "s1"]
    again = log.open_incident(
        replace(opened("s2", "audit_failed", "m", Severity.LOW, AT + timedelta(hours=2)), cause="s")
    )
    assert (again.id, log.get_incident("c").occurrences) == ("s0", 4)  # type: ignore[union-attr]


def test_an_incident_is_found_by_the_first_of_its_id(log: IncidentLog) -> None:
    """One that fits is found; none and several are said."""
    logged(log, "ab-1")
    logged(log, "ab-2")
    assert log.named("ab-1").id == "ab-1"
    for beginning, line in (
        ("ab", "begins 2 ids"),
        ("%", "is the id of no incident"),
        ("", "is the id of no incident"),
    ):
        with pytest.raises(UserError, match=line):
            log.named(beginning)


OPEN_MANY = """
import sys
from dataclasses import replace
from datetime import UTC, datetime
from mend.contracts.incident import Severity
from mend.incidents.lifecycle import opened
from mend.incidents.log import IncidentLog
from mend.store.engine import open_store

with open_store(sys.argv[1]) as store:
    for at in range(20):
        when = datetime(2024, 1, 15, 10, at, tzinfo=UTC)
        one = opened(f"{sys.argv[2]}-{at}", "job_failed", "away", Severity.LOW, when)
        IncidentLog(store.incidents).open_incident(replace(one, cause="c"))
"""


def test_processes_that_open_the_same_make_one_incident(store_url: str, store: Store) -> None:
    """Two processes at the same moment: one live incident, and not one occurrence is lost or counted twice."""
    both = [subprocess.Popen([sys.executable, "-c", OPEN_MANY, store_url, name], cwd=ROOT) for name in "ab"]
    assert [one.wait(120) for one in both] == [0, 0]
    roots = [one for one in store.incidents.created_since(AT) if one.parent is None]
    assert [one.occurrences for one in roots] == [40]


def test_the_database_itself_allows_one_live_incident_of_a_cause(store: Store) -> None:
    """A writer that knows no lock cannot insert a second one; a resolved one does not stand in its way."""
    one = replace(opened("a", "t", "s", Severity.LOW, AT), cause="c")
    store.incidents.add(one)
    with pytest.raises(UserError):
        store.incidents.add(replace(one, id="b"))
    store.incidents.change("a", lambda known: resolved(known, "", AT))
    store.incidents.add(replace(one, id="b"))


def test_spilled_incidents_leave_the_file_for_the_database(store: Store, store_url: str, tmp_path: Path) -> None:
    """In order, into what is open about their causes, without doubles even when the file is handed in twice."""
    file = tmp_path / "incidents.jsonl"
    with open_store(f"{store_url}?timeout=0.01") as hurried:
        log = incident_log(hurried, tmp_path)
        reported(log, "before", "c")
        with store.transaction():
            for at in range(3):
                reported(log, f"spilled-{at}", "c", minutes=at + 1)
            reported(log, "other", "d", minutes=9)
            assert log.get_incident("spilled-0").occurrences == 3  # type: ignore[union-attr]
        content = file.read_bytes()
        assert log.find_open("c").occurrences == 4  # type: ignore[union-attr]
        assert file.read_bytes() == b""
        file.write_bytes(content)  # the process died after the commit, before it emptied the file
        assert log.find_open("c").occurrences == 4  # type: ignore[union-attr]
    assert [one.id for one in store.incidents.below("before")] == ["spilled-0", "spilled-1", "spilled-2"]
    assert store.incidents.find("other").parent is None  # type: ignore[union-attr]


def test_inside_a_transaction_nothing_is_taken_from_the_file(store: Store, tmp_path: Path) -> None:
    """What is rolled back must still be in the file."""
    reported(incident_log(None, tmp_path), "spilled", "c")
    log = incident_log(store, tmp_path)
    with store.transaction():
        assert log.find_open("c")
    assert (tmp_path / "incidents.jsonl").read_bytes()
    assert store.incidents.find("spilled") is None


def test_changes_are_told_inside_their_transaction(store: Store) -> None:
    """Who listens hears of what is new, counted and resolved; when it fails, nothing is kept."""
    heard = []
    store.incidents.told = lambda before, after: heard.append(
        (before and before.occurrences, after.occurrences, after.status)
    )
    log = IncidentLog(store.incidents)
    reported(log, "a", "c")
    reported(log, "b", "c")
    log.resolve_incident("a", "done", AT)
    assert heard == [(None, 1, "open"), (1, 2, "open"), (2, 2, "resolved")]

    def fail(_before: Incident | None, _after: Incident) -> None:
        raise ZeroDivisionError

    store.incidents.told = fail
    with pytest.raises(ZeroDivisionError):
        reported(log, "x", "d")
    assert store.incidents.find("x") is None
