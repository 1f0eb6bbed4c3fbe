"""What tests on real components share: one Java, one set of jars, one broker and one Spark session for the suite."""

import glob
import os
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Any

import orjson
import psutil
import pytest
import yaml
from pydantic import SecretStr

from embedded.jars import Jars, cache_folder, resolve_jars
from embedded.java import Java, find_java
from embedded.kafka_broker import KafkaBroker, create_topic
from embedded.spark_platform import spark_platform
from mend.contracts.codec import loads
from mend.contracts.decision import DecisionResult
from mend.contracts.report import RunReport
from mend.runtime.schema_registry import registry_address
from mend.runtime.settings import Settings, SinkMode, load_settings
from orchestration.steps import FINISHING, StepResult
from orchestration.workspace import Workspace, open_workspace
from producer.anomalies import Anomalies, Message
from producer.avro import default_schema_path, register_schemas
from producer.kinds import KINDS, Kind, KindName
from producer.messages import Format, messages
from tests.real.registry import Registry, running_registry

if TYPE_CHECKING:
    import duckdb
    from pyspark.sql import SparkSession

REPOSITORY = Path(__file__).parents[2]
CUSTOMERS = REPOSITORY / "pipelines" / "customers.yml"
ORDERS = REPOSITORY / "pipelines" / "orders.yml"
SENDER = {"message.max.bytes": 20_000_000, "log_level": 0, "linger.ms": 5}
CLEAN = Anomalies(late=0, drift_frequency=0, missing=0)
HOME = "a hôme [1]"
"""A blank, a letter that is not ASCII, and a pattern that DuckDB would look for: every real test has such a home."""
Position = tuple[int, int]
"""Partition and offset."""


@pytest.fixture(scope="session")
def java() -> Java:
    """Return the Java that users of this machine would get."""
    return find_java(os.environ)


@pytest.fixture(scope="session")
def jars(java: Java) -> Jars:
    """Return the pinned jars, fetched once into the user's cache."""
    return resolve_jars(java, cache_folder(os.environ), environ=os.environ)


