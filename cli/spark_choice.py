"""Where the ingest job's Java and jars come from: this machine's cache, fetched with a progress bar when they lack."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embedded.jars import Jars
    from embedded.java import Java
    from orchestration.workspace import SparkPlatform

STARTS_SPARK = "run_spark_job"


def spark_for(step: str) -> "SparkPlatform | None":
    """Return how Spark runs here, for the step that starts it."""
    from embedded.spark_platform import spark_platform

    return spark_platform(*fetched_platform()) if step == STARTS_SPARK else None


def fetched_platform() -> "tuple[Java, Jars]":
    """Return a Java and the jars; what has to be fetched is shown as a bar."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from embedded.spark_platform import local_platform

    console = Console(stderr=True)
    columns = (TextColumn("fetching jars"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, visible=False)
        said: list[str] = []

        def show(done: int, total: int, what: str) -> None:
            if not said and not console.is_terminal:
                console.print(f"fetching {total} jars of Kafka and Spark's connector (once; about 110 MB)")
                said.append(what)
            bar.update(task, completed=done, total=total, description=what, visible=True)

        return local_platform(show)
