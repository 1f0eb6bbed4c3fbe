"""The jars of the embedded platform: pinned in jars.lock, fetched once by Ivy, kept in a cache that clones share.

`python -m embedded.jars` fetches them; with `--renew-lock` it follows ivy.xml to every jar and pins what it finds.
"""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.sax.saxutils import quoteattr

from embedded.ivy import Ivy, pyspark_jars
from embedded.java import Java, find_java
from embedded.trust import network_options
from mend.runtime.errors import UserError
from mend.runtime.files import write_atomic

OnProgress = Callable[[int, int, str], None]

HERE = Path(__file__).parent
LOCK = HERE / "jars.lock"
REQUESTS = HERE / "ivy.xml"
SETS = ("kafka", "spark")
# One jar first: without a network that fails in seconds, and not once for each of fifty. Then all the others, and again
# what a hiccup of the network left behind. A batch that brings nothing is the last.
BATCHES = (1, None, None)
LOCK_HEADER = "# sha256  set  group:artifact:version — written by `python -m embedded.jars --renew-lock`\n"
PIN = re.compile(
    r"(?P<sha256>[0-9a-f]{64})  (?P<used_by>kafka|spark|registry)  "
    r"(?P<group>[^:\s]+):(?P<artifact>[^:\s]+):(?P<version>[^:\s]+)(?::(?P<classifier>[^@\s]+)@(?P<ext>\S+))?"
)
PINNED = """<ivy-module version="2.0" xmlns:m="http://ant.apache.org/ivy/maven">
  <info organisation="mend" module="pinned"/>
  <configurations><conf name="kafka"/><conf name="spark"/><conf name="registry"/></configurations>
  <dependencies>
{dependencies}
  </dependencies>
</ivy-module>
"""


@dataclass(frozen=True, order=True)
class Pin:
    """One jar or archive, exactly: which set needs it, its Maven coordinates, and the sha256 of its bytes."""

    used_by: str
    group: str
    artifact: str
    version: str
    sha256: str
    classifier: str | None = None
    ext: str | None = None

    @property
    def file(self) -> str:
        """Name of the file in the cache."""
        return f"{self.artifact}-{self.version}.{self.ext or 'jar'}"

    def is_at(self, path: Path) -> bool:
        """Whether the file is there and is this jar to the byte."""
        return path.is_file() and sha256(path) == self.sha256


@dataclass(frozen=True)
class Jars:
    """Checked jars: `kafka` is the class path of a broker, `spark` what to add to pyspark's own jars."""

    kafka: tuple[Path, ...]
    spark: tuple[Path, ...]


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of what may be fetched again, shared by a user's clones; XDG_CACHE_HOME is honoured."""
    named = Path(environ.get("XDG_CACHE_HOME", ""))
    return (named if named.is_absolute() else _home(environ) / ".cache") / "mend"


def resolve_jars(
    java: Java, cache: Path, *, environ: Mapping[str, str], on_progress: OnProgress | None = None, lock: Path = LOCK
) -> Jars:
    """Return every pinned jar, fetching those that the cache lacks or holds damaged. Safe to call from many processes.

    `on_progress(done, total, what)` is called while something is fetched, never on a whole cache. Jars that arrived
    whole are kept when a fetch ends early. Raises UserError when the network or the repository does not provide.
    """
    files = resolve_pins(java, cache, environ=environ, on_progress=on_progress, lock=lock)
    return Jars(*(tuple(path for pin, path in files.items() if pin.used_by == name) for name in SETS))


def resolve_pins(
    java: Java, cache: Path, *, environ: Mapping[str, str], on_progress: OnProgress | None = None, lock: Path
) -> dict[Pin, Path]:
    """Return where each pinned file of a lock is, as `resolve_jars` does."""
    pins, folder = read_lock(lock), cache / "jars"
    if _missing(pins, folder):
        show = on_progress or _silent
        with _alone(folder, show):
            ivy = Ivy(java, network_options(java, environ, cache), folder / ".work", _home(environ))
            _provide(_missing(pins, folder), folder, ivy, show)
    return {pin: folder / pin.file for pin in pins}


def missing_jars(environ: Mapping[str, str], lock: Path = LOCK) -> int:
    """Return how many pinned jars the cache lacks or holds damaged."""
    return len(_missing(read_lock(lock), cache_folder(environ) / "jars"))


def read_lock(path: Path) -> list[Pin]:
    """Read the pins; a line that is not a pin is an error with its number."""
    pins = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        pin = PIN.fullmatch(line)
        if pin:
            pins.append(Pin(**pin.groupdict()))
        elif line and not line.startswith("#"):
            raise UserError(
                f"{path}:{number}: {line!r} is no pin. Restore the file, or renew it as its first line says."
            )
    return pins


def renew_lock(ivy: Ivy, lock: Path = LOCK) -> list[Pin]:
    """Follow ivy.xml to all jars, leave out what pyspark brings, and pin the rest. Needs a network."""
    found = ivy.work / "found"
    shutil.rmtree(found, ignore_errors=True)
    pattern = f"{found}/[conf]/[organisation]/[module]/[revision]/[artifact].[ext]"
    if not ivy.fetch(REQUESTS, pattern, follow=True, on_fetched=lambda _: None):
        raise UserError(f"Ivy could not follow {REQUESTS}; what it said: {ivy.log}", exit_code=1)
    brought = {jar.name.rpartition("-")[0] for jar in pyspark_jars().glob("*.jar")}
    pins = sorted(
        pin for pin in map(_pin_of, found.rglob("*.jar")) if pin.used_by != "spark" or pin.artifact not in brought
    )
    lines = [f"{pin.sha256}  {pin.used_by}  {pin.group}:{pin.artifact}:{pin.version}\n" for pin in pins]
    write_atomic(lock, (LOCK_HEADER + "".join(lines)).encode())
    return pins


