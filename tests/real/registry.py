"""A real schema registry on loopback: Apicurio, which has Confluent's API, with its schemas in memory."""

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from time import monotonic, sleep

from urllib3 import PoolManager
from urllib3.exceptions import HTTPError

from embedded import leash
from embedded.jars import cache_folder, resolve_pins
from embedded.java import Java, wheel_java
from embedded.kafka_broker import free_ports

LOCK = Path(__file__).parent / "registry.lock"
READY_SECONDS = 90.0
API = "apis/ccompat/v7"
JVM_OPTIONS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m", "-Djava.awt.headless=true")


def unpacked(java: Java) -> Path:
    """Return the folder of the registry, fetched and unpacked once into the user's cache."""
    cache = cache_folder(os.environ)
    ((pin, archive),) = resolve_pins(java, cache, environ=os.environ, lock=LOCK).items()
    folder = cache / "registry" / pin.sha256[:16]
    if not folder.is_dir():
        half = folder.with_name(f"{folder.name}.{os.getpid()}")
        with tarfile.open(archive) as content:
            content.extractall(half, filter="data")
        half.replace(folder)
    return folder


@dataclass(kw_only=True)
class Registry:
    """A running registry."""

    url: str
    process: Popen[bytes]
    log: Path

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            return PoolManager(retries=False).request("GET", f"{self.url}/subjects", timeout=5).status == 200
        except HTTPError:
            return False

    def kill(self) -> None:
        """End it as a crash would."""
        leash.kill(self.process)


@contextmanager
def running_registry(log: Path) -> Iterator[Registry]:
    """Run a registry with the wheel's Java: it wants one that Spark's may be too old for."""
    java = wheel_java()
    port, management = free_ports()
    places = {
        "http.host": "127.0.0.1",
        "http.port": port,
        "management.host": "127.0.0.1",
        "management.port": management,
    }
    options = [*JVM_OPTIONS, *(f"-Dquarkus.{name}={value}" for name, value in places.items())]
    folder = unpacked(java)
    with log.open("wb") as output:
        process = leash.start([str(java.executable), *options, "-jar", "quarkus-run.jar"], output=output, cwd=folder)
    registry = Registry(url=f"http://127.0.0.1:{port}/{API}", process=process, log=log)
    try:
        end = monotonic() + READY_SECONDS
        while not registry.is_ready():
            assert process.poll() is None, log.read_text()[-2000:]
            assert monotonic() < end, log.read_text()[-2000:]
            sleep(0.1)
        yield registry
    finally:
        leash.release(process)
