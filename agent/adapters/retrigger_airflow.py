"""Requests to run a task again, handed to Airflow; while it is away they wait in the file of the local runner."""

from dataclasses import replace
from hashlib import sha256

from agent.adapters.airflow_api import AirflowApi, AirflowAwayError, AirflowRefusedError
from agent.adapters.retrigger_file import FileRetriggers
from agent.decide import DAG
from agent.ports import Retrigger
from mend.runtime.logging import get_logger

SHIPPED = "customers"


class AirflowRetriggers:
    """Starts a run of the DAG, once for a request. The request is in the file before Airflow is asked, so none is lost.

    The same file is read by the next `mend run`, which is an answer to a request as well. A request without a moment
    is for the next batch: to start a run for each of those would never end where every batch has late events.
    """

    def __init__(self, api: AirflowApi, queue: FileRetriggers, pipeline: str = SHIPPED) -> None:
        self.api = api
        self.queue = queue
        self.pipeline = pipeline

    def request(self, retrigger: Retrigger) -> str:
        """Hand it over; returns what came of it: the run that was started, or why it waits."""
        wanted = replace(retrigger, dag_id=self.dag_id(retrigger.dag_id))
        self.queue.request(wanted)
        if self.is_scheduled(wanted):
            return "the next scheduled run is the answer"
        try:
            run_id = self.start(wanted)
            waits = ", which is paused: it waits until somebody enables it" if self.api.is_paused(wanted.dag_id) else ""
        except (AirflowAwayError, AirflowRefusedError) as error:
            get_logger().warning("retrigger_queued", dag=wanted.dag_id, task=wanted.task_id, error=str(error))
            return f"queued in {self.queue.path.name}, since {error}"
        self.queue.remove(wanted)
        return f"run {run_id} is asked of Airflow's {wanted.dag_id}{waits}"

    def start(self, wanted: Retrigger) -> str:
        """Start the run of a request and return its id, the same for the same request."""
        conf = {"requested_by": "mend", "task_id": wanted.task_id, "requested_at": wanted.requested_at}
        self.api.trigger(wanted.dag_id, run_id_of(wanted), conf, not_before=wanted.execution_date)
        return run_id_of(wanted)

    def send_queued(self) -> int:
        """Hand over what waits in the file; returns how many were taken. What Airflow refuses stays."""
        sent = 0
        for wanted in [one for one in self.queue.pending() if not self.is_scheduled(one)]:
            try:
                self.start(wanted)
            except AirflowRefusedError as error:
                get_logger().warning("retrigger_refused", dag=wanted.dag_id, error=str(error))
                continue
            self.queue.remove(wanted)
            sent += 1
        return sent

    def is_asked(self, dag_id: str, task_id: str) -> bool:
        """Look for it in the file, then among the runs that Airflow has at work or in its queue."""
        wanted = self.dag_id(dag_id)
        if self.queue.is_asked(wanted, task_id):
            return True
        asked = self.api.runs(wanted, "queued", "running")
        return any((one.get("conf") or {}).get("task_id") == task_id for one in asked)

    @staticmethod
    def is_scheduled(wanted: Retrigger) -> bool:
        """Whether it asks for no more than the next run of our own DAG, which comes by itself."""
        return wanted.execution_date is None and wanted.dag_id.startswith(DAG)

    def dag_id(self, named: str) -> str:
        """Return the DAG of this pipeline where the request names the shipped one's."""
        return f"{DAG}_{self.pipeline}" if named == DAG and self.pipeline != SHIPPED else named


def run_id_of(wanted: Retrigger) -> str:
    """Return the id of the run that answers a request."""
    told = wanted.key or "\n".join((wanted.dag_id, wanted.task_id, wanted.execution_date or wanted.requested_at))
    return f"mend__{sha256(told.encode()).hexdigest()[:24]}"
