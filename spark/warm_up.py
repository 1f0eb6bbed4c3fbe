"""Start Spark and take a few rows through a stream as a job does, so that its Java can keep the classes that this took.

Run by `embedded.spark_classes` under a Java that was asked to keep them; by itself it changes nothing.
"""

import argparse
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from spark.session import make_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NOBODY = "127.0.0.1:1"
"""Nothing listens there: Kafka's classes are loaded, and the wait for an answer is short."""
SECONDS = 60


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, and return when Java has ended: it writes what it keeps at its end."""
    from pyspark import SparkContext
    from pyspark.errors import PySparkException

    cli = argparse.ArgumentParser(prog="warm_up", description=__doc__.splitlines()[0] if __doc__ else None)
    cli.add_argument("jars", nargs="*", type=Path, help="jars of Spark's Kafka connector")
    session = make_session("local[2]", name="mend-warm-up", jars=cli.parse_args(arguments).jars)
    java: Any = SparkContext._gateway  # noqa: SLF001
    with TemporaryDirectory(prefix="mend-warm-up-") as folder:
        stream(session.readStream.format("rate-micro-batch").option("rowsPerBatch", 10).load(), f"{folder}/rows")
        with suppress(PySparkException):
            stream(kafka(session), f"{folder}/kafka")
        session.stop()
    java.shutdown()
    java.proc.stdin.close()
    java.proc.wait(SECONDS)


def kafka(session: "SparkSession") -> "DataFrame":
    """Read a topic of a broker that is not there."""
    reader = session.readStream.format("kafka").option("kafka.bootstrap.servers", NOBODY).option("subscribe", "none")
    return reader.option("kafka.default.api.timeout.ms", 1500).option("kafka.request.timeout.ms", 1000).load()


def stream(rows: "DataFrame", checkpoint: str) -> None:
    """Run one micro-batch through Python."""
    query = rows.writeStream.foreachBatch(batch).option("checkpointLocation", checkpoint).trigger(availableNow=True)
    query.start().awaitTermination(SECONDS)


def batch(frame: "DataFrame", _number: int) -> None:
    """Hand the rows to Python as Arrow and take them back."""
    rows = frame.selectExpr("CAST(value AS STRING) AS value", "to_json(array(value)) AS headers")
    rows.mapInArrow(lambda tables: tables, rows.schema).collect()


if __name__ == "__main__":
    main()
