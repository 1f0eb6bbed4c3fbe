"""The page of a run: one HTML file that needs nothing else, no network and no script."""

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import run_charts, run_facts
from cli.run_facts import RunFacts
from cli.wording import NOT_KNOWN, clean, clip, count, duration, moment, number, plural, share

if TYPE_CHECKING:
    from jinja2 import Template

ROWS_SHOWN = 100
"""A longer table shows its most telling rows and says how many it leaves out; the run's JSON files have all."""

WIDE = 60
"""A profile of more columns than this shows fewer values, and cut ones without their full text: pages stay small."""


def render(run: RunFacts, *, docs: str | None = None) -> str:
    """Return the page of a run as a whole HTML document; `docs` is the address of its Data Docs, where it has some.

    Text that came from events is escaped, values of `pii` columns are masked, long values are cut.
    """
    return template("run.html.j2").render(view(run) | {"docs": docs})


@cache
def template(name: str) -> "Template":
    """Return a compiled template, with the ways in which it writes figures and foreign text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # kept out of the command's start

    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["compact"] = compact
    for write in (clean, clip, count, duration, moment, number, plural):
        pages.filters[write.__name__] = write
    return pages.get_template(name)


def view(run: RunFacts) -> dict[str, Any]:
    """Return what the template shows: facts, figures derived from them, and coordinates."""
    places = run_facts.destinations(run)
    return {
        "run": run,
        "report": run.report,
        "decision": run.decision,
        "quality": run.quality,
        "rows_shown": ROWS_SHOWN,
        "share": share,
        "not_known": NOT_KNOWN,
        "public": lambda text: run_facts.public(run, text),
        "is_private": lambda column: run_facts.is_private(run, column),
        "verdict": run_facts.verdict(run),
        "places": places,
        "checks": run_facts.checks(run),
        "closed": run_facts.sums_closed(run),
        "published": next((each for each in places if each.key == "published"), None),
        "partition_closes": run_facts.partition_closes,
        "partitions": sorted(run.report.partitions, key=run_facts.partition_closes),
        "expectations": run_facts.expectations(run),
        "audit": run_facts.audit_score(run),
        "audit_cost": run_facts.audit_cost(run),
        "rules": sorted(run.report.rules, key=lambda each: -each.failures),
        "wide": len(run.report.profile) > WIDE,
        **charts(run, places),
    }


def charts(run: RunFacts, places: tuple[run_facts.Destination, ...]) -> dict[str, Any]:
    """Return the geometry of everything that is drawn."""
    return {
        "ribbons": run_charts.ribbons(places),
        "stitches": run_charts.stitches(run.report.run_id or run.decision.timestamp),
        "timeline": run_charts.timeline(tuple(step.seconds for step in run.steps)),
        "drift_rows": run_charts.drift_rows(run),
        "segments": run_charts.segment_groups(run),
        "box": run_charts.box,
    }


def compact(document: Any) -> str:
    """Return a small JSON document in one line, without quotes where none are needed to read it."""
    if isinstance(document, dict) and all(isinstance(value, str | int | float) for value in document.values()):
        return ", ".join(f"{key}: {value}" for key, value in document.items())
    return json.dumps(document, ensure_ascii=False, default=str)
