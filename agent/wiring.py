"""The composition root: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from agent.adapters.act_file import FileActs
from agent.adapters.incident_file import FileIncidents
from agent.adapters.journal_file import FileJournal
from agent.adapters.mapping_file import FileMappings
from agent.adapters.notice_log import LogNotices
from agent.adapters.quarantine_file import FileQuarantine
from agent.adapters.retrigger_file import FileRetriggers
from agent.ports import JournalPort, Ports
from mend.runtime.clock import now

if TYPE_CHECKING:  # the store loads SQLAlchemy, which a decision from files does not need
    from mend.contracts.mapping import MappedField
    from mend.store.engine import Store


def file_ports(folder: Path) -> Ports:
    """Return ports that keep everything as files in one folder."""
    return Ports(
        incidents=FileIncidents(folder / "incidents.jsonl"),
        mappings=FileMappings(folder / "schema_remap.json"),
        quarantine=FileQuarantine(folder / "quarantine"),
        retriggers=FileRetriggers(folder / "retrigger.json"),
        notices=LogNotices(),
        acts=FileActs(folder / "agent_actions.jsonl"),
        clock=now,
    )


def file_journal(output: Path) -> JournalPort:
    """Return a journal that writes the decision to `output` and its line to the log beside it."""
    return FileJournal(output, output.with_name("decision_log.jsonl"))


def store_ports(
    store: Store,
    ops: Path,
    pipeline: str,
    contract: tuple[MappedField, ...],
    *,
    pii: Collection[str] = (),
    error: str | None = None,
) -> Ports:
    """Return ports over the store; requests to the runner and orders to the publishing stay files in `ops`.

    `contract` are the pipeline's own fields, the first version of its mapping; values of `pii` columns are in no
    incident. `error` is what the job said that failed.
    """
    from agent.adapters.store import StoreActs, StoreIncidents, StoreMappings
    from mend.incidents.log import incident_log

    return Ports(
        incidents=StoreIncidents(
            incident_log(store, ops, pii=pii), {"pipeline": pipeline} | ({"error": error} if error else {})
        ),
        mappings=StoreMappings(store.mappings, pipeline, contract),
        quarantine=FileQuarantine(ops.parent / "quarantine"),
        retriggers=FileRetriggers(ops / "retrigger.json"),
        notices=LogNotices(),
        acts=StoreActs(store.decisions),
        clock=now,
    )


def store_journal(store: Store, output: Path, log: Path) -> JournalPort:
    """Return a journal that writes decisions into the store, then to the files."""
    from agent.adapters.store import StoreJournal

    return StoreJournal(store.decisions, FileJournal(output, log))
