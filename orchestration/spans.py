"""Spans of offsets against the ranges of the ledger. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest

from mend.contracts.backfill import Span
from mend.store.ledger import LedgerRange


def gaps_between(live: Iterable[LedgerRange]) -> Iterator[Span]:
    """Yield the offsets between ranges, which come in the order of partition and offset."""
    ends: dict[int, int] = {}
    for part in live:
        end = ends.get(part.read.partition, part.read.from_offset)
        if part.read.from_offset > end:
            yield Span(partition=part.read.partition, from_offset=end, until_offset=part.read.from_offset)
        ends[part.read.partition] = max(end, part.read.until_offset)


def rounds(spans: Iterable[Span]) -> Iterator[tuple[Span, ...]]:
    """Yield spans so that no partition comes twice in a round: a run has one range of a partition."""
    by_partition: dict[int, list[Span]] = {}
    for one in spans:
        by_partition.setdefault(one.partition, []).append(one)
    for found in zip_longest(*by_partition.values()):
        yield tuple(one for one in found if one is not None)


def closure(spans: Sequence[Span], live: Sequence[LedgerRange]) -> tuple[list[Span], set[str]]:
    """Return the whole runs that the spans touch, and the ranges that all of it covers together."""
    replaced: set[str] = set()
    covers = {one.partition: one for one in spans}
    while True:
        found = {part.run_id for part in live if overlaps(part, covers)} - replaced
        if not found:
            return [covers[one] for one in sorted(covers)], replaced
        replaced |= found
        for part in live:
            if part.run_id in found:
                covers[part.read.partition] = stretched(covers.get(part.read.partition), part)


def overlaps(part: LedgerRange, covers: Mapping[int, Span]) -> bool:
    """Whether a range shares an offset with what is covered."""
    one = covers.get(part.read.partition)
    return one is not None and max(one.from_offset, part.read.from_offset) < min(
        one.until_offset, part.read.until_offset
    )


def stretched(span: Span | None, part: LedgerRange) -> Span:
    """Return the span made wide enough to hold a range."""
    begin, end = part.read.from_offset, part.read.until_offset
    if span is not None and begin < end:
        begin, end = min(span.from_offset, begin), max(span.until_offset, end)
    elif span is not None:
        begin, end = span.from_offset, span.until_offset
    return Span(partition=part.read.partition, from_offset=begin, until_offset=end)


def common(span: Span, part: LedgerRange) -> Span | None:
    """Return the offsets that both have."""
    begin, end = max(span.from_offset, part.read.from_offset), min(span.until_offset, part.read.until_offset)
    if span.partition != part.read.partition or begin >= end:
        return None
    return Span(partition=span.partition, from_offset=begin, until_offset=end)


def merged(spans: Iterable[Span]) -> list[Span]:
    """Join spans that touch."""
    joined: list[Span] = []
    for one in sorted(spans, key=lambda each: (each.partition, each.from_offset)):
        last = joined[-1] if joined else None
        if last is not None and last.partition == one.partition and last.until_offset == one.from_offset:
            joined[-1] = Span(partition=one.partition, from_offset=last.from_offset, until_offset=one.until_offset)
        else:
            joined.append(one)
    return joined


def without(span: Span, part: LedgerRange) -> Iterator[Span]:
    """Yield what is left of a span when a range is taken out of it."""
    shared = common(span, part)
    if shared is None:
        yield span
        return
    if span.from_offset < shared.from_offset:
        yield Span(partition=span.partition, from_offset=span.from_offset, until_offset=shared.from_offset)
    if shared.until_offset < span.until_offset:
        yield Span(partition=span.partition, from_offset=shared.until_offset, until_offset=span.until_offset)
