"""The figures of `mend agent metrics` as a terminal shows them."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.performance import Performance, Spread
from cli.run_view import Plain, labelled
from cli.wording import NOT_KNOWN, clip, count, duration, moment, number, plural, share

BAR = 24
MOST_RULES = 12


def pictured(figures: Performance) -> RenderableType:
    """Return everything within 80 columns, a bar for each rule."""
    if not figures.decisions.total and not figures.runs.published:
        return Text(f"No decision since {moment(figures.since)}.")
    parts: list[RenderableType] = [Text(headline(figures), style="bold"), Text(), facts(figures)]
    for title, counts in (("rule", figures.decisions.by_rule), ("fallback", figures.model.fallbacks)):
        if counts:
            parts += [Text(), bars(title, counts, figures.decisions.total)]
    if figures.remedies or figures.task_fixes:
        parts += [Text(), remedies(figures)]
    return Plain(Group(*parts))


def headline(figures: Performance) -> str:
    """Return the period in one line."""
    total = plural(figures.decisions.total, "decision")
    return f"{total} since {moment(figures.since)}, {share(figures.decisions.escalation_share)} of them escalated"


def facts(figures: Performance) -> Table:
    """Return the figures with their names."""
    table = labelled()
    for name, value in told(figures):
        table.add_row(name, value)
    return table


def told(figures: Performance) -> Iterator[tuple[str, str]]:
    """Yield each figure with its name."""
    runs, times, model = figures.runs, figures.times, figures.model
    ended = f"{count(runs.published)} published, {count(runs.held)} held, {plural(runs.failed, 'failed job')}"
    yield "decided by", " · ".join(f"{who} {count(many)}" for who, many in figures.decisions.by_decider.items()) or "-"
    yield "confidence", f"{number(figures.decisions.mean_confidence)} on average"
    yield "to decide", seconds(figures.seconds_to_decide)
    yield "runs", f"{ended} · success {share(runs.success_rate)}"
    yield "retries", f"{share(runs.retry_rate)} of runs, {number(runs.mean_attempts)} attempts on average"
    yield "quarantine", f"{plural(runs.quarantined_batches, 'batch', 'batches')} with events set aside"
    yield "to detect", f"{duration(times.to_detect)} ({plural(times.detected, 'incident')})"
    yield "to resolve", f"{duration(times.to_resolve)} ({plural(times.resolved, 'incident')})"
    yield "to recover", f"{duration(times.to_recover)} ({plural(times.recovered, 'time')})"
    if model.proposals or model.fallbacks:
        yield "model", f"{plural(model.proposals, 'proposal')}, agrees with the table in {share(model.agreement)}"


def seconds(spread: Spread) -> str:
    """Return a spread of times."""
    if not spread.count:
        return NOT_KNOWN
    return f"median {duration(spread.p50)}, 95th percentile {duration(spread.p95)}"


def bars(title: str, counts: dict[str, int], total: int) -> Table:
    """Return a bar for each name, as long as its share of all decisions."""
    table = Table.grid(padding=(0, 2))
    table.add_row(Text(title, style="dim"), "", "")
    for name, many in list(counts.items())[:MOST_RULES]:
        filled = max(1, round(BAR * many / max(total, 1)))
        table.add_row(clip(name, 30), Text("━" * min(filled, BAR), style="blue"), count(many))
    left = len(counts) - MOST_RULES
    if left > 0:
        table.add_row(Text(f"and {left} more", style="dim"), "", "")
    return table


def remedies(figures: Performance) -> Table:
    """Return what came of each kind of remedy."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("remedy", "acts", "helped", "came back", "too early", "success"):
        table.add_column(name, justify="left" if name == "remedy" else "right")
    for name, one in (*figures.remedies.items(), *figures.task_fixes.items()):
        cells = (count(one.acts), count(one.helped), count(one.recurred), count(one.pending), share(one.success_rate))
        table.add_row(clip(name, 30), *cells)
    return table
