"""What the steps after the Spark job cost, beside the job: audit, decision and publishing, the ledger, the proof.

All over the run of one topic, as `mend run` does them; `ours` is the seconds of all of them, `peer` those of the job.
"""

import sys
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter
from typing import Any

from bench.arena import CUSTOMERS, Arena, arena, fill_customers
from bench.measure import Wish, cores, show, wish
from mend.proof.prove import Scope
from mend.runtime import clock
from orchestration.prove import certify
from orchestration.steps import agent_decide, run_data_quality, unfinished_runs, validate_load
from orchestration.workspace import Workspace, open_workspace

Step = Callable[[Workspace, str], Any]


def record_again(workspace: Workspace, run_id: str) -> None:
    """Write a run's ranges into the ledger, and look for holes between all runs, as staging does."""
    ranges = [one.read for one in workspace.store.ledger.ranges(run_id)]
    workspace.store.ledger.record_ranges(run_id, ranges)
    workspace.store.ledger.gaps(workspace.pipeline.name)


def prove_all(workspace: Workspace, run_id: str) -> None:
    """Prove from the files that every offset is where the ledger says."""
    proof = certify(workspace.settings, workspace.store, Scope(), now=clock.now(), pipelines=[workspace.pipeline]).proof
    if not proof.holds:
        sys.exit(f"{run_id} is not proven: no measurement")


STEPS: dict[str, Step] = {
    "ledger": record_again,
    "audit": run_data_quality,
    "decision_and_publishing": agent_decide,
    "recount": validate_load,
    "proof": prove_all,
}


def timed(workspace: Workspace) -> Iterator[tuple[str, float]]:
    """Take each staged run through the steps; yields the seconds of each."""
    for run_id in unfinished_runs(workspace):
        for name, step in STEPS.items():
            began = perf_counter()
            step(workspace, run_id)
            yield name, perf_counter() - began


def once(place: Arena) -> dict[str, float]:
    """Run the job in a new home, then the steps; returns seconds by name."""
    settings = place.settings()
    seconds = {"job": place.job(CUSTOMERS, settings)[0]} | dict.fromkeys(STEPS, 0.0)
    with open_workspace(settings, str(CUSTOMERS)) as workspace:
        for name, took in timed(workspace):
            seconds[name] += took
    return seconds


def measure(asked: Wish) -> dict[str, Any]:
    """Take the medians over some runs, the first of which only warms up."""
    events, runs = asked.events or (200_000 if asked.quick else 3_000_000), 3 if asked.quick else 5
    with arena() as place:
        fill_customers(place.broker, events)
        once(place)
        found = [once(place) for _ in range(runs)]
    seconds = {name: round(median(one[name] for one in found), 3) for name in found[0]}
    pairs = [{"ours": round(sum(one.values()) - one["job"], 3), "peer": round(one["job"], 3)} for one in found]
    return {
        "name": "steps",
        "target": "stated, as a share of the job",
        "unit": "s",
        "runs": pairs,
        "median_ratio": round(median(one["ours"] / one["peer"] for one in pairs), 3),
        "cores": cores(),
        "events": events,
        "seconds": seconds,
    }


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    result = measure(asked)
    show(result, as_json=asked.json)
    if not asked.json:
        sys.stdout.write(" · ".join(f"{name} {took} s" for name, took in result["seconds"].items()) + "\n")
