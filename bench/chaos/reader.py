"""A plain reader that looks at the published files all the time, as a dashboard would: it knows nothing of Mend."""

import glob
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

LOOK = """
WITH events AS (SELECT * FROM read_parquet($files, union_by_name = true, hive_partitioning = true))
SELECT run, count(*), bit_xor(hash(kafka_topic, kafka_partition, kafka_offset)) FROM events GROUP BY run
"""
TWICE = """
WITH events AS (SELECT * FROM read_parquet($files, union_by_name = true, hive_partitioning = true))
SELECT count(*) - count(DISTINCT ({columns})) FROM events
"""
POSITION = ("kafka_topic", "kafka_partition", "kafka_offset")
NOTHING = "No files found"


@dataclass
class Reader:
    """Looks until it is left; `anomalies` are what no reader may ever see, `seen` when each run was first there.

    A run that is there is whole: at every later look it has the same events. No event is there twice, neither by its
    place in Kafka nor by its key.
    """

    published: Path
    key: Sequence[str] = ()
    pause: float = 0.05
    looks: int = 0
    rows: int = 0
    seen: dict[str, float] = field(default_factory=dict)
    anomalies: Counter[str] = field(default_factory=Counter)
    runs: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Look at nothing yet."""
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch, name="reader", daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look a last time."""
        self.stop.set()
        self.thread.join()
        self.look()

    def look_soon(self) -> None:
        """Wait until a look that begins now has ended."""
        begun = self.looks
        while self.looks < begun + 2 and self.thread.is_alive():
            time.sleep(self.pause)

    def watch(self) -> None:
        """Look again and again."""
        while not self.stop.is_set():
            self.look()
            self.stop.wait(self.pause)

    def look(self) -> None:
        """Read everything that is published once, and compare it with what was there before."""
        import duckdb

        files = {"files": f"{glob.escape(str(self.published))}/**/*.parquet"}
        try:
            with duckdb.connect(config={"threads": 1}) as db:
                found = {run: (rows, mark) for run, rows, mark in db.execute(LOOK, files).fetchall()}
                twice = [
                    (what, db.execute(TWICE.format(columns=", ".join(columns)), files).fetchall()[0][0])
                    for what, columns in (("offset twice", POSITION), ("key twice", self.key))
                    if columns
                ]
        except duckdb.Error as error:
            if NOTHING not in str(error):
                self.anomalies[f"cannot read: {str(error).splitlines()[0][:120]}"] += 1
                return
            found, twice = {}, []
        self.compare(found)
        self.anomalies.update({what: 1 for what, many in twice if many})

    def compare(self, found: dict[str, tuple[int, int]]) -> None:
        """Note what changed under the reader's eyes."""
        for run, events in self.runs.items():
            if found.get(run) != events:
                self.anomalies["run changed" if run in found else "run gone"] += 1
        for run in found.keys() - self.seen.keys():
            self.seen[run] = time.monotonic()
        self.runs = found
        self.looks += 1
        self.rows = sum(rows for rows, _ in found.values())
