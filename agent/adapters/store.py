"""The ports over the store and the incident log; imported only where a store is."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from agent.adapters.incident_file import incident_id
from agent.ports import JournalPort
from mend.contracts.decision import DecisionLogLine, DecisionResult, ToolResult
from mend.contracts.incident import Incident, Severity
from mend.contracts.mapping import MappedField
from mend.incidents.fingerprint import cause_of
from mend.incidents.lifecycle import opened
from mend.incidents.log import IncidentLog
from mend.remap.versions import with_renames
from mend.runtime.clock import now
from mend.runtime.errors import UserError
from mend.runtime.faults import fault_point
from mend.store.brakes import Brakes
from mend.store.decisions import Decisions
from mend.store.mappings import Mappings
from mend.store.trials import Trials


class StoreIncidents:
    """Incidents in the incident log, which falls back to a file while the database is away.

    `facts` are what the caller knows of every incident that it opens: the pipeline, the error of its job.
    """

    def __init__(self, log: IncidentLog, facts: dict[str, Any] | None = None) -> None:
        self.log = log
        self.facts = facts or {}

    def open(
        self,
        incident_type: str,
        summary: str,
        context: dict[str, Any],
        severity: Severity,
        at: datetime,
        *,
        key: str = "",
        cause: str | None = None,
    ) -> Incident:
        """Open the incident, or count it in the one of its cause, and mark it as brought before a person."""
        context = self.facts | context
        cause = cause or cause_of(incident_type, context.get("pipeline"), summary)
        incident = opened(incident_id(key), incident_type, summary, severity, at, context=context)
        if self.log.get_incident(incident.id) is None:
            known = self.log.find_open(cause)
            if known:
                self.log.note_incident(known.id, summary, at)
        stands = self.log.open_incident(replace(incident, cause=cause))
        return self.log.escalate_incident(stands.id, "", at) if stands.live and not stands.escalated else stands

    def note(self, cause: str, note: str, at: datetime) -> Incident | None:
        """Note it in the log."""
        known = self.log.find_open(cause)
        return self.log.note_incident(known.id, note, at) if known else None

    def resolve(self, cause: str, notes: str, at: datetime) -> Incident | None:
        """Resolve it in the log."""
        known = self.log.find_open(cause)
        return self.log.resolve_incident(known.id, notes, at) if known else None

    def is_open(self, incident_id: str) -> bool:
        """Look it up in the log."""
        known = self.log.get_incident(incident_id)
        return known is not None and known.live


class StoreMappings:
    """The mappings of one pipeline; version 1 is its contract, so the first remap makes version 2.

    `trials` are asked before a field is renamed: without its trial, or on another version than that, nothing is.
    """

    def __init__(
        self,
        mappings: Mappings,
        pipeline: str,
        contract: tuple[MappedField, ...],
        run_id: str | None = None,
        trials: Trials | None = None,
    ) -> None:
        self.mappings = mappings
        self.pipeline = pipeline
        self.contract = contract
        self.run_id = run_id
        self.trials = trials

    def apply(self, mapping: dict[str, Any], at: datetime) -> int:
        """Append a version with the new fields, but for those that a person declined, and with the tried renames."""
        current = self.mappings.current(self.pipeline)
        fields, declined = (current.fields, current.declined) if current else (self.contract, ())
        renames = {new: one for new, one in mapping.items() if "renamed_from" in one}
        recipe = with_renames(fields, declined, self._fields_of(renames, fields))
        known = {name for one in recipe.fields for name in (one.name, one.source)} | set(declined)
        added = tuple(
            added_field(name, one) for name, one in mapping.items() if name not in renames and name not in known
        )
        found = (*recipe.fields, *added)
        base = current.version if current else 0
        trial = self._trial(renames, found, base) if recipe.fields != fields else None
        base = base or self._first(at)
        if found == fields:
            return base
        return self.mappings.append(
            self.pipeline, found, at, created_by="decision", decision_run=self.run_id, base=base,
            declined=recipe.declined, trial=trial,
        )  # fmt: skip

    def _fields_of(self, renames: dict[str, Any], fields: tuple[MappedField, ...]) -> dict[str, str]:
        """Return new name → field; a field that there is none of is refused."""
        names = {one.name for one in fields}
        for new, one in renames.items():
            if one["renamed_from"] not in names:
                raise UserError(
                    f"{self.pipeline}: '{new}' is to be '{one['renamed_from']}', and no field is called so."
                )
        return {new: one["renamed_from"] for new, one in renames.items()}

    def _trial(self, renames: dict[str, Any], fields: tuple[MappedField, ...], base: int) -> str:
        """Return the hash of the trial of these fields; refuses what was not tried, or tried in vain."""
        name = next(iter(renames))
        started = str(renames[name].get("trial") or "")
        known = self.trials.get(self.pipeline, started) if self.trials and started else None
        if known is None:
            raise UserError(f"{self.pipeline}: '{name}' is a renamed field, and the new mapping was not tried.")
        said = known[1]
        if not said.passed:
            raise UserError(f"{self.pipeline}: the new mapping did not pass its trial: {said.against[0]}.")
        if set(said.fields) != set(fields) or max(said.base, 1) != max(base, 1):
            raise UserError(f"{self.pipeline}: another mapping was tried than the one that would be used now.")
        return known[0]

    def active_names(self) -> frozenset[str]:
        """Return the names that the newest version reads, and those that a person decided about otherwise."""
        current = self.mappings.current(self.pipeline)
        fields, declined = (current.fields, current.declined) if current else (self.contract, ())
        return frozenset((*(name for one in fields for name in (one.name, one.source)), *declined))

    def _first(self, at: datetime) -> int:
        return self.mappings.append(self.pipeline, self.contract, at, created_by="contract", base=0)


def added_field(name: str, change: dict[str, Any]) -> MappedField:
    """Return the field of a mapping."""
    return MappedField(name=name, source=name, type=str(change["type"]), nullable=True, added=True)


class StoreCircuit:
    """The circuit of one pipeline."""

    def __init__(self, brakes: Brakes, pipeline: str) -> None:
        self.brakes = brakes
        self.pipeline = pipeline

    def open(self, cause: str, why: str, run_id: str | None, at: datetime) -> str:
        """Insert a row unless one is open."""
        return str(self.brakes.open_circuit(self.pipeline, cause, why, at, by="decision", run_id=run_id).id)

    def is_open(self) -> bool:
        """Read it from the table."""
        return self.brakes.circuit(self.pipeline) is not None


class StoreActs:
    """What was done already, in the table of actions."""

    def __init__(self, decisions: Decisions) -> None:
        self.decisions = decisions

    def find(self, key: str) -> ToolResult | None:
        """Read the first result."""
        return self.decisions.first_result(key)

    def keep(self, key: str, run_id: str | None, tool: str, target: str, result: ToolResult) -> None:
        """Insert a row; one that is there stays."""
        at = datetime.fromisoformat(result.timestamp)
        self.decisions.record_action(key, run_id, tool, target, result, at)


class StoreJournal:
    """Writes decisions into the store before the files."""

    def __init__(self, decisions: Decisions, files: JournalPort) -> None:
        self.decisions = decisions
        self.files = files

    def keep(self, name: str, content: bytes) -> None:
        """Write the file."""
        self.files.keep(name, content)

    def record(self, decision: DecisionResult, line: DecisionLogLine) -> None:
        """Insert a row unless it is there, with the acts that failed, then write the files."""
        failed = tuple(one for one in decision.actions_taken if not (one.result.success or one.paused))
        kept = replace(decision, actions_taken=failed)
        if not self.decisions.known(decision.run_id, kept):
            self.decisions.record(decision.run_id, kept, datetime.fromisoformat(decision.timestamp), now())
        fault_point("decision_stored")
        self.files.record(decision, line)

    def finish(self, decision: DecisionResult) -> None:
        """Rewrite the file; the acts themselves are in the store already."""
        self.files.finish(decision)
