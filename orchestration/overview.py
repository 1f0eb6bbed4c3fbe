"""How everything stands at one moment: what waits, the last runs, what a person should look at, who answers."""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from mend.contracts.incident import Incident
from mend.incidents.log import incident_log
from mend.runtime.errors import UserError
from mend.runtime.layout import Layout
from mend.runtime.pipeline_file import Pipeline, load_pipeline
from mend.runtime.settings import LlmProvider, Settings
from mend.store.brakes import Circuit
from mend.store.engine import Store
from mend.store.runs import Run
from orchestration.kafka_lag import BrokerAway, PartitionLag, measure_lag

BROKER_PATIENCE_S = 2.0
ANSWER_S = 0.5
INCIDENT_DAYS = 30
SEVEREST = ("critical", "high", "medium", "low")
Lags = tuple[PartitionLag, ...] | UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineState:
    """One pipeline. `lags` is empty where the broker could not be asked, and `trouble` says why."""

    name: str
    topic: str
    lags: tuple[PartitionLag, ...] = ()
    trouble: str = ""
    broker_away: bool = False
    circuit: Circuit | None = None
    paused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """One run, as a line."""

    run_id: str
    pipeline: str
    state: str
    events: int | None
    published: int | None
    events_per_second: float | None
    decision: str
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Something that the pipeline needs, and whether it answers."""

    name: str
    address: str
    up: bool
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything at one moment. `places` counts the events of all settled runs by where they went."""

    at: datetime
    pipelines: tuple[PipelineState, ...]
    runs: tuple[RunState, ...]
    incidents: tuple[Incident, ...]
    places: dict[str, int]
    services: tuple[Service, ...]

    @property
    def quarantined(self) -> int:
        """Events that were set aside: rejected by the contract or a rule, or held by a decision."""
        return self.places.get("rejected", 0) + self.places.get("held", 0)

    @property
    def waiting(self) -> int | None:
        """Events that nobody has read yet; None while the broker cannot be asked."""
        if any(one.broker_away for one in self.pipelines):
            return None
        return sum(one.lag for pipeline in self.pipelines for one in pipeline.lags)


def overview(settings: Settings, store: Store, at: datetime, most_runs: int = 20) -> Overview:
    """Look at everything; what does not answer is said in its place. Takes seconds at most, and changes nothing."""
    asked_lags = lags(settings, list(readable_pipelines(settings)))
    pipelines = tuple(pipeline_state(store, one, found, at) for one, found in asked_lags)
    log = incident_log(store, Layout(settings).ops)
    incidents = (one for one in log.get_recent_incidents(days=INCIDENT_DAYS, at=at) if one.live)
    return Overview(
        at=at,
        pipelines=pipelines,
        runs=tuple(run_state(store, run) for run in store.runs.recent(limit=most_runs)),
        incidents=tuple(sorted(incidents, key=lambda one: (SEVEREST.index(one.severity), one.created_at))),
        places=store.measures.events(),
        services=tuple(services(settings, pipelines)),
    )


def readable_pipelines(settings: Settings) -> Iterator[Pipeline]:
    """Read the pipeline files; `mend pipeline check` says what is wrong with one that is passed over here."""
    for path in sorted(settings.pipelines.glob("*.yml")):
        try:
            yield load_pipeline(path)
        except UserError:
            continue


def lags(settings: Settings, pipelines: Sequence[Pipeline]) -> Iterator[tuple[Pipeline, Lags]]:
    """Ask the broker about each topic; one that is away is asked once."""
    away: BrokerAway | None = None
    for one in pipelines:
        if away is not None:
            yield one, away
            continue
        try:
            checkpoint = Layout(settings).checkpoint(one.name)
            yield one, measure_lag(settings.kafka, one.topic, checkpoint, patience=BROKER_PATIENCE_S)
        except UserError as error:
            away = error if isinstance(error, BrokerAway) else None
            yield one, error


def pipeline_state(store: Store, pipeline: Pipeline, found: Lags, at: datetime) -> PipelineState:
    """Put together how one pipeline stands."""
    trouble = found if isinstance(found, UserError) else None
    return PipelineState(
        name=pipeline.name,
        topic=pipeline.topic,
        lags=() if isinstance(found, UserError) else found,
        trouble=str(trouble or ""),
        broker_away=isinstance(trouble, BrokerAway),
        circuit=store.brakes.circuit(pipeline.name),
        paused=store.brakes.why_paused(pipeline.name, at),
    )


def run_state(store: Store, run: Run) -> RunState:
    """Put a run together with its decision."""
    decision = store.decisions.get(run.run_id)
    return RunState(
        run_id=run.run_id,
        pipeline=run.pipeline,
        state=run.state.value,
        events=run.report.total_records if run.report else None,
        published=run.published_rows,
        events_per_second=run.report.events_per_second if run.report else None,
        decision=decision.result.decision if decision else "",
        updated_at=run.updated_at,
    )


def services(settings: Settings, pipelines: tuple[PipelineState, ...]) -> Iterator[Service]:
    """Ask what these settings use; the store answered, or there would be no overview."""
    yield Service(name="store", address=store_address(settings), up=True)
    away = next((one.trouble for one in pipelines if one.broker_away), "")
    yield Service(name="Kafka", address=settings.kafka_broker, up=not away, said=away)
    for name, url in used(settings):
        yield asked(name, url)


def store_address(settings: Settings) -> str:
    """Return where the store is, without its password."""
    return settings.database_url.split("@")[-1] if settings.database_url else str(settings.default_store)


def used(settings: Settings) -> Iterator[tuple[str, str]]:
    """Return name and URL of each further service that the settings name."""
    if settings.spark_master.startswith("spark://"):
        yield "Spark master", settings.spark_master
    if settings.schema_registry_url.get_secret_value():
        yield "schema registry", settings.schema_registry_url.get_secret_value()
    if settings.smtp_server not in {"", "localhost"}:
        yield "mail server", f"smtp://{settings.smtp_server}:{settings.smtp_port}"
    if settings.llm_provider is LlmProvider.OLLAMA:
        yield "Ollama", settings.ollama_base_url


def asked(name: str, url: str) -> Service:
    """See whether something listens there."""
    place = urlsplit(url)
    port = place.port or {"https": 443, "http": 80}.get(place.scheme, 0)
    address = f"{place.hostname}:{port}"
    try:
        socket.create_connection((place.hostname or "", port), timeout=ANSWER_S).close()
    except OSError as error:
        return Service(name=name, address=address, up=False, said=error.strerror or str(error))
    return Service(name=name, address=address, up=True)
