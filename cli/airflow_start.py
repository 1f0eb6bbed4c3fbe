"""Starting Airflow on this machine: what is waited for, shown while it is, and undone when it does not come."""

import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
from rich.console import Console
from urllib3 import PoolManager
from urllib3.exceptions import HTTPError

from agent.adapters.airflow_api import AirflowApi, AirflowRefusedError, airflow_of
from cli.run_steps import progress
from cli.spark_choice import fetched_platform
from embedded.airflow_config import airflow_program
from embedded.airflow_platform import Standing, begin, end, last_words, standing
from mend.runtime.errors import UserError
from mend.runtime.settings import Settings

READY_SECONDS = 180.0
HEALTHY = ("metadatabase", "scheduler", "dag_processor", "triggerer")
MAIN_DAG = "autonomous_data_pipeline"
REFUSED = 3
ANOMALIES = {
    "--late-rate": 0.05,
    "--drift-frequency": 100,
    "--missing-rate": 0.02,
    "--malformed-rate": 0.01,
    "--duplicate-rate": 0.01,
}
"""What is wrong with the events that the DAG finds at its first run."""


def started(settings: Settings, folder: Path, port: int, kafka: str, events: int) -> Standing:
    """Start the platform and return it when it is healthy; Ctrl-C until then ends what was started."""
    airflow_program()
    refuse_taken(port)
    if not kafka:
        fetched_platform()
    first = not (folder / "airflow.db").exists()
    keeper = begin(folder, port, secrets.token_hex(8), kafka)
    start = Start(folder, keeper, settings)
    try:
        with progress(Console(stderr=True)) as steps:
            for name, wait in start.stages(first=first, events=0 if kafka else events):
                with steps.step(name):
                    wait()
    except BaseException:
        start.undo()
        raise
    return start.known()


@dataclass(frozen=True, slots=True)
class Start:
    """One start: its folder, the keeper's process, the settings."""

    folder: Path
    keeper: subprocess.Popen[bytes]
    settings: Settings

    def stages(self, *, first: bool, events: int) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield what is waited for, in order."""
        yield "start Kafka", lambda: self.until(lambda: bool(standing(self.folder)))
        if first and events:
            yield f"send {events} events", lambda: send_events(self.known().kafka, events)
        yield "start Airflow", lambda: self.until(lambda: self.known().phase == "up")
        yield "wait until it is healthy", lambda: self.until(self.is_healthy)
        yield "read the DAGs", lambda: self.until(self.has_dags)
        if first:
            yield "enable the DAG", lambda: self.api().enable(MAIN_DAG)

    def known(self) -> Standing:
        """Return how it stands."""
        known = standing(self.folder)
        if known is None:
            said = last_words(self.folder) or f"see {self.folder / 'logs' / 'keeper.log'}"
            raise UserError(f"Airflow did not start: {said}", exit_code=1)
        return known

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it; a keeper that ended, or too long a time, is a UserError."""
        end_at = time.monotonic() + READY_SECONDS
        while not condition():
            if self.keeper.poll() is not None:
                self.known()
                raise UserError(f"Airflow ended. See {self.folder / 'logs'}", exit_code=1)
            if time.monotonic() > end_at:
                raise UserError(f"Airflow is not ready after {READY_SECONDS:.0f} s. See {self.folder / 'logs'}")
            time.sleep(0.3)

    def is_healthy(self) -> bool:
        """Whether all parts are."""
        found = health(self.known().url)
        return all(found.get(part) == "healthy" for part in HEALTHY)

    def api(self) -> AirflowApi:
        """Return its API."""
        return airflow_of(self.settings.model_copy(update={"airflow_url": self.known().url}))

    def has_dags(self) -> bool:
        """Whether the DAG was read; a password that is wrong does not become right by waiting."""
        try:
            self.api().is_paused(MAIN_DAG)
        except AirflowRefusedError as error:
            if error.exit_code == REFUSED:
                raise
            return False
        return True

    def undo(self) -> None:
        """End what was started."""
        known = standing(self.folder)
        if known:
            end(known)
        elif self.keeper.poll() is None:
            self.keeper.terminate()
            self.keeper.wait()


def send_events(broker: str, events: int) -> None:
    """Run the producer as users do."""
    options = [str(word) for pair in ANOMALIES.items() for word in pair]
    command = [sys.executable, "-m", "producer", "--broker", broker, "--topic", "customers", "--rate", "0",
               "--count", str(events), "--quiet", *options]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise UserError(f"the producer failed: {done.stderr.strip() or done.stdout.strip()}", exit_code=1)


def health(url: str) -> dict[str, str]:
    """Return how Airflow's parts are, nothing while it does not answer."""
    try:
        answer = PoolManager(retries=False, timeout=5).request("GET", f"{url}/api/v2/monitor/health")
        found = orjson.loads(answer.data)
    except (HTTPError, orjson.JSONDecodeError):
        return {}
    return {name: str(part.get("status")) for name, part in found.items() if isinstance(part, dict)}


def refuse_taken(port: int) -> None:
    """Refuse a port that something listens on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UserError(f"port {port} is taken. Choose another one: mend airflow up --port 8090") from error
