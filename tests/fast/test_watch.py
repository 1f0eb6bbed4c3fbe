"""Looks at health become incidents, one for each thing that is not well."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from agent.decide import decide
from agent.matrix_file import load_matrix
from agent.testing import scenario
from mend.alerts.channel import Away, Message
from mend.alerts.courier import Courier
from mend.alerts.policy import Policy
from mend.contracts.alert import Alert, AlertSeverity
from mend.contracts.decision import Fallback
from mend.contracts.incident import IncidentStatus, Severity
from mend.incidents.log import incident_log
from mend.runtime.clock import now
from mend.runtime.settings import load_settings
from mend.store.database import StoreUnavailable
from orchestration.health import Finding, load_watching
from orchestration.watch import lags, look, look_without_store, told, vitals
from orchestration.workspace import Workspace, open_workspace

PIPELINES = Path(__file__).parents[2] / "pipelines"
BROKER = Finding(check="broker", severity=Severity.CRITICAL, said="nobody answers")


@pytest.fixture
def workspace(home: Path) -> Iterator[Workspace]:
    """Open a pipeline whose broker is away."""
    settings = load_settings(_env_file=None, mend_home=home, MEND_PIPELINES=PIPELINES, kafka_broker="no address")
    with open_workspace(settings, "customers") as opened:
        yield opened


def incidents(workspace: Workspace) -> list[Any]:
    """Return all incidents."""
    return list(incident_log(workspace.store, workspace.layout.ops).get_recent_incidents(at=now()))


def test_what_is_found_twice_is_one_incident_that_ends_when_it_is_well(workspace: Workspace) -> None:
    """It is brought before a person once; what comes back later is a new incident."""
    log, watching = incident_log(workspace.store, workspace.layout.ops), load_watching()
    for minute in range(3):
        told(log, "customers", [BROKER], watching, now() + timedelta(minutes=minute))
    (incident,) = incidents(workspace)
    assert (incident.incident_type, incident.severity, incident.escalated) == ("health_broker", "critical", True)
    told(log, "orders", [], watching, now())
    assert incidents(workspace)[0].status is IncidentStatus.OPEN
    told(log, "customers", [], watching, now())
    assert incidents(workspace)[0].status is IncidentStatus.RESOLVED
    told(log, "customers", [BROKER], watching, now())
    assert len(incidents(workspace)) == 2


def test_a_look_at_a_pipeline_without_a_broker_finds_that(workspace: Workspace) -> None:
    """And nothing else: what could not be measured is not made up."""
    assert [one.check for one in look(workspace)] == ["broker"]
    assert [one.incident_type for one in incidents(workspace)] == ["health_broker"]


def test_a_look_measures_what_people_forgot(workspace: Workspace) -> None:
    """The oldest alert that waits, an open circuit, a pause, and whether the model answers."""
    store, name, hours = workspace.store, workspace.pipeline.name, timedelta(hours=30)
    store.brakes.open_circuit(name, "c", "why", now() - hours, by="decision")
    store.brakes.open_circuit("another", "c", "why", now() - 9 * hours, by="decision")
    store.brakes.pause(now() - hours, by="ada")
    store.outbox.put(Alert(title="x", severity=AlertSeverity.INFO), now() - hours)
    away = Courier(store=store, channels={"slack": Closed()}, policy=Policy(), now=lambda: now() - hours)
    away.work(timedelta(seconds=1))
    decided = decide(scenario(), load_matrix())
    for fallback in (None, Fallback.TIME_OUT, Fallback.NOT_ASKED):
        store.decisions.record(None, replace(decided, fallback=fallback), now())
    found = vitals(workspace, load_watching())
    ages = (found.alert_age, found.circuit_age, found.pause_age)
    assert [round(one / 3600) for one in ages if one is not None] == [30, 30, 30]
    assert found.model_answers is False
    assert {one.check for one in look(workspace)} == {"broker", "alerts", "circuit", "pause", "model"}


class Closed:
    """A channel that is away."""

    pace = 0.0

    def send(self, message: Message) -> str | None:
        """Be away."""
        raise Away(message.id)


def test_lags_are_remembered_between_looks(workspace: Workspace) -> None:
    """A look that could not ask begins anew: what lies between is not known."""
    assert [lags(workspace, one, 3) for one in (1, 2, 3, 4)][-1] == (2, 3, 4)
    assert lags(workspace, None, 3) == ()
    assert lags(workspace, 9, 3) == (9,)


def test_a_store_that_is_away_is_an_incident_in_a_file_and_resolved_when_it_is_back(workspace: Workspace) -> None:
    """Nobody has to open the store to be told."""
    url = workspace.store.database.engine.url
    error = StoreUnavailable(url, DBAPIError("SELECT 1", {}, Exception("unable to open database file")))
    for _ in range(2):
        found = look_without_store(workspace.settings, "customers", error)
    assert [one.check for one in found] == ["store"]
    assert [one.incident_type for one in incidents(workspace)] == ["health_store"]
    look(workspace)
    status = {one.incident_type: one.status for one in incidents(workspace)}
    assert status["health_store"] is IncidentStatus.RESOLVED
