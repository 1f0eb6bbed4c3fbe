"""The ingest job: stage everything that is new in the pipeline's topic, then end; with --trigger, stay and go on.

Run by `mend run`, by hand as `python -m spark.ingest_job --pipeline customers`, or with spark-submit.
The last line of stdout is JSON: {"run_ids": […]}. With --trigger each staged run is a line {"staged": id}, and the job
ends when its stdin does.
"""

import argparse
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, BinaryIO

import orjson

from mend.contracts.backfill import Backfill
from mend.contracts.codec import loads
from mend.contracts.rules import RuleSet
from mend.curate.check import checked_plan
from mend.curate.decoders import decoder
from mend.curate.plan import make_plan
from mend.quality.rules import check_columns, load_rules
from mend.runtime.errors import UserError
from mend.runtime.faults import arm
from mend.runtime.layout import Layout
from mend.runtime.locks import only_one
from mend.runtime.logging import configure_logging
from mend.runtime.pipeline_file import Pipeline, find_pipeline, load_pipeline
from mend.runtime.schema_registry import registry_address
from mend.runtime.settings import Settings, load_settings
from mend.store.engine import open_store
from spark.backfill import stage_backfill
from spark.batch import Job
from spark.checkpoint import forget_torn_entries
from spark.failure import explained
from spark.session import make_session
from spark.source import kafka_stream
from spark.stager import Stager

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.streaming.readwriter import DataStreamWriter

FEW_EVENTS = 500_000
"""A job for fewer is brief: Spark's start costs it more than the events do."""
LOOK_SECONDS = 0.2
"""How often a stream looks whether it was asked to stop."""


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
    cli.add_argument("--lock", type=int, default=None, help="the pipeline's lock, open, where the caller holds it")
    cli.add_argument("--start", type=offsets, default=None, help='JSON {"partition": offset}, for a new checkpoint')
    cli.add_argument(
        "--backfill", type=Path, default=None, help="a file that says what to read again; nothing else is read"
    )
    cli.add_argument("--trigger", type=float, default=None, help="stay, and read every so many seconds")
    cli.add_argument("-v", dest="verbose", action="count", default=1)
    return cli.parse_args(arguments)


def offsets(text: str) -> dict[int, int]:
    """Read offsets by partition."""
    return {int(partition): int(offset) for partition, offset in orjson.loads(text).items()}


def jar_list(text: str) -> tuple[Path, ...]:
    """Split a comma separated list of paths."""
    return tuple(Path(one) for one in text.split(",") if one)


def run(settings: Settings, options: argparse.Namespace) -> list[str]:
    """Check the pipeline before Spark starts, then stage what is new."""
    arm(settings.fault_at)
    pipeline = load_pipeline(find_pipeline(settings.pipelines, options.pipeline))
    decoder(pipeline, registry_address(settings))
    rules = load_rules(pipeline.rules_path, pipeline=pipeline.name)
    check_columns(rules, checked_plan(pipeline, rules).columns, pipeline.rules_path)
    with alone(Layout(settings), pipeline.name, options.lock):
        session = make_session(
            settings.spark_master, name=f"mend-{pipeline.name}", jars=options.jars, brief=is_brief(options)
        )
        try:
            return work(session, settings, pipeline, rules, options)
        finally:
            session.stop()


def is_brief(options: argparse.Namespace) -> bool:
    """Whether few events wait for the job, and it ends with them."""
    return options.trigger is None and options.backfill is None and options.lag is not None and options.lag < FEW_EVENTS


@contextmanager
def alone(layout: Layout, pipeline: str, inherited: int | None) -> Iterator[None]:
    """Lock the pipeline, unless who started the job did, and the checkpoint; a second job is refused."""
    checkpoint = layout.checkpoint(pipeline)
    with (
        only_one(layout.lock(pipeline), pipeline, inherited),
        only_one(layout.checkpoint_lock(pipeline), f"{pipeline} on the checkpoint {checkpoint}"),
    ):
        yield


def work(
    session: "SparkSession", settings: Settings, pipeline: Pipeline, rules: RuleSet, options: argparse.Namespace
) -> list[str]:
    """Read again, read what is new, or stay and read on: whichever was asked for."""
    if options.backfill is not None:
        plan = loads(Backfill, options.backfill.read_bytes())
        return [ingest_again(session, settings, pipeline, rules, plan)]
    if options.trigger is None:
        return ingest(session, settings, pipeline, rules, lag_before=options.lag, start=options.start)
    stop = stop_asked(sys.stdin.buffer)
    ingest_forever(session, settings, pipeline, rules, trigger=options.trigger, start=options.start, stop=stop)
    return []


