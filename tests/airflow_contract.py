"""What every Airflow promises, whichever API it speaks: run against the test server, and against a real Airflow.

A module that imports these has the fixtures `airflow_api` and `waiting_dag`, the id of a DAG that is paused.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from secrets import token_hex

import pytest

from agent.adapters.airflow_api import AirflowApi, AirflowRefusedError
from agent.adapters.retrigger_airflow import AirflowRetriggers
from agent.adapters.retrigger_file import FileRetriggers
from agent.ports import Retrigger


def test_a_run_is_started_with_its_id_and_what_it_is_told(airflow_api: AirflowApi, waiting_dag: str) -> None:
    """The run that was asked for waits, and carries what it was given."""
    name = f"test__{token_hex(4)}"
    airflow_api.trigger(waiting_dag, name, {"why": "test"})
    found = airflow_api.run(waiting_dag, name)
    assert (found["dag_run_id"], found["state"], found["conf"]) == (name, "queued", {"why": "test"})


def test_the_same_id_is_the_same_run(airflow_api: AirflowApi, waiting_dag: str) -> None:
    """Asked for twice, also at once, a run is started once."""
    name = f"test__{token_hex(4)}"
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(replace(airflow_api).trigger, waiting_dag, name, {"n": n}) for n in range(2)]
    assert {one.result()["dag_run_id"] for one in asked} == {name}
    assert [one["dag_run_id"] for one in airflow_api.runs(waiting_dag, "queued")].count(name) == 1


def test_a_wrong_password_is_refused_at_once(airflow_api: AirflowApi, waiting_dag: str) -> None:
    """It is said in words, without the password."""
    stranger = replace(airflow_api, password="hunter2", _token="")
    with pytest.raises(AirflowRefusedError, match="user or password are wrong") as refused:
        stranger.is_paused(waiting_dag)
    assert refused.value.exit_code == 3
    assert "hunter2" not in str(refused.value)


def test_an_unknown_dag_is_named(airflow_api: AirflowApi) -> None:
    """The answer says which DAG is not there."""
    with pytest.raises(AirflowRefusedError, match=r"404.*no_such_dag"):
        airflow_api.trigger("no_such_dag", "r", {})


def test_a_paused_dag_says_so(airflow_api: AirflowApi, waiting_dag: str) -> None:
    """Whoever triggers can know that the run would wait."""
    assert airflow_api.is_paused(waiting_dag)


def test_a_task_that_has_not_run_returned_nothing(airflow_api: AirflowApi, waiting_dag: str) -> None:
    """Nothing is no error."""
    name = f"test__{token_hex(4)}"
    airflow_api.trigger(waiting_dag, name, {})
    assert airflow_api.returned(waiting_dag, name, "agent_decide") is None


def test_a_retrigger_is_a_run_that_begins_not_before_its_moment(
    airflow_api: AirflowApi, waiting_dag: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The act of a decision starts one run, asked for again the same; afterwards it is seen there, and not queued."""
    retriggers = AirflowRetriggers(airflow_api, FileRetriggers(tmp_path_factory.mktemp("ops") / "retrigger.json"))
    moment = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    wanted = Retrigger(
        dag_id=waiting_dag, task_id=f"t{token_hex(4)}", execution_date=moment, requested_at=moment, key=token_hex(8)
    )
    said = {retriggers.request(wanted) for _ in range(2)}
    assert len(said) == 1
    assert waiting_dag in said.pop()
    assert retriggers.is_asked(waiting_dag, wanted.task_id)
    assert not retriggers.queue.path.exists()
    found = [one for one in airflow_api.runs(waiting_dag, "queued") if one["conf"].get("task_id") == wanted.task_id]
    begins = found[0].get("run_after") or found[0]["logical_date"]
    assert [datetime.fromisoformat(begins)] == [datetime.fromisoformat(moment)]
