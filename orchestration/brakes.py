"""What keeps a pipeline from going on: an open circuit, a pause, and tries that did not help."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from mend.incidents.fingerprint import fingerprint
from mend.runtime import clock
from mend.runtime.errors import UserError
from mend.store.runs import Failure
from orchestration.workspace import Workspace

REFUSED = 3
WINDOW = timedelta(hours=1)
"""Tries for one cause are counted over so long."""


def refuse_open_circuit(workspace: Workspace) -> None:
    """Refuse to go on while the pipeline's circuit is open: what failed again and again waits for a person."""
    name = workspace.pipeline.name
    known = workspace.store.brakes.circuit(name)
    if known:
        raise UserError(
            f"{name}: the circuit is open since {known.opened_at:%Y-%m-%d %H:%M} UTC ({known.cause}: {known.why}). "
            f"Runs wait until a person has looked. Then: mend circuit close {name} --reason TEXT",
            exit_code=REFUSED,
        )


def why_paused(workspace: Workspace) -> str | None:
    """Return who paused the pipeline and why, None if nobody did."""
    return workspace.store.brakes.why_paused(workspace.pipeline.name, clock.now())


def earlier_tries(failures: Sequence[Failure], error: str, *, now: datetime, since: datetime | None) -> int:
    """Count the failures of one cause within an hour, without the newest; what a person has closed counts no more."""
    begin = max(one for one in (now - WINDOW, since) if one)
    cause = fingerprint(error)
    same = [one for one in failures if one.at > begin and fingerprint(one.error) == cause]
    return max(len(same) - 1, 0)


def refuse_pause(workspace: Workspace) -> None:
    """Refuse to begin what could not be ended while a person has paused the pipeline."""
    if why := why_paused(workspace):
        raise UserError(f"{workspace.pipeline.name} is {why}. Go on with: mend resume", exit_code=4)
