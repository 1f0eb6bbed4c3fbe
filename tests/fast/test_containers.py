"""The containers: what the compose files and the Dockerfile promise, as far as it can be said without Docker."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from embedded.spark_node import CLASSES, command, environment
from mend.runtime.errors import UserError
from mend.runtime.settings import Settings, variable

ROOT = Path(__file__).parents[2]
MAIN, KAFKA = ROOT / "docker-compose.yml", ROOT / "kafka" / "docker-compose.kafka.yml"
DOCUMENTS: dict[str, dict[str, Any]] = {path.name: yaml.safe_load(path.read_text()) for path in (MAIN, KAFKA)}
SERVICES: dict[str, dict[str, Any]] = {
    name: service for document in DOCUMENTS.values() for name, service in document["services"].items()
}
PORTS = {
    "broker": {9092, 9101}, "schema-registry": {8081}, "kafka-ui": {8090}, "mailpit": {1025, 8025},
    "spark-master": {8082, 7077}, "airflow-webserver": {8080}, "ollama": {11434},
}  # fmt: skip
GIBIBYTE = 2**30
OURS = {"mend-task", "mend-spark", "mend-airflow"}
IN_CONTAINERS_ONLY = {"AIRFLOW_HOME"}


def host_port(text: str) -> int:
    """Return the port on the machine that a mapping opens by default."""
    match = re.fullmatch(r"127\.0\.0\.1:\$\{\w+:-(\d+)\}:\d+", text)
    assert match, f"{text}: on loopback only, and to be moved by a variable"
    return int(match[1])


def memory(service: dict[str, Any]) -> int:
    """Return a service's limit in bytes."""
    number, unit = service["mem_limit"][:-1], service["mem_limit"][-1]
    return int(number) * {"m": 2**20, "g": GIBIBYTE}[unit]


def test_every_service_that_users_know_is_there() -> None:
    """KRaft in place of ZooKeeper, Mailpit in MailHog's; Airflow 3 has a dag-processor of its own."""
    assert SERVICES.keys() == {
        "postgres", "broker", "schema-registry", "kafka-ui", "mailpit", "spark-master", "spark-worker", "producer",
        "airflow-init", "airflow-webserver", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer",
        "ollama",
    }  # fmt: skip
    assert DOCUMENTS[KAFKA.name]["services"].keys() == {"broker", "schema-registry", "kafka-ui"}
    assert DOCUMENTS[MAIN.name]["include"] == ["kafka/docker-compose.kafka.yml"]
    assert SERVICES["ollama"]["profiles"] == ["llm"]


def test_ports_are_the_known_ones_and_open_to_this_machine_only() -> None:
    """No two services share one, and each can be moved by a variable where it is taken."""
    opened = {name: {host_port(one) for one in service.get("ports", ())} for name, service in SERVICES.items()}
    assert {name: ports for name, ports in opened.items() if ports} == PORTS
    everything = [port for ports in opened.values() for port in ports]
    assert len(everything) == len(set(everything))
    moved = [text.split(":")[1] for service in SERVICES.values() for text in service.get("ports", ())]
    assert len(moved) == len(set(moved))


def test_memory_fits_a_machine_of_eight_gigabytes() -> None:
    """The limits of all that stays without a profile leave most of a gigabyte to the machine itself."""
    stay = [service for service in SERVICES.values() if "profiles" not in service and service["restart"] != "no"]
    assert sum(map(memory, stay)) <= 7.25 * GIBIBYTE
    assert all("mem_limit" in service for service in SERVICES.values())


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_when_what_it_needs_is_ready(name: str) -> None:
    """Who waits for another waits for its health check, or for its end; whatever serves a port has a check."""
    service = SERVICES[name]
    for other, wait in service.get("depends_on", {}).items():
        ends = SERVICES[other].get("restart") == "no"
        assert wait["condition"] == ("service_completed_successfully" if ends else "service_healthy")
        assert ends or "healthcheck" in SERVICES[other]
    assert "healthcheck" in service or name in {"producer", "airflow-init"}


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned_and_has_no_more_rights_than_it_needs(name: str) -> None:
    """A version and no `latest`; a user who is not root, no capability, no way to gain one."""
    service = SERVICES[name]
    image, _, tag = service["image"].rpartition(":")
    assert re.search(r"\d+\.\d+\.\d+|\d+\.\d+-", tag)
    assert ("build" in service) == (image in OURS)
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert name in {"kafka-ui", "ollama"} or service["user"] not in {"root", "0", "0:0"}


