"""Says as JSON what Airflow makes of the DAG file, and what its functions make of `mend`'s answers.

Run by Airflow's interpreter, which has nothing of ours: dag_facts.py DAG_FOLDER < cases.json
"""
# Airflow is in another environment
# mypy: ignore-errors

import importlib.util
import json
import os
import sys
import time
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag  # what is loaded before is no time of the file
from airflow.providers.standard.operators import hitl, trigger_dagrun  # noqa: F401
from airflow.sdk import DAG

before = set(sys.modules)
start = time.perf_counter()
bag = DagBag(Path(sys.argv[1]), load_op_links=False)
seconds = time.perf_counter() - start


def about(dag: DAG) -> dict:
    """Return a DAG's properties."""
    deadline = dag.deadline[0] if dag.deadline else None
    return {
        "schedule": dag.schedule,
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "timeout": dag.dagrun_timeout and dag.dagrun_timeout.total_seconds(),
        "tags": sorted(dag.tags),
        "doc": bool(dag.doc_md),
        "deadline": deadline and [deadline.reference.reference_name, deadline.interval.total_seconds()],
        "deadline_calls": deadline and deadline.callback.path.rsplit(".", 1)[-1],
        "tasks": {
            task.task_id: {
                "after": sorted(task.upstream_task_ids),
                "rule": str(task.trigger_rule),
                "retries": task.retries,
                "delay": task.retry_delay.total_seconds(),
                "back_off": task.retry_exponential_backoff,
                "timeout": task.execution_timeout and task.execution_timeout.total_seconds(),
                "on_failure": [getattr(one, "__name__", "") for one in task.on_failure_callback or []],
                "publishes": [one.name for one in task.outlets],
            }
            for task in dag.tasks
        },
    }


def tried(case: dict) -> dict:
    """Call a function of the DAG file with a stand-in for `mend` that answers as the case says."""
    os.environ |= {"STUB_SAID": case.get("said", ""), "STUB_CODE": str(case.get("code", 0))}
    try:
        return {"returned": getattr(module, case["call"])(*case["with"])}
    except Exception as error:  # noqa: BLE001 - whatever it raises is what is looked at
        return {"raised": type(error).__name__, "message": str(error)}


class Named:
    """Something with attributes, as Airflow's context has them."""

    def __init__(self, **attributes: object) -> None:
        """Take the attributes."""
        vars(self).update(attributes)


def failed_task(error: str) -> None:
    """Call the failure callback as Airflow does."""
    instance = Named(dag_id="d", task_id="t", try_number=3)
    module.task_failed(
        {"ti": instance, "dag": Named(tags={"x", "pipeline:orders"}), "exception": ValueError(error), "run_id": "r"}
    )


loaded = sorted({name.split(".")[0] for name in set(sys.modules) - before})
spec = importlib.util.spec_from_file_location("pipeline_dag", Path(sys.argv[1]) / "pipeline_dag.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.failed_task = failed_task
facts = {
    "cases": [tried(case) for case in json.load(sys.stdin)],
    "errors": {str(path): str(error) for path, error in bag.import_errors.items()},
    "seconds": seconds,
    "loaded": loaded,
    "dags": {dag_id: about(dag) for dag_id, dag in bag.dags.items()},
}
sys.stdout.write(json.dumps(facts) + "\n")
