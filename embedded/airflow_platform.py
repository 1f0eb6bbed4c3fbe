"""Airflow on this machine without containers: a keeper holds Kafka and Airflow's four processes, and ends them all.

The keeper (this module, run as a script) lives on when the command that started it ends. Whatever ends the keeper ends
the rest; whoever it leaves behind carries its mark.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
import psutil

from embedded import leash
from embedded.airflow_config import MARK, Place, airflow_program, variables
from mend.runtime.errors import UserError
from mend.runtime.files import write_json
from mend.runtime.locks import only_one
from mend.runtime.settings import load_settings

PARTS: dict[str, tuple[str, ...]] = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
MOVING_SECONDS = 120
GRACE_SECONDS = 12.0
LAST_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the keeper says of itself: `phase` is starting, up, or ended with `why`."""

    keeper: int
    phase: str
    folder: str
    url: str
    kafka: str
    mend_home: str
    mark: str
    why: str = ""


def standing_file(folder: Path) -> Path:
    """Return where the keeper says how it stands."""
    return folder / "standing.json"


def standing(folder: Path) -> Standing | None:
    """Return how the platform in the folder stands, None where none runs."""
    try:
        known = Standing(**orjson.loads(standing_file(folder).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return known if known.phase != "ended" and of_mark(known.mark) else None


def last_words(folder: Path) -> str:
    """Return why the keeper ended, nothing where it does not say."""
    try:
        return str(orjson.loads(standing_file(folder).read_bytes())["why"])
    except (OSError, ValueError, KeyError):
        return ""


def of_mark(mark: str) -> list[psutil.Process]:
    """Return the processes of a platform: those that carry its mark, and all of their sessions.

    Airflow's own processes write their titles over their environment, so the mark alone does not find them.
    """
    alive = [one for one in psutil.process_iter() if not is_gone(one)]
    sessions = {session_of(one) for one in alive if mark_of(one) == mark} - {None}
    return [one for one in alive if session_of(one) in sessions]


def mark_of(process: psutil.Process) -> str | None:
    """Return the mark in a process' environment, None where there is none to read."""
    try:
        return process.environ().get(MARK)
    except psutil.Error:
        return None


def session_of(process: psutil.Process) -> int | None:
    """Return the session of a process, None for one that is gone."""
    try:
        return os.getsid(process.pid)
    except OSError:
        return None


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended, though its parent may not have noticed."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


def memory(mark: str) -> int:
    """Return the bytes that a platform's processes have for themselves, shared pages counted once."""
    total = 0
    for one in of_mark(mark):
        with suppress(psutil.Error):
            total += one.memory_full_info().pss if sys.platform == "linux" else one.memory_info().rss
    return total


def begin(folder: Path, port: int, mark: str, kafka: str) -> "subprocess.Popen[bytes]":
    """Start the keeper in a session of its own and return it; without `kafka` it brings a broker of its own."""
    log = folder / "logs" / "keeper.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "embedded.airflow_platform", str(folder), str(port), mark, kafka],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=dict(os.environ) | {MARK: mark},
        )


def end(known: Standing) -> int:
    """End a platform with all that it started, tasks at work too; returns how many processes were left to kill.

    What a task had begun is picked up by a later run.
    """
    with suppress(psutil.Error):
        psutil.Process(known.keeper).terminate()
    wait_until(lambda: not of_mark(known.mark), LAST_SECONDS)
    left = of_mark(known.mark)
    for one in left:
        with suppress(psutil.Error):
            one.kill()
    wait_until(lambda: not of_mark(known.mark), LAST_SECONDS)
    standing_file(Path(known.folder)).unlink(missing_ok=True)
    return len(left)


def wait_until(condition: Callable[[], bool], seconds: float, pause: float = 0.2) -> bool:
    """Wait until something is so; False if it never was."""
    end_at = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end_at:
            return False
        time.sleep(pause)
    return True


class Keeper:
    """Holds the platform until it is asked to end, or one of its parts ends."""

    def __init__(self, folder: Path, port: int, mark: str, kafka: str) -> None:
        self.folder, self.port, self.mark, self.kafka = folder.absolute(), port, mark, kafka
        self.settings = load_settings()
        self.asked = threading.Event()
        self.watching = False

    def keep(self) -> None:
        """Run until the end; what ends it unasked is written down."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        with only_one(self.folder / "keeper.lock", "Airflow"), ExitStack() as stack:
            place = self.place("")
            try:
                place = self.place(self.kafka or stack.enter_context(kafka_of(self.folder)))
                self.say(place, "starting")
                stack.callback(self.end_parts)
                environment = variables(place, self.settings, os.environ)
                self.migrate(environment)
                parts = {name: self.start(name, words, environment) for name, words in PARTS.items()}
                self.say(place, "up")
                self.watch(parts)
            except UserError as error:
                self.say(place, "ended", str(error))
                raise

    def stop(self, *_: object) -> None:
        """End in order: at once while something starts, else at the next look."""
        self.asked.set()
        if not self.watching:
            sys.exit(0)

    def place(self, kafka: str) -> Place:
        """Return where this platform lives: with a Kafka of its own it has a MEND_HOME of its own too."""
        return Place(
            folder=self.folder,
            port=self.port,
            kafka=kafka,
            mend_home=self.settings.home if self.kafka else self.folder / "data",
            pipelines=self.settings.pipelines.absolute(),
            mend=Path(sys.executable).with_name("mend"),
            mark=self.mark,
        )

    def say(self, place: Place, phase: str, why: str = "") -> None:
        """Write down how it stands."""
        told = {"folder": self.folder, "url": place.url, "kafka": place.kafka, "mend_home": place.mend_home}
        texts = {name: str(value) for name, value in told.items()}
        known = Standing(keeper=os.getpid(), phase=phase, mark=self.mark, why=why, **texts)
        write_json(standing_file(self.folder), asdict(known))

    def start(self, name: str, words: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        """Start one of Airflow's processes; what it says is in a log of its own."""
        log = self.folder / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            return leash.start([str(airflow_program()), *words], output=out, env=environment)

    def migrate(self, environment: dict[str, str]) -> None:
        """Bring Airflow's own database to its version; done once for an environment."""
        done = self.folder / f"migrated-{airflow_program().stat().st_mtime_ns}"
        if done.exists():
            return
        process = self.start("migrate", ("db", "migrate"), environment)
        try:
            code = process.wait(MOVING_SECONDS)
        finally:
            leash.kill(process)
        if code != 0:
            raise UserError(f"Airflow's database could not be made. See {self.folder / 'logs' / 'migrate.log'}")
        done.touch()

    def watch(self, parts: dict[str, subprocess.Popen[bytes]]) -> None:
        """Wait until it is asked to end; a part that ends unasked is a UserError."""
        self.watching = True
        while not self.asked.wait(0.5):
            for name, process in parts.items():
                if process.poll() is not None:
                    log = self.folder / "logs" / f"{name}.log"
                    raise UserError(f"Airflow's {name} ended with code {process.returncode}. See {log}")

    def end_parts(self) -> None:
        """Ask everything but Kafka to end, tasks at work too, wait, and kill what has not."""
        for one in self.others():
            with suppress(psutil.Error):
                one.terminate()
        wait_until(lambda: not self.others(), GRACE_SECONDS)
        for one in self.others():
            with suppress(psutil.Error):
                one.kill()

    def others(self) -> list[psutil.Process]:
        """Return what carries the mark, without this process, Kafka, and the leashes, which end by themselves."""
        spared = (str(leash.__file__), "kafka.Kafka")
        return [one for one in of_mark(self.mark) if one.pid != os.getpid() and not any_of(spared, one)]


def any_of(words: tuple[str, ...], process: psutil.Process) -> bool:
    """Whether one of the words is in the command line of a process."""
    try:
        line = " ".join(process.cmdline())
    except psutil.Error:
        return True
    return any(word in line for word in words)


@contextmanager
def kafka_of(folder: Path) -> Iterator[str]:
    """Run a broker with the declared topics; yields its address."""
    from embedded.kafka_broker import KafkaBroker
    from embedded.spark_platform import local_platform
    from mend.runtime.kafka_access import KafkaAccess
    from producer.topics import create_topic, declared_topics

    java, jars = local_platform()
    with KafkaBroker(java, jars.kafka, folder / "kafka") as broker:
        for name in declared_topics():
            create_topic(KafkaAccess(broker.bootstrap), name)
        yield broker.bootstrap


if __name__ == "__main__":
    folder, port, mark, kafka = sys.argv[1:]
    Keeper(Path(folder), int(port), mark, kafka).keep()
