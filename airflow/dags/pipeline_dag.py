"""The six steps of a run as Airflow DAGs, one for each pipeline file; and what waits for a person as a question.

Nothing of Mend is imported here: each task runs `mend step … --json` with the interpreter of Mend's own environment.
`python airflow/dags/pipeline_dag.py` checks this file.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STARTED = time.perf_counter()
if __name__ == "__main__":  # else Airflow would write its configuration into the home of whoever checks this file
    os.environ.setdefault("AIRFLOW_HOME", str(ROOT / "build" / "airflow"))

try:
    from airflow.providers.standard.operators.hitl import HITLOperator
    from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
    from airflow.sdk import DAG, Asset, DeadlineAlert, DeadlineReference, SyncCallback, TriggerRule, task
    from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
except ModuleNotFoundError:
    python = ROOT / ".venv-airflow" / "bin" / "python"
    if __name__ == "__main__" and python.exists() and Path(sys.prefix) != python.parents[1]:
        os.execv(python, [str(python), *sys.argv])  # noqa: S606 - the same check, by an interpreter that has Airflow
    raise

DAG_ID = "autonomous_data_pipeline"
MAIN_PIPELINE = "customers"
NAMED = re.compile(r"^pipeline:\s*['\"]?([A-Za-z_][\w-]*)", re.MULTILINE)
CARRIED_OUT, FOUND, WRONG_USE, REFUSED, WAITS = range(5)
"""Exit codes of `mend`."""
GRACE_SECONDS = 25
ANSWERS = timedelta(hours=24)
"""A question to a person expires after so long."""
APPROVE, REJECT = "Approve", "Reject"
LONGEST = 400
MOST_RUNS = 20
MINUTES = {
    "monitor_kafka": 2,
    "run_spark_job": 25,
    "run_data_quality": 15,
    "agent_decide": 10,
    "validate_load": 10,
    "cleanup_old_data": 10,
}
STOPS_HERE = {"run_spark_job", "run_data_quality", "validate_load"}
"""Steps whose bad end is an answer, which the decision or a person deals with: to ask again would give the same."""
DOC = """
### {title}

monitor_kafka → run_spark_job → run_data_quality → agent_decide → validate_load → cleanup_old_data

Each task is `mend step <task> --pipeline {pipeline}`, over every run that waits for it: what a task that died left
unfinished, the next run finishes. A job that fails still reaches `agent_decide`, which says whether it is tried again.
A task that fails opens the incident `airflow_task_failure`. A run that is not through after 15 minutes calls a person.