@pytest.fixture(scope="session")
def kafka_broker(java: Java, jars: Jars, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """Run the broker that all tests share; a test that stops or kills a broker starts its own."""
    with KafkaBroker(java, jars.kafka, tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def schema_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Run the schema registry that all tests share; a test that ends one starts its own."""
    with running_registry(tmp_path_factory.mktemp("registry") / "registry.log") as registry:
        yield registry


@pytest.fixture
def new_topic(kafka_broker: KafkaBroker, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Return a function that creates a topic of the test's own on the shared broker and returns its name."""

    def create(partitions: int = 4) -> str:
        name = f"{request.node.originalname}.{secrets.token_hex(4)}"
        create_topic(kafka_broker.bootstrap, name, partitions)
        return name

    return create


@pytest.fixture
def topic(new_topic: Callable[..., str]) -> str:
    """Create a topic with four partitions for this test alone and return its name."""
    return new_topic()


@pytest.fixture(scope="session")
def spark_session(java: Java, jars: Jars) -> Iterator["SparkSession"]:
    """Run the Spark session that all tests share: its start costs ten seconds."""
    from spark.session import make_session

    with pytest.MonkeyPatch.context() as environment:
        platform = spark_platform(java, jars)
        for name, value in platform.environment.items():
            environment.setenv(name, value)
        session = make_session("local[2]", name="mend-tests", jars=platform.jars)
    yield session
    session.stop()


@dataclass(frozen=True, kw_only=True)
class Command:
    """Starts `mend` as users do, in a folder and an environment of its own; `mark` is on all that it starts."""

    folder: Path
    variables: dict[str, str]
    mark: str = field(default_factory=lambda: f"MEND_TEST_{secrets.token_hex(8)}")

    def start(self, *arguments: str, program: str = "mend") -> subprocess.Popen[str]:
        """Start a program of this environment."""
        command = [str(Path(sys.executable).with_name(program)), *arguments]
        environment = os.environ | self.variables | {self.mark: "1"}
        self.folder.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, program: str = "mend") -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        with self.start(*arguments, program=program) as process:
            stdout, stderr = process.communicate(timeout=240)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def processes(self) -> list[psutil.Process]:
        """Find everything that was started, and what that started, by the mark in its environment."""
        return [one for one in psutil.process_iter() if self.mark in environment_of(one)]

    def until(self, condition: Callable[[], object], *, seconds: float = 120) -> bool:
        """Wait until something is so; False if it never was."""
        end = monotonic() + seconds
        while monotonic() < end:
            if condition():
                return True
            sleep(0.05)
        return False

    def spark(self) -> list[psutil.Process]:
        """Find the Java of a Spark job."""
        return [one for one in self.processes() if "org.apache.spark" in words_of(one)]

    def ended(self) -> bool:
        """Whether all of it has ended, or does so in a moment."""
        return self.until(lambda: not self.processes(), seconds=3)


def words_of(process: psutil.Process) -> str:
    """Return a process' command line, nothing for one that is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def environment_of(process: psutil.Process) -> dict[str, str]:
    """Return a process' environment, nothing for one that is gone or another user's."""
    try:
        return process.environ()
    except psutil.Error:
        return {}


@dataclass(frozen=True, kw_only=True)
class Flow:
    """A pipeline with a topic and a MEND_HOME of its own; `sent` are the positions of all records in the topic."""

    workspace: Workspace
    spark: "SparkSession"
    sent: set[Position] = field(default_factory=set)

    def send(self, *values: bytes | None, partition: int | None = None) -> list[Position]:
        """Send records and wait until the broker has them; without a partition their key decides."""
        return self.send_messages([Message(b"key", value) for value in values], partition=partition)  # type: ignore[arg-type]

    def send_messages(self, records: Sequence[Message], *, partition: int | None = None) -> list[Position]:
        """Send what the producer's functions make; returns where each record stands."""
        from confluent_kafka import Producer

        places: dict[int, Position] = {}
        producer = Producer(SENDER | {"bootstrap.servers": self.workspace.settings.kafka_broker})
        place = {} if partition is None else {"partition": partition}
        for number, record in enumerate(records):

            def arrived(error: object, sent: Any, number: int = number) -> None:
                assert error is None, error
                places[number] = (sent.partition(), sent.offset())

            producer.produce(self.workspace.pipeline.topic, record.value, record.key, on_delivery=arrived, **place)
            producer.poll(0)
        assert producer.flush(60) == 0
        self.sent.update(places.values())
        return [places[number] for number in range(len(records))]

    def send_made(self, count: int, anomalies: Anomalies = CLEAN, **options: Any) -> list[Message]:
        """Send the producer's events of the pipeline, of the last minutes; returns them in the order they were sent."""
        kind = KINDS[KindName(self.workspace.pipeline.name)]
        made = list(islice(made_events(anomalies, kind=kind, **options), count))
        self.send_messages(made)
        return made

    def send_customers(self, count: int, anomalies: Anomalies = CLEAN, **options: Any) -> list[Message]:
        """Send the producer's customers."""
        return self.send_made(count, anomalies, **options)

    def ingest(self, start: dict[int, int] | None = None) -> list[str]:
        """Stage what is new, in the suite's Spark session; without a checkpoint from `start` on."""
        from spark.ingest_job import ingest

        workspace = self.workspace
        return ingest(self.spark, workspace.settings, workspace.pipeline, workspace.rules, start=start)

    def finish(self, run_id: str) -> list[StepResult]:
        """Audit, decide and validate a staged run."""
        return [step(self.workspace, run_id) for step in FINISHING]

    def run(self) -> str:
        """Stage what is new as one run and take it to its end; returns its id."""
        (run_id,) = self.ingest()
        self.finish(run_id)
        return run_id

    def report(self, run_id: str) -> RunReport:
        """Read a run's report as users do."""
        return loads(RunReport, self.file(run_id, "run_report").read_bytes())

    def decision(self, run_id: str) -> DecisionResult:
        """Read a run's decision."""
        return loads(DecisionResult, self.file(run_id, "agent_decision").read_bytes())

    def document(self, run_id: str, name: str) -> dict[str, Any]:
        """Read a run's file as plain JSON."""
        found: dict[str, Any] = orjson.loads(self.file(run_id, name).read_bytes())
        return found

    def file(self, run_id: str, name: str) -> Path:
        """Say where a run's file is."""
        return self.workspace.layout.run_file(run_id, name)

    def readable(self, *, union: bool = False) -> "duckdb.DuckDBPyRelation":
        """Read what was published as a plain reader does."""
        return read(f"{glob.escape(str(self.workspace.settings.published))}/**/*.parquet", union=union)

    def places(self) -> dict[str, Counter[Position]]:
        """Find every event in the files: place → positions, each as often as it is there."""
        home, published = self.workspace.settings.home, self.workspace.settings.published
        held = set(home.glob("quarantine/run=*/reason=held/**/*.parquet"))
        return {
            "published": positions(published.rglob("*.parquet")),
            "held": positions(held),
            "rejected": positions(set(home.glob("quarantine/**/*.parquet")) - held),
            "dead_letter": positions(home.glob("dead_letters/**/*.parquet")),
            "duplicate": positions(home.glob("duplicates/**/*.parquet")),
        }

    def counts(self) -> dict[str, int]:
        """Count the events in each place where there are any."""
        return {place: found.total() for place, found in self.places().items() if found}

    def command(self) -> Command:
        """Return the command line of this flow's pipeline and home."""
        settings = self.workspace.settings
        variables = {
            "MEND_HOME": str(settings.home),
            "MEND_PIPELINES": str(settings.pipelines),
            "KAFKA_BROKER": settings.kafka_broker,
            "SPARK_MASTER": settings.spark_master,
        }
        return Command(folder=settings.home.parent / "cwd", variables=variables)

    def closed(self) -> bool:
        """Whether every record of the topic is in exactly one place."""
        found = sum(self.places().values(), Counter[Position]())
        return found == Counter(self.sent)


def made_events(
    anomalies: Anomalies = CLEAN,
    *,
    seed: int = 42,
    form: Format = Format.JSON,
    start: int | None = None,
    kind: Kind = KINDS[KindName.CUSTOMERS],
    schema_ids: Mapping[int, int] | None = None,
) -> Iterator[Message]:
    """Return the producer's events, beginning at `start` (epoch ms; a minute ago)."""
    begin = start or int(time() * 1000) - 60_000
    return messages(seed, start_ts=begin, anomalies=anomalies, form=form, kind=kind,
                    schema_path=default_schema_path(kind.schema), schema_ids=schema_ids)  # fmt: skip


def read(files: str, *, union: bool = False) -> "duckdb.DuckDBPyRelation":
    """Read Parquet files."""
    import duckdb

    return duckdb.connect().read_parquet(files, union_by_name=union)


def positions(files: Any) -> Counter[Position]:
    """Read where the events of Parquet files stand in the topic."""
    import pyarrow.parquet as pq

    found: Counter[Position] = Counter()
    for path in files:
        table = pq.ParquetFile(path).read()
        prefix = "kafka_" if "kafka_offset" in table.column_names else ""
        found.update(
            zip(table[f"{prefix}partition"].to_pylist(), table[f"{prefix}offset"].to_pylist(), strict=True),
        )
    return found


def customer_event(number: int = 0, *, without: tuple[str, ...] = (), **changes: Any) -> bytes:
    """Return a good event of now as JSON, with fields changed, added or left out; `number` makes it another one."""
    now = int(time() * 1000)
    event = {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "signup_ts": 1_600_000_000_000,
        "country": "GB",
        "plan": "premium",
        "event_ts": now - 1000,
        "version": 1,
    }
    return orjson.dumps({name: value for name, value in (event | changes).items() if name not in without})


def order_event(number: int = 0, *, without: tuple[str, ...] = (), **changes: Any) -> bytes:
    """Return a good order of now as JSON, with fields changed, added or left out; `number` makes it another one."""
    event = {
        "store": "london-1",
        "order_no": 2**53 + number,
        "status": "placed",
        "happened_at": datetime.fromtimestamp(time() - 1, tz=timezone(timedelta(hours=1))).isoformat(),
        "channel": "web",
        "total": "10.03",
        "buyer": {
            "id": f"00000000-0000-4000-8000-{number % 10**12:012d}",
            "full_name": "Ada Lovelace",
            "born": -56_270,
        },
        "lines": [
            {"sku": "BK-1", "quantity": 2, "unit_price": "5.00"},
            {"sku": "BK-2", "quantity": 1, "unit_price": 0.03},
        ],
    }
    return orjson.dumps({name: value for name, value in (event | changes).items() if name not in without})


def settings_of(home: Path, broker: str, pipelines: Path) -> Settings:
    """Return settings for a test alone; nothing of this machine's environment is in them."""
    return load_settings(
        mend_home=home,
        MEND_PIPELINES=pipelines,
        kafka_broker=broker,
        kafka_topic="customers",
        sink_mode=SinkMode.PARQUET,
        parquet_out=None,
        spark_master="local[2]",
        spark_checkpoint_location=None,
        processing_duration_minutes=10,
        database_url="",
        schema_registry_url="",
        alert_slack_webhook_url="",
        slack_bot_token="",
        alert_email="",
        heartbeat_url="",
    )


def with_registry(flow: Flow, url: str, *, wait_seconds: float = 20.0) -> tuple[Flow, dict[int, int]]:
    """Return the flow with a schema registry that has the producer's schemas, and their ids by version."""
    changed = {"schema_registry_url": SecretStr(url), "schema_registry_wait_seconds": wait_seconds}
    settings = flow.workspace.settings.model_copy(update=changed)
    address = registry_address(settings)
    assert address is not None
    ids = register_schemas(address, flow.workspace.pipeline.topic, default_schema_path())
    return replace(flow, workspace=replace(flow.workspace, settings=settings)), ids


def write_pipeline(folder: Path, base: Path = CUSTOMERS, **changes: Any) -> Path:
    """Write a pipeline's file with other keys into another folder."""
    document = yaml.safe_load(base.read_text(encoding="utf-8"))
    for key in ("schema", "rules"):
        document[key] = str((base.parent / document[key]).resolve())
    path = folder / base.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document | changes, sort_keys=False), encoding="utf-8")
    return path


