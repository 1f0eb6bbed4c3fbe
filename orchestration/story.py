"""A story in acts: events are sent into a stream that stays; an act ends when all of its events have been read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import sleep, time
from typing import Protocol

from mend.contracts.mapping import Mapping
from mend.contracts.quarantine import Selection
from mend.contracts.trial import Trial
from mend.runtime.errors import UserError
from orchestration.audit_step import import_ahead
from orchestration.certificate import Certificate
from orchestration.chaos import Trouble, kind_of, send, trouble
from orchestration.held import replay_rows
from orchestration.mapping import known_trial, offered, use
from orchestration.stream import News, Stop, one_job
from orchestration.workspace import Workspace
from producer.scenarios import Scenario, scenario
from producer.session import Counters

TRIGGER_SECONDS = 1.0
AFTER_TRIGGER = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act: the scenarios that are sent one after the other; in an act that heals, a person approves between them.

    `look` is the command that shows what came of it; `first` is sent before where the act is played alone, which has to
    be compared with something.
    """

    number: int
    scenarios: tuple[str, ...]
    told: str
    look: str
    heals: bool = False
    first: tuple[str, ...] = ()

    @property
    def alone(self) -> tuple[str, ...]:
        """What is sent when no other act comes before."""
        return (*self.first, *self.scenarios)


