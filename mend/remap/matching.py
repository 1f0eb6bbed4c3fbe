"""What became of the columns that vanished. Pure."""

import pyarrow as pa
from rapidfuzz.distance import JaroWinkler
from rapidfuzz.utils import default_process

from mend.contracts.drift import RenameCandidate
from mend.contracts.matching import Action, Matching, Proposal, Unmatched
from mend.remap.columns import Column, leaf_columns


def match_columns(
    old_schema: pa.Schema | None, old_sample: pa.Table, new_schema: pa.Schema | None, new_sample: pa.Table
) -> Matching:
    """Say where each vanished column may have gone, and what else changed its meaning, from two samples of rows.

    The samples may be of different length and of different rows. A schema adds what a sample cannot show (types, fields
    without values, `pii`); None takes the sample's own. The same input gives the same answer.
    """
    old, _ = leaf_columns(old_schema, old_sample)
    new, _ = leaf_columns(new_schema, new_sample)
    vanished, added = [one for one in old if one not in new], [one for one in new if one not in old]
    proposals = [best(old[name], [new[one] for one in added]) for name in vanished if added]
    taken = (
        {one.old for one in proposals if one.action != "none"},
        {one.new for one in proposals if one.action != "none"},
    )
    rest = Unmatched(
        old=tuple(one for one in vanished if one not in taken[0]),
        new=tuple(one for one in added if one not in taken[1]),
    )
    return Matching(proposals=tuple(proposals), unmatched=rest)


def best(old: Column, added: list[Column]) -> Proposal:
    """Return the most similar new column."""
    scores = [JaroWinkler.normalized_similarity(old.path, one.path, processor=default_process) for one in added]
    score = max(scores)
    new = added[scores.index(score)]
    same = set(old.values.to_pylist()) & set(new.values.to_pylist()) - {None}
    action: Action = "apply" if score > 0.8 and same and old.type == new.type else "ask" if score > 0.6 else "none"
    return Proposal(old=old.path, new=new.path, score=round(score, 3), action=action, reasons=())


def rename_candidates(old: pa.Table, new: pa.Table) -> tuple[RenameCandidate, ...]:
    """Return the proposals as the drift of a run report carries them: each vanished column with its best new one."""
    found = match_columns(None, old, None, new)
    return tuple(
        RenameCandidate(old=one.old, new=one.new, score=one.score, action=one.action) for one in found.proposals
    )