def sha256(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ["HOME"]) if environ.get("HOME") else Path.home()


def _pin_of(jar: Path) -> Pin:
    used_by, group, artifact, version = jar.parts[-5:-1]
    return Pin(used_by, group, artifact, version, sha256(jar))


def _missing(pins: Iterable[Pin], folder: Path) -> list[Pin]:
    return [pin for pin in pins if not pin.is_at(folder / pin.file)]


def _silent(_done: int, _total: int, _what: str) -> None:
    """Show nothing."""


def _provide(wanted: Sequence[Pin], folder: Path, ivy: Ivy, on_progress: OnProgress) -> None:
    missing = _adopt(wanted, ivy.work, folder)
    for most in BATCHES:
        asked, before = missing[:most], len(missing)
        if asked:
            _fetch(asked, ivy, _counter(len(wanted) - before, len(wanted), on_progress))
            missing = _adopt(missing, ivy.work, folder)
        if len(missing) == before:
            break
    if missing:
        raise _unavailable(missing, folder, ivy)
    shutil.rmtree(ivy.work, ignore_errors=True)


def _fetch(asked: Sequence[Pin], ivy: Ivy, on_fetched: Callable[[str], None]) -> None:
    ivy.work.mkdir(parents=True, exist_ok=True)
    modules = ivy.work / "ivy.xml"
    modules.write_text(PINNED.format(dependencies="\n".join(map(_dependency, asked))), encoding="utf-8")
    ivy.fetch(modules, f"{ivy.work}/retrieved/[artifact]-[revision].[ext]", follow=False, on_fetched=on_fetched)


def _dependency(pin: Pin) -> str:
    place = f"org={quoteattr(pin.group)} name={quoteattr(pin.artifact)} rev={quoteattr(pin.version)}"
    files = ""
    if pin.classifier and pin.ext:
        form = f"type={quoteattr(pin.ext)} ext={quoteattr(pin.ext)} m:classifier={quoteattr(pin.classifier)}"
        files = f"<artifact name={quoteattr(pin.artifact)} {form}/>"
    return f'    <dependency {place} transitive="false" conf="{pin.used_by}->default">{files}</dependency>'


def _counter(done: int, total: int, on_progress: OnProgress) -> Callable[[str], None]:
    """Count jars as they arrive, and say at once how many are ahead."""
    on_progress(done, total, "asking for jars")
    arrived = done

    def arrive(what: str) -> None:
        nonlocal arrived
        arrived = min(arrived + 1, total)
        on_progress(arrived, total, what)

    return arrive


def _adopt(pins: Iterable[Pin], work: Path, folder: Path) -> list[Pin]:
    """Move the pins' jars out of Ivy's work folder, delete damaged ones there, and return the pins still missing."""
    for pin in pins:
        for candidate in sorted(work.rglob(pin.file)):
            if pin.is_at(candidate):
                candidate.replace(folder / pin.file)
            else:
                candidate.unlink()
    return _missing(pins, folder)


def _unavailable(missing: Sequence[Pin], folder: Path, ivy: Ivy) -> UserError:
    names = ", ".join(pin.file for pin in missing[:3]) + (f" and {len(missing) - 3} more" if missing[3:] else "")
    return UserError(
        f"{len(missing)} jars could not be fetched as pinned: {names} ({ivy.reason()}). Check the network; HTTPS_PROXY "
        "names a proxy, SSL_CERT_FILE its certificates, ~/.m2/settings.xml a mirror. Then run this again: what arrived "
        f"is kept. Without any network, copy {folder} from another machine.",
        exit_code=1,
    )


@contextmanager
def _alone(folder: Path, on_progress: OnProgress) -> Iterator[None]:
    """Let one process at a time fetch into the folder; the lock ends with its process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("wb") as lock:
            _wait_for(lock, on_progress)
            yield
    except OSError as error:
        raise UserError(
            f"Cannot write {folder}: {error.strerror}. Make room there, or point XDG_CACHE_HOME to another folder.",
            exit_code=1,
        ) from error


def _wait_for(lock: IO[bytes], on_progress: OnProgress) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        on_progress(0, 0, "waiting for another process that fetches the same jars")
        fcntl.flock(lock, fcntl.LOCK_EX)


def _say(done: int, total: int, what: str) -> None:
    sys.stderr.write(f"[{done}/{total}] {what}\n")


def _main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m embedded.jars", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--renew-lock", action="store_true", help="pin what ivy.xml asks for now")
    renew = parser.parse_args(arguments).renew_lock
    java, cache = find_java(os.environ), cache_folder(os.environ)
    if renew:
        ivy = Ivy(java, network_options(java, os.environ, cache), cache / "renew", _home(os.environ))
        sys.stdout.write(f"{len(renew_lock(ivy))} jars pinned in {LOCK}\n")
    else:
        resolve_jars(java, cache, environ=os.environ, on_progress=_say)
        sys.stdout.write(f"{cache / 'jars'}\n")


if __name__ == "__main__":
    try:
        _main()
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
