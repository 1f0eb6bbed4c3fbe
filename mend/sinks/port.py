"""What every sink must do. One test suite holds for all of them."""

from collections import Counter
from pathlib import Path
from typing import Protocol

PartitionRows = Counter[tuple[str, int]]
"""Rows by topic and partition of Kafka."""


class Sink(Protocol):
    """Publishes whole runs: a reader sees all rows of a run or none."""

    def publish(self, run_id: str, accepted: Path) -> None:
        """Make the rows of a staged folder readable in one step. Publishing a published run changes nothing."""

    def retract(self, run_id: str, into: Path) -> None:
        """Take a published run out of the readable set in one step, into a folder. Doing it twice changes nothing."""

    def count(self, run_id: str) -> PartitionRows:
        """Count the rows of a run that a reader sees."""

    def location(self, run_id: str) -> str:
        """Say where a reader finds the run."""
