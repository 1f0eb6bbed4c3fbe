"""A stream: Spark stages a run at every trigger; this process takes it to its end while the next one is staged."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from signal import SIGINT, SIGTERM, signal
from threading import Event, Thread
from time import monotonic
from typing import Any, Literal

import orjson

from agent.causes import Cause, classify
from mend.contracts.decision import Action
from mend.runtime import clock
from mend.runtime.errors import UserError
from orchestration.alerts import give_sign_of_life, send_alerts, telling
from orchestration.audit_step import import_ahead
from orchestration.brakes import refuse_open_circuit, why_paused
from orchestration.dead_letters import send_dead_letters
from orchestration.kafka_lag import BrokerAway
from orchestration.offsets import check_offsets
from orchestration.retriggers import seconds_until_due, take_due
from orchestration.retuned import retuned
from orchestration.spark_submit import job_words, log_file, offsets_json, root_cause, shorten, started
from orchestration.steps import (
    FINISHING,
    StepResult,
    agent_decide_failure,
    cleanup_old_data,
    job_failed,
    monitor_kafka,
    unfinished_runs,
)
from orchestration.workspace import Workspace

LOOK_SECONDS = 0.2
CHORES_SECONDS = 300.0
Kind = Literal["reading", "finished", "failed", "paused", "stopping"]


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What happened in the stream: the steps of a finished run, or a sentence."""

    kind: Kind
    message: str = ""
    run_id: str | None = None
    steps: tuple[StepResult, ...] = ()
    lag: int | None = None


Tell = Callable[[News], None]


@dataclass(slots=True)
class Stop:
    """The wish to stop: the first signal lets the micro-batch at work be settled, a second one does not wait."""

    asked: Event = field(default_factory=Event)

    def __call__(self, number: int, _frame: object) -> None:
        """Hear a signal."""
        if self.asked.is_set():
            if number == SIGINT:
                raise KeyboardInterrupt
            sys.exit(128 + number)
        self.asked.set()


@contextmanager
def graceful(stop: Stop) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C ask to stop; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [(one, signal(one, stop)) for one in (SIGTERM, SIGINT)]
    try:
        yield
    finally:
        for one, was in before:
            signal(one, was)


def stream(workspace: Workspace, *, trigger: float, stop: Stop, tell: Tell) -> None:
    """Read and finish runs until asked to stop. A failed job is decided about as in a single run.

    What a dead stream left behind is finished first. Ends with a UserError when a person is needed to go on.
    """
    import_ahead()
    refuse_open_circuit(workspace)
    check_offsets(workspace)
    with graceful(stop), telling(workspace, alive=False):
        while not stop.asked.is_set():
            error = one_job(workspace, trigger, stop, tell)
            if error is None:
                break
            tell(News(kind="failed", message=error))
            if not over_gone_offsets(workspace, error):
                decide_on_failure(workspace, error)
                send_alerts(workspace)
                wait_for_retrigger(workspace, stop)
        cleanup_old_data(workspace)


def one_job(workspace: Workspace, trigger: float, stop: Stop, tell: Tell) -> str | None:
    """Finish what is staged, then read until the job ends; returns why it failed, None if it was stopped."""
    Finisher(workspace, tell).finish(unfinished_runs(workspace))
    try:
        position = check_offsets(workspace)
    except BrokerAway as error:
        return str(error)
    take_due(workspace.layout.ops / "retrigger.json", clock.now())
    return read_and_finish(workspace, command(workspace, trigger, position.start), stop, tell)


def over_gone_offsets(workspace: Workspace, error: str) -> bool:
    """Whether the job failed over offsets that are gone, and that is settled; raises where it stops the pipeline."""
    return classify(error) is Cause.NOT_RETRIABLE and check_offsets(workspace).moved


def command(workspace: Workspace, trigger: float, start: dict[int, int]) -> list[str]:
    """Return the command line of a job that stays."""
    return [*job_words(workspace), "--start", offsets_json(start), "--trigger", str(trigger)]


def read_and_finish(workspace: Workspace, words: list[str], stop: Stop, tell: Tell) -> str | None:
    """Run the job and take its runs to their end as it says them; returns why it failed, None if it was stopped."""
    log = log_file(workspace)
    tuned, more = retuned(workspace)
    with started(tuned, [*words, *more], log, stdin=subprocess.PIPE) as process:
        tell(News(kind="reading", message=f"reading {workspace.pipeline.topic}"))
        chores = Chores(workspace, log)
        finisher = Finisher(workspace, tell, waits=bool(unfinished_runs(workspace)))

        def idle() -> None:
            finisher()
            chores()

        for run_id in staged_runs(process, stop, tell, idle=idle):
            finisher.finish([run_id])
            send_alerts(workspace)
            give_sign_of_life(workspace)
            chores()
        process.wait()
    # A job that ends by itself was not asked to, whatever its exit code says.
    return None if stop.asked.is_set() and process.returncode == 0 else root_cause(log, process.returncode)


