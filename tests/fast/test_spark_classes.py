"""Spark's classes kept ready: once, and never in the way."""

import os
import subprocess
from pathlib import Path

import pytest

from embedded.java import WITHOUT_MODULE, Java
from embedded.spark_classes import spark_classes


@pytest.fixture
def java(tmp_path: Path) -> Java:
    """Return a Java that keeps nothing."""
    executable = tmp_path / "java"
    executable.write_text("#!/bin/sh\nexit 1\n")
    executable.chmod(0o755)
    return Java(executable, tmp_path, 21, "wheel")


def test_a_java_that_keeps_no_classes_is_asked_once(java: Java, tmp_path: Path) -> None:
    """Spark starts without them, and no later start waits for another try."""
    said: list[str] = []
    for _ in range(2):
        assert spark_classes(java, (), {}, say=said.append, folder=tmp_path / "kept") == {}
    assert len(said) == 1


def test_classes_are_not_made_where_nobody_waits_for_them(java: Java, tmp_path: Path) -> None:
    """A demo is over before they pay."""
    assert spark_classes(java, (), {}, say=None, folder=tmp_path / "kept") == {}
    assert not (tmp_path / "kept").exists()


def test_a_folder_that_cannot_be_written_is_no_error(java: Java, tmp_path: Path) -> None:
    """An environment that belongs to somebody else starts Spark as before."""
    (tmp_path / "file").touch()
    assert spark_classes(java, (), {}, say=str, folder=tmp_path / "file" / "kept") == {}


def test_kept_classes_are_named_behind_the_options_of_the_user(
    java: Java, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the user asks of Spark's Java stays; another jar makes another file."""
    monkeypatch.setenv("SPARK_SUBMIT_OPTS", "-Dmine=1")
    folder = tmp_path / "with blank"
    spark_classes(java, (), {}, say=str, folder=folder)
    (archive,) = folder.glob("*.jsa")
    archive.write_bytes(b"kept")
    options = spark_classes(java, (), {}, say=str, folder=folder)["SPARK_SUBMIT_OPTS"]
    assert options.startswith("-Dmine=1 '-XX:SharedArchiveFile=")
    assert str(archive) in options
    assert spark_classes(java, (tmp_path / "other.jar",), {}, say=str, folder=folder) == {}


def test_the_class_path_names_each_thing_that_is_there_once(tmp_path: Path) -> None:
    """A folder that is not there, a jar named twice and a folder without jars do not reach the Java."""
    jars = tmp_path / "ja rs"
    (jars / "nested").mkdir(parents=True)
    for name in ("a.jar", "b.jar", "c.txt"):
        (jars / name).touch()
    arguments = ["-cp", f"hive-jackson/*:{tmp_path}/conf/:{jars}/b.jar:{jars}/*", "-x", f"{jars}/*"]
    answer = subprocess.run(
        [WITHOUT_MODULE / "bin" / "java", *arguments],
        env=os.environ | {"JAVA_BEHIND_SPARK": "/bin/echo"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == f"-cp {jars}/b.jar:{jars}/a.jar -x {jars}/*"
