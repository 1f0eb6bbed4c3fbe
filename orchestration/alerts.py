"""What a run does for alerts at its end: sends what waits, and gives its sign of life."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from agent.wiring import store_ports
from mend.alerts.wiring import courier_of
from mend.contracts.incident import Incident, Severity
from mend.runtime import clock
from mend.runtime.errors import UserError
from mend.runtime.heartbeat import ping
from mend.runtime.logging import get_logger
from orchestration.retriggers import hand_over
from orchestration.workspace import Workspace

A_MOMENT = timedelta(seconds=5)
PING_PAUSE = timedelta(minutes=1)


def send_alerts(workspace: Workspace, budget: timedelta = A_MOMENT) -> None:
    """Send what is due, for a moment: what is not sent now is sent by the next run or by `mend alerts send`.

    Trouble with alerts is logged, and never what a run fails of.
    """
    try:
        courier_of(workspace.settings, workspace.store).work(budget)
    except UserError as error:
        get_logger().error("alerts_not_sent", error=str(error))


def told_incident(
    workspace: Workspace, kind: str, summary: str, severity: Severity, context: dict[str, Any], *, cause: str | None
) -> Incident:
    """Open an incident in the name of the pipeline and tell people; of a cause one is open at a time."""
    store, name = workspace.store, workspace.pipeline.name
    ports = store_ports(store, workspace.layout.ops, name, (), pii=workspace.pipeline.pii)
    opened = ports.incidents.open(kind, summary, {"pipeline": name} | context, severity, clock.now(), cause=cause)
    send_alerts(workspace)
    return opened


@contextmanager
def telling(workspace: Workspace, *, alive: bool = True) -> Iterator[None]:
    """Send at the end of the work what it has to tell, also when it fails; if it does not, give a sign of life."""
    try:
        yield
        if alive:
            give_sign_of_life(workspace)
    finally:
        send_alerts(workspace)
        hand_over(workspace)


def give_sign_of_life(workspace: Workspace) -> None:
    """Note that everything in the topic is settled, and tell the monitor elsewhere, at most once a minute."""
    store, name, now = workspace.store, workspace.pipeline.name, clock.now()
    try:
        last = store.beats.last().get(name)
        if last is not None and now - PING_PAUSE < last <= now:
            return
        store.beats.beat(name, now)
    except UserError as error:
        get_logger().error("no_sign_of_life", error=str(error))
        return
    ping(workspace.settings.heartbeat_url.get_secret_value())