@dataclass(slots=True)
class Finisher:
    """Takes staged runs to their end; those that wait for the end of a pause come first, as soon as it is over."""

    workspace: Workspace
    tell: Tell
    waits: bool = False

    def __call__(self) -> None:
        """Finish what waits, once nobody holds it back; called often."""
        if self.waits and why_paused(self.workspace) is None:
            self.waits = False
            self.finish(unfinished_runs(self.workspace))

    def finish(self, run_ids: Sequence[str]) -> None:
        """Finish runs in their order; while some wait, the others wait behind them."""
        self()
        for run_id in run_ids:
            if self.waits:
                return
            if run_id in unfinished_runs(self.workspace):
                news = finish(self.workspace, run_id)
                self.tell(news)
                self.waits = news.kind == "paused"
                refuse_open_circuit(self.workspace)


@dataclass(slots=True)
class Chores:
    """What a stream has to do beside its runs, and as well when no event comes; called often, it is done seldom."""

    workspace: Workspace
    log: Path
    done: float = field(default_factory=monotonic)

    def __call__(self) -> None:
        """Clean up, try again to send dead letters, and keep the job's log short."""
        if monotonic() - self.done > CHORES_SECONDS:
            cleanup_old_data(self.workspace)
            send_dead_letters(self.workspace)
            send_alerts(self.workspace)
            if monitor_kafka(self.workspace).facts.get("lag") == 0:
                give_sign_of_life(self.workspace)
            shorten(self.log)
            self.done = monotonic()


def staged_runs(
    process: subprocess.Popen[bytes], stop: Stop, tell: Tell, idle: Callable[[], None] = lambda: None
) -> Iterator[str]:
    """Yield the runs that the job says, until its stdout ends; asked to stop, close its stdin, which ends it."""
    lines = said_lines(process)
    told = False
    while True:
        if stop.asked.is_set() and not told:
            told = True
            tell(News(kind="stopping", message="stopping: the micro-batch at work is settled first"))
            process.stdin.close()  # type: ignore[union-attr]
        try:
            line = lines.get(timeout=LOOK_SECONDS)
        except Empty:
            idle()
            continue
        if line is None:
            return
        if (run_id := staged_run(line)) is not None:
            yield run_id


def said_lines(process: subprocess.Popen[bytes]) -> "SimpleQueue[bytes | None]":
    """Read the job's stdout in a thread; None comes after the last line."""
    lines: SimpleQueue[bytes | None] = SimpleQueue()

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line)
        lines.put(None)

    Thread(target=read, daemon=True).start()
    return lines


def staged_run(line: bytes) -> str | None:
    """Return the run that a line of the job's stdout says, None for any other line."""
    try:
        found: Any = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return found.get("staged") if isinstance(found, dict) else None


def finish(workspace: Workspace, run_id: str) -> News:
    """Take a staged run to its end, and measure what waits behind it."""
    results = []
    for step in FINISHING:
        results.append(step(workspace, run_id))
        if results[-1].outcome == "failed":
            raise UserError(f"{run_id}: {results[-1].message}", exit_code=1)
        if results[-1].outcome == "paused":
            return News(kind="paused", message=results[-1].message)
    return News(kind="finished", run_id=run_id, steps=tuple(results), lag=monitor_kafka(workspace).facts["lag"])


def decide_on_failure(workspace: Workspace, error: str) -> None:
    """Let the agent decide about a failed job; raises unless it wants another try."""
    job = job_failed(workspace, error, log_file(workspace))
    decision = agent_decide_failure(workspace, job)
    if Action.RETRIGGER not in decision.facts["actions"]:
        raise UserError(f"{job.message}\ndecision: {decision.facts['decision']}: {decision.message}", exit_code=1)


def wait_for_retrigger(workspace: Workspace, stop: Stop) -> None:
    """Wait until the request to try again is due and nothing is paused; a person who removes it wants that now."""
    path = workspace.layout.ops / "retrigger.json"
    while not stop.asked.is_set() and (why_paused(workspace) or seconds_until_due(path, clock.now()) > 0):
        stop.asked.wait(LOOK_SECONDS)
