"""The pins, the cache, and where Ivy is sent; fetching itself is in tests/real."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from embedded.ivy import maven_mirror, pyspark_jars
from embedded.jars import HERE, LOCK, REQUESTS, Pin, cache_folder, read_lock, sha256
from mend.runtime.errors import UserError


def test_everything_asked_for_is_pinned() -> None:
    """Each module of ivy.xml is in the lock at the version it asks for, in its set; a change there needs a new lock."""
    pinned = {(pin.used_by, pin.group, pin.artifact, pin.version) for pin in read_lock(LOCK)}
    asked = {
        (dependency.attrib["conf"].partition("-")[0], *(dependency.attrib[key] for key in ("org", "name", "rev")))
        for dependency in ET.fromstring(REQUESTS.read_text()).iter("dependency")  # noqa: S314 - our own file
    }
    assert asked
    assert asked <= pinned


def test_a_set_holds_a_module_once() -> None:
    """Two versions of one module on a class path would be decided by chance."""
    modules = [(pin.used_by, pin.group, pin.artifact) for pin in read_lock(LOCK)]
    assert len(modules) == len(set(modules))


def test_jars_with_one_name_have_one_content() -> None:
    """The cache is one folder, so that a file name must not stand for two jars."""
    contents = {(pin.file, pin.sha256) for pin in read_lock(LOCK)}
    assert len({file for file, _ in contents}) == len(contents)


def test_spark_gets_only_what_pyspark_lacks() -> None:
    """A second copy of a jar of pyspark's own, perhaps of another version, must not come along."""
    brought = {jar.name.rpartition("-")[0] for jar in pyspark_jars().glob("*.jar")}
    assert brought
    assert not brought & {pin.artifact for pin in read_lock(LOCK) if pin.used_by == "spark"}


def test_no_file_names_a_repository() -> None:
    """Where artifacts come from, Ivy's defaults and the user's mirror settings say; a namespace is no place."""
    for path in HERE.iterdir():
        if path.is_file():
            assert not re.search(r'(?<!xmlns:m=")https?://(?!\{LOOPBACK\})', path.read_text()), path


def test_a_line_that_is_no_pin_is_named(tmp_path: Path) -> None:
    """A damaged lock is an error with file and line, never a jar less."""
    lock = tmp_path / "jars.lock"
    lock.write_text(f"# a comment\n\n{'0' * 64}  kafka  g:a:1\n{'0' * 63}  kafka  g:b:1\n")
    with pytest.raises(UserError, match=r"jars\.lock:4: .*g:b:1"):
        read_lock(lock)


def test_a_pin_knows_its_jar_to_the_byte(tmp_path: Path) -> None:
    """Any change of a jar, or none there, is seen; size and time are not trusted."""
    jar = tmp_path / "a-1.jar"
    jar.write_bytes(b"content")
    pin = Pin("kafka", "g", "a", "1", sha256(jar))
    assert pin.file == jar.name
    assert pin.is_at(jar)
    jar.write_bytes(b"kontent")
    assert not pin.is_at(jar)
    assert not pin.is_at(tmp_path / "absent.jar")


def test_the_cache_is_where_the_user_keeps_caches() -> None:
    """XDG_CACHE_HOME counts when it is absolute, as its specification says; else ~/.cache."""
    assert cache_folder({"XDG_CACHE_HOME": "/caches", "HOME": "/home/ada"}) == Path("/caches/mend")
    assert cache_folder({"HOME": "/home/ada"}) == Path("/home/ada/.cache/mend")
    assert cache_folder({"XDG_CACHE_HOME": "here", "HOME": "/home/ada"}) == Path("/home/ada/.cache/mend")


@pytest.mark.parametrize(
    ("covered", "found"),
    [("central", True), ("*", True), ("external:*, !internal", True), ("other", False), ("*,!central", False)],
)
def test_the_users_maven_mirror_is_found(tmp_path: Path, covered: str, found: bool) -> None:
    """A mirror of the central repository in ~/.m2/settings.xml is taken, with and without Maven's name space."""
    url = "https://mirror.example/maven"
    name = "maven.apache.org/SETTINGS/1.2.0"
    for space in ("", f' xmlns="http://{name}"'):
        mirror = f"<mirror><mirrorOf>{covered}</mirrorOf><url>{url}</url></mirror>"
        settings = tmp_path / "settings.xml"
        settings.write_text(f"<settings{space}><mirrors>{mirror}</mirrors></settings>")
        assert maven_mirror(settings) == (url if found else None)


def test_no_maven_settings_no_mirror(tmp_path: Path) -> None:
    """Absent and unreadable settings leave the place to Ivy."""
    assert maven_mirror(tmp_path / "absent.xml") is None
    (tmp_path / "settings.xml").write_text("<settings>")
    assert maven_mirror(tmp_path / "settings.xml") is None
