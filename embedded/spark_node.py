"""A node of a standalone Spark cluster, from the jars that pyspark brings: python -m embedded.spark_node master|worker.

What follows is handed to Spark's own class: --host, --port, --cores, --memory, a worker's master …
"""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from embedded.java import find_java, spark_environment
from mend.runtime.errors import UserError

CLASSES = {"master": "org.apache.spark.deploy.master.Master", "worker": "org.apache.spark.deploy.worker.Worker"}
USAGE = "usage: python -m embedded.spark_node master|worker [options of Spark's class]"


def command(arguments: Sequence[str]) -> list[str]:
    """Return the node's command line."""
    if not arguments or arguments[0] not in CLASSES:
        raise UserError(USAGE)
    return [str(spark_home() / "bin" / "spark-class"), CLASSES[arguments[0]], *arguments[1:]]


def spark_home() -> Path:
    """Return where pyspark keeps Spark."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise UserError("pyspark is not installed. Run: make install-deps")
    return Path(spec.origin).parent


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the node's environment: this machine's Java, and no address but the one that it is told."""
    added = spark_environment(find_java(environ))
    del added["SPARK_LOCAL_IP"]
    return dict(environ) | added | {"SPARK_HOME": str(spark_home())}


def main(arguments: Sequence[str]) -> None:
    """Become the node."""
    words = command(arguments)
    os.execve(words[0], words, environment(os.environ))  # noqa: S606 - signals reach Spark, with no process in between


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
