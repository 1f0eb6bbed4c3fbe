"""What every bench shares: alternating runs against a peer, medians, one JSON line."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import orjson

from mend.runtime.logging import configure_logging

Measure = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller asked for on the command line."""

    quick: bool
    json: bool
    events: int | None = None


def wish(purpose: str, arguments: Sequence[str] | None = None) -> Wish:
    """Read `--quick` (fewer, smaller runs), `--events` and `--json` from the command line."""
    parser = argparse.ArgumentParser(description=purpose)
    parser.add_argument("--quick", action="store_true", help="fewer and smaller runs")
    parser.add_argument("--events", type=int, help="events in the topic, where the bench has one")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    chosen = parser.parse_args(arguments)
    configure_logging(quiet=True)
    return Wish(quick=chosen.quick, json=chosen.json, events=chosen.events)


def compare(name: str, target: str, unit: str, ours: Measure, peer: Measure, runs: int) -> dict[str, Any]:
    """Measure both sides `runs` times, in pairs whose order alternates, and return the bench's JSON document.

    The ratio of a pair is ours / peer, so that what slows the machine down for a while slows both; the median of the
    ratios is the result.
    """
    pairs = [_pair(ours, peer, ours_first=number % 2 == 0) for number in range(runs)]
    return {
        "name": name,
        "target": target,
        "unit": unit,
        "runs": pairs,
        "median_ratio": round(median(pair["ours"] / pair["peer"] for pair in pairs), 3),
        "cores": cores(),
    }


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def show(result: dict[str, Any], *, as_json: bool) -> None:
    """Print the result on stdout: one JSON object, or a few lines for people."""
    if as_json:
        sys.stdout.write(orjson.dumps(result).decode() + "\n")
        return
    ours, peer = (median(pair[side] for pair in result["runs"]) for side in ("ours", "peer"))
    sys.stdout.write(
        f"{result['name']}: ours {ours:,.6g}, peer {peer:,.6g} {result['unit']} (medians of {len(result['runs'])}); "
        f"ratio {result['median_ratio']}; target {result['target']}; {result['cores']} cores\n"
    )


def _pair(ours: Measure, peer: Measure, *, ours_first: bool) -> dict[str, float]:
    if ours_first:
        first = ours()
        return {"ours": round(first, 6), "peer": round(peer(), 6)}
    first = peer()
    return {"ours": round(ours(), 6), "peer": round(first, 6)}
