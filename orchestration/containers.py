"""Docker Compose as this checkout uses it: whether it is there, what runs in it, and where that is reached."""

import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from mend.runtime.errors import UserError

ALL, KAFKA = Path("docker-compose.yml"), Path("kafka/docker-compose.kafka.yml")
WITHOUT = "Without Docker: `make demo` runs the whole pipeline once, `make airflow` starts Airflow on this machine."
ANSWER_S = 20
LEAST_MEMORY = 7.25 * 2**30
PAGES = {
    "airflow-webserver": (8080, "Airflow (login airflow)"),
    "kafka-ui": (8080, "Kafka UI"),
    "spark-master": (8080, "Spark master"),
    "mailpit": (8025, "mail that was sent"),
    "schema-registry": (8081, "schema registry"),
    "broker": (9092, "Kafka"),
    "ollama": (11434, "Ollama"),
}
"""Service → its port inside, and what a person finds there."""


class DockerMissing(UserError):  # noqa: N818 - it names what happened
    """Docker, Compose or the daemon is not there; the message names the way without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One service's container; `health` is empty where the service has no check."""

    service: str
    state: str
    health: str

    @property
    def well(self) -> bool:
        """Whether it runs, and says that it is well; one that was to end and did is well, too."""
        return self.health in {"", "healthy"} and self.state == "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a service is reached from this machine."""

    service: str
    what: str
    place: str


def compose_words(*words: str, file: Path = ALL) -> list[str]:
    """Return the command line; Ollama's profile is only started when it is asked for, but always ended and shown."""
    return ["docker", "compose", "--project-directory", ".", "--file", str(file), *words]


def require_docker() -> None:
    """Say what is missing before anything is begun."""
    if shutil.which("docker") is None:
        raise DockerMissing(
            f"Docker is not installed here. Install it with Compose 2.24 or newer. {WITHOUT}", exit_code=1
        )
    daemon = asked(["docker", "info", "--format", "{{.ServerVersion}}"])
    if daemon.returncode != 0:
        why = (daemon.stderr.strip().splitlines() or ["no answer"])[0]
        raise DockerMissing(f"Docker's daemon does not answer ({why}). Start it. {WITHOUT}", exit_code=1)
    if not compose_there():
        raise DockerMissing(f"This Docker has no Compose. Install its plugin, 2.24 or newer. {WITHOUT}", exit_code=1)


def compose_there() -> bool:
    """Whether Docker has Compose; its daemon is not asked."""
    return shutil.which("docker") is not None and asked(["docker", "compose", "version", "--short"]).returncode == 0


def docker_resources() -> str:
    """Return Docker's version and what it may use; a UserError where it is not there."""
    require_docker()
    form = "{{.ServerVersion}} {{.NCPU}} {{.MemTotal}}"
    version, cores, memory = asked(["docker", "info", "--format", form]).stdout.split()
    small = " (the whole platform wants 8 GB: give it more, or use make up-kafka)"
    enough = "" if int(memory) >= LEAST_MEMORY else small
    return f"{version}, {cores} cores, {int(memory) / 2**30:.1f} GB{enough}"


def asked(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Ask Docker something; a daemon that hangs does not keep us."""
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(words, returncode=1, stdout="", stderr=str(error))


def containers() -> tuple[Container, ...]:
    """Return this checkout's containers; none where Docker is not there or does not answer."""
    if shutil.which("docker") is None:
        return ()
    found = asked(compose_words("--profile", "*", "ps", "--all", "--format", "json"))
    if found.returncode != 0:
        return ()
    return tuple(
        Container(service=one["Service"], state=one["State"], health=one.get("Health", ""))
        for one in listed(found.stdout)
    )


def listed(text: str) -> list[dict[str, Any]]:
    """Read what `ps` prints: a list, or since Compose 2.21 an object a line."""
    if text.lstrip().startswith("["):
        return list(orjson.loads(text))
    return [orjson.loads(line) for line in text.splitlines() if line.strip()]


def running() -> set[str]:
    """Return the services whose containers run."""
    return {one.service for one in containers() if one.state == "running"}


def addresses(file: Path = ALL) -> tuple[Address, ...]:
    """Return where services are reached, by what Compose makes of the file and .env."""
    config = asked(compose_words("config", "--format", "json", file=file))
    if config.returncode != 0:
        raise UserError(f"{file} cannot be used: {config.stderr.strip()}", exit_code=1)
    return tuple(
        Address(service=name, what=what, place=place(name, int(port["published"])))
        for name, service in orjson.loads(config.stdout)["services"].items()
        for port in service.get("ports", ())
        for target, what in [PAGES.get(name, (0, ""))]
        if target == port["target"]
    )


def place(service: str, port: int) -> str:
    """Return a service's address as a browser or a client takes it."""
    return f"localhost:{port}" if service == "broker" else f"http://localhost:{port}"


def taken_ports(file: Path = ALL) -> tuple[Address, ...]:
    """Return the addresses that another program has; those of our own containers are ours."""
    ours = running()
    return tuple(
        one for one in addresses(file) if one.service not in ours and listens(int(one.place.rpartition(":")[2]))
    )


def listens(port: int) -> bool:
    """Whether something listens on a loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S).close()
    except OSError:
        return False
    return True
