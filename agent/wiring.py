"""The composition root: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from agent.adapters.act_file import FileActs
from agent.adapters.circuit_file import FileCircuit
from agent.adapters.incident_file import FileIncidents
from agent.adapters.journal_file import FileJournal
from agent.adapters.mapping_file import FileMappings
from agent.adapters.notice_log import LogNotices
from agent.adapters.quarantine_file import FileQuarantine
from agent.adapters.retrigger_file import FileRetriggers
from agent.ports import AdviserPort, JournalPort, Ports, RetriggerPort
from mend.runtime.clock import now
from mend.runtime.settings import LlmProvider, Settings

if TYPE_CHECKING:  # the store loads SQLAlchemy, which a decision from files does not need
    from agent.adapters.retrigger_airflow import AirflowRetriggers
    from agent.llm.process import ModelProcess
    from agent.llm.question import Provider
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
        circuit=FileCircuit(folder / "circuit.json"),
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
    run_id: str | None = None,
) -> Ports:
    """Return ports over the store; requests to the runner and orders to the publishing stay files in `ops`.

    `contract` are the pipeline's own fields, the first version of its mapping; values of `pii` columns are in no
    incident. `error` is what the job said that failed, `run_id` what is decided about.
    """
    from agent.adapters.notices import OutboxNotices
    from agent.adapters.store import StoreActs, StoreCircuit, StoreIncidents, StoreMappings
    from mend.incidents.log import incident_log

    return Ports(
        incidents=StoreIncidents(
            incident_log(store, ops, pii=pii), {"pipeline": pipeline} | ({"error": error} if error else {})
        ),
        mappings=StoreMappings(store.mappings, pipeline, contract, run_id, store.trials),
        quarantine=FileQuarantine(ops.parent / "quarantine"),
        retriggers=FileRetriggers(ops / "retrigger.json"),
        notices=OutboxNotices(store, pipeline, now),
        acts=StoreActs(store.decisions),
        circuit=StoreCircuit(store.brakes, pipeline),
        clock=now,
        brake=lambda: store.brakes.why_paused(pipeline, now()),
    )


def retriggers_of(settings: Settings, ops: Path, pipeline: str) -> RetriggerPort:
    """Return whom to ask to run again: Airflow where the settings name one, else the next `mend run`."""
    return airflow_retriggers(settings, ops, pipeline) or FileRetriggers(ops / "retrigger.json")


def airflow_retriggers(settings: Settings, ops: Path, pipeline: str) -> AirflowRetriggers | None:
    """Return the requests to the Airflow of the settings, None where they name none."""
    if not settings.airflow_url:
        return None
    from agent.adapters.airflow_api import airflow_of
    from agent.adapters.retrigger_airflow import AirflowRetriggers

    return AirflowRetriggers(airflow_of(settings), FileRetriggers(ops / "retrigger.json"), pipeline)


def store_journal(store: Store, output: Path, log: Path) -> JournalPort:
    """Return a journal that writes decisions into the store, then to the files."""
    from agent.adapters.store import StoreJournal

    return StoreJournal(store.decisions, FileJournal(output, log))


def adviser_of(settings: Settings) -> AdviserPort | None:
    """Return the adviser that the settings name, None for `none`. Its process is shared by all who ask."""
    if settings.llm_provider is LlmProvider.NONE:
        return None
    from agent.llm.adviser import ModelAdviser

    return ModelAdviser(provider_of(settings), settings.llm_deadline_seconds, model_process())


def provider_of(settings: Settings) -> Provider:
    """Return where the model of the settings answers."""
    from agent.llm.question import Provider

    if settings.llm_provider is LlmProvider.OLLAMA:
        return Provider(name="ollama", model=settings.ollama_model, base_url=settings.ollama_base_url)
    key = settings.openai_api_key.get_secret_value()
    return Provider(name="openai", model=settings.openai_model, base_url=settings.openai_base_url, api_key=key)


@cache
def model_process() -> ModelProcess:
    """Return the one process of the model; it ends with this one."""
    from agent.llm.process import ModelProcess

    return ModelProcess()
