"""The Spark session of an ingest job."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CONF_FOLDER = Path(__file__).parent / "conf"
RECORDS_PER_BATCH = 50_000
BYTES_PER_BATCH = 64 * 2**20
THROUGHPUT = "-XX:+UseParallelGC"
"""Pauses do not matter to a job; the default collector spends more of a core on what the hand-over leaves behind."""
BRIEF = "-XX:TieredStopAtLevel=1"
"""A job that ends within seconds is over before the optimising compiler has paid for itself."""


def make_session(master: str, *, name: str, jars: Sequence[Path], brief: bool = False) -> "SparkSession":
    """Start or get the session. With a local master everything listens on loopback only.

    `jars` are Spark's Kafka connector and what it needs; empty where spark-submit or the cluster brings them. A `brief`
    session starts sooner and moves many events slower.
    """
    from pyspark.sql import SparkSession

    builder = (
        SparkSession.builder.master(master)
        .appName(name)
        .config("spark.pyspark.python", sys.executable)
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", str(RECORDS_PER_BATCH))
        .config("spark.sql.execution.arrow.maxBytesPerBatch", str(BYTES_PER_BATCH))
        .config(
            "spark.driver.extraJavaOptions",
            f"{THROUGHPUT} {BRIEF if brief else ''} -Dlog4j2.configurationFile={CONF_FOLDER / 'log4j2.properties'}",
        )
    )
    if jars:
        builder = builder.config("spark.jars", ",".join(str(jar) for jar in jars))
    if master.startswith("local"):
        builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
    return builder.getOrCreate()
