"""The audit of staged rows against Great Expectations used plainly: whole files through pandas, with samples."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from bench.measure import Wish, compare, show, wish
from mend.contracts.rules import RuleSet
from mend.quality.audit import audit, quiet_context, silence
from mend.quality.expectations import build_suite
from mend.quality.rules import load_rules

RULES = Path(__file__).parents[1] / "airflow" / "include" / "dq_rules.yml"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def stage(path: Path, rows: int) -> None:
    """Write staged rows of a thousand customers, one in fifty with a bad address, with columns that no rule reads."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    chance = random.Random(42)
    who = chance.choices(range(1000), k=rows)
    columns: dict[str, Any] = {
        "id": [f"8f14e45f-ceea-467f-a8d2-{number:012}" for number in who],
        "name": [f"Name {number}" for number in who],
        "email": [f"user{number}@example.com" if number % 50 else "bad" for number in who],
        "plan": chance.choices(["free", "basic", "premium", "enterprise"], k=rows),
        "country": chance.choices(["US", "CA", "GB", "DE", "FR"], k=rows),
        "version": pa.array(chance.choices([1, 2, 3], k=rows), pa.int32()),
        "signup_timestamp": [NOW - timedelta(days=900 - number % 365) for number in who],
        "event_timestamp": [NOW - timedelta(milliseconds=number) for number in range(rows)],
        "kafka_offset": list(range(rows)),
        "email_domain": ["example.com"] * rows,
        "run_id": ["bench"] * rows,
    }
    pq.write_table(pa.table(columns), path)


def ours(path: Path, rules: RuleSet, rows: int) -> float:
    """Return rows a second of the audit."""
    began = perf_counter()
    results = audit([path], rules, run_id="bench", now=NOW)
    if results.rows != rows:
        raise RuntimeError(results.error or f"{results.rows} of {rows} rows audited")
    return rows / (perf_counter() - began)


def peer(path: Path, rules: RuleSet, rows: int) -> float:
    """Return rows a second of the library over the whole frame, as its guide shows it."""
    with silence():
        import pandas as pd

        began = perf_counter()
        batch = quiet_context().data_sources.pandas_default.read_dataframe(pd.read_parquet(path))
        batch.validate(build_suite(rules, now=NOW))
        return rows / (perf_counter() - began)


def measure(asked: Wish) -> dict[str, Any]:
    """Compare both sides over the same staged rows."""
    rows, runs = (100_000, 2) if asked.quick else (1_000_000, 5)
    rules = load_rules(RULES)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        stage(path, 1000)
        audit([path], rules, run_id="warm", now=NOW)
        stage(path, rows)
        compared = compare(
            "audit",
            ">= 1 x plain Great Expectations",
            "rows/s",
            lambda: ours(path, rules, rows),
            lambda: peer(path, rules, rows),
            runs,
        )
        return compared | {"seconds_by_rows": growth(Path(folder), rules, rows)}


def growth(folder: Path, rules: RuleSet, rows: int) -> dict[str, float]:
    """Return the seconds of the audit over a quarter, all and twice the rows: they should grow as the rows do."""
    seconds = {}
    for part in (rows // 4, rows, rows * 2):
        stage(folder / "part.parquet", part)
        seconds[f"{part:,}"] = round(median(part / ours(folder / "part.parquet", rules, part) for _ in range(3)), 2)
    return seconds


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
