"""The targets about what runs, started as users start them; only `docker` is another program: it notes its words."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.doctor import docker, tried
from cli.main import cli
from cli.setup import CONTAINERS
from mend.runtime.errors import UserError
from orchestration.containers import docker_resources

pytestmark = pytest.mark.waits

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
COMPOSE = "compose --project-directory . --file docker-compose.yml"
DOCKER = """#!/bin/sh
echo "$*" >> "$FAKE/said"
case "$*" in
  info*) test ! -e "$FAKE/away" || { echo "Cannot connect to the Docker daemon" >&2; exit 1; }
         echo "28.2 4 8000000000" ;;
  *"config --format json") cat "$FAKE/config" ;;
  *"ps --all --format json") test ! -e "$FAKE/away" || exit 1; cat "$FAKE/ps" ;;
  *" up "*) exit "$(cat "$FAKE/up" 2>/dev/null || echo 0)" ;;
esac
"""
CONFIG = {
    "services": {
        "airflow-webserver": {"ports": [{"target": 8080, "published": "18080"}]},
        "broker": {"ports": [{"target": 9092, "published": "19092"}, {"target": 9101, "published": "19101"}]},
        "ollama": {"ports": [{"target": 11434, "published": "21434"}]},
        "spark-worker": {},
    }
}
UP = [("airflow-scheduler", "running", "healthy"), ("airflow-init", "exited", ""), ("broker", "running", "healthy")]


@dataclass
class Checkout:
    """A checkout with an environment, a .env and a `docker` of its own."""

    folder: Path

    @property
    def fake(self) -> Path:
        """Where the stand-in for docker looks what to say, and writes what it was told."""
        return self.folder / "fake"

    def make(self, *words: str, said: str = "", docker: bool = True) -> subprocess.CompletedProcess[str]:
        """Run make here."""
        command = ["make", "--no-print-directory", "VENV=venv", "AIRFLOW_VENV=none", *words]
        path = f"{self.fake}:/usr/bin:/bin" if docker else f"{self.folder / 'tools'}"
        told = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "MEND_HOME"}}
        told |= {
            "PATH": path,
            "FAKE": str(self.fake),
            "PYTHONPATH": str(ROOT),
            "KAFKA_BROKER": "nobody",
            "COLUMNS": "200",
        }
        return subprocess.run(
            command, cwd=self.folder, env=told, capture_output=True, text=True, input=said, check=False, timeout=60
        )

    def told(self) -> list[str]:
        """Return what docker was told that changes or shows something, and forget it."""
        path = self.fake / "said"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        asking = ("info", "compose version", "config --format json", "ps --all --format json")
        return [line for line in lines if not any(word in line for word in asking)]

    def stand_in(self, then: str) -> None:
        """Let `mend` only say its words, and then do that."""
        bin_ = self.folder / "venv" / "bin"
        bin_.unlink()
        bin_.mkdir()
        (bin_ / "mend").write_text(f'#!/bin/sh\necho "mend $*"\n{then}\n')
        (bin_ / "mend").chmod(0o755)

    def runs(self, *rows: tuple[str, str, str]) -> None:
        """Let these containers be there."""
        lines = [json.dumps({"Service": name, "State": state, "Health": health}) for name, state, health in rows]
        (self.fake / "ps").write_text("\n".join(lines))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Make one in which nothing runs."""
    made = Checkout(tmp_path)
    made.fake.mkdir()
    (made.fake / "docker").write_text(DOCKER)
    (made.fake / "docker").chmod(0o755)
    (made.fake / "config").write_text(json.dumps(CONFIG))
    made.runs()
    (tmp_path / "tools").mkdir()
    for name in ("sh", "make", "echo", "tail", "test"):
        found = next(folder / name for folder in (Path("/usr/bin"), Path("/bin")) if (folder / name).exists())
        (tmp_path / "tools" / name).symlink_to(found)
    (tmp_path / ".env").write_text("".join(f"{name}=x\n" for name in CONTAINERS))
    for name in ("pipelines", "airflow", "kafka", "requirements", "pyproject.toml", "Makefile"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "bin").symlink_to(BIN)
    for stamp in ("uv", "task", "dev"):
        (tmp_path / "venv" / stamp).touch()
    return made


