"""What tests of curation share: records as Spark's Kafka source gives them, and two pipelines."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pyarrow as pa
import pytest

from mend.curate.check import RECORDS
from mend.curate.curator import Curated, Curator
from mend.curate.decode import decode_json
from mend.curate.keys import SeenKeys
from mend.curate.plan import Plan, make_plan
from mend.quality.rules import load_rules
from mend.runtime.pipeline_file import load_pipeline

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - the file system in memory that Linux machines have
MILLIS = int(NOW.timestamp() * 1000)


def make_records(
    values: Sequence[bytes | None], *, partitions: Sequence[int] | None = None, first: int = 0, topic: str = "customers"
) -> pa.Table:
    """Return records with the offsets first, first + 1, … in the order given."""
    many = len(values)
    columns = {
        "key": pa.array([b"key"] * many, pa.binary()),
        "value": pa.array(values, pa.binary()),
        "topic": pa.array([topic] * many, pa.string()),
        "partition": pa.array(partitions or [0] * many, pa.int32()),
        "offset": pa.array(range(first, first + many), pa.int64()),
        "timestamp": pa.array([NOW] * many, pa.timestamp("us", tz="UTC")),
    }
    return pa.table(columns, schema=RECORDS)


def make_event(**changes: Any) -> bytes:
    """Return a good customer event; a field that is changed to `...` is left out."""
    event = {
        "id": "c-1", "name": "Ada", "email": "ada@example.com", "signup_ts": MILLIS - 86_400_000 * 30, "country": "US",
        "plan": "free", "event_ts": MILLIS - 60_000, "version": 1,
    }  # fmt: skip
    return orjson.dumps({name: value for name, value in (event | changes).items() if value is not ...})


def plan_of(path: Path) -> Plan:
    """Compile a pipeline file."""
    pipeline = load_pipeline(path)
    return make_plan(pipeline, load_rules(pipeline.rules_path, pipeline=pipeline.name))


@pytest.fixture(scope="session")
def now() -> datetime:
    """Return the processing time of all runs."""
    return NOW


@pytest.fixture(scope="session")
def records() -> Callable[..., pa.Table]:
    """Return a function that makes records of values."""
    return make_records


@pytest.fixture(scope="session")
def event() -> Callable[..., bytes]:
    """Return a function that makes a customer event with changes."""
    return make_event


@pytest.fixture(scope="session")
def customers() -> Plan:
    """Return the compiled pipeline that ships with Mend."""
    return plan_of(ROOT / "pipelines" / "customers.yml")


@pytest.fixture(scope="session")
def orders() -> Plan:
    """Return the compiled second pipeline."""
    return plan_of(ROOT / "tests" / "fast" / "data" / "orders" / "orders.yml")


@pytest.fixture(scope="session")
def curate(customers: Plan) -> Callable[..., Curated]:
    """Return a function that curates values as one batch; no key is remembered from the batch before.

    Curators are kept, because their making takes longer than a batch.
    """
    curators: dict[int, tuple[Plan, Curator]] = {}

    def one_batch(*values: bytes | None, plan: Plan = customers) -> Curated:
        if id(plan) not in curators:
            curators[id(plan)] = plan, Curator(plan, decode_json, run_id="run-1", now=NOW)
        curator = curators[id(plan)][1]
        curator.seen = SeenKeys()
        return curator.curate(make_records(values))

    return one_batch


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Return a folder, in memory where the machine can: such tests make many files durable."""
    if not IN_MEMORY.is_dir():
        yield tmp_path
        return
    with TemporaryDirectory(dir=IN_MEMORY) as folder:
        yield Path(folder)


NOT_PURE = (
    "test_cli",
    "test_exposition",
    "test_faults",
    "test_leash",
    "test_load_check",
    "test_plan",
    "test_publisher",
    "test_retention",
    "test_settle",
    "test_sinks",
    "test_spark_submit",
    "test_store_",
    "test_task_events",
    "test_undo",
    "test_watch",
)
"""Files whose tests wait for a disk, a database or another process; `make test-fast` leaves them out."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is not pure."""
    for item in items:
        if item.path.stem.startswith(NOT_PURE):
            item.add_marker(pytest.mark.waits)
