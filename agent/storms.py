"""Partitions in a storm of poison: which begin, which go on, which are over. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from agent.phrases import clean
from mend.contracts.decision import PartitionFilter
from mend.contracts.report import RunReport, Storm

STORM = "poison_storm"


@dataclass(frozen=True, slots=True, kw_only=True)
class StormyPartition:
    """A partition whose events are mostly bad."""

    storm: Storm

    @property
    def name(self) -> str:
        """Return topic and partition."""
        return partition_name(self.storm.topic, self.storm.partition)

    @property
    def filter(self) -> PartitionFilter:
        """Return the condition of its rows."""
        return PartitionFilter(topic=self.storm.topic, partition=self.storm.partition)

    def __str__(self) -> str:
        """Return it as a person reads it."""
        one = self.storm
        bad = one.dead_letter + one.rejected
        return f"{clean(self.name)} ({bad} of {one.records} events are bad, {one.longest} in a row)"


def partition_name(topic: str, partition: int) -> str:
    """Return topic and partition in one word."""
    return f"{topic}/{partition}"


def storm_cause(pipeline: str | None, partition: str) -> str:
    """Return what an incident about a storm is about, whatever run finds it."""
    return f"{STORM}:{pipeline or 'unknown'}:{partition}"


def new_storms(report: RunReport, known: Iterable[str]) -> tuple[StormyPartition, ...]:
    """Return the storms that nobody was called about."""
    return tuple(one for one in stormy(report) if one.storm.begins and one.name not in set(known))


def known_storms(report: RunReport, known: Iterable[str]) -> tuple[StormyPartition, ...]:
    """Return the storms that go on; a few bad events are enough for that."""
    return tuple(one for one in stormy(report) if one.name in set(known))


def ended_storms(report: RunReport, known: Iterable[str]) -> tuple[str, ...]:
    """Return the partitions in a storm of which events were read and are good again."""
    read = {partition_name(one.topic, one.partition) for one in report.partitions if one.records}
    return tuple(sorted((read & set(known)) - {one.name for one in stormy(report)}))


def stormy(report: RunReport) -> tuple[StormyPartition, ...]:
    """Return all partitions that have more bad events than good."""
    return tuple(StormyPartition(storm=one) for one in report.storms)
