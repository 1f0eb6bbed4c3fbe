"""The Spark job over a topic of Avro events against Spark's own `from_avro` to Parquet: same broker, session, topic.

The peer cuts the header off and decodes all with one schema, the newest that is in the topic. Ours finds each record's
schema, checks the contract, finds drift and duplicates, keeps rejects with their bytes, counts, profiles and reports.
"""

import os
import subprocess
import sys
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
REPOSITORY = Path(__file__).parent.parent
SCHEMA = REPOSITORY / "kafka" / "schemas" / "customer_events.v1.avsc"
HEADER = 5
numbers = count()


def avro_pipeline(folder: Path) -> Path:
    """Write the shipped pipeline's file with another format."""
    text = (REPOSITORY / "pipelines" / "customers.yml").read_text(encoding="utf-8")
    path = folder / "customers.yml"
    path.write_text(text.replace("format: json", "format: avro").replace("../", f"{REPOSITORY}/"), encoding="utf-8")
    return path


def ours(session: "SparkSession", broker: str, folder: Path, events: int) -> float:
    """Return events a second of the whole job, from its start to the run report."""
    home = folder / f"ours-{next(numbers)}"
    settings = load_settings(mend_home=home, kafka_broker=broker, parquet_out=None, spark_checkpoint_location=None,
                             database_url="", schema_registry_url="")  # fmt: skip
    pipeline = load_pipeline(avro_pipeline(folder))
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
    from pyspark.sql.avro.functions import from_avro

    home = folder / f"peer-{next(numbers)}"
    stream = session.readStream.format("kafka").option("kafka.bootstrap.servers", broker).option("subscribe", TOPIC)
    rows = stream.option("startingOffsets", "earliest").load()
    body = f.expr(f"substring(value, {HEADER + 1})")
    parsed = rows.select(from_avro(body, SCHEMA.read_text(encoding="utf-8")).alias("event")).select("event.*")
    writer = parsed.writeStream.format("parquet").option("path", str(home / "out"))
    began = monotonic()
    query = writer.option("checkpointLocation", str(home / "checkpoint")).trigger(availableNow=True).start()
    query.awaitTermination()
    seconds = monotonic() - began
    written = session.read.parquet(str(home / "out")).count()
    if written != events:
        sys.exit(f"the peer wrote {written} of {events} events: no measurement")
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
        place = session, broker.bootstrap, Path(name), events
        for side in (ours, peer):
            side(*place)
        target = ">= 1.5 x Spark's from_avro"
        result = compare("avro", target, "events/s", lambda: ours(*place), lambda: peer(*place), runs)
        session.stop()
        return result


def fill(broker: str, events: int) -> None:
    """Let the producer send events of one schema version, as the peer can read no more."""
    command = [sys.executable, "-m", "producer", "--broker", broker, "--topic", TOPIC, "--rate", "0", "--quiet",
               "--count", str(events), "--format", "avro", "--drift-frequency", "0", "--missing-rate", "0",
               "--duplicate-rate", "0.01"]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"SCHEMA_REGISTRY_URL": ""})


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
