"""Looks at a pipeline's health; what is found becomes one incident, which ends when it is well again."""

import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import orjson

from mend.incidents.lifecycle import opened
from mend.incidents.log import IncidentLog, incident_log
from mend.runtime import clock
from mend.runtime.files import write_json
from mend.runtime.layout import Layout
from mend.runtime.settings import Settings
from mend.store.database import StoreUnavailable
from mend.store.tables import Outcome
from orchestration.health import Finding, Pace, Vitals, Watching, examine, load_watching
from orchestration.steps import monitor_kafka
from orchestration.workspace import Workspace

LAGS = "lags"


def look(workspace: Workspace, watching: Watching | None = None) -> list[Finding]:
    """Measure, judge, and keep the incidents up to date; what is found twice is one incident."""
    watching = watching or load_watching()
    found = list(examine(vitals(workspace, watching), watching))
    log = incident_log(workspace.store, workspace.layout.ops)
    told(log, workspace.pipeline.name, found, watching, clock.now())
    return found


def look_without_store(settings: Settings, pipeline: str, error: StoreUnavailable) -> list[Finding]:
    """Say that the store is away; the incident lies in a file, and is resolved at the first look that finds it back."""
    watching = load_watching()
    found = [one for one in examine(Vitals(store_error=str(error)), watching) if one.check == "store"]
    only = replace(watching, checks={one.check: one.severity for one in found})
    told(incident_log(None, Layout(settings).ops), pipeline, found, only, clock.now())
    return found


def vitals(workspace: Workspace, watching: Watching) -> Vitals:
    """Measure everything, the broker first."""
    name, now, limits = workspace.pipeline.name, clock.now(), watching.limits
    kafka = monitor_kafka(workspace)
    failed = kafka.outcome == "failed"
    last = workspace.store.measures.last_end(name)
    owed = workspace.store.dead_letters.owed(name)
    waiting = [at for *_, at in workspace.store.measures.alerts_waiting()]
    circuit, pauses = workspace.store.brakes.circuit(name), workspace.store.brakes.pauses(name, now)
    return Vitals(
        broker_error=kafka.message if failed else None,
        lags=lags(workspace, None if failed else int(kafka.facts["lag"]), limits.lag_looks + 1),
        checkpoint_age=age_of(workspace.layout.checkpoint(name) / "commits", now),
        last_run_age=seconds(last, now),
        disk_free=free_space(workspace.settings.home),
        dead_letter_tries=max((one.attempts for one in owed), default=0),
        alert_age=seconds(min(waiting, default=None), now),
        circuit_age=seconds(circuit.opened_at if circuit else None, now),
        pause_age=seconds(min((one.since for one in pauses), default=None), now),
        model_answers=workspace.store.measures.model_answers(),
        paces=paces(workspace, limits.history_runs + 1),
    )


def lags(workspace: Workspace, now: int | None, most: int) -> tuple[int, ...]:
    """Return the lags of the last looks and remember this one; a look that could not ask forgets them."""
    path = workspace.layout.ops / f"health.{workspace.pipeline.name}.json"
    try:
        before = [int(one) for one in orjson.loads(path.read_bytes())[LAGS]]
    except (OSError, ValueError, TypeError, KeyError):
        before = []
    seen = [] if now is None else [*before, now][-most:]
    write_json(path, {LAGS: seen})
    return tuple(seen)


def seconds(since: datetime | None, now: datetime) -> float | None:
    """Return the seconds since a time, None where there is none."""
    return None if since is None else (now - since).total_seconds()


def age_of(folder: Path, now: datetime) -> float | None:
    """Return the seconds since the newest file of a folder was written, None where there is none."""
    times = [path.stat().st_mtime for path in folder.glob("[0-9]*")]
    return now.timestamp() - max(times) if times else None


def free_space(home: Path) -> int:
    """Return the bytes that are free where Mend writes."""
    return shutil.disk_usage(next(folder for folder in (home, *home.parents) if folder.exists())).free


def paces(workspace: Workspace, most: int) -> tuple[Pace, ...]:
    """Return how fast the last published runs that read a topic were, newest first."""
    runs = workspace.store.runs.recent(workspace.pipeline.name, most)
    ended = [
        one for one in runs if one.outcome is Outcome.PUBLISHED and one.ended_at and one.report and one.attempts == 1
    ]
    times = [((one.ended_at - one.opened_at).total_seconds(), one.report) for one in ended if one.ended_at]
    return tuple(
        Pace(seconds=seconds, events_per_second=report.total_records / seconds)
        for seconds, report in times
        if seconds > 0 and report is not None and report.partitions
    )


def told(log: IncidentLog, pipeline: str, found: list[Finding], watching: Watching, now: datetime) -> None:
    """Open an incident for each new finding, and resolve those of checks that pass again."""
    said = {one.check: one for one in found}
    for check in watching.checks:
        cause = f"health:{pipeline}:{check}"
        known, finding = log.find_open(cause), said.get(check)
        if finding and known is None:
            incident = opened(
                str(uuid4()),
                f"health_{check}",
                f"{pipeline}: {finding.said}",
                finding.severity,
                now,
                created_by="watch",
            )
            log.open_incident(replace(incident, cause=cause, context={"pipeline": pipeline, "check": check}))
            log.escalate_incident(incident.id, "", now)
        elif known and finding is None:
            log.resolve_incident(known.id, "the check passes again", now)
