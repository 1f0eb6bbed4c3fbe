"""What a terminal shows of runs: a summary at the end, and the history.

Everything reads the same without colour; text from data is never taken for markup or control sequences.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from cli import run_facts
from cli.run_facts import RunFacts
from cli.wording import age, clean, clip, count, in_ascii, share
from mend.contracts.quality import ExpectationResult
from mend.store.dead_letters import Owed

TONES = {"good": "green", "care": "yellow", "bad": "red"}

BAR = 14

NAMES_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Plain:
    """Something shown with ASCII only where the terminal has nothing else."""

    shown: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render as it is, or with each sign replaced by one of the same width."""
        for piece in console.render(self.shown, options):
            if options.ascii_only:
                yield Segment(in_ascii(piece.text), piece.style, piece.control)
            else:
                yield piece


def summary(run: RunFacts, *, folder: Path | None = None) -> RenderableType:
    """Return the end of a run in one panel that fits 80 columns; paths below `folder` are shown from there on."""
    outcome = run_facts.verdict(run)
    tone = TONES[outcome.tone]
    name = f"{clip(run.report.pipeline or 'run', 24)} · {clip(run.report.run_id or 'no id', 44)}"
    parts: list[RenderableType] = [
        Text(outcome.headline, style=f"bold {tone}"),
        Text(clip(outcome.why, 280)),
        Text(),
        figures(run),
        Text(),
        findings(run),
    ]
    if run.files:
        parts += [Text(), files(run.files, folder)]
    return Plain(Panel(Group(*parts), title=Text(name), title_align="left", border_style=tone, padding=(0, 2)))


def labelled(*, gap: int = 2) -> Table:
    """Return an empty two-column list of labels and what belongs to them."""
    table = Table.grid(padding=(0, gap))
    table.add_column(style="dim", no_wrap=True, min_width=12)
    table.add_column(overflow="fold")
    return table


def figures(run: RunFacts) -> Table:
    """Return where the events went, as figures, shares and bars."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True, min_width=12)
    table.add_column(justify="right", no_wrap=True, style="bold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, width=BAR, style="blue")
    table.add_column(overflow="fold", style="dim")
    total = run.report.total_records
    table.add_row("events in", count(total), "", "", f"{count(run.report.late_records)} late")
    for label, events, note in gathered(run):
        table.add_row(label, count(events), share(events, total), bar(events, total), note)
    return table


def gathered(run: RunFacts) -> list[tuple[str, int, str]]:
    """Return the places, rejected and held taken together as quarantined."""
    found = {place.key: place for place in run_facts.destinations(run)}
    if not found:
        return []
    quarantined = [found[key] for key in ("rejected", "held") if key in found]
    return [
        (found["published"].label, found["published"].events, ""),
        (
            "quarantined",
            sum(place.events for place in quarantined),
            ", ".join(f"{count(place.events)} {place.label}" for place in quarantined),
        ),
        (found["dead"].label, found["dead"].events, ""),
        (found["duplicate"].label, found["duplicate"].events, ""),
    ]


def bar(part: int, whole: int) -> str:
    """Return a bar of the part's share; only nothing has none."""
    return "━" * max(1, round(BAR * part / whole)) if whole > 0 < part else ""


def findings(run: RunFacts) -> Table:
    """Return what was found and decided."""
    decision = run.decision
    table = labelled()
    table.add_row("sums closed", sums(run))
    table.add_row("drift", drift(run))
    table.add_row("audit", audit(run))
    actions = ", ".join(action.value for action in decision.actions) or "no action"
    called = "; a person was called" if decision.escalation_required else ""
    table.add_row("decision", Text(f"{clip(decision.decision, 60)} ({actions}){called}"))
    table.add_row("rules", Text(listed(decision.rules) or "none recorded"))
    return table


