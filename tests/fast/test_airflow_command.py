"""`mend airflow`: a run of a DAG followed to its decision, and what is said when Airflow is not as it should be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from cli.airflow_follow import STEPS
from cli.main import cli
from embedded.airflow_config import kept_keys
from mend.runtime.errors import UserError
from tests.fast.airflow_server import AirflowServer, running_airflow

pytestmark = pytest.mark.waits
DAG = "autonomous_data_pipeline"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AirflowServer]:
    """Run an Airflow whose runs have ended well, and let the settings name it."""
    with running_airflow() as running:
        running.dags[DAG] = {"is_paused": False}
        running.tasks = dict.fromkeys(STEPS, "success")
        monkeypatch.setenv("AIRFLOW_URL", running.url)
        monkeypatch.setenv("AIRFLOW_TIMEOUT_SECONDS", "1")
        monkeypatch.setenv("MEND_HOME", str(tmp_path))
        yield running


def trigger(server: AirflowServer, *words: str, state: str = "success", **decided: Any) -> Result:
    """Trigger a run that ends so and was decided about so."""
    server.runs[DAG, "r"] = {"dag_id": DAG, "dag_run_id": "r", "state": state}
    if decided:
        server.xcoms["agent_decide"] = {"message": "it was so", **decided}
    return CliRunner().invoke(cli, ["airflow", "trigger", "--run-id", "r", *words])


@pytest.mark.parametrize(
    ("state", "decided", "code"),
    [
        ("success", {"outcome": "done", "decision": "continue"}, 0),
        ("success", {"outcome": "nothing_to_do"}, 0),
        ("success", {"outcome": "escalated", "decision": "escalate"}, 1),
        ("success", {"outcome": "paused"}, 4),
        ("failed", {"outcome": "done", "decision": "retrigger"}, 1),
        ("failed", {}, 1),
    ],
)
def test_the_exit_code_is_that_of_the_decision(
    server: AirflowServer, state: str, decided: dict[str, Any], code: int
) -> None:
    """A script knows without reading what became of the run."""
    ended = trigger(server, "--json", state=state, **decided)
    assert ended.exit_code == code
    document = orjson.loads(ended.stdout)
    assert (document["state"], document["tasks"]) == (state, dict.fromkeys(STEPS, "success"))


def test_the_end_says_the_decision(server: AirflowServer) -> None:
    """For people: a line a step, the decision last."""
    ended = trigger(server, outcome="done", decision="continue")
    lines = ended.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == list(STEPS)
    assert lines[-1] == "decision: continue"


def test_a_paused_dag_is_enabled_only_when_asked(server: AirflowServer) -> None:
    """A run of it would wait for ever."""
    server.dags[DAG] = {"is_paused": True}
    refused = trigger(server, outcome="done")
    assert isinstance(refused.exception, UserError)
    assert (refused.exception.exit_code, "--enable" in str(refused.exception)) == (3, True)
    assert trigger(server, "--enable", outcome="done").exit_code == 0
    assert server.dags[DAG] == {"is_paused": False}


def test_a_wrong_password_is_one_line(server: AirflowServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the settings, not the password."""
    monkeypatch.setenv("AIRFLOW_PASSWORD", "hunter2")
    refused = trigger(server)
    assert isinstance(refused.exception, UserError)
    assert "AIRFLOW_PASSWORD" in str(refused.exception)
    assert "hunter2" not in str(refused.exception)


def test_airflow_away_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how to start one."""
    monkeypatch.setenv("AIRFLOW_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AIRFLOW_TIMEOUT_SECONDS", "0.5")
    refused = CliRunner().invoke(cli, ["airflow", "trigger"])
    assert isinstance(refused.exception, UserError)
    assert "does not answer at http://127.0.0.1:9" in str(refused.exception)
    assert "make airflow" in str(refused.exception)


def test_without_an_airflow_nothing_is_guessed(tmp_path: Path) -> None:
    """Neither a setting nor a running one: trigger says how to start it, status and down that there is none."""
    folder = ["--folder", str(tmp_path)]
    refused = CliRunner().invoke(cli, ["airflow", "trigger", *folder])
    assert "make airflow" in str(refused.exception)
    assert CliRunner().invoke(cli, ["airflow", "status", *folder]).exit_code == 1
    assert CliRunner().invoke(cli, ["airflow", "down", *folder]).stdout == "Airflow is not running here\n"


def test_airflow_keeps_its_keys(tmp_path: Path) -> None:
    """A restart logs nobody out, and only their owner reads them."""
    first = kept_keys(tmp_path)
    assert kept_keys(tmp_path) == first
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0
