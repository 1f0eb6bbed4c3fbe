"""What each act of a decision will have brought about, said before it is done. Pure."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from agent.phrases import listed, quoted
from agent.signals import Signals
from mend.contracts.decision import DecisionResult, Prediction
from mend.contracts.report import RunReport

Place = Literal["held", "rejected"]
EFFECTS = {
    "escalate_incident": "an incident is open",
    "open_circuit": "scheduled runs wait until a person closes the circuit",
    "notify_ops": "people are told",
    "update_incident": "the open incident has a note",
    "resolve_incident": "the incident is resolved",
}
UNKNOWN = "it succeeds"
"""What is said of a user's own tool."""


class Planned(Protocol):
    """An act as it is planned."""

    @property
    def tool(self) -> str:
        """Return the tool's name."""

    @property
    def target(self) -> str:
        """Return what it is done to."""

    @property
    def params(self) -> Mapping[str, Any]:
        """Return the tool's parameters."""


def prediction(act: Planned, decision: DecisionResult, report: RunReport | None, signals: Signals) -> Prediction:
    """Say what an act will have brought about, with the rows that it moves and by when."""
    effect, rows, place, by = EFFECTS.get(act.tool, UNKNOWN), None, None, None
    if act.tool == "retrigger_task":
        by = act.params.get("execution_date")
        effect = f"{act.params.get('task_id')} runs again, {f'not before {by}' if by else 'with the next batch'}"
    elif act.tool == "apply_schema_remap":
        effect = f"the active mapping has {listed(map(quoted, act.params.get('mapping', ())))} from the next run on"
    elif act.tool == "quarantine_records":
        effect, rows, place = aside(act.params, decision, report, signals)
    return Prediction(tool=act.tool, target=act.target, effect=effect, rows=rows, place=place, by=by)


def aside(
    params: Mapping[str, Any], decision: DecisionResult, report: RunReport | None, signals: Signals
) -> tuple[str, int | None, Place | None]:
    """Say which rows are set aside, and how many.

    The failures of a segment are counted with its rejected rows, which are set aside by themselves.
    """
    if report is None:
        return "the rejected rows are set aside", None, None
    if params.get("filter_condition"):
        rows = sum(one.failures for one in signals.localised)
        return f"at most {rows} failing rows of the segment are set aside", rows, "held"
    if params.get("partitions"):
        paused = {(one.topic, one.partition) for one in decision.paused}
        rows = sum(one.places.accepted for one in report.partitions if (one.topic, one.partition) in paused)
        return f"{rows} rows of the paused partitions are set aside", rows, "held"
    places = report.places
    return "the rejected rows are set aside", places.rejected if places else None, "rejected"
