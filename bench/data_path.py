"""The Spark job over whole topics against bare Spark: Kafka → from_json → Parquet, same broker, session and topic.

Both read every partition from its first offset to its last, both warm. Ours also checks the contract, finds drift and
duplicates, keeps rejects with their bytes, counts, profiles and writes the run report.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING, Any

from bench.measure import Wish, compare, show, wish
from embedded.kafka_broker import KafkaBroker, create_topic
from embedded.spark_platform import local_platform, spark_platform
from mend.quality.rules import load_rules
from mend.runtime.pipeline_file import load_pipeline
from mend.runtime.settings import load_settings
from spark.ingest_job import ingest
from spark.session import make_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TOPIC, PARTITIONS = "customers", 4
PIPELINE = Path(__file__).parent.parent / "pipelines" / "customers.yml"
EVENT = (
    "id STRING, name STRING, email STRING, signup_ts BIGINT, country STRING, plan STRING, event_ts BIGINT, version INT"
)
numbers = count()


def ours(session: "SparkSession", broker: str, folder: Path, events: int) -> float:
    """Return events a second of the whole job, from its start to the run report."""
    home = folder / f"ours-{next(numbers)}"
    settings = load_settings(mend_home=home, kafka_broker=broker, parquet_out=None, spark_checkpoint_location=None,
                             database_url="")  # fmt: skip
    pipeline = load_pipeline(PIPELINE)
    rules = load_rules(pipeline.rules_path, pipeline=pipeline.name)
    began = monotonic()
    run_ids = ingest(session, settings, pipeline, rules)
    seconds = monotonic() - began
    if not run_ids:
        sys.exit("no run was staged: no measurement")
    return events / seconds


def peer(session: "SparkSession", broker: str, folder: Path, events: int) -> float:
    """Return events a second of the shortest Spark program that does only the reading and the writing."""
    from pyspark.sql import functions as f

    home = folder / f"peer-{next(numbers)}"
    stream = session.readStream.format("kafka").option("kafka.bootstrap.servers", broker).option("subscribe", TOPIC)
    rows = stream.option("startingOffsets", "earliest").load()
    parsed = rows.select(f.from_json(f.col("value").cast("string"), EVENT).alias("event")).select("event.*")
    writer = parsed.writeStream.format("parquet").option("path", str(home / "out"))
    began = monotonic()
    query = writer.option("checkpointLocation", str(home / "checkpoint")).trigger(availableNow=True).start()
    query.awaitTermination()
    seconds = monotonic() - began
    if not list((home / "out").glob("*.parquet")):
        sys.exit("the peer wrote nothing: no measurement")
    return events / seconds


def measure(asked: Wish) -> dict[str, Any]:
    """Start a broker and a session, fill the topic, warm both sides up, compare."""
    events, runs = (200_000, 3) if asked.quick else (1_000_000, 5)
    java, jars = local_platform()
    platform = spark_platform(java, jars)
    os.environ.update(platform.environment)
    with (
        TemporaryDirectory(prefix="mend-bench-") as name,
        KafkaBroker(java, jars.kafka, Path(name) / "kafka") as broker,
    ):
        create_topic(broker.bootstrap, TOPIC, PARTITIONS)
        fill(broker.bootstrap, events)
        session = make_session("local[*]", name="bench", jars=platform.jars)
        sides: list[Callable[..., float]] = [ours, peer]
        for side in sides:
            side(session, broker.bootstrap, Path(name), events)
        result = compare(
            "data_path",
            ">= 1.5 x bare Spark",
            "events/s",
            lambda: ours(session, broker.bootstrap, Path(name), events),
            lambda: peer(session, broker.bootstrap, Path(name), events),
            runs,
        )
        session.stop()
        return result


def fill(broker: str, events: int) -> None:
    """Let the producer send events with its usual anomalies."""
    command = [sys.executable, "-m", "producer", "--broker", broker, "--topic", TOPIC, "--rate", "0", "--quiet",
               "--count", str(events), "--malformed-rate", "0.001", "--duplicate-rate", "0.01"]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
