"""The demo at a terminal: a short narration on stderr while it plays, a summary at the end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.status import Status
from rich.table import Table
from rich.text import Text

from cli.demo_facts import PLACES, ShownAct, totals
from cli.quarantine_view import certificate_text
from cli.run_view import Plain
from cli.wording import clean, count, plural
from mend.remap.versions import written
from mend.runtime.logging import logged_into

if TYPE_CHECKING:
    from orchestration.prove import Certificate as Proof
    from orchestration.story import Healing, Played
    from orchestration.stream import News
    from orchestration.workspace import Workspace
    from producer.scenarios import Scenario

SHORT = {"published": "published", "quarantined": "quarantined", "dead": "dead", "duplicate": "twice"}


@dataclass(slots=True)
class Narrator:
    """Tells the story on a console: what happens, what Mend does, where to look."""

    console: Console
    workspace: "Workspace"
    status: Status

    def begin(self, played: "Played") -> None:
        """Say which act begins."""
        self.say("")
        self.say(f"Act {played.act.number} · {played.title}", "bold")
        self.say(f"  {played.act.told}", "dim")

    def sent(self, one: "Scenario", events: int) -> None:
        """Say what was sent."""
        self.say(f"  sent      {plural(events, 'event')}: {one.sends}")
        self.status.update("Spark reads, Mend audits and decides")

    def finished(self, news: "News") -> None:
        """Say what a run read, and what was decided."""
        run = self.workspace.store.runs.get(news.run_id or "")
        report = run.report if run else None
        decided = next((one for one in news.steps if one.step == "agent_decide"), None)
        if run is None or report is None or report.places is None or decided is None:
            return
        places = report.places
        aside = {"dead letters": places.dead_letter, "duplicates": places.duplicate, "rejected": places.rejected}
        held = places.accepted - (run.published_rows or 0)
        found = [f"{count(many)} {name}" for name, many in ({"held": held} | aside).items() if many]
        self.say(f"  run       {run.run_id}: " + ", ".join([f"{count(run.published_rows or 0)} published", *found]))
        self.say(f"  decided   {decided.facts.get('decision')}: {clean(decided.message)}")
        if decided.outcome == "escalated":
            self.say("  called    a person; here the alert only goes into the demo's log", "yellow")

    def healed(self, one: "Healing") -> None:
        """Say what was approved in whose name, and what came of it."""
        changes = "; ".join(written(each) for each in one.trial.fields if each.renamed_from)
        self.say(
            f"  proposed  {changes}; tried on {plural(one.trial.set_aside.rows, 'row')} set aside: "
            f"{count(one.trial.set_aside.fit)} fit, {count(one.trial.set_aside_before.fit)} without it"
        )
        self.say(f"  approved  by the demo itself, in your name ({clean(one.by)}), as you would by:", "yellow")
        of = f"--pipeline {self.workspace.pipeline.name}"
        self.say(
            f"            mend mapping apply --trial {one.trial_name[:12]} {of} && mend quarantine replay --yes {of}"
        )
        if one.certificate:
            first, *more = certificate_text(one.certificate).splitlines()
            self.say(f"  replayed  {first}")
            for line in more:
                self.say(f"            {line}", "green" if one.certificate.proven else "red")

    def end(self, played: "Played") -> None:
        """Say where to look."""
        home, name = near(self.workspace.settings.home), self.workspace.pipeline.name
        self.say(f"  look      MEND_HOME={home} mend {played.act.look} --pipeline {name}", "dim")
        self.status.update("the next act")

    def say(self, text: str, style: str = "") -> None:
        """Print a line."""
        self.console.print(Plain(Text(text, style=style)), soft_wrap=True)


@contextmanager
def narrator(workspace: "Workspace") -> Iterator[Narrator]:
    """Tell the story on stderr, with a spinner where that is a terminal; what Mend logs meanwhile is in its log."""
    console, log = Console(stderr=True), workspace.layout.ops / "logs" / "demo.log"
    with logged_into(log), console.status("Spark starts") as status:
        yield Narrator(console, workspace, status)


def summary(acts: Sequence[ShownAct], proof: "Proof", page: Path) -> RenderableType:
    """Return the end of the demo: each act in a line, the sum of all, whether it is proven, and where the pages are."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("act")
    for name in ("events", *SHORT.values()):
        table.add_column(name, justify="right", no_wrap=True)
    for one in acts:
        figures = (count(one.played.events), *(count(one.places[key]) for key in SHORT))
        table.add_row(f"{one.played.act.number} {one.played.title}", *figures)
    sums = Table.grid(padding=(0, 2))
    for key, many in totals(acts).items():
        sums.add_row(Text(PLACES[key], style="dim"), Text(count(many), style="bold", justify="right"))
    held = proof.proof.holds
    said = "proven: every event is in exactly one place" if held else f"NOT proven: {proof.proof.findings[0]}"
    verdict = Text(f"{said} ({plural(proof.proof.offsets, 'event')})", style="green" if held else "red")
    return Plain(Group(table, Text(), sums, Text(), verdict, Text(f"page: {near(page)}")))


def near(path: Path) -> Path:
    """Return a path as seen from here, where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
