"""Airflow: what it makes of the DAG file, and a real one that runs the six steps over a real broker."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest
from urllib3 import PoolManager

from agent.adapters.airflow_api import AirflowApi
from embedded.airflow_platform import is_gone, of_mark, standing
from embedded.kafka_broker import free_ports
from mend.runtime import clock
from mend.store.tables import RunState
from tests.airflow_contract import *  # noqa: F403 - the same promises as the test server
from tests.real.conftest import ORDERS, REPOSITORY, Command, Flow, Platform, words_of, write_pipeline

pytestmark = pytest.mark.spark
MAIN, OTHER = "autonomous_data_pipeline", "autonomous_data_pipeline_orders"
STEPS = ["monitor_kafka", "run_spark_job", "run_data_quality", "agent_decide", "validate_load", "cleanup_old_data"]
STUB = """#!/bin/sh
echo "$@" >> "$STUB_LOG"
printf '%s' "$STUB_SAID"
exit "$STUB_CODE"
"""


def answer(outcome: str, step: str = "agent_decide", **facts: Any) -> str:
    """Return what `mend step --json` prints."""
    return orjson.dumps({"step": step, "outcome": outcome, "message": "m" * 9000, "facts": facts}).decode()


CASES: dict[str, tuple[str, int, str, str]] = {
    "done": ("agent_decide", 0, answer("done"), "returned"),
    "a person was called": ("agent_decide", 1, answer("escalated"), "returned"),
    "waits for a person": ("agent_decide", 4, answer("paused"), "returned"),
    "audit failed": ("run_data_quality", 1, answer("escalated"), "AirflowFailException"),
    "job failed": ("run_spark_job", 1, answer("failed"), "AirflowFailException"),
    "broker away": ("monitor_kafka", 1, answer("failed"), "AirflowException"),
    "circuit open": ("run_spark_job", 3, "", "AirflowSkipException"),
    "wrong use": ("agent_decide", 2, "", "AirflowFailException"),
    "no answer": ("agent_decide", 1, "Traceback", "AirflowException"),
    "killed": ("run_spark_job", 137, "", "AirflowException"),
    "nonsense": ("agent_decide", 0, "[1]", "AirflowFailException"),
}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What Airflow made of the DAG file, and the calls of `mend` that its functions made."""

    facts: dict[str, Any]
    calls: list[str]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Let Airflow's interpreter look at the DAG file once, with a stand-in for `mend`."""
    folder = tmp_path_factory.mktemp("dag")
    stub, log = folder / "mend", folder / "calls"
    stub.write_text(STUB)
    stub.chmod(0o755)
    cases = [
        {"call": "step", "with": [step, "customers"], "code": code, "said": said}
        for step, code, said, _ in CASES.values()
    ]
    full = answer("done", run_ids=[f"run-{n}" for n in range(5000)], runs=["x" * 50_000], decision="continue")
    cases += [
        {"call": "step", "with": ["agent_decide", "customers"], "said": full},
        {"call": "failed_task", "with": ["it broke\nwith a trace"]},
        {"call": "deadline_missed", "with": ["orders", "d"]},
    ]
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "MEND_BIN": str(stub),
        "STUB_LOG": str(log),
    }
    done = subprocess.run(
        [python(), str(REPOSITORY / "tests/real/dag_facts.py"), str(REPOSITORY / "airflow" / "dags")],
        input=orjson.dumps(cases),
        capture_output=True,
        env=environment,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return Seen(facts=orjson.loads(done.stdout.splitlines()[-1]), calls=log.read_text().splitlines())


def python() -> str:
    """Return Airflow's interpreter."""
    path = REPOSITORY / ".venv-airflow" / "bin" / "python"
    assert path.exists(), "Airflow's environment is not built. Run: make airflow-env"
    return str(path)


# --- the DAG file


def test_the_dag_is_read_without_an_error_in_less_than_a_second(seen: Seen) -> None:
    """And loads nothing that Airflow has not loaded anyway."""
    assert seen.facts["errors"] == {}
    assert seen.facts["seconds"] < 1
    assert [name for name in seen.facts["loaded"] if name in {"pandas", "pyspark", "mend", "agent", "duckdb"}] == []


def test_the_dag_has_the_properties_that_users_rely_on(seen: Seen) -> None:
    """Id, schedule, one run at a time, no catching up, time-out, tags, a text, and a deadline in place of the SLA."""
    dag = seen.facts["dags"][MAIN]
    assert (dag["schedule"], dag["max_active_runs"], dag["catchup"]) == ("*/5 * * * *", 1, False)
    assert (dag["timeout"], dag["doc"]) == (1800, True)
    assert {"data-pipeline", "autonomous", "self-healing"} <= set(dag["tags"])
    assert (dag["deadline"], dag["deadline_calls"]) == (["DagRunQueuedAtDeadline", 900], "deadline_missed")


def test_the_six_tasks_stand_in_order(seen: Seen) -> None:
    """Each after the one before, tried three times with growing pauses, ended after a time, telling its failure."""
    tasks = seen.facts["dags"][MAIN]["tasks"]
    for before, name in pairwise(STEPS):
        assert before in tasks[name]["after"]
    for name in STEPS:
        one = tasks[name]
        assert (one["retries"], one["delay"], one["back_off"]) == (2, 120, 2)
        assert 0 < one["timeout"] < 1800
        assert one["on_failure"] == ["task_failed"]
    assert tasks["validate_load"]["publishes"] == ["customers_published"]


def test_a_failed_job_still_reaches_the_decision(seen: Seen) -> None:
    """The decision is made whatever came before; nothing is cleaned away after a failure, which the run then shows."""
    tasks = seen.facts["dags"][MAIN]["tasks"]
    rules = {name: tasks[name]["rule"].lower().removeprefix("triggerrule.") for name in STEPS}
    assert rules["run_data_quality"] == rules["agent_decide"] == "all_done"
    assert rules["cleanup_old_data"] == "none_failed"
    assert tasks["cleanup_old_data"]["after"] == ["monitor_kafka", "run_data_quality", "run_spark_job", "validate_load"]


def test_each_pipeline_file_has_a_dag(seen: Seen) -> None:
    """The shipped one has the known id, others their name behind it; each has one that asks a person."""
    assert set(seen.facts["dags"]) == {MAIN, OTHER, f"{MAIN}_approval", f"{OTHER}_approval"}
    assert set(seen.facts["dags"][OTHER]["tasks"]) == set(seen.facts["dags"][MAIN]["tasks"])


@pytest.mark.parametrize("name", CASES)
def test_what_mend_answers_is_what_the_task_becomes(seen: Seen, name: str) -> None:
    """Done, failed for good, to be tried again, or skipped: by exit code and answer."""
    found = seen.facts["cases"][list(CASES).index(name)]
    wanted = CASES[name][3]
    assert wanted in {found.get("raised"), *found}, found
    assert len(orjson.dumps(found)) < 2_000


def test_xcom_stays_short(seen: Seen) -> None:
    """However much a step has to say: ids are cut, texts too; the whole is in the reports."""
    full = seen.facts["cases"][len(CASES)]["returned"]
    assert (len(full["run_ids"]), len(full["message"]), full["decision"]) == (20, 400, "continue")
    assert len(orjson.dumps(full)) < 2_000


def test_a_failed_task_and_a_missed_deadline_open_an_incident(seen: Seen) -> None:
    """Of type airflow_task_failure and severity high, about the pipeline of the DAG, once for a task."""
    failed, late = (one for one in seen.calls if one.startswith("incident open"))
    assert "airflow_task_failure --summary d.t: it broke --severity high --pipeline orders" in failed
    assert "--cause airflow:d.t" in failed
    assert "airflow_task_failure" in late
    assert "not through after 15 minutes --severity high --pipeline orders --cause deadline:d" in late


def test_the_file_checks_itself(tmp_path: Path) -> None:
    """`python airflow/dags/pipeline_dag.py` by an interpreter without Airflow, which hands over to one that has it."""
    done = subprocess.run(
        [sys.executable, "airflow/dags/pipeline_dag.py"],
        cwd=REPOSITORY,
        env=os.environ | {"AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert f"{MAIN}: 8 tasks: {', '.join(STEPS)}" in done.stdout
    assert "good: 4 DAGs" in done.stdout


# --- a real Airflow


@dataclass(frozen=True, kw_only=True)
class Running:
    """A real Airflow over a flow of its own."""

    flow: Flow
    command: Command
    api: AirflowApi


@pytest.fixture(scope="module")
def airflow(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Start Airflow with `mend airflow up`, and end it with `down`: no process is left."""
    folder = tmp_path_factory.mktemp("airflow")
    port = str(free_ports()[0])
    with platform.flow(folder) as flow:
        write_pipeline(folder / "pipelines", ORDERS, topic=f"{flow.workspace.pipeline.topic}.orders")
        mine = flow.command()
        command = Command(folder=mine.folder, variables=mine.variables | {"MEND_SCHEDULE": "none"}, mark=mine.mark)
        up = command.run("airflow", "up", "--port", port, "--kafka", platform.broker.bootstrap)
        assert up.returncode == 0, up.stderr
        try:
            yield Running(
                flow=flow,
                command=command,
                api=AirflowApi(url=f"http://127.0.0.1:{port}", user="airflow", password="airflow"),
            )
        finally:
            known = standing(flow.workspace.settings.home / "airflow")
            family = of_mark(known.mark) if known else []
            down = command.run("airflow", "down")
        assert (down.returncode, down.stdout) == (0, "ended\n")
        assert len(family) > 8
        assert [words_of(one) for one in family if one.is_running() and not is_gone(one)] == []
        assert command.ended(), [words_of(one) for one in command.processes()]


def platform_of(airflow: Running) -> list[psutil.Process]:
    """Return the processes of the running platform."""
    known = standing(airflow.flow.workspace.settings.home / "airflow")
    assert known is not None
    return of_mark(known.mark)


@pytest.fixture
def airflow_api(airflow: Running) -> AirflowApi:
    """Return the API of the real one."""
    return airflow.api


@pytest.fixture
def waiting_dag(airflow: Running) -> str:
    """Return the DAG that is paused: runs of it are started, and nothing happens."""
    del airflow
    return OTHER


def test_the_ui_answers_and_the_usual_login_holds(airflow: Running) -> None:
    """The page is there, and airflow/airflow is let in."""
    page = PoolManager().request("GET", airflow.api.url)
    assert page.status == 200
    assert b"<title>Airflow" in page.data
    assert not airflow.api.is_paused(MAIN)


def test_airflow_listens_on_loopback_only(airflow: Running) -> None:
    """Nobody else on the network reaches it."""
    open_ones = [connection for one in platform_of(airflow) for connection in one.net_connections("tcp")]
    found = {one.laddr[0] for one in open_ones if one.status == psutil.CONN_LISTEN}
    assert found <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert "127.0.0.1" in found


def test_the_status_says_how_it_is(airflow: Running) -> None:
    """All parts healthy, the memory, and no secret."""
    told = airflow.command.run("airflow", "status", "--json")
    document = orjson.loads(told.stdout)
    assert (told.returncode, set(document["health"].values())) == (0, {"healthy"})
    assert document["memory_bytes"] > 10**8


def test_a_second_start_on_its_port_is_refused(airflow: Running, tmp_path: Path) -> None:
    """The port is named, and how to choose another; nothing was started."""
    port = airflow.api.url.rsplit(":", 1)[-1]
    again = airflow.command.run("airflow", "up", "--port", port, "--folder", str(tmp_path), "--kafka", "localhost:1")
    assert again.returncode == 2
    assert f"port {port} is taken" in again.stderr
    assert not (tmp_path / "standing.json").exists()


def test_a_paused_dag_is_not_followed_for_ever(airflow: Running) -> None:
    """`mend airflow trigger` says so at once and how to go on (code 3)."""
    told = airflow.command.run("airflow", "trigger", "--dag", OTHER)
    assert (told.returncode, "is paused" in told.stderr, "--enable" in told.stderr) == (3, True, True)


def test_a_killed_task_an_approval_and_nothing_lost(airflow: Running) -> None:
    """A task killed in mid-run is picked up by the next run; its plan waits for a person, who approves it in Airflow.

    Then every event is published once, and the run is validated.
    """
    flow, command, api = airflow.flow, airflow.command, airflow.api
    flow.send_customers(300)
    api.trigger(MAIN, "killed", {})
    assert command.until(command.spark)
    step = next(one for one in command.processes() if "mend step run_spark_job" in words_of(one))
    for one in (step, *step.children(recursive=True)):
        one.kill()
    api._ask("PATCH", f"dags/{MAIN}/dagRuns/killed", {"state": "failed"})
    assert command.until(lambda: not command.spark())
    assert flow.counts() == {}
    flow.workspace.store.brakes.pause(clock.now(), by="ada", reason="maintenance")

    waits = command.run("airflow", "trigger", "--json")
    assert waits.returncode == 4, waits.stderr
    document = orjson.loads(waits.stdout)
    run_id = document["answers"]["agent_decide"]["waiting"][0]["conf"]["run_id"]
    assert not flow.workspace.layout.published(run_id).exists()

    approved(airflow, f"{MAIN}_approval", run_id)
    run = flow.workspace.store.runs.get(run_id)
    assert run is not None
    assert run.state is RunState.VALIDATED
    assert flow.counts() == {"published": 300}
    assert flow.closed()
    (said,) = flow.workspace.store.brakes.approvals(run_id)
    assert (said.by, said.approved) == ("airflow", True)


def approved(airflow: Running, dag: str, run_id: str) -> None:
    """Answer the question about a run as a person does in Airflow's UI, and wait until it had its effect."""
    api = airflow.api

    def asked() -> list[dict[str, Any]]:
        return [one for one in api.questions(dag) if run_id in one["subject"]]

    assert airflow.command.until(asked, seconds=40)
    question = asked()[0]
    assert "maintenance" in question["body"]
    assert question["options"] == ["Approve", "Reject"]
    task = question["task_instance"]
    path = f"dags/{dag}/dagRuns/{task['dag_run_id']}/taskInstances/question/-1/hitlDetails"
    assert airflow.command.until(lambda: state_of(api, dag, task["dag_run_id"]) == "awaiting_input", seconds=20)
    api._ask("PATCH", path, {"chosen_options": ["Approve"], "params_input": {}})
    assert airflow.command.until(lambda: api.run(dag, task["dag_run_id"])["state"] == "success", seconds=60)


def state_of(api: AirflowApi, dag: str, dag_run: str) -> str:
    """Return the state of the task that asks."""
    return next(str(one["state"]) for one in api.tasks(dag, dag_run) if one["task_id"] == "question")
