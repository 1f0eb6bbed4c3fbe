"""What every sink must do. One suite holds for all of them: mend/sinks/conformance.py."""

from collections import Counter
from pathlib import Path
from typing import Protocol

PartitionRows = Counter[tuple[str, int]]
"""Rows by topic and partition of Kafka."""


class Sink(Protocol):
    """Publishes whole runs: a reader sees all rows of a run or none.

    A process may be killed at any line of a sink: the call is then made again, and must end as if it had not been.
    """

    def publish(self, run_id: str, accepted: Path) -> None:
        """Make the rows of the Parquet files below a folder readable.

        First they are staged where no reader looks (a copy, an upload, a staging table), then they become readable in
        one step (a rename, a commit, a snapshot). Publishing a published run changes nothing, whatever the folder
        holds by then; a folder that is not there is a run without rows. A run may have columns that no run before had.
        """

    def retract(self, run_id: str, into: Path) -> None:
        """Take a published run out of the readable set in one step, then put its rows as Parquet into a folder.

        Doing it twice changes nothing, nor does it for a run that is not published.
        """

    def count(self, run_id: str) -> PartitionRows:
        """Count the rows of a run that a reader sees; none for a run that is not published."""

    def location(self, run_id: str) -> str:
        """Say where a reader finds the run."""
