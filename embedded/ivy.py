"""Ivy, the resolver inside pyspark: fetches modules from wherever this machine gets its Maven artifacts."""

import importlib.util
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

from embedded import leash
from embedded.java import Java
from mend.runtime.errors import UserError

FETCHED = "[SUCCESSFUL ]"
NETWORK_TROUBLE = re.compile(r"Host \S+ not found|Server access error.*|HTTP response status: [45].*")
JVM_OPTIONS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m", "-Djava.awt.headless=true")
COVERS_CENTRAL = {"*", "central", "external:*"}
SETTINGS = """<ivysettings>
  <settings defaultResolver="maven"/>
  <property name="ivy.checksums" value="{checksums}"/>
  <timeout-constraints>
    <timeout-constraint name="patience" connectionTimeout="10000" readTimeout="60000"/>
  </timeout-constraints>
  <resolvers>
    <ibiblio name="maven" m2compatible="true" usepoms="{poms}" timeoutConstraint="patience"{root}/>
  </resolvers>
</ivysettings>
"""


@dataclass(frozen=True)
class Ivy:
    """One Ivy and its work folder, which keeps what was fetched whole; mirror settings lie in `user_home`."""

    java: Java
    options: Sequence[str]
    work: Path
    user_home: Path

    @property
    def log(self) -> Path:
        """What Ivy said last time."""
        return self.work / "ivy.log"

    def reason(self) -> str:
        """Return the first thing that Ivy found wrong with the network last time, or where to read more."""
        said = self.log.read_text(encoding="utf-8", errors="replace") if self.log.is_file() else ""
        wrong = NETWORK_TROUBLE.search(said)
        return wrong[0].strip() if wrong else f"see {self.log}"

    def fetch(self, modules: Path, pattern: str, *, follow: bool, on_fetched: Callable[[str], None]) -> bool:
        """Fetch the modules of an ivy.xml into `pattern`; `follow` reads their POMs. Returns whether all were had.

        `on_fetched` gets the module of each jar when it has arrived whole. A caller that dies takes Ivy along.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        process = leash.start(self._command(modules, pattern, follow=follow), output=subprocess.PIPE)
        try:
            self._listen(process, on_fetched)
            return process.wait() == 0
        finally:
            leash.kill(process)

    def _listen(self, process: subprocess.Popen[bytes], on_fetched: Callable[[str], None]) -> None:
        with process.stdout or self.log.open("rb") as said, self.log.open("wb") as log:
            for line in said:
                log.write(line)
                if FETCHED.encode() in line:
                    on_fetched(line.decode().partition("#")[2].partition("!")[0].replace(";", " "))

    def _command(self, modules: Path, pattern: str, *, follow: bool) -> list[str]:
        return [
            *(str(self.java.executable), *JVM_OPTIONS, *self.options, "-jar", str(ivy_jar())),
            *("-settings", str(self._settings(follow=follow)), "-ivy", str(modules)),
            *("-cache", str(self.work / "cache"), "-confs", "*", "-retrieve", pattern),
        ]

    def _settings(self, *, follow: bool) -> Path:
        """Return the user's own Ivy settings, else a file that names his Maven mirror or leaves the place to Ivy."""
        own = self.user_home / ".ivy2" / "ivysettings.xml"
        if own.is_file():
            return own
        mirror = maven_mirror(self.user_home / ".m2" / "settings.xml")
        # Pinned jars are checked against their sha256, so neither POMs nor weaker checksums are worth a request each.
        written = self.work / "ivysettings.xml"
        root = f" root={quoteattr(mirror)}" if mirror else ""
        poms, checksums = ("true", "sha1") if follow else ("false", "")
        written.write_text(SETTINGS.format(poms=poms, checksums=checksums, root=root), encoding="utf-8")
        return written


def maven_mirror(settings: Path) -> str | None:
    """Return the URL of the mirror that a user's Maven settings put in place of the central repository, if any."""
    try:
        tree = ET.parse(settings)  # noqa: S314 - the user's own file
    except (OSError, ET.ParseError):
        return None
    for mirror in tree.iterfind(".//{*}mirror"):
        covered = (mirror.findtext("{*}mirrorOf") or "").replace(" ", "").split(",")
        url = (mirror.findtext("{*}url") or "").strip()
        if url.startswith("http") and COVERS_CENTRAL.intersection(covered) and "!central" not in covered:
            return url
    return None


def pyspark_jars() -> Path:
    """Return the folder of the jars that pyspark brings along."""
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise UserError("pyspark is not installed in this environment; run `make setup`.")
    return Path(spec.origin).parent / "jars"


def ivy_jar() -> Path:
    """Return the Ivy inside pyspark."""
    found = sorted(pyspark_jars().glob("ivy-*.jar"))
    if not found:
        raise UserError(f"No ivy-*.jar in {pyspark_jars()}: pyspark is not installed whole. Reinstall it.")
    return found[-1]