def test_no_secret_is_in_a_file() -> None:
    """What is called password, key or secret comes from .env; the broker and what is not ours never see that file."""
    for name, service in SERVICES.items():
        for variable_name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD(?!S_FILE)|SECRET|_KEY$", variable_name):
                assert re.fullmatch(r"\$\{\w+:\?run make setup\}", str(value)), f"{name}: {variable_name}"
        assert "env_file" not in service or service["image"].startswith("mend-airflow:")


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if service["image"].startswith("mend-")])
def test_every_variable_of_ours_is_read(name: str) -> None:
    """A variable that nobody reads would be a promise that nobody keeps."""
    known = {variable(one) for one in Settings.model_fields} | IN_CONTAINERS_ONLY
    given = SERVICES[name].get("environment", {})
    assert {one for one in given if not one.startswith(("AIRFLOW__", "SPARK_DAEMON_"))} <= known


def test_the_containers_meet_at_the_names_of_the_services() -> None:
    """Kafka, Spark, the store and the mail catcher are where Airflow's tasks look for them."""
    told = SERVICES["airflow-scheduler"]["environment"]
    assert told["KAFKA_BROKER"] == SERVICES["producer"]["environment"]["KAFKA_BROKER"] == "broker:29092"
    assert "PLAINTEXT://broker:29092" in SERVICES["broker"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert told["SPARK_MASTER"] == SERVICES["spark-worker"]["command"][-1] == "spark://spark-master:7077"
    assert "@postgres:5432/mend" in told["DATABASE_URL"]
    assert DOCUMENTS[MAIN.name]["configs"]["create-mend"]["content"] == "CREATE DATABASE mend;"
    assert told["SMTP_SERVER"] == "${SMTP_SERVER:-mailpit}"
    shared = "data:/data"
    assert all(shared in SERVICES[name]["volumes"] for name in ("airflow-scheduler", "spark-worker"))


def test_the_dockerfile_checks_every_package_and_runs_as_nobody() -> None:
    """Each install is held to its locked hashes; each image that starts ends with a user who is not root."""
    text = (ROOT / "Dockerfile").read_text()
    installs = [line for line in text.splitlines() if "pip install" in line]
    assert installs
    assert all("--require-hashes" in line or "--no-deps --editable ." in line for line in installs)
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    last_users = {
        stage.splitlines()[0].split()[-1]: re.findall(r"^USER (\S+)", stage, re.MULTILINE) for stage in stages
    }
    assert last_users["task"][-1] == last_users["airflow"][-1] == "50000:0"
    targets = {service["build"]["target"] for service in SERVICES.values() if "build" in service}
    assert targets == {"task", "spark", "airflow"} <= last_users.keys()


def test_the_dockerfile_takes_what_is_there_and_what_is_let_in() -> None:
    """Each COPY names something of the repository that .dockerignore lets in; .env and data stay outside."""
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignore
    let_in = {line[1:] for line in ignore if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    names = {word.rstrip("/") for words in copied for word in words.split()}
    waited_for = {"requirements/airflow.txt"}
    for name in names - waited_for:
        assert (ROOT / name).exists(), name
        assert name.split("/")[0] in let_in, name
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"bench"}
    assert packages <= {name.split("/")[0] for name in names}
    assert not let_in & {".env", "data", ".git", "tests"}


@pytest.fixture
def airflow_server() -> Iterator[tuple[str, dict[str, str]]]:
    """Serve Airflow's answer about the health of its parts; returns the address, and the states to be said."""
    states = {"metadatabase": "healthy", "scheduler": "healthy", "triggerer": "healthy", "dag_processor": "unhealthy"}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({part: {"status": state} for part, state in states.items()}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", states
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.waits
def test_a_part_of_airflow_is_healthy_when_airflow_says_so(airflow_server: tuple[str, dict[str, str]]) -> None:
    """0 for a healthy part, 1 for one that is not, and not 0 where nobody answers."""
    address, _ = airflow_server

    def check(part: str, where: str = address) -> int:
        words = [sys.executable, "-I", str(ROOT / "airflow" / "health.py"), part]
        return subprocess.run(
            words, env=os.environ | {"AIRFLOW_HEALTH": where}, capture_output=True, check=False
        ).returncode

    assert [check("scheduler"), check("dag_processor")] == [0, 1]
    assert check("scheduler", "http://127.0.0.1:9") != 0


def test_the_parts_that_are_asked_about_are_airflows_own() -> None:
    """Each check asks about the part that its container runs."""
    asked = {
        name: service["healthcheck"]["test"][-1]
        for name, service in SERVICES.items()
        if "airflow/health.py" in service.get("healthcheck", {}).get("test", ())
    }
    assert asked == {
        "airflow-webserver": "metadatabase", "airflow-scheduler": "scheduler",
        "airflow-dag-processor": "dag_processor", "airflow-triggerer": "triggerer",
    }  # fmt: skip


@pytest.mark.waits
def test_a_container_becomes_airflow_with_the_password_of_the_env(tmp_path: Path) -> None:
    """`init` migrates the database, any other word is a part of Airflow; the password is in a file of its own."""
    airflow = tmp_path / "airflow"
    airflow.write_text('#!/bin/sh\necho "$@"\n')
    airflow.chmod(0o755)
    told = {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW_PASSWORD": 'quo"ted', "AIRFLOW_COMMAND": str(airflow)}

    def start(*words: str) -> str:
        command = [sys.executable, "-I", str(ROOT / "airflow" / "start.py"), *words]
        return subprocess.run(command, env=told, capture_output=True, text=True, check=True).stdout.strip()

    assert start("init") == "db migrate"
    assert start("scheduler", "--num-runs", "1") == "scheduler --num-runs 1"
    assert json.loads((tmp_path / "passwords.json").read_text()) == {"airflow": 'quo"ted'}
    assert (tmp_path / "passwords.json").stat().st_mode & 0o777 == 0o600


def test_a_spark_node_runs_sparks_own_class() -> None:
    """What the containers are told is handed on; a word that is no node is refused with the usage."""
    for kind, name in CLASSES.items():
        words = next(one["command"] for one in SERVICES.values() if one.get("command", [])[:1] == [kind])
        started = command(words)
        assert Path(started[0]).exists()
        assert started[1:] == [name, *words[1:]]
    with pytest.raises(UserError, match=r"^usage: .* master\|worker"):
        command(["driver"])
    told = environment(os.environ)
    assert "JAVA_HOME" in told
    assert told.get("SPARK_LOCAL_IP") == os.environ.get("SPARK_LOCAL_IP"), "a node of a cluster is no loopback"


def test_airflow_is_told_by_the_names_that_users_know() -> None:
    """Executor, database, keys and user come from .env by Airflow's own names; each part gets the same."""
    told = SERVICES["airflow-scheduler"]["environment"]
    assert told["AIRFLOW__CORE__EXECUTOR"] == "${AIRFLOW__CORE__EXECUTOR:-LocalExecutor}"
    assert told["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].endswith("@postgres:5432/airflow")
    assert told["AIRFLOW__CORE__FERNET_KEY"] == "${AIRFLOW__CORE__FERNET_KEY:?run make setup}"
    assert told["AIRFLOW__API__SECRET_KEY"] == "${AIRFLOW__WEBSERVER__SECRET_KEY:?run make setup}"
    parts = [service for name, service in SERVICES.items() if name.startswith("airflow-")]
    assert all(service["environment"] == told for service in parts)
    assert {service["user"] for service in parts} == {"${AIRFLOW_UID:-50000}:0"}
