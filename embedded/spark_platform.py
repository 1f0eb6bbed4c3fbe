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


def spark_platform(java: Java, jars: Jars) -> SparkPlatform:
    """Return what the ingest job's process needs; Spark's classes are kept ready from the first time on."""
    environment = spark_environment(java)
    kept = spark_classes(java, jars.spark, environment, say=lambda what: sys.stderr.write(f"{what}\n"))
    return SparkPlatform(environment=environment | kept, jars=jars.spark)
