"""`mend prove` over settled runs against DuckDB that counts the same files: rows and distinct offsets by partition.

DuckDB's count finds doubles and missing sums; it does not say which offset, in which files, or compare with the ledger.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from bench.measure import Wish, compare, show, wish
from mend.contracts.settled import SettledFile, SettledManifest, SettledRange
from mend.proof.prove import Known, Scope, prove
from mend.runtime.layout import Layout
from mend.runtime.settings import load_settings
from orchestration.settled_manifest import write

TOPIC, PARTITIONS, RUN_EVENTS = "customers", 4, 1_000_000
DAY = datetime(2026, 3, 1, tzinfo=UTC)
COUNT = """
SELECT topic, part, count(*), count(DISTINCT number) FROM (
  SELECT kafka_topic AS topic, kafka_partition AS part, kafka_offset AS number FROM read_parquet($published)
  UNION ALL SELECT topic, partition, "offset" FROM read_parquet($aside)
) GROUP BY ALL
"""


def settle(layout: Layout, number: int, width: int) -> str:
    """Write the files of one run: of each partition most events published, every fiftieth late or set aside."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    run_id, files, ranges = f"run-{number:05d}", [], []
    for partition in range(PARTITIONS):
        offsets = np.arange(number * width, (number + 1) * width)
        late, aside = offsets % 50 == 1, offsets % 50 == 2  # noqa: PLR2004
        parts = [
            (layout.published(run_id) / f"event_date={DAY:%F}" / f"{partition}.parquet", "kafka_", ~(late | aside)),
            (layout.published(run_id) / "event_date=2026-02-28" / f"{partition}.parquet", "kafka_", late),
            (layout.dead_letters(run_id) / f"{partition}.parquet", "", aside),
        ]
        for path, prefix, chosen in parts:
            rows = offsets[chosen]
            columns = {
                f"{prefix}topic": [TOPIC] * len(rows),
                f"{prefix}partition": pa.array(np.full(len(rows), partition, np.int32)),
                f"{prefix}offset": rows,
                "payload": pa.array(rows.astype(str)),
            }
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table(columns), path, row_group_size=100_000)
            root = layout.settings.published if prefix else layout.settings.home
            name = path.relative_to(root).as_posix()
            place: Any = "published" if prefix else "dead_letter"
            files.append(SettledFile(place=place, path=name, rows=len(rows), bytes=path.stat().st_size))
        ranges.append(
            SettledRange(
                topic=TOPIC, partition=partition, from_offset=number * width, until_offset=(number + 1) * width,
                records=width,
            )
        )  # fmt: skip
    at = (DAY + timedelta(minutes=number)).isoformat()
    write(layout, SettledManifest(run_id=run_id, pipeline="p", settled_at=at, ranges=tuple(ranges), files=tuple(files)))
    return run_id


def ours(layout: Layout, known: Known, offsets: int) -> float:
    """Return offsets a second of the proof."""
    began = perf_counter()
    proof = prove(layout.settings.home, layout.settings.published, lambda: known, Scope())
    seconds = perf_counter() - began
    if not proof.holds or proof.offsets != offsets:
        raise RuntimeError(f"{proof.offsets} of {offsets} offsets, {proof.findings[:1]}")
    return offsets / seconds


def peer(layout: Layout, offsets: int) -> float:
    """Return offsets a second of DuckDB."""
    import duckdb

    began = perf_counter()
    with duckdb.connect() as db:
        home, published = layout.settings.home, layout.settings.published
        globs = {"published": f"{published}/**/*.parquet", "aside": f"{home}/dead_letters/**/*.parquet"}
        rows = db.execute(COUNT, globs).fetchall()
    seconds = perf_counter() - began
    if sum(row[3] for row in rows) != offsets:
        raise RuntimeError(f"{rows} are not {offsets} offsets")
    return offsets / seconds


def measure(asked: Wish) -> dict[str, Any]:
    """Settle runs, then compare."""
    events, repeats = (2_000_000, 3) if asked.quick else (10_000_000, 5)
    with TemporaryDirectory(prefix="mend-bench-") as name:
        layout = Layout(load_settings(mend_home=Path(name), parquet_out=None))
        width = RUN_EVENTS // PARTITIONS
        runs = [settle(layout, number, width) for number in range(events // RUN_EVENTS)]
        known = Known(states=dict.fromkeys(runs, ("p", "validated")))
        ours(layout, known, events)
        peer(layout, events)
        return compare(
            "prove", ">= 2,000,000 offsets/s", "offsets/s",
            lambda: ours(layout, known, events), lambda: peer(layout, events), repeats,
        )  # fmt: skip


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
