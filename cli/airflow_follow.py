"""A run of a DAG, followed through Airflow's API until it has ended."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console

from agent.adapters.airflow_api import AirflowApi, AirflowAwayError
from cli.run_steps import Step, Steps, progress
from cli.wording import clip
from mend.runtime.errors import UserError

STEPS = ("monitor_kafka", "run_spark_job", "run_data_quality", "agent_decide", "validate_load", "cleanup_old_data")
OVER = {"success", "failed", "skipped", "upstream_failed", "removed"}
LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run of a DAG ended; `answers` are what its tasks returned."""

    dag_id: str
    run_id: str
    state: str
    seconds: float
    tasks: dict[str, str]
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def decided(self) -> dict[str, Any]:
        """What the decision said."""
        return self.answers.get("agent_decide", {})

    @property
    def exit_code(self) -> int:
        """0 done, 1 failed or escalated, 4 waits for a person."""
        if self.decided.get("outcome") == "paused":
            return 4
        return 0 if self.state == "success" and self.decided.get("outcome") != "escalated" else 1

    def document(self) -> dict[str, Any]:
        """Return it for scripts."""
        return asdict(self)


def follow(api: AirflowApi, dag_id: str, run_id: str, *, seconds: float, pause: float = LOOK_SECONDS) -> Ended:
    """Start the run, or find it, and show its tasks until it has ended. It goes on if this does not."""
    start = time.monotonic()
    api.trigger(dag_id, run_id, {"requested_by": "mend airflow trigger"})

    def tasks() -> dict[str, str]:
        if time.monotonic() - start > seconds:
            raise UserError(f"{run_id} is still at work. Follow it on with --run-id {run_id}", exit_code=1)
        return {str(one["task_id"]): str(one["state"]) for one in api.tasks(dag_id, run_id)}

    with progress(Console(stderr=True)) as steps:
        for name in STEPS:
            shown(steps, name, patient(tasks, start + seconds, pause), pause)
        run = api.run(dag_id, run_id)
        while run["state"] not in OVER:
            time.sleep(pause)
            tasks()
            run = api.run(dag_id, run_id)
    found = {name: api.returned(dag_id, run_id, name) for name in STEPS}
    return Ended(
        dag_id=dag_id,
        run_id=run_id,
        state=str(run["state"]),
        seconds=round(time.monotonic() - start, 1),
        tasks=tasks(),
        answers={name: answer for name, answer in found.items() if isinstance(answer, dict)},
    )


def patient(ask: Callable[[], dict[str, str]], until: float, pause: float) -> Callable[[], dict[str, str]]:
    """Ask on while Airflow is away: the run that is followed goes on without us."""

    def asked() -> dict[str, str]:
        while True:
            try:
                return ask()
            except AirflowAwayError:
                if time.monotonic() > until:
                    raise
                time.sleep(pause)

    return asked


def shown(steps: Steps, name: str, tasks: Callable[[], dict[str, str]], pause: float) -> None:
    """Show one task until it is over."""
    with steps.step(name) as line:
        while (state := tasks().get(name, "None")) not in OVER:
            note(line, state)
            time.sleep(pause)
        note(line, state)


def note(line: Step, state: str) -> None:
    """Show the state of a task in words."""
    line.note({"None": "waits", "success": ""}.get(state, state.replace("_", " ")))


def summary(ended: Ended) -> str:
    """Return the end of a run in lines."""
    lines = [f"{ended.run_id}: {ended.state} after {ended.seconds:.0f} s"]
    for name in STEPS:
        answer = ended.answers.get(name)
        said = clip(str(answer["message"]), 100) if answer else ended.tasks.get(name, "").replace("_", " ")
        lines.append(f"  {name:17} {said}")
    decided = ended.decided
    lines.append(f"decision: {decided.get('decision') or decided.get('outcome') or 'none was made'}")
    return "\n".join(lines)