@dataclass(frozen=True, kw_only=True)
class Platform:
    """What every flow stands on."""

    broker: KafkaBroker
    java: Java
    jars: Jars
    spark: "SparkSession"

    @contextmanager
    def flow(
        self,
        folder: Path,
        topic: str | None = None,
        *,
        base: Path = CUSTOMERS,
        home: Path | None = None,
        **changes: Any,
    ) -> Iterator[Flow]:
        """Open a pipeline with a topic and a home of its own, and other keys in its file."""
        if topic is None:
            topic = f"topic.{secrets.token_hex(4)}"
            create_topic(self.broker.bootstrap, topic, 4)
        file = write_pipeline(folder / "pipelines", base, topic=topic, **changes)
        settings = settings_of(home or folder / HOME, self.broker.bootstrap, folder / "pipelines")
        with open_workspace(settings, file.stem, spark_platform(self.java, self.jars)) as workspace:
            yield Flow(workspace=workspace, spark=self.spark)


@pytest.fixture(scope="session")
def platform(kafka_broker: KafkaBroker, java: Java, jars: Jars, spark_session: "SparkSession") -> Platform:
    """Return the suite's broker and Spark session, for fixtures that make a flow for many tests."""
    return Platform(broker=kafka_broker, java=java, jars=jars, spark=spark_session)


@pytest.fixture
def new_flow(platform: Platform, tmp_path: Path) -> Iterator[Callable[..., Flow]]:
    """Return a function that opens a pipeline with a topic and a home of its own, with other keys in its file."""
    with ExitStack() as stack:

        def open_flow(topic: str | None = None, **changes: Any) -> Flow:
            return stack.enter_context(platform.flow(tmp_path / secrets.token_hex(2), topic, **changes))

        yield open_flow


@pytest.fixture
def flow(new_flow: Callable[..., Flow]) -> Flow:
    """Open the shipped pipeline with a topic and a home of its own."""
    return new_flow()


@pytest.fixture
def workspace(flow: Flow) -> Workspace:
    """Open the shipped pipeline's workspace in a home of its own."""
    return flow.workspace