A decision that waits for a person is asked in **{dag_id}_approval** (Required Actions). Look closer with
`mend status`, `mend decision show <run>`, `mend incident ls`.
"""


def mend_binary() -> str:
    """Return the `mend` to run: MEND_BIN, else the one of this checkout, else the one on PATH."""
    ours = ROOT / ".venv" / "bin" / "mend"
    return os.environ.get("MEND_BIN") or (str(ours) if ours.exists() else shutil.which("mend") or "mend")


def mend(*words: str) -> tuple[int, str]:
    """Run `mend` in the checkout; its log goes to the task's. Whatever ends this task ends it in order."""
    process = subprocess.Popen([mend_binary(), *words], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        said, _ = process.communicate()
    except BaseException:
        process.terminate()
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
    return process.returncode, said


def step(name: str, pipeline: str) -> dict[str, Any]:
    """Run a step over all runs that wait for it and return what it did, short enough for XCom."""
    code, said = mend("step", name, "--all", "--pipeline", pipeline, "--json")
    if code == REFUSED:
        raise AirflowSkipException(f"{name} was refused, see the log above: the next run tries again")
    answer = parsed(said)
    if code == WRONG_USE or (answer is None and code == CARRIED_OUT):
        raise AirflowFailException(f"{name}: mend was called wrongly, see the log above")
    if answer is None:
        raise AirflowException(f"{name} ended with code {code} and without an answer, see the log above")
    if answer["outcome"] == "failed" or (answer["outcome"] == "escalated" and name in STOPS_HERE):
        kind = AirflowFailException if name in STOPS_HERE else AirflowException
        raise kind(f"{name}: {answer['message']}"[:LONGEST])
    return short(answer)


def parsed(said: str) -> dict[str, Any] | None:
    """Return the answer in the last line, None if there is none."""
    try:
        answer = json.loads(said.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return None
    return answer if isinstance(answer, dict) and "outcome" in answer else None


def short(answer: dict[str, Any]) -> dict[str, Any]:
    """Return of an answer what other tasks and people need; all of it is in Mend's own reports."""
    facts = answer.get("facts", {})
    found: dict[str, Any] = {
        "step": answer["step"],
        "outcome": answer["outcome"],
        "message": str(answer["message"])[:LONGEST],
    }
    for name in ("lag", "decision"):
        if facts.get(name) is not None:
            found[name] = facts[name]
    if run_ids := facts.get("run_ids"):
        found["run_ids"] = run_ids[:MOST_RUNS]
    return found | {"waiting": [asked(one) for one in facts.get("waiting", [])[:MOST_RUNS]]}


def waiting(decided: dict[str, Any]) -> list[dict[str, Any]]:
    """Return how the other DAG is asked about each plan that waits for a person."""
    return list(decided["waiting"])


def asked(plan: dict[str, Any]) -> dict[str, Any]:
    """Return how the other DAG is asked about a plan: once for a plan, by the run id that is made of it."""
    told = {key: str(plan.get(key, ""))[: 10 * LONGEST] for key in ("run_id", "plan_hash", "subject", "body")}
    return {"trigger_run_id": f"{told['run_id']}__{told['plan_hash'][:16]}", "conf": told}


def open_incident(pipeline: str, summary: str, cause: str, facts: dict[str, str]) -> None:
    """Open the incident; of a cause one is open at a time, and Mend tells people."""
    options = [word for pair in facts.items() for word in ("--fact", "=".join(pair))]
    words = ["--severity", "high", "--pipeline", pipeline, "--cause", cause, *options]
    mend("incident", "open", "airflow_task_failure", "--summary", summary[:LONGEST], *words)


def task_failed(context: dict[str, Any]) -> None:
    """Open an incident for a task that failed after its last try."""
    instance, dag = context["ti"], context["dag"]
    error = str(context.get("exception") or "the task was ended from outside").splitlines()[0]
    summary = f"{instance.dag_id}.{instance.task_id}: {error}"
    facts = {"dag_run": str(context.get("run_id", "")), "task": instance.task_id, "try": str(instance.try_number)}
    open_incident(pipeline_of(dag), summary, f"airflow:{instance.dag_id}.{instance.task_id}", facts)


def deadline_missed(pipeline: str, dag_id: str, context: dict[str, Any] | None = None) -> None:
    """Open an incident for a run that is not through after its deadline."""
    run = str(((context or {}).get("dag_run") or {}).get("dag_run_id", "a run"))
    open_incident(pipeline, f"{dag_id}: {run} is not through after 15 minutes", f"deadline:{dag_id}", {"dag_run": run})


def pipeline_of(dag: Any) -> str:
    """Return the pipeline of a DAG."""
    return next((tag.removeprefix("pipeline:") for tag in dag.tags if tag.startswith("pipeline:")), MAIN_PIPELINE)


DEFAULTS: dict[str, Any] = {
    "owner": "mend",
    "retries": 2,
    "retry_delay": timedelta(minutes=2),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=10),
    "on_failure_callback": task_failed,
}


def pipeline_dag(dag_id: str, pipeline: str) -> DAG:
    """Return the DAG of a pipeline."""
    with DAG(
        dag_id,
        description=f"{pipeline}: from Kafka to readable, audited before it is published",
        schedule=schedule(),  # without a start date the first run comes with the next five minutes
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=timedelta(minutes=30),
        default_args=DEFAULTS,
        deadline=DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=timedelta(minutes=15),
            callback=SyncCallback(deadline_missed, kwargs={"pipeline": pipeline, "dag_id": dag_id}),
        ),
        doc_md=DOC.format(title=dag_id, pipeline=pipeline, dag_id=dag_id),
        tags=["data-pipeline", "autonomous", "self-healing", f"pipeline:{pipeline}"],
    ) as dag:
        published = Asset(name=f"{pipeline}_published", uri=f"mend://published/{pipeline}")

        def does(name: str, **options: Any) -> Any:
            limit = timedelta(minutes=MINUTES[name])
            return task(task_id=name, execution_timeout=limit, **options)(step)(name, pipeline)

        monitor = does("monitor_kafka")
        job = does("run_spark_job")
        audit = does("run_data_quality", trigger_rule=TriggerRule.ALL_DONE)
        decide = does("agent_decide", trigger_rule=TriggerRule.ALL_DONE)
        validate = does("validate_load", outlets=[published])
        cleanup = does("cleanup_old_data", trigger_rule=TriggerRule.NONE_FAILED)
        monitor >> job >> audit >> decide >> validate >> cleanup
        [monitor, job, audit] >> cleanup  # a job that failed makes the DAG run a failed one, whatever was decided
        # Beside the run, not in it: a person may take hours, and one run is active at a time.
        TriggerDagRunOperator.partial(
            task_id="ask_a_person",
            trigger_dag_id=f"{dag_id}_approval",
            logical_date=None,
            skip_when_already_exists=True,
        ).expand_kwargs(task(task_id="questions")(waiting)(decide))
    return dag


