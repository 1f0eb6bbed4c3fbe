"""The state of Mend as Prometheus reads it, counted from the store when it is asked.

Runs are counted in an index, decisions only where they are new since the last scrape, so that a scrape costs the same
whether the decisions are a hundred or a hundred thousand. All totals are of things that are never taken back.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock

import orjson
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from mend.runtime import clock
from mend.store.database import StoreUnavailable
from mend.store.engine import Store
from mend.store.measures import SettledRuns
from mend.store.tables import Outcome

STATUS = {Outcome.PUBLISHED: "success", Outcome.HELD: "held"}
REMEDIES = ("retrigger_task", "apply_schema_remap", "quarantine_records")
BUCKETS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
ACT_FAILED = "act_failed"
Samples = dict[tuple[str, ...], float]


@dataclass
class Tally:
    """What all decisions up to the id `last` add up to; those after it are added on the way."""

    last: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    deciders: Counter[str] = field(default_factory=Counter)
    escalated: int = 0
    model_asked: int = 0
    model_answers: bool | None = None

    def go_on(self, store: Store) -> None:
        """Count the decisions that are new."""
        while fresh := store.measures.decisions_after(self.last):
            for one in fresh:
                if ACT_FAILED in one.rules:  # the same decision, recorded again
                    self.rules[ACT_FAILED] += 1
                    continue
                self.rules.update(set(one.rules))
                self.deciders[one.decided_by] += 1
                self.escalated += one.escalated
                self.model_asked += one.model_asked
                if one.model_answered is not None:
                    self.model_answers = one.model_answered
            self.last = fresh[-1].id


class StoreCollector(Collector):
    """Collects from the store; scrapes at the same time wait for each other."""

    def __init__(self, store: Store, ops: Path) -> None:
        self.store = store
        self.ops = ops
        self.tally = Tally()
        self.alone = Lock()

    def collect(self) -> Iterator[Metric]:
        """Yield all families, or only that the store is away."""
        with self.alone:
            try:
                families = list(self.families())
            except StoreUnavailable:
                families = []
            yield gauge("mend_store_up", "1 while the store answers", (), {(): float(bool(families))})
            yield from families

    def families(self) -> Iterator[Metric]:
        """Yield what the store and the last look at the broker say."""
        self.tally.go_on(self.store)
        runs = self.store.measures.settled(BUCKETS)
        yield from known_names(self.store, self.tally, runs)
        yield from decided(self.tally)
        yield from ended(runs)
        yield from stored(self.store)
        yield from held_back(self.store, {one.pipeline for one in runs})
        yield from alerts(self.store)
        yield from lag(self.ops / "kafka_monitoring.json")


def known_names(store: Store, tally: Tally, runs: list[SettledRuns]) -> Iterator[Metric]:
    """Yield the metrics whose names users' dashboards have."""
    measures, failures = store.measures, store.measures.failures()
    ends = dict.fromkeys(STATUS.values(), 0.0) | {"failed": float(sum(many for *_, many in failures))}
    for one in runs:
        ends[STATUS[one.outcome]] += one.count
    yield counter("shp_pipeline_runs", "Settled runs, and jobs that failed", ("status",), by_name(ends))
    types = summed((cause or "unknown", many) for _, cause, many in failures)
    yield counter("shp_pipeline_errors", "Failed jobs by their cause", ("type",), by_name(types))
    done = sum(many for tool, many in measures.actions() if tool in REMEDIES)
    attempts = {"success": float(done), "failed": float(tally.rules[ACT_FAILED])}
    yield counter("shp_healing_attempts", "Remedies: done, or failed in the act", ("status",), by_name(attempts))
    yield durations(runs)
    yield cost(tally)
    newest: Samples = {(): max(one.last_end for one in runs).timestamp()} if runs else {}
    yield gauge("shp_last_run_timestamp_seconds", "End of the newest settled run", (), newest)


def durations(runs: list[SettledRuns]) -> Metric:
    """Return how long settled runs took from their opening."""
    counts = [sum(one.within[at] for one in runs) for at in range(len(BUCKETS))]
    buckets = [*zip(map(str, BUCKETS), counts, strict=True), ("+Inf", sum(one.count for one in runs))]
    family = HistogramMetricFamily("shp_pipeline_duration_seconds", "From the opening of a run to its settled rows")
    family.add_metric([], buckets=buckets, sum_value=sum(one.seconds for one in runs))
    return family


def cost(tally: Tally) -> Metric:
    """Return what models cost: nothing while none was asked, and unknown afterwards, for no provider says its price."""
    unasked: Samples = {} if tally.model_asked else {(): 0.0}
    return counter("shp_ai_cost", "US dollars paid for models; without a value once one was asked", (), unasked)


