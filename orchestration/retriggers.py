"""Requests to run again that decisions left for the local runner: the next run is their answer."""

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from agent.decide import DAG
from agent.wiring import airflow_retriggers
from mend.runtime.errors import UserError
from mend.runtime.files import write_json
from mend.runtime.logging import get_logger
from orchestration.workspace import Workspace


def hand_over(workspace: Workspace) -> None:
    """Hand Airflow what waits for it; where it is still away that is logged, and the requests wait on."""
    requests = airflow_retriggers(workspace.settings, workspace.layout.ops, workspace.pipeline.name)
    if requests is None or not requests.queue.path.exists():
        return
    requests.api.attempts = 1
    try:
        requests.send_queued()
    except UserError as error:
        get_logger().warning("retriggers_wait", error=str(error))


def take_due(path: Path, now: datetime) -> int:
    """Take the requests whose time has come out of the file and return how many they were; the others stay.

    Requests for other schedulers' tasks are not ours to take: a run of Mend is no answer to them.

    A file that cannot be read is put aside under another name: the run that was asked for happens all the same.
    """
    if not path.exists():
        return 0
    try:
        requests = [dict(one) for one in orjson.loads(path.read_bytes())["requests"]]
        waiting = [one for one in requests if not (is_ours(one) and is_due(one, now))]
    except (ValueError, TypeError, KeyError):
        path.replace(path.with_suffix(".unreadable"))
        return 0
    if waiting:
        write_json(path, {"requests": waiting})
    else:
        path.unlink()
    return len(requests) - len(waiting)


def is_ours(request: dict[str, Any]) -> bool:
    """Whether a run of Mend answers the request; one that names no DAG is from before there were others."""
    named = str(request.get("dag_id", DAG))
    return named == DAG or named.startswith(f"{DAG}_")


def is_due(request: dict[str, Any], now: datetime) -> bool:
    """Whether the moment before which a request must not start has passed; one without a moment is due at once."""
    start = request["execution_date"]
    return start is None or datetime.fromisoformat(start) <= now


def seconds_until_due(path: Path, now: datetime) -> float:
    """Return how long the first request has to wait, 0 when one is due or nobody asked."""
    try:
        starts = [one["execution_date"] for one in orjson.loads(path.read_bytes())["requests"] if is_ours(one)]
        moments = [datetime.fromisoformat(one) for one in starts if one is not None]
    except (OSError, ValueError, TypeError, KeyError):
        return 0.0
    return max((min(moments) - now).total_seconds(), 0.0) if moments else 0.0
