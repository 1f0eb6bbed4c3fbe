"""What is shown of a stream: a table that moves at a terminal, one line a run elsewhere."""

import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import orjson
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.wording import clip, count, duration
from mend.contracts.report import RunReport

if TYPE_CHECKING:
    from mend.store.runs import Run
    from orchestration.stream import News
    from orchestration.workspace import Workspace

RUNS_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedRun:
    """One finished run of a stream; `lag` are the events that wait behind it, the others are seconds of its parts."""

    run_id: str
    events: int
    published: int
    decision: str
    escalated: bool
    lag: int | None
    events_per_second: float | None
    stage_seconds: float
    audit_seconds: float
    publish_seconds: float

    @property
    def seconds(self) -> float:
        """From the trigger to readable."""
        return self.stage_seconds + self.audit_seconds + self.publish_seconds


def streamed(run: "Run", news: "News") -> StreamedRun:
    """Put together what is known of a finished run."""
    report = run.report or RunReport(total_records=0, late_records=0, dq_failures=0, schema_drift_detected=False)
    decided = next(one for one in news.steps if one.step == "agent_decide")
    began, staged = moment(report.start_time, run.opened_at), moment(report.end_time, run.opened_at)
    audited = moment(run.quality.timestamp if run.quality else None, staged)
    return StreamedRun(
        run_id=run.run_id,
        events=report.total_records,
        published=run.published_rows or 0,
        decision=str(decided.facts.get("decision", "")),
        escalated=decided.outcome == "escalated",
        lag=news.lag,
        events_per_second=report.events_per_second,
        stage_seconds=between(began, staged),
        audit_seconds=between(staged, audited),
        publish_seconds=between(audited, run.ended_at or audited),
    )


def moment(text: str | None, otherwise: datetime) -> datetime:
    """Read a time."""
    return datetime.fromisoformat(text) if text else otherwise


def between(begin: datetime, end: datetime) -> float:
    """Return the seconds between two times, never below 0."""
    return round(max((end - begin).total_seconds(), 0.0), 3)


@contextmanager
def shown(workspace: "Workspace", *, as_json: bool) -> Iterator[Callable[["News"], None]]:
    """Return what hears the stream's news: JSON lines, a moving table, or plain lines."""
    console = Console()
    if as_json or not console.is_terminal:
        yield lambda news: tell_line(workspace, news, console, as_json=as_json)
        return
    board = Board(workspace=workspace)
    with Live(console=console, get_renderable=board.render, refresh_per_second=4) as live:

        def tell(news: "News") -> None:
            board.hear(news)
            live.refresh()

        yield tell


def tell_line(workspace: "Workspace", news: "News", console: Console, *, as_json: bool) -> None:
    """Print one line."""
    run = workspace.store.runs.get(news.run_id) if news.run_id else None
    if run is None:
        Console(stderr=True).print(Text(news.message), soft_wrap=True)
        return
    one = streamed(run, news)
    if as_json:
        sys.stdout.write(orjson.dumps(asdict(one)).decode() + "\n")
        sys.stdout.flush()
        return
    lag = "" if one.lag is None else f", {count(one.lag)} wait"
    console.print(
        Text(
            f"{one.run_id}: {one.decision}: {count(one.published)} of {count(one.events)} events readable "
            f"after {duration(one.seconds)} (stage {duration(one.stage_seconds)}, audit {duration(one.audit_seconds)}, "
            f"decide and publish {duration(one.publish_seconds)}){lag}"
        ),
        soft_wrap=True,
    )


@dataclass(slots=True)
class Board:
    """The moving table: throughput, lag and the last runs."""

    workspace: "Workspace"
    runs: deque[StreamedRun] = field(default_factory=lambda: deque(maxlen=RUNS_SHOWN))
    events: int = 0
    message: str = "starting Spark"

    def hear(self, news: "News") -> None:
        """Take the news in."""
        run = self.workspace.store.runs.get(news.run_id) if news.run_id else None
        if run is None:
            self.message = news.message
            return
        one = streamed(run, news)
        self.runs.append(one)
        self.events += one.events

    def render(self) -> RenderableType:
        """Return the board."""
        pipeline = self.workspace.pipeline
        last = self.runs[-1] if self.runs else None
        head = f"{pipeline.name} · {clip(self.message, 60)} · {count(self.events)} events"
        if last is not None:
            head += f" · {count(last.lag or 0)} wait · {count(int(last.events_per_second or 0))} events/s"
        table = Table(box=None, padding=(0, 2), header_style="dim")
        for name in ("run", "decision", "events", "readable", "stage", "audit", "publish"):
            table.add_column(name, justify="left" if name in {"run", "decision"} else "right", no_wrap=True)
        for one in reversed(self.runs):
            tone = "yellow" if one.escalated else "green"
            table.add_row(
                *(clip(one.run_id, 30), Text(clip(one.decision, 24), style=tone), count(one.events)),
                *(count(one.published), duration(one.stage_seconds)),
                *(duration(one.audit_seconds), duration(one.publish_seconds)),
            )
        return Group(Text(head, style="bold"), table, Text("Ctrl-C stops after the micro-batch at work", style="dim"))
