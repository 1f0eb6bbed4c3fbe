"""The campaign: while events arrive and a reader looks, a run is killed somewhere, and the next one has to mend it."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

from bench.chaos.count import count, found
from bench.chaos.processes import POLL_SECONDS, Run, prove, start
from bench.chaos.reader import Reader
from bench.chaos.sender import Sender
from embedded.jars import Jars
from embedded.java import Java
from embedded.kafka_broker import KafkaBroker, create_topic
from mend.runtime.errors import UserError
from mend.runtime.faults import OF_HEALING, POINTS
from mend.store.engine import open_store
from mend.store.tables import RunState

TOPIC, PIPELINE, PARTITIONS = "customers", "customers", 4
ELSEWHERE = {"segment_split", "run_arriving", "migrating", *OF_HEALING}
"""Points that healthy events on one disk with an old store do not pass; tests/fast/test_faults.py has them all."""
RANDOM_TARGETS = ("mend", "job", "jvm", "worker", "broker")
SECONDS_OF_A_PORTION = 6.0
BROKER_AWAY = 2.0
MOST_TRIES = 8
REFUSED = 3


@dataclass(frozen=True, slots=True)
class Kill:
    """What is killed: a point of the pipeline, or a part at a random time `after` it is there."""

    target: str
    after: float | None = None

    def __str__(self) -> str:
        return self.target if self.after is None else f"{self.target} after {self.after:.1f} s"


@dataclass(slots=True)
class Outcome:
    """What one kill left behind and how it went on; seconds are from the kill to the next run that a reader sees."""

    number: int
    kill: str
    left: str = ""
    tries: int = 0
    recovery: float | None = None
    lost: int = 0
    doubled: int = 0


@dataclass
class Campaign:
    """A broker, a topic, a home, a sender and a reader for `kills` kills over `events` events."""

    java: Java
    jars: Jars
    folder: Path
    events: int
    kills: int
    seed: int
    tell: Callable[[str], None]
    outcomes: list[Outcome] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    missed: int = 0
    proof: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Prepare folders; nothing runs yet."""
        self.home = self.folder / "home"
        self.published = self.home / "out" / "parquet"
        self.log = self.folder / "mend.log"
        self.folder.mkdir(parents=True, exist_ok=True)

    def run(self) -> dict[str, Any]:
        """Run it all, and return the table's content."""
        with ExitStack() as stack:
            self.broker = stack.enter_context(KafkaBroker(self.java, self.jars.kafka, self.folder / "kafka"))
            create_topic(self.broker.bootstrap, TOPIC, PARTITIONS)
            self.sender = stack.enter_context(Sender(self.broker.bootstrap, TOPIC, self.seed))
            self.reader = stack.enter_context(Reader(self.published, key=("id", "event_ts"), pause=0.2))
            stack.callback(self.end)
            self.portion()
            self.recover(time.monotonic())
            for kill in plan(random.Random(self.seed)):
                if len(self.outcomes) == self.kills or self.missed > self.kills:
                    break
                self.one(kill)
            self.drain()
            self.proof = prove(self.folder, self.variables())
        return self.result()

    def end(self) -> None:
        """Leave no process behind."""
        for run in self.runs:
            run.end()

    def portion(self) -> None:
        """Ask for half of the events of one kill."""
        self.sender.send(self.events // (2 * self.kills + 1), SECONDS_OF_A_PORTION)

    def one(self, kill: Kill) -> None:
        """Let a run begin, kill it, and run again until a reader sees something new."""
        self.portion()
        run = self.start(kill)
        killed, left = self.strike(run, kill), self.state()
        self.portion()
        run.wait()
        if killed is None:
            self.missed += 1
            self.tell(f"  -  {kill}: the run ended before it came there")
            return
        outcome = Outcome(len(self.outcomes) + 1, str(kill), left, self.recover(killed))
        outcome.recovery = round(self.recovered(killed) or 0, 2)
        outcome.lost, outcome.doubled = self.damage()
        self.outcomes.append(outcome)
        self.tell(line(outcome))

    def start(self, kill: Kill | None = None) -> Run:
        """Start `mend run`, armed if a point is to be killed."""
        variables = self.variables(kill.target if kill and kill.after is None else "")
        self.runs = [one for one in self.runs if one.parts_left()]
        self.runs.append(start(self.folder, variables, self.log, self.home / "ops" / "logs" / "spark.log"))
        return self.runs[-1]

    def variables(self, fault: str = "") -> dict[str, str]:
        """Return the settings of a process of the campaign."""
        return {
            "MEND_HOME": str(self.home),
            "KAFKA_BROKER": self.broker.bootstrap,
            "SPARK_MASTER": "local[2]",
            "MEND_PIPELINES": str(Path(__file__).parents[2] / "pipelines"),
            "FAULT_AT": fault,
        }

    def strike(self, run: Run, kill: Kill) -> float | None:
        """Wait for the armed point to kill, or kill a part; returns when, None if it did not come to it."""
        if kill.after is None:
            return run.killed_itself()
        while run.running and not run.parts()["jvm" if kill.target == "broker" else kill.target]:
            time.sleep(POLL_SECONDS)
        time.sleep(kill.after)
        at = time.monotonic()
        if kill.target != "broker":
            return at if run.kill(kill.target) else None
        self.broker.kill()
        time.sleep(BROKER_AWAY)
        self.broker.start()
        return at

    def recover(self, since: float) -> int:
        """Run again, as a supervisor does, until a reader sees a run that was not there; returns how many tries."""
        for number in range(MOST_TRIES):
            self.reader.look_soon()
            if self.recovered(since) is not None:
                return number
            if self.start().wait() == REFUSED:
                time.sleep(1)
        raise UserError(f"no run was published in {MOST_TRIES} tries; see {self.log}", exit_code=1)

    def recovered(self, since: float) -> float | None:
        """Return the seconds until a reader saw a new run."""
        return min((at - since for at in self.reader.seen.values() if at > since), default=None)

    def state(self) -> str:
        """Say where the runs stand that are not at their end."""
        if not (self.home / "mend.db").exists():
            return "no store"
        with open_store(f"sqlite:///{self.home / 'mend.db'}") as store:
            newest = store.runs.recent(PIPELINE, 5)
        return ", ".join(run.state.value for run in newest if run.state is not RunState.VALIDATED) or "all validated"

    def damage(self) -> tuple[int, int]:
        """Count holes below the newest settled event of each partition, and events that are there twice."""
        places = found(self.home, self.published)
        everywhere = sum(places.values(), type(places["published"])())
        ends = {part: max(offset for one, offset in everywhere if one == part) for part, _ in everywhere}
        expected = sum(end + 1 for end in ends.values())
        return expected - len(everywhere), everywhere.total() - len(everywhere)

    def drain(self) -> None:
        """Send and run until nothing waits."""
        self.sender.drained()
        for _ in range(MOST_TRIES):
            self.start().wait()
            if count(self.home, self.published, self.sender.sent).whole:
                return

    def result(self) -> dict[str, Any]:
        """Compare what was confirmed by the broker with what lies in the files, and sum up."""
        total = count(self.home, self.published, self.sender.sent)
        recoveries = [one.recovery for one in self.outcomes if one.recovery is not None]
        return {
            "seed": self.seed,
            "kills": [{name: getattr(one, name) for name in Outcome.__slots__} for one in self.outcomes],
            "asked": self.kills,
            "missed": self.missed,
            "sent": len(self.sender.sent),
            "unsent": len(self.sender.failed),
            "places": total.places,
            "lost": len(total.lost),
            "doubled": len(total.doubled),
            "proof": {name: self.proof[name] for name in ("holds", "offsets", "finding")},
            "recovery_p50": percentile(recoveries, 50),
            "recovery_p95": percentile(recoveries, 95),
            "looks": self.reader.looks,
            "anomalies": dict(self.reader.anomalies),
        }


def percentile(values: list[float], share: int) -> float | None:
    """Return a percentile, None of nothing."""
    if len(values) < 2:  # noqa: PLR2004 - there is nothing between one value
        return round(values[0], 1) if values else None
    return round(quantiles(values, n=100, method="inclusive")[share - 1], 1)


def plan(chance: random.Random) -> Iterator[Kill]:
    """Return kills without end: every point and every part comes once before any comes again."""
    while True:
        points = [Kill(point) for point in POINTS if point not in ELSEWHERE]
        kills = points + [Kill(part, chance.uniform(0, 4)) for part in RANDOM_TARGETS for _ in range(2)]
        chance.shuffle(kills)
        yield from kills


def line(outcome: Outcome) -> str:
    """Return a row of the table."""
    seconds = f"{outcome.recovery:.1f} s" if outcome.recovery is not None else "-"
    return (
        f"{outcome.number:>3}  {outcome.kill:<22} {outcome.left:<28.28} {outcome.tries:>5} {seconds:>9} "
        f"{outcome.lost:>5} {outcome.doubled:>8}"
    )