def test_up_starts_waits_and_says_where(checkout: Checkout) -> None:
    """All containers, until they are healthy; then each address, as Compose and .env have it."""
    done = checkout.make("up")
    assert done.returncode == 0, done.stderr
    assert checkout.told() == [f"{COMPOSE} up --detach --wait --wait-timeout 600"]
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["http://localhost:18080", "localhost:19092"]
    assert checkout.make("up", "LLM=1").stdout.splitlines()[-1].split()[0] == "http://localhost:21434"
    assert checkout.told() == [f"{COMPOSE} --profile llm up --detach --wait --wait-timeout 600"]
    assert checkout.make("up-kafka").returncode == 0
    assert checkout.told() == [
        "compose --project-directory . --file kafka/docker-compose.kafka.yml up --detach --wait --wait-timeout 600"
    ]


def test_up_begins_nothing_that_cannot_work(checkout: Checkout) -> None:
    """No secrets, a port that another program has, containers that stay ill: said with what to do, code 2 of make."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        config = {"services": {"kafka-ui": {"ports": [{"target": 8080, "published": taken}]}}}
        (checkout.fake / "config").write_text(json.dumps(config))
        done = checkout.make("up")
        assert f"another program has http://localhost:{taken} (kafka-ui)" in done.stderr
        assert checkout.told() == []
        checkout.runs(("kafka-ui", "running", "healthy"))
        assert checkout.make("up").returncode == 0, "our own container may have its port"
        checkout.told()
    (checkout.fake / "up").write_text("1")
    assert "not all containers became healthy" in checkout.make("up").stderr
    assert checkout.told()[1:] == [f"{COMPOSE} ps --all"]
    (checkout.folder / ".env").write_text("POSTGRES_PASSWORD=x\n")
    assert ".env lacks AIRFLOW_UID, AIRFLOW_PASSWORD" in (done := checkout.make("up")).stderr
    assert "make setup" in done.stderr
    assert checkout.told() == []


@pytest.mark.parametrize("target", ["up", "up-kafka", "down-v"])
def test_without_docker_the_other_way_is_named(checkout: Checkout, target: str) -> None:
    """Docker is not there, or its daemon does not run: which of both, and how it goes without."""
    done = checkout.make(target, "YES=1", docker=False)
    assert "Docker is not installed here" in done.stderr
    (checkout.fake / "away").touch()
    away = checkout.make(target, "YES=1")
    assert "daemon does not answer (Cannot connect to the Docker daemon). Start it." in away.stderr
    for one in (done, away):
        assert one.returncode != 0
        assert "`make demo`" in one.stderr
        assert "`make airflow`" in one.stderr


def test_down_stops_and_down_v_asks_first(checkout: Checkout) -> None:
    """Data stay with `down`; `down-v` destroys them, only after a yes."""
    assert "nothing runs here" in checkout.make("down").stdout
    checkout.runs(*UP)
    assert checkout.make("down").returncode == 0
    assert checkout.told() == [f"{COMPOSE} --profile * down --remove-orphans"]
    assert checkout.make("down-v", said="n\n").returncode != 0
    assert checkout.told() == []
    assert checkout.make("down-v", said="y\n").returncode == 0
    assert checkout.make("down-v", "YES=1").returncode == 0
    assert checkout.told() == [f"{COMPOSE} --profile * down --remove-orphans --volumes"] * 2


@pytest.mark.parametrize(
    ("target", "services"),
    [
        ("logs", ""),
        ("logs-airflow", "airflow-webserver airflow-scheduler airflow-dag-processor airflow-triggerer airflow-init"),
        ("logs-kafka", "broker schema-registry"),
        ("logs-spark", "spark-master spark-worker"),
        ("logs-producer", "producer"),
    ],
)
def test_logs_of_containers(checkout: Checkout, target: str, services: str) -> None:
    """Each part's services, followed."""
    checkout.runs(*UP)
    assert checkout.make(target).returncode == 0
    assert checkout.told() == [f"{COMPOSE} logs --tail 100 --follow {services}".strip()]


def test_logs_without_containers(checkout: Checkout) -> None:
    """What processes on this machine wrote; what nobody wrote is said."""
    assert "nothing here has written a log of spark yet" in checkout.make("logs-spark").stderr
    log = checkout.folder / "data" / "ops" / "logs" / "spark.log"
    log.parent.mkdir(parents=True)
    log.write_text("Spark was here\n")
    tail = checkout.folder / "tools" / "tail"
    tail.unlink()
    tail.write_text('#!/bin/sh\necho "tail $*"\n')
    tail.chmod(0o755)
    assert checkout.make("logs-spark", docker=False).stdout.split() == ["tail", "-n", "100", "-F", str(log)]


