"""How Spark runs on this machine: a Java, and the jars of its Kafka connector."""

import os
from collections.abc import Callable

from embedded.jars import Jars, cache_folder, resolve_jars
from embedded.java import Java, find_java, spark_environment
from orchestration.workspace import SparkPlatform


def local_platform(on_progress: Callable[[int, int, str], None] | None = None) -> tuple[Java, Jars]:
    """Return a Java and the checked jars, fetching what the cache lacks."""
    java = find_java(os.environ)
    return java, resolve_jars(java, cache_folder(os.environ), environ=os.environ, on_progress=on_progress)


def spark_platform(java: Java, jars: Jars) -> SparkPlatform:
    """Return what the ingest job's process needs."""
    return SparkPlatform(environment=spark_environment(java), jars=jars.spark)
