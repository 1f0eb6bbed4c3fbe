"""The Java of the wheel is a real one, and Spark starts on either."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.jars import Jars
from embedded.java import SPARK_MODULE, Java, find_java, spark_environment, wheel_java
from embedded.spark_platform import spark_platform


def test_without_a_java_on_the_machine_the_wheel_is_taken() -> None:
    """A machine without any Java still gets a 21 that runs."""
    java = find_java({"PATH": "/nowhere"})
    assert (java.source, java.major) == ("wheel", 21)
    assert java == wheel_java()
    assert subprocess.run([java.executable, "-version"], capture_output=True, check=True).returncode == 0


@pytest.mark.parametrize(
    "module", ["java.management", "java.security.jgss", "jdk.unsupported", "jdk.crypto.ec", "java.sql"]
)
def test_a_java_has_what_kafka_and_spark_need(java: Java, module: str) -> None:
    """Neither a cut-down Java of the machine nor the wheel lacks a module that is needed only later."""
    for candidate in (java, wheel_java()):
        modules = subprocess.run([candidate.executable, "--list-modules"], capture_output=True, text=True, check=True)
        assert f"{module}@" in modules.stdout


@pytest.mark.parametrize("source", ["system", "wheel"])
def test_spark_starts_on_each_java(java: Java, source: str) -> None:
    """Spark's own launcher starts on the machine's Java and on the wheel's, whatever module it insists on."""
    chosen = java if source == "system" else wheel_java()
    command = [str(Path(sys.executable).parent / "spark-submit"), "--version"]
    answer = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | spark_environment(chosen)
    )
    assert answer.returncode == 0, answer.stderr
    assert "version 4.0" in answer.stderr


def test_only_the_missing_module_is_taken_from_a_command() -> None:
    """Every other argument reaches the wheel's Java as it was, spaces, quotes and dollars included."""
    environment = spark_environment(wheel_java())
    java = environment["JAVA_HOME"] + "/bin/java"
    command = [java, "-Dodd=a  'b' \"c\" $d *", SPARK_MODULE, "-XshowSettings:properties", "-version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | environment)
    assert "odd = a  'b' \"c\" $d *\n" in answer.stderr


def test_sparks_java_maps_the_classes_that_were_kept(java: Java, jars: Jars) -> None:
    """A start takes more than a thousand of Spark's classes as they were kept, and says nothing of it."""
    environment = spark_platform(java, jars).environment
    command = [str(Path(sys.executable).parent / "spark-submit"), "--version"]
    quiet = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | environment)
    assert "cds" not in quiet.stdout + quiet.stderr
    environment["SPARK_SUBMIT_OPTS"] += " -Xlog:class+load=info"
    loud = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | environment)
    assert loud.stdout.count("shared objects file (top)") > 1000