def test_status_says_what_runs_and_whether_it_is_well(checkout: Checkout) -> None:
    """Containers with their health and Mend's own status inside them; an unhealthy one is exit code 1."""
    checkout.runs(*UP)
    done = checkout.make("status")
    assert done.returncode == 0
    assert [line.split() for line in done.stdout.splitlines()][:2] == [
        ["airflow-scheduler", "running", "healthy"],
        ["airflow-init", "exited"],
    ]
    assert checkout.told() == [f"{COMPOSE} exec --no-TTY airflow-scheduler mend status"]
    checkout.runs(*UP, ("kafka-ui", "running", "unhealthy"))
    assert checkout.make("status").returncode != 0
    checkout.runs()
    alone = checkout.make("status")
    assert "nothing runs here" in alone.stdout
    assert "No runs yet" in alone.stdout


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("monitor", "monitor"),
        ("spark-submit", "step run_spark_job"),
        ("reset-data", "reset-data"),
        ("airflow-trigger", "airflow trigger"),
    ],
)
def test_a_command_runs_in_the_containers_while_they_run(checkout: Checkout, target: str, words: str) -> None:
    """There are the data then."""
    checkout.runs(*UP)
    assert checkout.make(target).returncode == 0
    assert checkout.told() == [f"{COMPOSE} exec --no-TTY airflow-scheduler mend {words}"]


@pytest.mark.parametrize(("target", "said"), [("monitor", "0 incidents"), ("reset-data", "nothing to destroy in")])
def test_a_command_runs_here_without_containers(checkout: Checkout, target: str, said: str) -> None:
    """On this machine, with this machine's data."""
    assert said in checkout.make(target).stdout
    assert checkout.told() == []


def test_validate_checks_all_files(checkout: Checkout) -> None:
    """Pipelines, matrix, compose files; the DAGs, too, where Airflow's environment is; the first bad file ends it."""
    checkout.stand_in('test "$3" != pipelines/orders.yml || test ! -e bad')
    every = ["pipeline check pipelines/customers.yml", "pipeline check pipelines/orders.yml", "matrix check"]
    done = checkout.make("validate")
    said = done.stdout.splitlines()
    assert said[:-1] == [f"mend {words}" for words in (*every, "platform check")]
    assert said[-1].startswith("DAGs are not checked")
    (checkout.folder / "bad").touch()
    bad = checkout.make("validate")
    assert bad.returncode != 0
    assert bad.stdout.splitlines() == [f"mend {words}" for words in every[:2]]


def test_compose_files_are_read_by_compose(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """`mend platform check` lets Docker read both; without Docker it says that nothing was checked."""
    monkeypatch.setenv("FAKE", str(checkout.fake))
    monkeypatch.setenv("PATH", f"{checkout.fake}:/usr/bin:/bin")
    files = ("docker-compose.yml", "kafka/docker-compose.kafka.yml")
    check = partial(CliRunner().invoke, cli, ["platform", "check"])
    assert check().stdout.splitlines() == [f"{name}: good" for name in files]
    (checkout.fake / "config").unlink()
    assert isinstance(check().exception, UserError)
    monkeypatch.setenv("PATH", str(checkout.folder / "tools"))
    assert check().stdout.splitlines() == [f"{name}: not checked, there is no Docker Compose here" for name in files]


def test_setup_prepares_and_docs_change_nothing_that_is_right(checkout: Checkout) -> None:
    """The two that write files of the checkout."""
    (checkout.folder / ".env").unlink()
    assert "written: .env" in checkout.make("setup").stdout
    assert (checkout.folder / "data" / "out" / "parquet").is_dir()
    before = (ROOT / ".env.example").read_bytes()
    assert checkout.make("docs").returncode == 0
    assert (checkout.folder / ".env.example").read_bytes() == before


def test_debug_says_what_docker_may_use(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version, cores and memory; too little of it is said, and that Docker is not there."""
    monkeypatch.setenv("FAKE", str(checkout.fake))
    monkeypatch.setenv("PATH", f"{checkout.fake}:/usr/bin:/bin")
    assert docker_resources() == "28.2, 4 cores, 7.5 GB"
    text = DOCKER.replace("8000000000", "4000000000")
    (checkout.fake / "docker").write_text(text)
    assert docker_resources().startswith("28.2, 4 cores, 3.7 GB (the whole platform wants 8 GB")
    (checkout.fake / "away").touch()
    assert "daemon does not answer" in tried("Docker", docker, needed=False).said


@pytest.mark.parametrize(("docker", "then"), [(True, "mend platform up"), (False, "mend demo")])
def test_quick_start_takes_the_way_that_is_open(checkout: Checkout, docker: bool, then: str) -> None:
    """With Docker all containers, without it the demo; `mend` is a stand-in here, for the demo takes a minute."""
    checkout.stand_in("true")
    done = checkout.make("quick-start", docker=docker)
    assert done.stdout.splitlines() == ["mend setup", then], done.stderr