def sums(run: RunFacts) -> Text:
    """Return whether every sum closes, else the first that does not."""
    found = run_facts.checks(run)
    if not found:
        return Text("not reported", style="yellow")
    for check in found:
        if not check.closes:
            return Text(f"✗ no: {check.label}: {check.sum}", style="red")
    places = len(run.report.partitions)
    where = f" in {count(places)} partition{'s'[: places != 1]}" if places else ""
    recounted = ", recounted" if run_facts.recount(run) is not None else ""
    return Text(f"✓ yes, every event has one place{where}{recounted}", style="green")


def drift(run: RunFacts) -> Text:
    """Return the changes of the stream in a line or two."""
    found = run.report.drift
    if found is None:
        return Text("found, but not described" if run.report.schema_drift_detected else "not reported", style="yellow")
    groups = (
        ("added", [each.name for each in found.added]),
        ("removed", [each.name for each in found.removed]),
        ("retyped", [f"{each.name} ({each.from_type} → {each.to_type})" for each in found.type_changed]),
        ("renamed?", [f"{each.old} → {each.new}" for each in found.renamed_candidates]),
    )
    text = "; ".join(f"{kind} {listed(names)}" for kind, names in groups if names)
    return Text(text, style="yellow") if text else Text("none: all fields and types as in the contract")


def audit(run: RunFacts) -> Text:
    """Return the audit's score and the expectations that did not pass."""
    wrong = [each for each in run_facts.expectations(run) if each.verdict != "pass"]
    names = [f"{each.expectation_type.removeprefix('expect_')} on {each.column}{remark(each)}" for each in wrong]
    cost = run_facts.audit_cost(run)
    text = run_facts.audit_score(run) + (f" in {cost}" if cost else "") + (f": {listed(names)}" if names else "")
    calm = run.quality.status == "success" and all(each.severity == "warn" for each in wrong)
    return Text(text, style="green" if calm else "yellow")


def remark(result: ExpectationResult) -> str:
    """Say that an expectation only warns, or that nobody knows."""
    if result.verdict == "unknown":
        return " (unknown)"
    return " (only a warning)" if result.severity == "warn" else ""


def listed(names: Iterable[str]) -> str:
    """Return foreign names in one line, the first few of many."""
    shown = [clip(name, 60) for name in names]
    more = len(shown) - NAMES_SHOWN
    return ", ".join(shown[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def files(pairs: tuple[tuple[str, str], ...], folder: Path | None) -> Table:
    """Return where the files lie."""
    table = labelled()
    for label, path in pairs:
        near = folder is not None and Path(path).is_relative_to(folder)
        shown = Path(path).relative_to(folder) if near and folder is not None else path
        table.add_row(Text(clip(label, 24)), Text(clean(shown)))
    return table


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """One run of the history; figures are None where the run did not get so far."""

    run_id: str
    state: str
    pipeline: str = ""
    events: int | None = None
    published: int | None = None
    held: int | None = None
    decision: str = ""
    age: timedelta | None = None


STATES = {"published": "green", "validated": "green", "held": "yellow", "failed": "red"}


def unsent(owed: Iterable[Owed]) -> str:
    """Say how many dead letters wait to be sent and where to; nothing if none does."""
    waiting: Counter[str] = Counter()
    for one in owed:
        waiting[one.target] += one.events
    return "\n".join(f"{count(many)} dead letters wait to be sent to {to}" for to, many in sorted(waiting.items()))


def history(rows: Iterable[RunLine]) -> RenderableType:
    """Return the runs as one table, in the order given; it fits 80 columns, and says so when there are none."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("run", overflow="fold")
    table.add_column("state", no_wrap=True)
    for name in ("events", "published", "held"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("decision", overflow="fold")
    table.add_column("age", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            Text(clean(row.run_id)),
            Text(clip(row.state, 12), style=STATES.get(row.state, "")),
            *(count(each) for each in (row.events, row.published, row.held)),
            Text(clip(row.decision, 40)),
            age(row.age),
        )
    if not table.row_count:
        return Text("No runs yet: `mend run` makes the first.")
    return Plain(table)