def approval_dag(dag_id: str, pipeline: str) -> DAG:
    """Return the DAG that asks a person about one plan, and hands the answer to Mend for exactly that plan."""
    with DAG(
        dag_id,
        description=f"{pipeline}: a decision that waits for a person",
        schedule=None,
        catchup=False,
        default_args={"owner": "mend"},
        doc_md=f"Asks about one plan of **{pipeline}**. Open *Required Actions*; the answer counts for {ANSWERS}.",
        tags=["data-pipeline", "approval", f"pipeline:{pipeline}"],
        is_paused_upon_creation=False,
    ) as dag:
        question = HITLOperator(
            task_id="question",
            subject="{{ dag_run.conf['subject'] }}",
            body="{{ dag_run.conf['body'] }}",
            options=[APPROVE, REJECT],
            assigned_users=approvers(),
            response_timeout=ANSWERS,
        )

        @task(task_id="answer")
        def answer(given: dict[str, Any], dag_run: Any = None) -> dict[str, Any]:
            """Tell Mend what the person said; an answer to another plan than the one shown is refused."""
            plan, by = dag_run.conf, (given.get("responded_by_user") or {}).get("name") or "somebody in Airflow"
            verb = "approve" if given["chosen_options"] == [APPROVE] else "reject"
            words = ("--plan", plan["plan_hash"], "--by", by, "--reason", "answered in Airflow", "--json")
            code, said = mend("decision", verb, plan["run_id"], *words)
            if code != CARRIED_OUT:
                raise AirflowFailException(f"the answer was not taken (code {code}), see the log above")
            for name in ("agent_decide", "validate_load"):
                if mend("step", name, "--run-id", plan["run_id"], "--pipeline", pipeline, "--json")[0] > FOUND:
                    break  # the next run of the pipeline goes on
            return dict(json.loads(said))

        answer(question.output)
    return dag


def schedule() -> str | None:
    """Return when a pipeline runs: MEND_SCHEDULE, a cron expression or `none`, else every five minutes."""
    told = os.environ.get("MEND_SCHEDULE") or "*/5 * * * *"
    return None if told == "none" else told


def approvers() -> list[Any] | None:
    """Return who may answer, of MEND_APPROVERS (names with commas between); None: everybody who may edit the DAG."""
    names = [one.strip() for one in os.environ.get("MEND_APPROVERS", "").split(",") if one.strip()]
    return [{"id": one, "name": one} for one in names] or None


def pipelines() -> dict[str, str]:
    """Return DAG id → pipeline, of the folder of pipeline files; the shipped one is always among them."""
    folder = Path(os.environ.get("MEND_PIPELINES") or "pipelines")
    names = {MAIN_PIPELINE}
    for path in sorted((ROOT / folder).glob("*.yml")):
        named = NAMED.search(path.read_text(encoding="utf-8", errors="replace"))
        names.add(named[1] if named else path.stem)
    return {DAG_ID if name == MAIN_PIPELINE else f"{DAG_ID}_{name}": name for name in sorted(names)}


DAGS = [
    dag
    for dag_id, name in pipelines().items()
    for dag in (pipeline_dag(dag_id, name), approval_dag(f"{dag_id}_approval", name))
]
globals().update({dag.dag_id: dag for dag in DAGS})

if __name__ == "__main__":
    for one in DAGS:
        one.check_cycle()
        sys.stdout.write(f"{one.dag_id}: {len(one.tasks)} tasks: {', '.join(one.task_ids)}\n")
    sys.stdout.write(f"good: {len(DAGS)} DAGs in {time.perf_counter() - STARTED:.1f} s\n")
