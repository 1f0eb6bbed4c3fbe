"""What may be done about a pair of columns: applied, asked about, or nothing. Pure."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from mend.contracts.matching import Proposal
from mend.remap.compare import compare
from mend.remap.evidence import Evidence
from mend.remap.names import read_name
from mend.remap.relation import Tier

ASKED = 0.15
"""A pair less likely than that is not worth a person's time."""
CERTAIN = 0.5
"""A pair is not applied below, whatever else speaks for it."""
MOST_TOLD = 3
"""Rivals that are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The proposal for a pair, and the evidence behind it."""

    proposal: Proposal
    evidence: Evidence


def assign(found: Sequence[Evidence]) -> dict[str, Evidence]:
    """Give each vanished column one new column, so that the scores of all together are largest."""
    if not found:
        return {}
    old = list(dict.fromkeys(one.old.column.path for one in found))
    new = list(dict.fromkeys(one.new.column.path for one in found))
    rows, columns = {path: at for at, path in enumerate(old)}, {path: at for at, path in enumerate(new)}
    scores = np.zeros((len(old), len(new)))
    by_place = {(rows[one.old.column.path], columns[one.new.column.path]): one for one in found}
    for place, one in by_place.items():
        scores[place] = one.score
    chosen = zip(*linear_sum_assignment(scores, maximize=True), strict=True)
    pairs = (by_place.get((int(at), int(to))) for at, to in chosen)
    return {one.old.column.path: one for one in pairs if one is not None}


def judge(found: Sequence[Evidence], apart: Mapping[str, str], copies: Mapping[str, str]) -> list[Judgement]:
    """Judge all pairs looked at: the chosen ones, and those that could be meant as well.

    `apart` says of a column why it is no plain rename (split, merged, moved), `copies` which other column has its values.
    """
    chosen = assign(found)
    rivals = rivals_of(found, chosen)
    moved = renumbered(found, chosen)
    judged = []
    for one in found:
        old, new = one.old.column.path, one.new.column.path
        if chosen.get(old) is one:
            against = (
                blockers(one)
                + crossed(one, found)
                + [f"as likely: {other}" for other in rivals.get((old, new), ())[:MOST_TOLD]]
            )
            against += ["the numbers of such columns may have moved"] * ((old, new) in moved)
            against += [apart[path] for path in (old, new) if path in apart]
            against += [f"'{copies[path]}' has the same values" for path in (old, new) if path in copies]
            judged.append(judgement(one, against))
        elif (old, new) in rivals or (old in apart and apart.get(old) == apart.get(new)):
            judged.append(judgement(one, ["another column fits as well"]))
    return judged


def judgement(one: Evidence, against: Sequence[str]) -> Judgement:
    """Write a proposal: applied if nothing speaks against it."""
    wanted = one.score >= ASKED or one.values.equal or one.names.tier >= Tier.EXTENDED
    action = "none" if not wanted else "ask" if against or one.score < CERTAIN else "apply"
    return Judgement(
        evidence=one,
        proposal=Proposal(
            old=one.old.column.path, new=one.new.column.path, score=round(one.score, 4), action=action,
            reasons=(*spoken(one), *dict.fromkeys(against)),
        ),
    )  # fmt: skip


def spoken(one: Evidence) -> list[str]:
    """Say what was compared."""
    pairs = one.values.pairs
    if pairs is not None and pairs.enough:
        values = f"{pairs.share:.1%} of {pairs.many} same rows have the same value"
    elif one.values.equal:
        values = f"{one.values.overlap:.0%} of the values are the same, each there once"
    else:
        values = f"values are {one.values.likeness:.0%} alike"
    return [one.names.why, values]


def blockers(one: Evidence) -> list[str]:
    """Return what speaks against applying a pair by itself."""
    equal = one.values.equal
    against = [found.why for found in (*one.values.differences, *one.type_change)]
    if one.names.opposed or (one.named and not equal):
        against += [found.why for found in one.named] or [one.names.why]
    elif not equal:
        if one.names.tier < Tier.NEAR or (one.names.tier == Tier.NEAR and not one.near):
            against.append("the name alone does not say it, and no same rows do")
        if not one.values.enough:
            against.append("there are too few values to see a change of unit or meaning")
    return against


