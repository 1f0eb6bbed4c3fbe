"""Cases made by chance: every change of every domain, with the same, some of the same, or other rows."""

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import pyarrow as pa

from tests.remap_cases.case import Case
from tests.remap_cases.changes import BAD, GOOD, Draft
from tests.remap_cases.domains import HELD_OUT, TUNED, Spec

TUNING_SEEDS, HELD_OUT_SEEDS = range(3), range(2000, 2003)
SIZES = (80, 200, 500, 1000)
WAYS = ("same rows", "some same rows", "other rows")


def tuning_cases() -> Iterator[Case]:
    """Return the cases that thresholds and weights were chosen on."""
    yield from generated(TUNED, TUNING_SEEDS)


def held_out_cases() -> Iterator[Case]:
    """Return cases of other domains and other seeds, which nothing was chosen on."""
    yield from generated(HELD_OUT, HELD_OUT_SEEDS)


def generated(domains: Mapping[str, list[Spec]], seeds: range) -> Iterator[Case]:
    """Make a case of every kind for every domain and seed that has columns for it."""
    for seed in seeds:
        for domain, specs in domains.items():
            for kind, change in {**GOOD, **BAD}.items():
                chance = Random(f"{seed} {domain} {kind}")
                many, way = chance.choice(SIZES), chance.choice(WAYS)
                draft = drafted(chance, domain, specs, many, way)
                if change(draft):
                    yield made(draft, f"{domain} {seed}: {kind}, {many} {way}", kind)


def drafted(chance: Random, domain: str, specs: list[Spec], many: int, way: str) -> Draft:
    """Make rows for both samples."""
    rows = {one.name: one.make(chance, 2 * many) for one in specs}
    first = {"same rows": 0, "some same rows": many // 2, "other rows": many}[way]
    length = many if way == "same rows" else chance.choice([many, many // 2 + 30])
    order = list(range(first, min(first + length, 2 * many)))
    if chance.random() < 0.5:
        chance.shuffle(order)
    return Draft(
        chance=chance, domain=domain, specs=list(specs), same_rows=way != "other rows",
        old={name: found[:many] for name, found in rows.items()},
        new={name: [found[at] for at in order] for name, found in rows.items()},
    )  # fmt: skip


def made(draft: Draft, name: str, kind: str) -> Case:
    """Return the case of a draft."""
    return Case(
        name=name, kind=kind, old=table(draft.old, draft.facts.get("old")), new=table(draft.new, draft.facts.get("new")),
        renamed=draft.renamed, changed=draft.changed, told=frozenset(draft.told), sure=draft.sure, quiet=kind in GOOD,
    )  # fmt: skip


def table(columns: Mapping[str, list[Any]], facts: Mapping[str, str] | None) -> pa.Table:
    """Return columns as a table; `facts` says which are about a person."""
    found = pa.table(dict(columns))
    for at, one in enumerate(found.schema):
        if facts and one.name in facts:
            found = found.set_column(at, one.with_metadata({"pii": facts[one.name]}), found.column(at))
    return found
