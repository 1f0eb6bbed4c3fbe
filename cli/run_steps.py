"""The steps of a run while they run: a spinner and the time at a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, RenderableType
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

from cli.run_facts import StepTime
from cli.wording import clip, duration, in_ascii, share

BAR = 14


class Mark(SpinnerColumn):
    """A spinner while a step runs, then whether it went well."""

    def render(self, task: Task) -> RenderableType:
        """Return the task's mark once it has one."""
        return Text(task.fields["mark"], style=task.fields["tone"]) if task.finished else super().render(task)


class Took(ProgressColumn):
    """How long a step has taken."""

    def render(self, task: Task) -> Text:
        """Return the time since the start, or the whole time of a finished step."""
        return Text(duration(task.finished_time if task.finished else task.elapsed), style="dim")


@dataclass(slots=True)
class Step:
    """A step at work, which may say how far it is; where there is no terminal, nobody sees that."""

    live: Progress | None
    task: TaskID

    def note(self, text: str) -> None:
        """Show a few words behind the step's name."""
        if self.live:
            self.live.update(self.task, note=clip(text, 40))

    def reach(self, part: int, whole: int) -> None:
        """Show how much of the step is done."""
        done = min(BAR, BAR * part // whole) if whole > 0 else 0
        self.note(f"{'━' * done}{'·' * (BAR - done)} {share(part, whole)}")


@dataclass(slots=True)
class Steps:
    """Steps shown while they run; `times` has what each took, in order, for the run's page."""

    console: Console
    live: Progress | None
    clock: Callable[[], float]
    done: list[StepTime] = field(default_factory=list)

    @property
    def times(self) -> tuple[StepTime, ...]:
        """The finished steps."""
        return tuple(self.done)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Show one step while its block runs; one that raises is shown as failed, and the error goes on."""
        task = self.live.add_task(clip(name, 36), total=1, note="", mark="", tone="") if self.live else TaskID(0)
        start, failed = self.clock(), True
        try:
            yield Step(self.live, task)
            failed = False
        finally:
            self.finish(task, StepTime(name=name, seconds=self.clock() - start, failed=failed))

    def finish(self, task: TaskID, taken: StepTime) -> None:
        """Keep the step's time and show that it ended."""
        self.done.append(taken)
        if self.live:
            mark, tone = ("✗", "red") if taken.failed else ("✓", "green")
            note = "failed" if taken.failed else ""
            self.live.update(task, completed=1, mark=signs(mark, self.console), tone=tone, note=note)
            return
        ended = "failed after " if taken.failed else ""
        line = f"{clip(taken.name, 36)} … {ended}{duration(taken.seconds)}"
        self.console.print(Text(signs(line, self.console)), soft_wrap=True)


@contextmanager
def progress(console: Console, *, clock: Callable[[], float] = time.perf_counter) -> Iterator[Steps]:
    """Show steps as they run: live with a spinner on a terminal, else one plain line for each when it ends.

    with progress(console) as steps:
        with steps.step("run_spark_job"): ...
    """
    if not console.is_terminal:
        yield Steps(console, None, clock)
        return
    spinner = Mark("line" if console.options.ascii_only else "dots", style="blue")
    name, note = (
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[note]}", markup=False, style="dim"),
    )
    with Progress(spinner, name, Took(), note, console=console, get_time=clock) as live:
        yield Steps(console, live, clock)


def signs(text: str, console: Console) -> str:
    """Return text with the signs that the console can write."""
    return in_ascii(text) if console.options.ascii_only else text