def crossed(one: Evidence, found: Sequence[Evidence]) -> list[str]:
    """Return the column that the names point to where the values point to another one."""
    if one.names.tier >= Tier.NEAR:
        return []
    return [
        f"the name points to '{other.new.column.path if other.old is one.old else other.old.column.path}'"
        for other in found
        if other is not one and (other.old is one.old or other.new is one.new) and other.names.tier >= Tier.EXTENDED
    ]


def renumbered(found: Sequence[Evidence], chosen: Mapping[str, Evidence]) -> set[tuple[str, str]]:
    """Return the pairs with a number in their names where another number of both names is left without a partner."""
    kept = [one for one in chosen.values() if one.names.tier >= Tier.EXTENDED]
    taken = {side.column.path for one in kept for side in (one.old, one.new)}
    left = [{unnumbered(side.column.path) for side in sides if side.column.path not in taken}
            for sides in ([one.old for one in found], [one.new for one in found])]  # fmt: skip
    names = [(one.old.column.path, one.new.column.path) for one in kept]
    return {
        (old, new)
        for old, new in names
        if "" not in {unnumbered(old), unnumbered(new)} and unnumbered(old) in left[0] and unnumbered(new) in left[1]
    }


def unnumbered(path: str) -> str:
    """Return a name without its numbers; nothing where it has none."""
    words = read_name(path).words
    rest = [one for one in words if not one.isdigit()]
    return " ".join(rest) if len(rest) < len(words) else ""


def rivals_of(found: Sequence[Evidence], chosen: Mapping[str, Evidence]) -> dict[tuple[str, str], list[str]]:
    """Return, for every pair that is not the only one possible, the columns that could be meant instead."""
    holder = {one.new.column.path: one for one in chosen.values()}
    rivals: dict[tuple[str, str], list[str]] = {}
    for one in found:
        old, new = one.old.column.path, one.new.column.path
        if chosen.get(old) is one:
            continue
        for taken, other in ((chosen.get(old), holder.get(new)), (holder.get(new), chosen.get(old))):
            if taken and is_rival(one, taken) and not (other and is_surer(other, one)):
                name = new if taken.old is one.old else old
                rivals.setdefault((taken.old.column.path, taken.new.column.path), []).append(name)
                rivals.setdefault((old, new), []).append(name)
    return rivals


def is_rival(one: Evidence, chosen: Evidence) -> bool:
    """Whether a pair could be meant instead of the chosen one that shares a column with it."""
    if one.values.equal:
        return True
    if one.values.pairs is not None and one.values.differences:
        alike = one.names.tier >= max(chosen.names.tier, Tier.OTHER) and not one.type_change
        return alike and not compare(one.old, one.new, None, money=False).differences
    if one.values.differences or chosen.values.equal:
        return False
    if one.names.contrary:
        return False
    return one.names.tier >= (Tier.EXTENDED if chosen.names.tier > Tier.EXTENDED else Tier.OTHER)


def is_surer(one: Evidence, other: Evidence) -> bool:
    """Whether a pair is so much likelier that the other one cannot be meant."""
    return (one.values.equal, one.names.tier, one.score) > (other.values.equal, other.names.tier, other.score) and (
        one.values.equal > other.values.equal or one.names.tier > other.names.tier
    )


def copies_among(found: Sequence[Evidence], *, new: bool) -> dict[str, str]:
    """Return the columns of one sample that have the same values as another one of it, row by row."""
    columns = {side.column.path: side for one in found for side in [one.new if new else one.old]}
    by_values: dict[bytes, str] = {}
    copies: dict[str, str] = {}
    for path, one in columns.items():
        if one.column.inside_list or one.bits * len(one.filled) < TELLING:
            continue
        first = by_values.setdefault(one.hashes.tobytes(), path)
        if first != path:
            copies[path], copies[first] = first, path
    return copies


TELLING = 20.0


def names_used(judged: Sequence[Judgement]) -> tuple[AbstractSet[str], AbstractSet[str]]:
    """Return the old and the new columns that a person or nobody needs to look at any more."""
    wanted = [one.proposal for one in judged if one.proposal.action != "none"]
    return {one.old for one in wanted}, {one.new for one in wanted}
