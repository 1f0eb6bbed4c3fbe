"""What became of the columns that vanished. Pure."""

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from mend.contracts.drift import RenameCandidate
from mend.contracts.matching import Caution, Kind, Matching, Unmatched
from mend.remap.columns import leaf_columns
from mend.remap.evidence import Evidence, look
from mend.remap.figures import Profile, profile
from mend.remap.hints import hinted
from mend.remap.judge import Judgement, copies_among, judge, names_used
from mend.remap.names import common_words, read_name
from mend.remap.parts import Parts, split_and_merged
from mend.remap.rows import RowPairs, same_rows
from mend.remap.shortlist import shortlist
from mend.remap.silent import Changed, carries_on, cautions, changed_columns

Profiles = Mapping[str, Profile]


def match_columns(
    old_schema: pa.Schema | None, old_sample: pa.Table, new_schema: pa.Schema | None, new_sample: pa.Table
) -> Matching:
    """Say where each vanished column may have gone, and what else changed its meaning, from two samples of rows.

    The samples may be of different length and of different rows. A schema adds what a sample cannot show (types, fields
    without values, `pii` in a field's metadata); None takes the sample's own. The same input gives the same answer.
    """
    typed = (old_schema is None) == (new_schema is None)  # else a declared type would be compared with a found one
    (old_columns, old_twice), (new_columns, new_twice) = (
        leaf_columns(schema, sample, typed=typed)
        for schema, sample in ((old_schema, old_sample), (new_schema, new_sample))
    )
    old, new = ({path: profile(one) for path, one in side.items()} for side in (old_columns, new_columns))
    rows = same_rows(old, new)
    changed = changed_columns(old, new, rows)
    vanished = [one for path, one in old.items() if path not in new]
    added = [one for path, one in new.items() if path not in old]
    split, merged = split_and_merged(vanished, added, rows)
    found = looked_at(old, new, vanished, added, rows)
    moved = moved_away(changed, old, added, rows)
    hints = hinted(changed, old)
    apart = {path: hint.why for path, hint in hints.items()} | reasons_apart(split, merged, moved)
    judged = judge(found + moved, apart, copies(found))
    used = names_used(judged)
    warnings = [
        *(
            Caution(kind="duplicate_name", column=one, why="it is there more than once; the first counts")
            for one in (*old_twice, *new_twice)
        ),
        *told_of(judged),
        *parts_told(split, "split"),
        *parts_told(merged, "merge"),
        *cautions(changed, old, new, rows),
        *(Caution(kind=hint.kind, column=path, why=hint.why) for path, hint in hints.items()),
        *without_values(old, new),
    ]
    order = {path: at for at, path in enumerate(old)}
    proposals = sorted((one.proposal for one in judged), key=lambda one: (order[one.old], -one.score, one.new))
    return Matching(
        proposals=tuple(proposals),
        unmatched=Unmatched(
            old=tuple(one.column.path for one in vanished if one.column.path not in used[0]),
            new=tuple(one.column.path for one in added if one.column.path not in used[1]),
        ),
        warnings=tuple({(one.kind, one.column): one for one in reversed(warnings)}.values())[::-1],
    )


def looked_at(
    old: Profiles, new: Profiles, vanished: Sequence[Profile], added: Sequence[Profile], rows: RowPairs | None
) -> list[Evidence]:
    """Look closely at every pair of a vanished and a new column that is worth it."""
    left, right = ([read_name(one.column.path) for one in side] for side in (vanished, added))
    common = (common_words(left) ^ common_words(right)) | origins([*old, *new])
    before, after = places(old, new), places(new, old)
    return [
        look(vanished[at], added[to], rows, common=common, near=is_near(before, after, vanished[at], added[to]))
        for at, to in shortlist(vanished, added, left, right)
    ]


def origins(paths: Sequence[str]) -> frozenset[str]:
    """Return `source` where nothing speaks of a destination: it then says where a table is from, as a prefix."""
    words = {word for path in paths for word in read_name(path).words}
    return frozenset() if {"destination", "target"} & words else frozenset({"source"})


def places(columns: Profiles, others: Profiles) -> dict[str, tuple[str, int]]:
    """Return for every column the last one before it that both samples have, and how many came since."""
    found, last, since = {}, "", 0
    for path in columns:
        last, since = (path, 0) if path in others else (last, since + 1)
        found[path] = (last, since)
    return found


def is_near(
    before: Mapping[str, tuple[str, int]], after: Mapping[str, tuple[str, int]], old: Profile, new: Profile
) -> bool:
    """Whether a new column stands exactly where the old one stood among those that stayed."""
    return before[old.column.path] == after[new.column.path]


def moved_away(
    changed: Sequence[Changed], old: Profiles, added: Sequence[Profile], rows: RowPairs | None
) -> list[Evidence]:
    """Find new columns that carry on one whose name means something else now."""
    return [
        look(old[one.path], other, rows, common=frozenset(), near=False)
        for one in changed
        if any(found.kind in OTHER_MEANING for found in one.differences)
        for other in added
        if carries_on(old[one.path], other, rows)
    ]


OTHER_MEANING = {"distribution", "personal_data", "encoding", "type_change"}
"""Differences under one name that may come of its use for another thing."""


def reasons_apart(split: Sequence[Parts], merged: Sequence[Parts], moved: Sequence[Evidence]) -> dict[str, str]:
    """Say of columns why they are no plain rename."""
    found = {path: f"'{one.whole}' was split" for one in split for path in (one.whole, *one.parts)}
    found |= {path: f"'{one.whole}' is put together" for one in merged for path in (one.whole, *one.parts)}
    return found | {one.old.column.path: "its old name is still there, with other values" for one in moved}


def copies(found: Sequence[Evidence]) -> dict[str, str]:
    """Return the columns that another one of the same sample equals."""
    return copies_among(found, new=False) | copies_among(found, new=True)


def told_of(judged: Sequence[Judgement]) -> Iterable[Caution]:
    """Say of each pair that is asked about what a person must know: what differs, or which columns are alike."""
    for one in judged:
        proposal, evidence = one.proposal, one.evidence
        if proposal.action != "ask":
            continue
        for difference in evidence.differences:
            yield Caution(kind=difference.kind, column=proposal.old, why=f"to '{proposal.new}': {difference.why}")
        if any(
            reason.startswith(("as likely", "another column")) or "has the same values" in reason
            for reason in proposal.reasons
        ):
            yield Caution(kind="twins", column=proposal.old, why=f"'{proposal.new}' is not the only column that fits")


def parts_told(found: Sequence[Parts], kind: Kind) -> Iterable[Caution]:
    """Tell of columns that were split or merged."""
    for one in found:
        yield Caution(kind=kind, column=one.whole, why=f"its values are those of {', '.join(one.parts)} together")


def without_values(old: Profiles, new: Profiles) -> Iterable[Caution]:
    """Tell of columns that have no values in one of the samples, of those that had some in the other one."""
    for path, one in old.items():
        other = new.get(path)
        if other is not None and one.kind != "empty" and other.kind == "empty":
            yield Caution(
                kind="no_values",
                column=path,
                why="it has no values any more" if len(other.hashes) else "no rows to compare",
            )


def rename_candidates(old: pa.Table, new: pa.Table) -> tuple[RenameCandidate, ...]:
    """Return the proposals as the drift of a run report carries them: old name, new name, score and action.

    `old` are rows as they were published last, `new` rows as they arrive; the best candidate of a column comes first.
    """
    found = match_columns(None, old, None, new)
    return tuple(
        RenameCandidate(old=one.old, new=one.new, score=one.score, action=one.action) for one in found.proposals
    )
