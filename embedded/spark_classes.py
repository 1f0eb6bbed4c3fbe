"""The classes that Spark loads at its start, kept in a file that Java maps: a job then starts in half the time.

Java calls it application class-data sharing (JEP 350). A file fits one Java and one environment, so it lies in the
environment; Java itself checks that it fits, and starts without it if it does not.
"""

import fcntl
import hashlib
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from embedded.ivy import pyspark_jars
from embedded.java import Java

FOLDER = Path(sys.prefix) / "var" / "mend"
OPTIONS = "SPARK_SUBMIT_OPTS"
"""Spark's launcher adds these options to the Java of a driver, and to no other."""
SILENT = "-Xlog:cds=off -Xlog:cds+dynamic=off"
SECONDS = 300


def spark_classes(
    java: Java,
    jars: Iterable[Path],
    environment: dict[str, str],
    *,
    say: Callable[[str], object] | None,
    folder: Path = FOLDER,
) -> dict[str, str]:
    """Return the variables with which Spark's Java maps the kept classes; none where there are none.

    They are written the first time (about half a minute), under a lock, unless there is nobody to `say` it to. A
    failure leaves its log and an empty file, so that it is not tried again: Spark starts without it.
    """
    jars = tuple(jars)
    archive = folder / f"spark-{fingerprint(java, jars)}.jsa"
    with suppress(OSError, subprocess.SubprocessError):
        if say and not archive.exists():
            make(archive, java, jars, environment, say)
        if archive.stat().st_size:
            return {OPTIONS: f"{os.environ.get(OPTIONS, '')} {mapped(archive, java)}".strip()}
    return {}


def fingerprint(java: Java, jars: Iterable[Path]) -> str:
    """Name what a file fits: a change of any of it makes another one."""
    spark = pyspark_jars()
    parts = [java.executable, java.executable.stat().st_mtime_ns, spark, spark.stat().st_mtime_ns, *jars]
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:12]


def mapped(archive: Path, java: Java) -> str:
    """Return the options that map an archive, and below it the archive of the Java where that brings none itself."""
    files = str(archive) if has_own(java) else f"{below(archive)}:{archive}"
    return f"{shlex.quote(f'-XX:SharedArchiveFile={files}')} {SILENT}"


def has_own(java: Java) -> bool:
    """Whether this Java came with an archive of its own classes; a small Java often did not."""
    return (java.home / "lib" / "server" / "classes.jsa").exists()


def below(archive: Path) -> Path:
    """Return the archive of the Java's own classes on which the archive of Spark's stands."""
    return archive.with_suffix(".base.jsa")


def make(
    archive: Path, java: Java, jars: tuple[Path, ...], environment: dict[str, str], say: Callable[[str], object]
) -> None:
    """Let Java keep the classes of a small job; other processes wait until they are there."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with (archive.parent / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if archive.exists():
            return
        say("preparing Spark's start (once for this environment; about half a minute)")
        try:
            keep(archive, java, jars, environment)
        finally:
            archive.touch()


def keep(archive: Path, java: Java, jars: tuple[Path, ...], environment: dict[str, str]) -> None:
    """Write the archives; Java's words are in the log beside them."""
    made = archive.with_suffix(".part")
    options = ["-XX:ArchiveClassesAtExit=" + str(made)]
    with archive.with_suffix(".log").open("wb") as log:
        if not has_own(java):
            own = f"-XX:SharedArchiveFile={below(archive)}"
            run([str(java.executable), "-Xshare:dump", own], {}, log.fileno())
            options.append(own)
        variables = {OPTIONS: " ".join(map(shlex.quote, options))}
        run([sys.executable, "-m", "spark.warm_up", *map(str, jars)], environment | variables, log.fileno())
    made.replace(archive)


def run(command: list[str], variables: dict[str, str], log: int) -> None:
    """Run a command to its end; its failure is an error."""
    subprocess.run(
        command, env=os.environ | variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True,
        timeout=SECONDS,
    )  # fmt: skip
