"""What the benches of the data path share: a broker, a warm Spark session, filled topics, and runs over them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING

from embedded.kafka_broker import KafkaBroker, create_topic
from embedded.spark_platform import local_platform, spark_platform
from mend.quality.rules import load_rules
from mend.runtime.pipeline_file import load_pipeline
from mend.runtime.settings import Settings, load_settings
from spark.ingest_job import ingest
from spark.session import make_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROOT = Path(__file__).parent.parent
PARTITIONS = 4
CUSTOMERS, CUSTOMERS_TOPIC = ROOT / "pipelines" / "customers.yml", "customers"
CUSTOMER_FIELDS = (
    "id STRING, name STRING, email STRING, signup_ts BIGINT, country STRING, plan STRING, event_ts BIGINT, version INT"
)
numbers = count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arena:
    """Where both sides run: the same broker, session and topics; every run has a folder of its own."""

    session: "SparkSession"
    broker: str
    folder: Path

    def settings(self) -> Settings:
        """Return settings of a home without any run."""
        home = self.folder / f"ours-{next(numbers)}"
        return load_settings(mend_home=home, kafka_broker=self.broker, parquet_out=None,
                             spark_checkpoint_location=None, database_url="")  # fmt: skip

    def ours(self, file: Path) -> float:
        """Return the seconds of the whole job of a pipeline, from its start to the report of its last run."""
        seconds, runs = self.job(file, self.settings())
        if not runs:
            sys.exit("no run was staged: no measurement")
        return seconds

    def job(self, file: Path, settings: Settings) -> tuple[float, int]:
        """Run the job of a pipeline in some home; returns its seconds and how many runs it staged."""
        pipeline = load_pipeline(file)
        rules = load_rules(pipeline.rules_path, pipeline=pipeline.name)
        began = monotonic()
        run_ids = ingest(self.session, settings, pipeline, rules)
        return monotonic() - began, len(run_ids)

    def bare(self, topic: str, fields: str, home: Path | None = None) -> float:
        """Return the seconds of the shortest Spark program that only decodes JSON and writes Parquet."""
        from pyspark.sql import functions as f

        home = home or self.folder / f"peer-{next(numbers)}"
        rows = self.stream(topic)
        parsed = rows.select(f.from_json(f.col("value").cast("string"), fields).alias("event")).select("event.*")
        writer = parsed.writeStream.format("parquet").option("path", str(home / "out"))
        began = monotonic()
        query = writer.option("checkpointLocation", str(home / "checkpoint")).trigger(availableNow=True).start()
        query.awaitTermination()
        seconds = monotonic() - began
        if not list((home / "out").glob("*.parquet")):
            sys.exit("the peer wrote nothing: no measurement")
        return seconds

    def raw(self, topic: str) -> float:
        """Return the seconds of Spark reading a topic and doing nothing with it."""
        home = self.folder / f"raw-{next(numbers)}"
        writer = self.stream(topic).writeStream.format("noop").option("checkpointLocation", str(home))
        began = monotonic()
        writer.trigger(availableNow=True).start().awaitTermination()
        return monotonic() - began

    def stream(self, topic: str) -> "DataFrame":
        """Read a topic with Spark's defaults."""
        source = self.session.readStream.format("kafka").option("kafka.bootstrap.servers", self.broker)
        return source.option("subscribe", topic).option("startingOffsets", "earliest").load()


@contextmanager
def arena() -> Iterator[Arena]:
    """Start a broker and a session; everything is gone afterwards."""
    java, jars = local_platform()
    platform = spark_platform(java, jars)
    os.environ.update(platform.environment)
    with (
        TemporaryDirectory(prefix="mend-bench-") as name,
        KafkaBroker(java, jars.kafka, Path(name) / "kafka") as broker,
    ):
        session = make_session("local[*]", name="bench", jars=platform.jars)
        try:
            yield Arena(session=session, broker=broker.bootstrap, folder=Path(name))
        finally:
            session.stop()


def fill_customers(broker: str, events: int) -> None:
    """Let the producer send events with its usual anomalies."""
    create_topic(broker, CUSTOMERS_TOPIC, PARTITIONS)
    command = [sys.executable, "-m", "producer", "--broker", broker, "--topic", CUSTOMERS_TOPIC, "--rate", "0",
               "--quiet", "--count", str(events), "--malformed-rate", "0.001", "--duplicate-rate", "0.01"]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