def decided(tally: Tally) -> Iterator[Metric]:
    """Yield what is known of the decisions."""
    yield counter("mend_decisions", "Decisions by who made them", ("decided_by",), by_name(tally.deciders))
    yield counter("mend_rules_fired", "Decisions in which a rule fired", ("rule",), by_name(tally.rules))
    known: Samples = {} if tally.model_answers is None else {(): float(tally.model_answers)}
    yield gauge("mend_model_available", "1 if the model answered when it was last asked", (), known)
    yield counter("mend_escalations", "Decisions that called a person", (), {(): float(tally.escalated)})


def ended(runs: list[SettledRuns]) -> Iterator[Metric]:
    """Yield what is known of the runs beside the names that users know."""
    verdicts = summed((one.verdict, one.count) for one in runs)
    yield counter("mend_audit_verdicts", "Settled runs by the verdict of their audit", ("verdict",), by_name(verdicts))
    by_pipeline = sorted(runs, key=lambda one: one.last_end)
    ends: Samples = {(one.pipeline,): one.last_end.timestamp() for one in by_pipeline}
    yield gauge("mend_last_run_timestamp_seconds", "End of the newest settled run", ("pipeline",), ends)


def stored(store: Store) -> Iterator[Metric]:
    """Yield what the tables hold."""
    measures = store.measures
    yield counter("mend_events", "Events of settled runs by their place", ("place",), by_name(measures.events()))
    yield counter("mend_acts", "Acts that were done", ("tool",), by_name(dict(measures.actions())))
    tasks = summed((cause or "unknown", many) for cause, many in measures.task_failures())
    yield counter("mend_task_failures", "Failed tasks that others reported", ("type",), by_name(tasks))
    incidents = dict(measures.open_incidents())
    yield gauge("mend_open_incidents", "Incidents that have not ended", ("severity",), by_name(incidents))
    owed = summed((one.topic, one.events) for one in store.dead_letters.owed(None))
    yield gauge("mend_dead_letters_waiting", "Dead letters not yet sent to their topic", ("topic",), by_name(owed))
    proven: Samples = {
        (one.pipeline, one.topic, str(one.partition)): float(one.verified_through) for one in store.proofs.all()
    }
    labels = ("pipeline", "topic", "partition")
    yield gauge("mend_verified_through_offset", "Offset up to which a partition is proven", labels, proven)


def held_back(store: Store, pipelines: set[str]) -> Iterator[Metric]:
    """Yield what keeps the machine from acting: open circuits, and pauses; those of no pipeline hold for all."""
    opened = {one.pipeline for one in store.brakes.open_circuits()}
    circuits = {name: float(name in opened) for name in pipelines | opened}
    yield gauge("mend_circuit_open", "1 while scheduled runs wait for a person", ("pipeline",), by_name(circuits))
    paused = {one.pipeline or "all" for one in store.brakes.pauses(None, clock.now())}
    pauses = {name: float(name in paused) for name in {"all"} | paused}
    yield gauge("mend_paused", "1 while a person keeps the machine from acting", ("pipeline",), by_name(pauses))


def alerts(store: Store) -> Iterator[Metric]:
    """Yield what waits in the outbox."""
    waiting = store.measures.alerts_waiting()
    many: Samples = {(channel, state): float(count) for channel, state, count, _ in waiting}
    yield gauge("mend_alerts_waiting", "Messages to people that are not sent", ("channel", "state"), many)
    oldest: Samples = {(): min(at for *_, at in waiting).timestamp()} if waiting else {}
    yield gauge("mend_oldest_alert_timestamp_seconds", "When the oldest of them was told", (), oldest)


def lag(path: Path) -> Iterator[Metric]:
    """Yield the lag as it was last measured; a figure that is not there or half written is left out."""
    try:
        seen = orjson.loads(path.read_bytes())
        events, at = float(seen["lag"]), datetime.fromisoformat(seen["timestamp"]).timestamp()
        topic = str(seen["topic"])
    except (OSError, ValueError, TypeError, KeyError):
        return
    yield gauge("mend_kafka_lag_events", "Events that waited when it was last measured", ("topic",), {(topic,): events})
    yield gauge("mend_kafka_lag_timestamp_seconds", "When the lag was measured", ("topic",), {(topic,): at})


def counter(name: str, says: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    """Return a family of counters; `_total` is added to the name."""
    return filled(CounterMetricFamily(name, says, labels=labels), samples)


def gauge(name: str, says: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    """Return a family of gauges."""
    return filled(GaugeMetricFamily(name, says, labels=labels), samples)


def filled(family: CounterMetricFamily | GaugeMetricFamily, samples: Samples) -> Metric:
    """Add the samples by their labels."""
    for labels, value in sorted(samples.items()):
        family.add_metric(labels, value)
    return family


def by_name(values: dict[str, float] | dict[str, int] | Counter[str]) -> Samples:
    """Return samples with one label."""
    return {(str(name),): float(value) for name, value in values.items()}


def summed(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Add the counts of each name."""
    found: Counter[str] = Counter()
    for name, many in pairs:
        found[name] += many
    return dict(found)
