"""The ingest job: stage everything that is new in the pipeline's topic, then end.

Run by `mend run`, by hand as `python -m spark.ingest_job --pipeline customers`, or with spark-submit.
The last line of stdout is JSON: {"run_ids": […]}.
"""

import argparse
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from mend.contracts.rules import RuleSet
from mend.curate.check import checked_plan
from mend.curate.decoders import decoder
from mend.curate.plan import make_plan
from mend.quality.rules import check_columns, load_rules
from mend.runtime.errors import UserError
from mend.runtime.layout import Layout
from mend.runtime.logging import configure_logging
from mend.runtime.pipeline_file import Pipeline, find_pipeline, load_pipeline
from mend.runtime.schema_registry import registry_address
from mend.runtime.settings import Settings, load_settings
from mend.store.engine import open_store
from spark.batch import Job, stage_batch
from spark.failure import explained
from spark.session import make_session
from spark.source import kafka_stream

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; 0 when all was staged, 1 when it failed, 2 for wrong use."""
    options = parse(arguments)
    configure_logging(verbose=options.verbose)
    try:
        run_ids = run(load_settings(), options)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except spark_errors() as error:
        sys.stderr.write(f"{traceback.format_exc()}\nerror: {explained(str(error))}\n")
        return 1
    sys.stdout.write(orjson.dumps({"run_ids": run_ids}).decode() + "\n")
    return 0


def spark_errors() -> tuple[type[Exception], ...]:
    """Return what Spark raises when a job fails."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    return PySparkException, Py4JJavaError


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    cli = argparse.ArgumentParser(prog="ingest_job", description=__doc__.splitlines()[0] if __doc__ else None)
    cli.add_argument("--pipeline", default="customers", help="name or file of the pipeline")
    cli.add_argument("--jars", type=jar_list, default=(), help="comma separated jars of Spark's Kafka connector")
    cli.add_argument("--lag", type=int, default=None, help="events waiting in the topic, for the report")
    cli.add_argument("-v", dest="verbose", action="count", default=1)
    return cli.parse_args(arguments)


def jar_list(text: str) -> tuple[Path, ...]:
    """Split a comma separated list of paths."""
    return tuple(Path(one) for one in text.split(",") if one)


def run(settings: Settings, options: argparse.Namespace) -> list[str]:
    """Check the pipeline before Spark starts, then stage what is new."""
    pipeline = load_pipeline(find_pipeline(settings.pipelines, options.pipeline))
    decoder(pipeline, registry_address(settings))
    rules = load_rules(pipeline.rules_path, pipeline=pipeline.name)
    check_columns(rules, checked_plan(pipeline, rules).columns, pipeline.rules_path)
    session = make_session(settings.spark_master, name=f"mend-{pipeline.name}", jars=options.jars)
    try:
        return ingest(session, settings, pipeline, rules, lag_before=options.lag)
    finally:
        session.stop()


def ingest(
    session: "SparkSession",
    settings: Settings,
    pipeline: Pipeline,
    rules: RuleSet,
    *,
    lag_before: int | None = None,
) -> list[str]:
    """Stage what is new; returns the ids of the runs. A batch whose job died is staged again under the same id."""
    layout = Layout(settings)
    checkpoint = layout.checkpoint(pipeline.name)
    run_ids: list[str] = []
    registry = registry_address(settings)
    with open_store(settings.store_url) as store:
        plan = make_plan(pipeline, rules, store.mappings.current(pipeline.name))

        def stage(frame: "DataFrame", batch_id: int) -> None:
            job = Job(
                plan=plan, layout=layout, store=store, query_id=query_id(checkpoint), checkpoint=checkpoint,
                lag_before=lag_before, registry=registry,
            )  # fmt: skip
            run_id = stage_batch(job, frame, batch_id)
            if run_id is not None:
                run_ids.append(run_id)

        stream = kafka_stream(
            session, broker=settings.kafka_broker, topic=pipeline.topic, most_events=pipeline.max_events_per_run
        )
        query = (
            stream.writeStream.foreachBatch(stage)
            .option("checkpointLocation", str(checkpoint))
            .trigger(availableNow=True)
            .start()
        )
        limit = settings.processing_duration_minutes
        if not query.awaitTermination(limit * 60):
            query.stop()
            raise UserError(f"stopped after {limit} minutes (PROCESSING_DURATION_MINUTES).", exit_code=1)
    return run_ids


def query_id(checkpoint: Path) -> str:
    """Return the id that Spark gave the query when its checkpoint was made."""
    found: str = orjson.loads((checkpoint / "metadata").read_bytes())["id"]
    return found


if __name__ == "__main__":
    sys.exit(main())
