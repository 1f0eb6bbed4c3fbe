"""Counts of segments and of pairs of them, added up over tasks and taken away again. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from mend.contracts.report import PairCount, SegmentCount

MOST_SEGMENTS = 1_000
"""Values of a column, and pairs of values of two columns, that are counted by name: the most frequent ones."""
OTHER_SEGMENT = "(other)"
"""What stands for the values of a segment column beyond the most frequent ones."""


def merge_segments(counts: Iterable[SegmentCount]) -> tuple[SegmentCount, ...]:
    """Add rows and failures by segment value."""
    found: dict[tuple[str, str], SegmentCount] = {}
    for one in counts:
        before = found.get((one.column, one.value))
        if before is not None:
            one = replace(one, rows=one.rows + before.rows, failures=one.failures + before.failures)  # noqa: PLW2901
        found[one.column, one.value] = one
    return with_others(tuple(found[key] for key in sorted(found)))


def with_others(counts: tuple[SegmentCount, ...]) -> tuple[SegmentCount, ...]:
    """Put the values of a column beyond the most frequent ones together."""
    by_column: dict[str, list[SegmentCount]] = {}
    for one in counts:
        by_column.setdefault(one.column, []).append(one)
    if all(len(column) <= MOST_SEGMENTS + 1 for column in by_column.values()):
        return counts
    kept = []
    for name, column in by_column.items():
        ranked = sorted(column, key=lambda one: (one.value == OTHER_SEGMENT, -one.rows, one.value))
        rest = ranked[MOST_SEGMENTS:]
        rows, failures = sum(one.rows for one in rest), sum(one.failures for one in rest)
        kept += ranked[:MOST_SEGMENTS]
        if rest:
            kept.append(SegmentCount(column=name, value=OTHER_SEGMENT, rows=rows, failures=failures))
    return tuple(sorted(kept, key=lambda one: (one.column, one.value)))


def less_segments(counts: tuple[SegmentCount, ...], gone: tuple[SegmentCount, ...]) -> tuple[SegmentCount, ...]:
    """Take rows away; those of a value that is not counted by name, or not all of it, from the others."""
    left = {(one.column, one.value): (one.rows, one.failures) for one in counts}
    for one in gone:
        rows, failures = one.rows, one.failures
        for key in ((one.column, one.value), (one.column, OTHER_SEGMENT)):
            if key in left:
                taken = min(rows, left[key][0]), min(failures, left[key][1])
                left[key] = (left[key][0] - taken[0], left[key][1] - taken[1])
                rows, failures = rows - taken[0], failures - taken[1]
    return tuple(
        SegmentCount(column=column, value=value, rows=rows, failures=failures)
        for (column, value), (rows, failures) in left.items()
        if rows
    )


def merge_pairs(counts: Iterable[PairCount]) -> tuple[PairCount, ...]:
    """Add rows and failures by pair; the most frequent pairs of two columns stay."""
    found: dict[tuple[tuple[str, str], tuple[str, str]], PairCount] = {}
    for one in counts:
        before = found.get((one.columns, one.values))
        if before is not None:
            one = replace(one, rows=one.rows + before.rows, failures=one.failures + before.failures)  # noqa: PLW2901
        found[one.columns, one.values] = one
    return most_frequent_pairs(found[key] for key in sorted(found))


def most_frequent_pairs(counts: Iterable[PairCount]) -> tuple[PairCount, ...]:
    """Leave out the rarest pairs of two columns where there are many."""
    by_columns: dict[tuple[str, str], list[PairCount]] = {}
    for one in counts:
        by_columns.setdefault(one.columns, []).append(one)
    kept = (sorted(pairs, key=lambda one: (-one.rows, one.values))[:MOST_SEGMENTS] for pairs in by_columns.values())
    return tuple(sorted((one for pairs in kept for one in pairs), key=lambda one: (one.columns, one.values)))


def less_pairs(counts: Iterable[PairCount], gone: Iterable[PairCount]) -> tuple[PairCount, ...]:
    """Take rows away; those of a pair that is not counted by name are in no count."""
    less = {(one.columns, one.values): one for one in gone}
    rest = (without(one, less.get((one.columns, one.values))) for one in counts)
    return tuple(one for one in rest if one.rows)


def without(count: PairCount, gone: PairCount | None) -> PairCount:
    """Take the rows of a pair away."""
    if gone is None:
        return count
    return replace(count, rows=max(0, count.rows - gone.rows), failures=max(0, count.failures - gone.failures))
