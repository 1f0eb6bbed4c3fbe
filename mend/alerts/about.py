"""Alerts about the things that Mend knows: incidents, failed runs, bad data, changed schemas. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from mend.contracts.alert import Alert, AlertKind, AlertSeverity
from mend.contracts.incident import Incident, Severity

SEVERITIES = {
    Severity.LOW: AlertSeverity.INFO,
    Severity.MEDIUM: AlertSeverity.WARNING,
    Severity.HIGH: AlertSeverity.ERROR,
    Severity.CRITICAL: AlertSeverity.CRITICAL,
}
LIMITS = ((10, AlertSeverity.CRITICAL), (5, AlertSeverity.ERROR), (1, AlertSeverity.WARNING))
TO_DO = "Look at the run's page and at `mend incident show`; resolve the incident when it is over."


def about_incident(incident: Incident, kind: AlertKind, pipeline: str | None = None) -> Alert:
    """Return the report of an incident: its summary, all that is known of it, and what came of it."""
    over = kind is AlertKind.RESOLVED
    context = {name: value for name, value in incident.context.items() if name != "run_id"}
    run_id = incident.context.get("run_id")
    seen = {"opened": incident.created_at, "status": str(incident.status)}
    return Alert(
        title=f"{pipeline or 'pipeline'}: {incident.incident_type.replace('_', ' ')}",
        severity=SEVERITIES[incident.severity],
        message=incident.summary,
        done=(incident.resolution_notes or "") if over else "",
        todo="" if over else TO_DO,
        kind=kind,
        cause=incident.cause or "",
        incident_id=incident.id,
        pipeline=pipeline,
        run_id=run_id if isinstance(run_id, str) else None,
        facts=seen | {str(name): worded(value) for name, value in context.items()},
    )


def pipeline_failure(pipeline: str, error: str, *, run_id: str | None = None, task: str | None = None) -> Alert:
    """Return the alert that a run failed."""
    return Alert(
        title=f"Pipeline failed: {pipeline}",
        severity=AlertSeverity.ERROR,
        message=error,
        todo="Correct the cause; the next run finishes what was begun.",
        pipeline=pipeline,
        run_id=run_id,
        facts={"task": task} if task else {},
    )


def data_quality_issue(dataset: str, failure_rate: float, details: str = "", *, run_id: str | None = None) -> Alert:
    """Return the alert that a percentage of rows fails; above 10 critical, 5 error, 1 warning, else info.

    A rate that is no number is critical: unknown is not healthy.
    """
    loud = (severity for limit, severity in LIMITS if not failure_rate <= limit)
    return Alert(
        title=f"Data quality: {dataset}",
        severity=next(loud, AlertSeverity.INFO),
        message=f"{failure_rate:g} % of the rows fail. {details}".strip(),
        pipeline=dataset,
        run_id=run_id,
        facts={"failure rate": f"{failure_rate:g} %"},
    )


def schema_drift(pipeline: str, drift: Mapping[str, Any], *, run_id: str | None = None) -> Alert:
    """Return the alert about {new_fields, removed_fields, type_changes, version}; lost fields are an error."""
    known = {name: drift.get(name) for name in ("new_fields", "removed_fields", "type_changes", "version")}
    lost = bool(known["removed_fields"] or known["type_changes"])
    return Alert(
        title=f"Schema drift: {pipeline}",
        severity=AlertSeverity.ERROR if lost else AlertSeverity.WARNING,
        message="The events of the topic have another shape than the contract says.",
        pipeline=pipeline,
        run_id=run_id,
        facts={name.replace("_", " "): worded(value) for name, value in known.items() if value},
    )


def worded(value: Any) -> str:
    """Return a fact as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and all(isinstance(one, str) for one in value):
        return "\n".join(value)
    return orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()
