"""How Spark runs on this machine: a Java, and the jars of its Kafka connector."""

import os
import sys
from collections.abc import Callable

from embedded.jars import Jars, cache_folder, resolve_jars
from embedded.java import Java, find_java, spark_environment
from embedded.spark_classes import spark_classes
from orchestration.workspace import SparkPlatform


def local_platform(on_progress: Callable[[int, int, str], None] | None = None) -> tuple[Java, Jars]:
    """Return a Java and the checked jars, fetching what the cache lacks."""
    java = find_java(os.environ)
    return java, resolve_jars(java, cache_folder(os.environ), environ=os.environ, on_progress=on_progress)


def spark_platform(java: Java, jars: Jars, *, prepare: bool = True) -> SparkPlatform:
    """Return what the ingest job's process needs.

    To `prepare` keeps Spark's classes ready, which takes half a minute the first time and pays from the third job on.
    """
    environment = spark_environment(java)
    kept = spark_classes(java, jars.spark, environment, say=say if prepare else None)
    return SparkPlatform(environment=environment | kept, jars=jars.spark)


def say(what: str) -> None:
    """Tell the user, beside the results."""
    sys.stderr.write(f"{what}\n")
