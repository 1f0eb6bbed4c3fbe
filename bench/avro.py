"""The Spark job over a topic of Avro events against Spark's own `from_avro` to Parquet: same broker, session, topic.

The peer cuts the header off and decodes all with one schema, the newest that is in the topic. Ours finds each record's
schema, checks the contract, finds drift and duplicates, keeps rejects with their bytes, counts, profiles and reports.
"""

import os
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Any

from bench.arena import CUSTOMERS, CUSTOMERS_TOPIC, PARTITIONS, ROOT, Arena, arena, numbers
from bench.measure import Wish, compare, show, wish
from embedded.kafka_broker import create_topic

SCHEMA = ROOT / "kafka" / "schemas" / "customer_events.v1.avsc"
HEADER = 5


def avro_pipeline(folder: Path) -> Path:
    """Write the shipped pipeline's file with another format."""
    text = CUSTOMERS.read_text(encoding="utf-8")
    path = folder / "customers.yml"
    path.write_text(text.replace("format: json", "format: avro").replace("../", f"{ROOT}/"), encoding="utf-8")
    return path


def peer(place: Arena, events: int) -> float:
    """Return the seconds of the shortest Spark program that does only the reading and the writing."""
    from pyspark.sql import functions as f
    from pyspark.sql.avro.functions import from_avro

    home = place.folder / f"peer-{next(numbers)}"
    body = f.expr(f"substring(value, {HEADER + 1})")
    event = from_avro(body, SCHEMA.read_text(encoding="utf-8")).alias("event")
    parsed = place.stream(CUSTOMERS_TOPIC).select(event).select("event.*")
    writer = parsed.writeStream.format("parquet").option("path", str(home / "out"))
    began = monotonic()
    query = writer.option("checkpointLocation", str(home / "checkpoint")).trigger(availableNow=True).start()
    query.awaitTermination()
    seconds = monotonic() - began
    written = place.session.read.parquet(str(home / "out")).count()
    if written != events:
        sys.exit(f"the peer wrote {written} of {events} events: no measurement")
    return seconds


def fill(broker: str, events: int) -> None:
    """Let the producer send events of one schema version, as the peer can read no more."""
    create_topic(broker, CUSTOMERS_TOPIC, PARTITIONS)
    command = [sys.executable, "-m", "producer", "--broker", broker, "--topic", CUSTOMERS_TOPIC, "--rate", "0",
               "--quiet", "--count", str(events), "--format", "avro", "--drift-frequency", "0", "--missing-rate", "0",
               "--duplicate-rate", "0.01"]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ)


def measure(asked: Wish) -> dict[str, Any]:
    """Compare over the same topic, both warm; schemas come from the files, whatever registry the environment names."""
    events, runs = asked.events or (200_000 if asked.quick else 1_000_000), 3 if asked.quick else 5
    os.environ["SCHEMA_REGISTRY_URL"] = ""
    with arena() as place:
        fill(place.broker, events)
        pipeline = avro_pipeline(place.folder)
        place.ours(pipeline)
        peer(place, events)
        return compare(
            "avro",
            ">= 1.5 x Spark's from_avro",
            "events/s",
            lambda: events / place.ours(pipeline),
            lambda: events / peer(place, events),
            runs,
        )


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
