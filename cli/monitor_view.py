"""An overview as a terminal shows it, cut to the terminal's height. Foreign text is never taken for markup."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.run_view import STATES, Plain
from cli.wording import NOT_KNOWN, age, clip, count, number, plural
from mend.contracts.incident import Severity
from orchestration.overview import Overview, PipelineState, Service

TONES = {Severity.CRITICAL: "bold red", Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.LOW: ""}
LEAST_RUNS, LEAST_INCIDENTS, MOST_INCIDENTS = 3, 2, 6
HINT = "q ends it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Events a second between two looks: into the topics, and out of them."""

    arriving: float
    read: float


def rates(before: Overview, after: Overview) -> Rates | None:
    """Return how fast events came and were read between two looks; None where that cannot be said."""
    seconds = (after.at - before.at).total_seconds()
    old, new = offsets(before), offsets(after)
    if seconds <= 0 or not new or old.keys() != new.keys():
        return None
    arriving = sum(new[place][0] - old[place][0] for place in new)
    read = sum(new[place][1] - old[place][1] for place in new)
    return Rates(arriving=max(arriving, 0) / seconds, read=max(read, 0) / seconds)


def offsets(seen: Overview) -> dict[tuple[str, int], tuple[int, int]]:
    """Return the end and the read offset of every partition."""
    return {(one.name, lag.partition): (lag.end, lag.committed) for one in seen.pipelines for lag in one.lags}


def drawn(seen: Overview, speed: Rates | None, *, height: int, note: str = "") -> RenderableType:
    """Return the whole screen; where it is low, older runs are left out first."""
    upper = [headline(seen, speed), Text(), pipelines(seen.pipelines)]
    most = min(max(height // 8, LEAST_INCIDENTS), MOST_INCIDENTS)
    lower = [Text(), incidents(seen, most), Text(), services(seen)]
    used = 9 + sum(map(lines_of, seen.pipelines)) + min(len(seen.incidents), most) + len(seen.services)
    room = max(height - used - bool(note), LEAST_RUNS)
    last = [Text(note, style="dim")] if note else []
    return Plain(Group(*upper, Text(), runs(seen, room), *lower, *last))


def headline(seen: Overview, speed: Rates | None) -> Text:
    """Return the figures that matter first."""
    parts = [f"{seen.at:%H:%M:%S} UTC", f"{count(seen.waiting)} wait", f"{count(seen.quarantined)} in quarantine"]
    parts.append(plural(len(seen.incidents), "incident"))
    if speed is not None:
        parts.append(f"{number(round(speed.arriving, 1))}/s in, {number(round(speed.read, 1))}/s read")
    return line(" · ".join(parts), "bold")


def pipelines(states: Iterable[PipelineState]) -> RenderableType:
    """Return a line a partition, and what keeps a pipeline from working."""
    table = sheet("pipeline", right=("partition", "waits", "read up to", "ends at"))
    for one in states:
        for lag in one.lags:
            name = clip(one.name, 24) if lag is one.lags[0] else ""
            waits = Text(count(lag.lag), style="yellow" if lag.lag else "")
            table.add_row(name, str(lag.partition), waits, count(lag.committed), count(lag.end))
        if not one.lags:
            table.add_row(clip(one.name, 24), NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)
    return Group(table, *(line for one in states for line in brakes(one)))


def brakes(one: PipelineState) -> Iterator[Text]:
    """Say what is wrong with a pipeline, a line each."""
    if one.circuit is not None:
        why = f"{one.name}: the CIRCUIT IS OPEN since {one.circuit.opened_at:%d %b %H:%M}: {one.circuit.why}"
        yield line(why, "bold red")
    if one.paused:
        yield line(f"{one.name}: {one.paused}", "yellow")
    if one.trouble and not one.broker_away:
        yield line(f"{one.name}: {one.trouble}", "red")


def lines_of(one: PipelineState) -> int:
    """Count the lines that a pipeline takes."""
    return max(len(one.lags), 1) + sum(1 for _ in brakes(one))


def runs(seen: Overview, most: int) -> RenderableType:
    """Return the last runs."""
    table = sheet("run", "state", "decision", right=("events", "readable", "events/s", "age"))
    for one in seen.runs[:most]:
        table.add_row(
            line(one.run_id, ""),
            line(one.state, STATES.get(one.state, "")),
            line(one.decision, ""),
            *(count(one.events), count(one.published), count(one.events_per_second)),
            age(seen.at - one.updated_at),
        )
    return table if table.row_count else Text("no runs yet")


def incidents(seen: Overview, most: int) -> RenderableType:
    """Return the open incidents, gravest first."""
    if not seen.incidents:
        return Text("no open incident", style="green")
    shown = [
        line(f"{one.severity.value:<8} {one.summary} ({one.id[:8]})", TONES[one.severity])
        for one in seen.incidents[:most]
    ]
    more = len(seen.incidents) - len(shown)
    return Group(*shown, *([line(f"and {more} more: mend incident ls", "dim")] if more else []))


def services(seen: Overview) -> RenderableType:
    """Return who answers and who does not."""
    return Group(*map(service, seen.services))


def service(one: Service) -> Text:
    """Return a line about one service."""
    state = f"{one.name:<16}{'answers' if one.up else 'AWAY':<9}"
    return Text(state, no_wrap=True, overflow="ellipsis", style="" if one.up else "red").append_text(
        line(f"{one.address} {one.said}", "")
    )


def sheet(*names: str, right: tuple[str, ...] = ()) -> Table:
    """Return an empty table without lines; columns of figures are at its right, and decisions give way to them."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for name in (*names, *right):
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name != "decision")
    return table


def line(text: str, style: str) -> Text:
    """Return one line of foreign text, cut where the terminal ends."""
    return Text(clip(text, 400), style=style, no_wrap=True, overflow="ellipsis")
