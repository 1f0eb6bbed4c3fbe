"""Which Java is taken, and what Spark is told of it."""

import sys
from pathlib import Path

from embedded.java import find_java, spark_environment


def install(home: Path, major: int, *, exit_code: int = 0) -> Path:
    """Put a `java` there that answers for its settings as a real one of that version does."""
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(
        "#!/bin/sh\n"
        f"echo '    java.home = {home}' >&2; echo '    java.specification.version = {major}' >&2; exit {exit_code}\n"
    )
    java.chmod(0o755)
    return home


def test_java_home_comes_before_path(tmp_path: Path) -> None:
    """JAVA_HOME is the user's word; PATH is only asked when it is silent."""
    named, on_path = install(tmp_path / "named", 21), install(tmp_path / "on_path", 17)
    environ = {"JAVA_HOME": str(named), "PATH": str(on_path / "bin")}
    assert (find_java(environ).home, find_java(environ).major) == (named, 21)
    del environ["JAVA_HOME"]
    assert (find_java(environ).home, find_java(environ).major, find_java(environ).source) == (on_path, 17, "system")


def test_a_java_that_does_not_fit_is_passed_over(tmp_path: Path) -> None:
    """Neither an unsupported version nor one that does not run keeps a good one on PATH from being found."""
    good = install(tmp_path / "good", 17)
    for bad in (install(tmp_path / "old", 11), install(tmp_path / "broken", 21, exit_code=1), tmp_path / "nothing"):
        assert find_java({"JAVA_HOME": str(bad), "PATH": str(good / "bin")}).home == good


def test_a_link_on_path_leads_to_the_home_that_java_names(tmp_path: Path) -> None:
    """JAVA_HOME for Spark is what Java says of itself, not where a link on PATH lies."""
    home, shims = install(tmp_path / "real", 17), tmp_path / "shims"
    shims.mkdir()
    (shims / "java").symlink_to(home / "bin" / "java")
    java = find_java({"PATH": str(shims)})
    assert (java.home, java.executable) == (home, home / "bin" / "java")


def test_spark_gets_this_java_and_this_interpreter(tmp_path: Path) -> None:
    """Spark's processes run on the Java that was found and on the running Python, and listen on loopback."""
    java = find_java({"JAVA_HOME": str(install(tmp_path / "home", 17))})
    environment = spark_environment(java)
    assert environment["JAVA_HOME"] == str(tmp_path / "home")
    assert environment["PYSPARK_PYTHON"] == environment["PYSPARK_DRIVER_PYTHON"] == sys.executable
    assert environment["SPARK_LOCAL_IP"] == "127.0.0.1"