ACTS = (
    Act(
        number=1,
        scenarios=("healthy",),
        told="Every event is read once, checked against contract and rules, and published when the sums close.",
        look="report",
    ),
    Act(
        number=2,
        scenarios=("new-field",),
        told="Nothing can be misread by a new optional field, so Mend adds it as a column alone.",
        look="mapping show",
    ),
    Act(
        number=3,
        scenarios=("bad-segment",),
        told="Mend finds where the failing rows sit, holds only those, publishes the rest and calls a person.",
        look="quarantine group",
    ),
    Act(
        number=4,
        scenarios=("rename", "rename"),
        told="Its rows are kept, byte for byte. Mend proposes a mapping and tries it; a person says yes.",
        look="mapping ls",
        heals=True,
        first=("healthy",),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Healing:
    """What a person approved: a tried mapping, and the replay of what had been set aside."""

    by: str
    trial_name: str
    trial: Trial
    mapping: Mapping
    certificate: Certificate | None


@dataclass(slots=True)
class Played:
    """An act that is played: what was sent, the runs that read it, and what was healed."""

    act: Act
    title: str
    sent: list[tuple[Scenario, int]] = field(default_factory=list)
    run_ids: list[str] = field(default_factory=list)
    healing: Healing | None = None

    @property
    def events(self) -> int:
        """How many events were sent."""
        return sum(many for _, many in self.sent)


class Audience(Protocol):
    """Who is told the story."""

    def begin(self, played: Played) -> None:
        """Hear that an act begins."""

    def sent(self, one: Scenario, events: int) -> None:
        """Hear that events were sent."""

    def finished(self, news: News) -> None:
        """Hear that a run came to its end."""

    def healed(self, one: Healing) -> None:
        """Hear that a mapping was approved, and that what had been set aside was replayed."""

    def end(self, played: Played) -> None:
        """Hear that all events of the act were read."""


def send_between_triggers(one: Trouble) -> Counters:
    """Send just after a trigger, so that few events become one run and not two; Spark's are at whole multiples."""
    sleep((AFTER_TRIGGER - time()) % TRIGGER_SECONDS)
    return send(one)


@dataclass(slots=True)
class Story:
    """Plays acts on a pipeline, in the name of `by`; `events` is how many all of them send together."""

    workspace: Workspace
    acts: Sequence[Act]
    events: int
    by: str
    audience: Audience
    sender: Callable[[Trouble], Counters] = send_between_triggers
    played: list[Played] = field(default_factory=list)
    stop: Stop = field(default_factory=Stop)
    read: int = 0
    script: Iterator[None] = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the script; nothing is played yet."""
        self.script = self.scenes()

    def play(self) -> list[Played]:
        """Start the job, play all acts, end the job. A job that fails is a UserError."""
        import_ahead()
        error = one_job(self.workspace, TRIGGER_SECONDS, self.stop, self.hear)
        if error is not None:
            raise UserError(error, exit_code=1)
        return self.played

    def hear(self, news: News) -> None:
        """Go on with the story when the stream has news."""
        if news.kind == "paused":
            raise UserError(news.message, exit_code=1)
        if news.kind == "finished" and news.run_id:
            self.finished(news, news.run_id)
        if news.kind in {"reading", "finished"} and next(self.script, self) is self:
            self.stop.asked.set()

    def finished(self, news: News, run_id: str) -> None:
        """Count what a run read."""
        run = self.workspace.store.runs.get(run_id)
        self.read += run.report.total_records if run and run.report else 0
        self.played[-1].run_ids.append(run_id)
        self.audience.finished(news)

    def scenes(self) -> Iterator[None]:
        """Play act after act; whoever drives this goes on when the stream has news."""
        plays = [act.alone if len(self.acts) == 1 else act.scenarios for act in self.acts]
        parts = shares(self.events, [len(one) for one in plays])
        for act, names, many in zip(self.acts, plays, parts, strict=True):
            self.played.append(Played(act=act, title=self.named(act.scenarios[-1]).title))
            self.audience.begin(self.played[-1])
            yield from self.scene(names, many)
            self.audience.end(self.played[-1])

    def scene(self, names: Sequence[str], many: Sequence[int]) -> Iterator[None]:
        """Send what an act is made of, and wait until it is read; heal what was offered before the next part."""
        played = self.played[-1]
        for name, events in zip(names, many, strict=True):
            before = len(played.run_ids)
            yield from self.sent_and_read(name, events)
            if played.act.heals and played.healing is None:
                played.healing = heal(self.workspace, played.run_ids[before:], self.by)
                if played.healing:
                    self.audience.healed(played.healing)

    def sent_and_read(self, name: str, events: int) -> Iterator[None]:
        """Send events of a scenario and wait until the stream has read them all."""
        if not events:
            return
        one, workspace = self.named(name), self.workspace
        goal = self.read + self.sender(trouble(workspace.settings, workspace.pipeline, one, events)).total_events
        self.played[-1].sent.append((one, events))
        self.audience.sent(one, events)
        while self.read < goal:
            yield

    def named(self, name: str) -> Scenario:
        """Return a scenario in the events of this pipeline."""
        return scenario(kind_of(self.workspace.pipeline), name)


def heal(workspace: Workspace, run_ids: Sequence[str], by: str) -> Healing | None:
    """Approve the mapping that the newest of the runs offers, and replay what they set aside; None without an offer."""
    name = next((found for one in reversed(run_ids) if (found := offered(workspace, one))), None)
    current = workspace.store.mappings.current(workspace.pipeline.name)
    if name is None or (current and current.trial == name):
        return None
    name, trial = known_trial(workspace, name)
    if not trial.passed:
        return None
    mapping = use(workspace, name, by=by, reason="the trial passed, and the demo says yes")
    chosen = Selection(runs=tuple(run_ids), places=("rejected",))
    certificate = replay_rows(workspace, chosen, by=by, reason="read by the new mapping")
    return Healing(by=by, trial_name=name, trial=trial, mapping=mapping, certificate=certificate)


def shares(events: int, parts: Sequence[int]) -> list[list[int]]:
    """Share events out: the same for each act, and in an act the same for each of its parts; the first get the rest."""
    acts = evenly(events, len(parts))
    return [evenly(many, count) for many, count in zip(acts, parts, strict=True)]


def evenly(many: int, parts: int) -> list[int]:
    """Split a number."""
    return [many // parts + (number < many % parts) for number in range(parts)]
