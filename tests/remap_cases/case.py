"""A labelled case, and what a matcher made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from mend.contracts.matching import Matching


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Two samples, and what is true of them.

    `renamed` are plain renames: good to apply. `changed` are columns whose values are written otherwise under the new name:
    right to propose, wrong to apply. `told` are columns that kept their name and must not pass without a warning.
    `sure` says that the samples have values enough, so that a rename should be applied.
    """

    name: str
    kind: str
    old: pa.Table
    new: pa.Table
    renamed: Mapping[str, str] = field(default_factory=dict)
    changed: Mapping[str, str] = field(default_factory=dict)
    told: frozenset[str] = frozenset()
    sure: bool = True
    quiet: bool = False
    """Whether nothing changed but names, so that every warning is a false one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a matcher did with a case. Pairs are `old → new`."""

    case: Case
    unsafe: tuple[str, ...]
    applied: int
    good: int
    first: int
    known: int
    missed: tuple[str, ...]
    wrong: tuple[str, ...]
    silent: tuple[str, ...]
    noise: tuple[str, ...]


def outcome(case: Case, found: Matching) -> Outcome:
    """Compare what was found with what is true."""
    applied = {(one.old, one.new) for one in found.proposals if one.action == "apply"}
    best: dict[str, str] = {}
    for one in sorted(found.proposals, key=lambda one: -one.score):
        best.setdefault(one.old, one.new)
    known = {**case.renamed, **case.changed}
    said = {one.column for one in found.warnings} | {one.old for one in found.proposals if one.action == "ask"}
    good = set(case.renamed.items()) if case.sure else set()
    return Outcome(
        case=case,
        unsafe=tuple(f"{old} → {new}" for old, new in sorted(applied - set(case.renamed.items()))),
        applied=len(good & applied),
        good=len(good),
        first=sum(best.get(old) == new for old, new in known.items()),
        known=len(known),
        missed=tuple(f"{old} → {new}" for old, new in sorted(good - applied)),
        wrong=tuple(f"{old} → {best.get(old)} instead of {new}" for old, new in known.items() if best.get(old) != new),
        silent=tuple(sorted(case.told - said)),
        noise=tuple(f"{one.kind} {one.column}: {one.why}" for one in found.warnings) if case.quiet else (),
    )
