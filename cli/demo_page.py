"""The pages of the demo: one that leads through the acts, and one for each act, with links to those of its runs."""

from collections.abc import Sequence
from dataclasses import replace
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING

from cli import run_charts
from cli.demo_facts import PLACES, ShownAct, ShownRun, totals
from mend.runtime.files import write_atomic

if TYPE_CHECKING:
    from orchestration.prove import Certificate as Proof


def write_pages(folder: Path, acts: Sequence[ShownAct], proof: "Proof") -> Path:
    """Write the pages into a folder; returns the one to begin with. They need no network, and find each other."""
    near = [beside(folder, one) for one in acts]
    for one in near:
        write_atomic(folder / f"act-{one.played.act.number}.html", render(near, proof, one).encode())
    write_atomic(folder / "index.html", render(near, proof).encode())
    return folder / "index.html"


def render(acts: Sequence[ShownAct], proof: "Proof", act: ShownAct | None = None) -> str:
    """Return the page of an act, or the one of all."""
    from cli.run_page import template

    found = {
        "act": act,
        "acts": acts,
        "events": sum(one.played.events for one in acts),
        "labels": PLACES,
        "proven": proof.proof.holds,
        "totals": totals(acts),
        "stitches": run_charts.stitches(act.played.title if act else "demo"),
    }
    return template("demo.html.j2").render(found)


def beside(folder: Path, one: ShownAct) -> ShownAct:
    """Return an act with addresses of its runs' pages as seen from a folder, which may be moved with them."""

    def near(run: ShownRun) -> ShownRun:
        return replace(run, page=Path(relpath(run.page, folder)))

    return replace(one, runs=tuple(map(near, one.runs)), replay=near(one.replay) if one.replay else None)