def ingest(
    session: "SparkSession",
    settings: Settings,
    pipeline: Pipeline,
    rules: RuleSet,
    *,
    lag_before: int | None = None,
    start: dict[int, int] | None = None,
) -> list[str]:
    """Stage what is new; returns the ids of the runs. A batch whose job died is staged again under the same id."""
    run_ids: list[str] = []
    with open_store(settings.store_url) as store:
        stager = Stager(settings, store, pipeline, rules, said=run_ids.append, lag_before=lag_before)
        writer = new_events(session, settings, stager, start).trigger(availableNow=True)
        query = writer.start()
        limit = settings.processing_duration_minutes
        if not query.awaitTermination(limit * 60):
            query.stop()
            raise UserError(f"stopped after {limit} minutes (PROCESSING_DURATION_MINUTES).", exit_code=1)
    return run_ids


def ingest_again(
    session: "SparkSession", settings: Settings, pipeline: Pipeline, rules: RuleSet, plan: Backfill
) -> str:
    """Stage a backfill as one run; returns its id."""
    with open_store(settings.store_url) as store:
        job = Job(
            plan=make_plan(pipeline, rules, store.mappings.current(pipeline.name)),
            layout=Layout(settings),
            store=store,
            query_id="",
            checkpoint=Path(),
            epoch=plan.epoch,
            registry=registry_address(settings),
            replaces=frozenset(plan.replaces),
        )
        return stage_backfill(session, job, plan)


def ingest_forever(
    session: "SparkSession",
    settings: Settings,
    pipeline: Pipeline,
    rules: RuleSet,
    *,
    trigger: float,
    start: dict[int, int] | None,
    stop: Event,
) -> None:
    """Stage a run every `trigger` seconds, each said on a line of stdout, until asked to stop; finishes the last."""
    with open_store(settings.store_url) as store:
        stager = Stager(settings, store, pipeline, rules, said=say, stop=stop)
        query = new_events(session, settings, stager, start).trigger(processingTime=f"{trigger} seconds").start()
        try:
            while not query.awaitTermination(LOOK_SECONDS):  # type: ignore[arg-type]
                if stop.is_set() and not query.status["isTriggerActive"]:
                    query.stop()
        except spark_errors():
            if not stager.refused:
                raise


def say(run_id: str) -> None:
    """Say that a run is staged."""
    sys.stdout.write(orjson.dumps({"staged": run_id}).decode() + "\n")
    sys.stdout.flush()


def stop_asked(stdin: BinaryIO) -> Event:
    """Return an event that is set when stdin ends: whoever started the job closed it, or is dead."""
    stop = Event()

    def wait() -> None:
        with suppress(OSError):
            while stdin.read(1024):
                pass
        stop.set()

    Thread(target=wait, daemon=True).start()
    return stop


def new_events(
    session: "SparkSession", settings: Settings, stager: "Stager", start: dict[int, int] | None
) -> "DataStreamWriter":
    """Return the query that hands each micro-batch to the stager, without a trigger yet."""
    pipeline = stager.pipeline
    forget_torn_entries(stager.checkpoint)
    if start is None and not stager.checkpoint.exists():
        refuse_unknown_start(stager)
    stream = kafka_stream(
        session,
        settings,
        topic=pipeline.topic,
        most_events=pipeline.max_events_per_run,
        start=start,
    )
    return stream.writeStream.foreachBatch(stager).option("checkpointLocation", str(stager.checkpoint))


def refuse_unknown_start(stager: "Stager") -> None:
    """Refuse to read from the beginning what the ledger says was read: the checkpoint is lost, not new."""
    pipeline = stager.pipeline
    epoch = stager.store.topics.epoch(pipeline.name, pipeline.topic)
    if stager.store.ledger.ends(pipeline.name, pipeline.topic, epoch):
        raise UserError(
            f"the checkpoint {stager.checkpoint} is gone, and the ledger says that {pipeline.topic} was read before. "
            f"Start with: mend run --pipeline {pipeline.name} (it begins where the ledger ends)."
        )


if __name__ == "__main__":
    sys.exit(main())
