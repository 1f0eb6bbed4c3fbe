"""Matching of renamed columns: what is applied, asked and missed, per kind of case, against the matchers of valentine.

The peer runs in a throwaway environment that uv makes (its pandas is newer than ours); without uv it is left out.
"""

import itertools
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from shutil import which
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import orjson
import pyarrow as pa
from pyarrow import parquet

from bench.measure import Wish, cores, wish
from mend.contracts.matching import Matching
from mend.remap import match_columns
from mend.remap.columns import leaf_columns
from tests.remap_cases.case import Case, Outcome, outcome
from tests.remap_cases.domains import HELD_OUT, TUNED
from tests.remap_cases.generated import HELD_OUT_SEEDS, TUNING_SEEDS, generated
from tests.remap_cases.handmade import handmade_cases

UNCLEAR = {"swap renamed", "twins"}
"""Kinds of which it is no fact which column is which."""
PEER = ("valentine==1.0.1", "pyarrow", "pandas")
TARGET = "0 unsafe, >= 85 % of good renames applied alone, top-1 >= .98; 100 x 100 <= 2 s, 2,000 x 2,000 <= 60 s"
HALF = 0.5
BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 1.0001)


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums over cases."""

    cases: int
    unsafe: int
    applied: int
    good: int
    first: int
    known: int
    silent: int
    told: int
    noise: int

    @classmethod
    def of(cls, found: Sequence[Outcome]) -> "Figures":
        """Add outcomes up."""
        return cls(
            cases=len(found), unsafe=sum(len(one.unsafe) for one in found), applied=sum(one.applied for one in found),
            good=sum(one.good for one in found), first=sum(one.first for one in found), known=sum(one.known for one in found),
            silent=sum(len(one.silent) for one in found), told=sum(len(one.case.told) for one in found),
            noise=sum(len(one.noise) for one in found),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Done:
    """A case, what was found, and how that compares with the truth."""

    case: Case
    found: Matching
    outcome: Outcome


def run(cases: Iterable[Case]) -> list[Done]:
    """Match every case."""
    done = []
    for case in cases:
        found = match_columns(None, case.old, None, case.new)
        done.append(Done(case, found, outcome(case, found)))
    return done


def per_kind(done: Sequence[Done]) -> dict[str, Figures]:
    """Return the figures of every kind, those with unsafe applications first."""
    kinds: dict[str, list[Outcome]] = defaultdict(list)
    for one in done:
        kinds[one.case.kind].append(one.outcome)
    found = {kind: Figures.of(outcomes) for kind, outcomes in kinds.items()}
    return dict(sorted(found.items(), key=lambda one: (-one[1].unsafe, one[1].good == one[1].applied, one[0])))


def reliability(done: Sequence[Done]) -> list[dict[str, float]]:
    """Compare the scores with how often they were right, by ranges of scores."""
    scored = [
        (p.score, {**one.case.renamed, **one.case.changed}.get(p.old) == p.new)
        for one in done
        if one.case.kind not in UNCLEAR
        for p in one.found.proposals
    ]
    table = []
    for low, high in itertools.pairwise(BINS):
        inside = [(score, right) for score, right in scored if low <= score < high]
        if inside:
            many = len(inside)
            mean, share = sum(score for score, _ in inside) / many, sum(right for _, right in inside) / many
            table.append(
                {"from": low, "to": min(high, 1.0), "pairs": many, "score": round(mean, 3), "right": round(share, 3)}
            )
    return table


def peers(cases: Sequence[Case]) -> dict[str, dict[str, float]]:
    """Return what each matcher of valentine makes of the same cases, of the columns that vanished and those that are new."""
    uv = which("uv", path=str(Path(sys.executable).parent)) or which("uv")
    if uv is None:
        sys.stderr.write("uv is not there: the peer is left out\n")
        return {}
    with TemporaryDirectory() as folder:
        for at, case in enumerate(cases):
            for side, table in (("old", lone(case.old, case.new)), ("new", lone(case.new, case.old))):
                parquet.write_table(table, Path(folder) / f"{at}.{side}.parquet")
        options = [word for one in PEER for word in ("--with", one)]
        script = Path(__file__).with_name("remap_peer.py")
        command = [uv, "run", "--no-project", "--isolated", "-q", *options, "python", str(script), folder]
        answer = subprocess.run(command, check=False, capture_output=True, text=True)
    if answer.returncode:
        sys.stderr.write(f"the peer failed: {answer.stderr.strip().splitlines()[-1:]}\n")
        return {}
    found = orjson.loads(answer.stdout)
    return {name: judged(cases, pairs, found["seconds"][name]) for name, pairs in found["found"].items()}


def lone(table: pa.Table, other: pa.Table) -> pa.Table:
    """Return the leaves of a table that the other one does not have."""
    columns, theirs = leaf_columns(None, table)[0], leaf_columns(None, other)[0]
    fit = {
        path: one.values for path, one in columns.items() if path not in theirs and len(one.values) == table.num_rows
    }
    return pa.table(fit)


def judged(cases: Sequence[Case], pairs: dict[str, list[tuple[str, str, float]]], seconds: float) -> dict[str, float]:
    """Judge a matcher that only ranks: its best pairs, and how many good renames score above every wrong pair."""
    right: list[float] = []
    wrong: list[float] = [0.0]
    good = first = known = 0
    for at, case in enumerate(cases):
        found = sorted(pairs[str(at)], key=lambda one: -one[2])
        best: dict[str, tuple[str, float]] = {}
        for old, new, score in found:
            best.setdefault(old, (new, score))
        truth = {**case.renamed, **case.changed}
        known += len(truth)
        first += sum(best.get(old, ("", 0))[0] == new for old, new in truth.items())
        good += len(case.renamed) if case.sure else 0
        for old, (new, score) in best.items():
            if case.renamed.get(old) != new:
                wrong.append(score)
            elif case.sure:
                right.append(score)
    return {
        "top1": round(first / max(known, 1), 4), "wrong_at_half": sum(one >= HALF for one in wrong),
        "above_every_wrong": round(sum(one > max(wrong) for one in right) / max(good, 1), 4), "seconds": round(seconds, 1),
    }  # fmt: skip


def wide(columns: int, rows: int, seed: int) -> tuple[pa.Table, pa.Table]:
    """Return two samples of many columns, all of which were abbreviated."""
    chance = Random(seed)
    specs = [one for domain in TUNED.values() for one in domain]
    named = [(specs[at % len(specs)], at // len(specs)) for at in range(columns)]
    old = {f"{one.name}_{number}": one.make(chance, rows) for one, number in named}
    new = {f"{one.short}_{number}": one.make(chance, rows) for one, number in named}
    return pa.table(old), pa.table(new)


def timed(columns: int) -> float:
    """Return the seconds that so many columns against as many take, a thousand rows each."""
    old, new = wide(columns, 1000, 1)
    began = perf_counter()
    match_columns(None, old, None, new)
    return perf_counter() - began


def measure(asked: Wish) -> dict[str, Any]:
    """Run all cases, the peer, and the two sizes."""
    seeds = HELD_OUT_SEEDS[:1] if asked.quick else HELD_OUT_SEEDS
    sets: dict[str, Callable[[], Iterable[Case]]] = {
        "held out": lambda: generated(HELD_OUT, seeds),
        "by hand": handmade_cases,
        "tuned on": lambda: generated(TUNED, TUNING_SEEDS[:1] if asked.quick else TUNING_SEEDS),
    }
    done = {name: run(cases()) for name, cases in sets.items()}
    sizes = [100] if asked.quick else [100, 2000]
    compared = [one.case for one in (*done["held out"], *done["by hand"]) if one.case.old.num_rows]
    known = peers(compared)
    honest = Figures.of([one.outcome for one in done["held out"]])
    best = max((one["above_every_wrong"] for one in known.values()), default=1.0)
    ours = honest.applied / max(honest.good, 1) if not honest.unsafe else 0.0
    return {
        "name": "remap", "target": TARGET, "unit": "share of good renames applied with nothing unsafe",
        "runs": [{"ours": round(ours, 4), "peer": best}], "median_ratio": round(ours / max(best, 0.01), 3), "cores": cores(),
        "sets": {name: {kind: figures(one) for kind, one in per_kind(found).items()} for name, found in done.items()},
        "totals": {name: figures(Figures.of([one.outcome for one in found])) for name, found in done.items()},
        "reliability": reliability(done["held out"]), "peers": known,
        "seconds": {f"{size} x {size}": round(timed(size), 2) for size in sizes},
    }  # fmt: skip


def figures(one: Figures) -> dict[str, int]:
    """Return the sums by name."""
    return {name: getattr(one, name) for name in Figures.__slots__}


COLUMNS = ["cases", "unsafe", "applied", "good", "first", "known", "silent", "told", "noise"]


def show_all(result: dict[str, Any]) -> None:
    """Print the tables."""
    for name, kinds in result["sets"].items():
        print(f"\n{name:18}{''.join(f'{one:>9}' for one in COLUMNS)}")
        for kind, one in {**kinds, "all": result["totals"][name]}.items():
            print(f"  {kind:16}{''.join(f'{one[column]:9}' for column in COLUMNS)}")
    print("\nscore of held-out pairs   pairs  mean score  right")
    for one in result["reliability"]:
        print(
            f"  {one['from']:.2f} to {one['to']:.2f}         {one['pairs']:8} {one['score']:10.3f} {one['right']:7.3f}"
        )
    print("\npeer                       top-1  wrong pairs scored >= .5  good renames above every wrong pair  seconds")
    for name, one in result["peers"].items():
        print(
            f"  {name:24} {one['top1']:.3f} {one['wrong_at_half']:14} {one['above_every_wrong']:30.3f} {one['seconds']:20}"
        )
    print(f"\nseconds: {result['seconds']}")


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    result = measure(asked)
    if asked.json:
        sys.stdout.write(orjson.dumps(result).decode() + "\n")
    else:
        show_all(result)
