"""Play a trouble on a pipeline's own topic: checked before anything is sent, sent by the producer."""

from dataclasses import dataclass

from mend.runtime import clock
from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest
from mend.runtime.pipeline_file import Pipeline
from mend.runtime.schema_registry import registry_address
from mend.runtime.settings import Settings
from producer.avro import default_schema_path
from producer.customers import EARLIEST_START_MS
from producer.kinds import KINDS, KindName
from producer.messages import Format, refuse_unknown_fields
from producer.scenarios import Scenario
from producer.session import Counters, Options, produce

REFUSED = 3
SEED = 42


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A scenario about to be sent: so many events, where to."""

    scenario: Scenario
    kind: KindName
    events: int
    options: Options

    def __str__(self) -> str:
        """Say what will be sent, and where."""
        where = f"{self.options.topic} at {self.options.kafka.broker}"
        return f"{self.events:,} made-up events to the topic {where}: {self.scenario.sends}"


def kind_of(pipeline: Pipeline) -> KindName:
    """Return which made-up events are those of a pipeline; one that none fit is refused."""
    if pipeline.name not in {one.value for one in KindName}:
        raise UserError(f"no made-up events for '{pipeline.name}'.{nearest(pipeline.name, list(KindName))}")
    kind = KindName(pipeline.name)
    made = next(KINDS[kind].events(SEED, start_ts=EARLIEST_START_MS)).fields()
    foreign = [name for name in pipeline.schema.names if pipeline.source(name) not in made]
    if foreign:
        raise UserError(
            f"the contract of {pipeline.name} has a field '{foreign[0]}' that the made-up events have not. "
            "Only the pipelines that ship with Mend can be played on.",
            exit_code=REFUSED,
        )
    return kind


def trouble(
    settings: Settings, pipeline: Pipeline, scenario: Scenario, events: int, *, topic: str = "", seed: int = SEED
) -> Trouble:
    """Return what would be sent; nothing is sent yet. A topic that is not the pipeline's own is refused."""
    if topic and topic != pipeline.topic:
        raise UserError(
            f"{pipeline.name} reads the topic '{pipeline.topic}', not '{topic}'. Nothing was sent.", exit_code=REFUSED
        )
    kind, form = kind_of(pipeline), Format(pipeline.format)
    refuse_unknown_fields(KINDS[kind], scenario.anomalies, form)
    now = int(clock.now().timestamp() * 1000)
    options = Options(
        kafka=settings.kafka,
        topic=pipeline.topic,
        start_ts=now,
        rate=0,
        count=events,
        seed=seed + now % 1_000_000 if scenario.newcomers else seed,
        form=form,
        schema_path=default_schema_path(KINDS[kind].schema),
        anomalies=scenario.anomalies,
        kind=KINDS[kind],
        registry=registry_address(settings),
    )
    return Trouble(scenario=scenario, kind=kind, events=events, options=options)


def send(one: Trouble) -> Counters:
    """Send it and wait until the broker has every event; one that it does not confirm is a UserError."""
    counters = produce(one.options)
    if counters.errors:
        raise UserError(
            f"{counters.errors} of {counters.total_events} events were not confirmed: {counters.first_error}",
            exit_code=1,
        )
    return counters
