"""Airflow's API, v1 and v2, and the retriggers that are handed to it: nothing is lost while it is away."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic

import orjson
import pytest

from agent.adapters.airflow_api import AirflowApi, AirflowAwayError, airflow_of
from agent.adapters.retrigger_airflow import AirflowRetriggers, run_id_of
from agent.adapters.retrigger_file import FileRetriggers
from agent.decide import DAG
from agent.ports import Retrigger
from agent.testing import NOON, memory_ports
from agent.tools import retrigger_task
from mend.runtime.settings import AirflowApiVersion, load_settings
from orchestration.retriggers import hand_over, take_due
from orchestration.workspace import open_workspace
from tests.airflow_contract import *  # noqa: F403 - the same promises as the real one
from tests.fast.airflow_server import AirflowServer, running_airflow
from tests.fast.alert_servers import slack_server
from tests.fast.crashes import World

pytestmark = [pytest.mark.agent, pytest.mark.waits]
WANTED = Retrigger(dag_id="a_dag", task_id="t", execution_date=NOON.isoformat(), requested_at=NOON.isoformat(), key="k")


@pytest.fixture
def server() -> Iterator[AirflowServer]:
    """Run the test server."""
    with running_airflow() as running:
        yield running


@pytest.fixture(params=list(AirflowApiVersion))
def airflow_api(request: pytest.FixtureRequest, server: AirflowServer) -> AirflowApi:
    """Return both APIs of the test server."""
    return AirflowApi(url=server.url, user="airflow", password="airflow", version=request.param, timeout=2)


@pytest.fixture
def waiting_dag() -> str:
    """Return the paused DAG of the test server."""
    return "a_dag"


@pytest.fixture
def retriggers(airflow_api: AirflowApi, tmp_path: Path) -> AirflowRetriggers:
    """Return retriggers with an empty queue."""
    return AirflowRetriggers(replace(airflow_api, attempts=1), FileRetriggers(tmp_path / "retrigger.json"))


@pytest.mark.parametrize("trouble", [[0], [503, 429]], ids=["cut off", "busy"])
def test_a_moment_of_absence_is_waited_out(airflow_api: AirflowApi, server: AirflowServer, trouble: list[int]) -> None:
    """A request is made three times; the run is started once."""
    server.away += trouble
    assert airflow_api.trigger("a_dag", "r", {})["state"] == "queued"
    assert list(server.runs) == [("a_dag", "r")]


def test_a_slow_airflow_is_given_up_in_time(server: AirflowServer) -> None:
    """The time-out ends the wait, and the message names the setting."""
    server.away += [-1]
    api = AirflowApi(url=server.url, user="airflow", password="airflow", timeout=0.2, attempts=1)
    began = monotonic()
    with pytest.raises(AirflowAwayError, match=r"does not answer.*AIRFLOW_URL"):
        api.is_paused("a_dag")
    assert monotonic() - began < 2


def test_what_is_no_airflow_is_named(airflow_api: AirflowApi) -> None:
    """An address where something else answers is not taken for a success."""
    with slack_server() as slack, pytest.raises(AirflowAwayError, match=r"is no Airflow.*AIRFLOW_URL"):
        replace(airflow_api, url=slack.url, attempts=1, _token="t").is_paused("a_dag")


def test_a_token_that_expired_is_renewed_once(server: AirflowServer) -> None:
    """The second request logs in again, and nobody notices."""
    api = AirflowApi(url=server.url, user="airflow", password="airflow")
    api.is_paused("a_dag")
    server.valid.clear()
    assert api.is_paused("a_dag")
    assert server.logins == 2


def test_what_a_task_returned_is_read_in_both_formats(airflow_api: AirflowApi, server: AirflowServer) -> None:
    """v1 returns text, v2 the value."""
    answer = {"outcome": "done"}
    v1 = airflow_api.version is AirflowApiVersion.V1
    server.xcoms["agent_decide"] = orjson.dumps(answer).decode() if v1 else answer
    airflow_api.trigger("a_dag", "r", {})
    assert airflow_api.returned("a_dag", "r", "agent_decide") == answer


def test_the_password_is_not_shown(airflow_api: AirflowApi) -> None:
    """Neither in a log of the object nor elsewhere."""
    assert "password" not in repr(replace(airflow_api, password="hunter2"))
    assert "hunter2" not in repr(replace(airflow_api, password="hunter2"))


# --- retriggers


def test_a_request_waits_while_airflow_is_away(retriggers: AirflowRetriggers, server: AirflowServer) -> None:
    """It is said that it waits and why; it is handed over later, once."""
    server.away += [503]
    assert "queued in retrigger.json" in retriggers.request(WANTED)
    assert retriggers.is_asked("a_dag", "t")
    assert server.runs == {}
    assert retriggers.send_queued() == 1
    assert retriggers.send_queued() == 0
    assert list(server.runs) == [("a_dag", run_id_of(WANTED))]


def test_a_request_that_airflow_refuses_stays(retriggers: AirflowRetriggers, server: AirflowServer) -> None:
    """Until somebody has put it right: the DAG comes, and the request goes."""
    unknown = replace(WANTED, dag_id="later")
    assert "404" in retriggers.request(unknown)
    assert retriggers.send_queued() == 0
    server.dags["later"] = {"is_paused": False}
    assert retriggers.send_queued() == 1


def test_a_crash_between_file_and_airflow_asks_once(retriggers: AirflowRetriggers, server: AirflowServer) -> None:
    """Airflow has it, the file still as well: handing it over again starts no second run."""
    retriggers.request(WANTED)
    retriggers.queue.request(WANTED)
    assert retriggers.send_queued() == 1
    assert len(server.runs) == 1


def test_a_request_for_the_next_batch_starts_nothing(retriggers: AirflowRetriggers, server: AirflowServer) -> None:
    """Our DAG comes by itself: else a stream with late events would never rest. Another DAG is started."""
    ours = replace(WANTED, dag_id=DAG, execution_date=None, key="ours")
    assert "next scheduled run" in retriggers.request(ours)
    assert server.runs == {}
    assert retriggers.send_queued() == 0
    assert take_due(retriggers.queue.path, NOON) == 1
    assert "is paused: it waits" in retriggers.request(replace(WANTED, execution_date=None, key="theirs"))


def test_another_pipeline_has_another_dag(retriggers: AirflowRetriggers, server: AirflowServer) -> None:
    """What is asked for orders is not done for the shipped pipeline."""
    server.dags[f"{DAG}_orders"] = {"is_paused": False}
    retriggers.pipeline = "orders"
    retriggers.request(replace(WANTED, dag_id=DAG))
    assert [dag for dag, _ in server.runs] == [f"{DAG}_orders"]


def test_the_tool_says_what_came_of_it(retriggers: AirflowRetriggers, server: AirflowServer) -> None:
    """The result of the act, which people read, names the run or the reason why it waits."""
    ports = replace(memory_ports(), retriggers=retriggers, key="act-1")  # type: ignore[arg-type]
    server.away += [503]
    queued = retrigger_task(ports, dag_id="a_dag", task_id="t", execution_date=NOON.isoformat())
    assert queued.success
    assert "queued in retrigger.json, since Airflow at" in queued.message
    assert "run mend__" in retrigger_task(ports, dag_id="a_dag", task_id="t", execution_date=NOON.isoformat()).message


def test_what_waits_is_handed_over_at_the_end_of_a_run(server: AirflowServer, tmp_path: Path) -> None:
    """As alerts are; while Airflow is away a run does not fail of it."""
    settings = World(home=tmp_path / "home").settings.model_copy(update={"airflow_url": server.url})
    with open_workspace(settings, "customers") as workspace:
        queue = FileRetriggers(workspace.layout.ops / "retrigger.json")
        queue.request(WANTED)
        server.away += [503]
        hand_over(workspace)
        assert queue.pending() == (WANTED,)
        hand_over(workspace)
    assert queue.pending() == ()
    assert len(server.runs) == 1


def test_the_settings_choose_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """AIRFLOW_API_VERSION is the switch; without a password it is the usual one."""
    monkeypatch.setenv("AIRFLOW_URL", "http://airflow:8080/")
    monkeypatch.setenv("AIRFLOW_API_VERSION", "v1")
    api = airflow_of(load_settings())
    assert (api.url, api.version, api.user, api.password) == ("http://airflow:8080", "v1", "airflow", "airflow")
