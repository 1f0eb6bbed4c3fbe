"""Drift of a run: which counted differences are a change of the stream and not a few bad rows. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from mend.contracts.drift import AddedField, Drift, RemovedField, RetypedField
from mend.contracts.report import RunReport
from mend.contracts.schema import Field
from mend.curate.tally import FieldCount, PartitionCount, Tally
from mend.runtime.pipeline_file import DriftShares


def find_drift(
    tally: Tally,
    fields: Sequence[Field],
    shares: DriftShares,
    *,
    decided: AbstractSet[str] = frozenset(),
    carried: AbstractSet[str] = frozenset(),
) -> Drift:
    """Compare each difference with the share of the run's events that makes it drift.

    A field also counts as removed or retyped when that holds for everything after some offset of a partition, and an
    optional one as removed when it is in no event of the run but in those of the last one (`carried`). An unknown field
    that was `decided` about, and stays among the rescued, is no news.
    """
    events = sum(one.places.accepted + one.places.rejected + one.places.duplicate for one in tally.partitions)
    if not events:
        return Drift()
    last = {one.partition: one for one in tally.partitions}
    by_name = {field.name: field for field in fields}
    return Drift(
        added=tuple(
            added_field(name, counts)
            for name, counts in grouped(tally.fields, {"unknown"})
            if total(counts) >= shares.additive * events and name not in decided
        ),
        removed=tuple(
            removed_field(by_name[name], counts)
            for name, counts in grouped(tally.fields, {"missing", "absent"})
            if (name in carried and by_name[name].default is None and is_gone(counts, events))
            or (by_name[name].required and is_breaking(counts, events, shares, last))
        ),
        type_changed=tuple(
            retyped_field(name, counts)
            for name, counts in grouped(tally.fields, {"type"})
            if is_breaking(counts, events, shares, last)
        ),
        more=tally.unnamed,
    )


def grouped(counts: Iterable[FieldCount], kinds: set[str]) -> list[tuple[str, list[FieldCount]]]:
    """Group the counts of some kinds by field."""
    found: dict[str, list[FieldCount]] = defaultdict(list)
    for one in counts:
        if one.kind in kinds:
            found[one.name].append(one)
    return sorted(found.items())


def total(counts: Sequence[FieldCount]) -> int:
    """Events over all partitions and types."""
    return sum(one.count for one in counts)


def is_breaking(
    counts: Sequence[FieldCount], events: int, shares: DriftShares, last: dict[int, PartitionCount]
) -> bool:
    """Whether a missing or retyped field is a change of the stream."""
    return total(counts) > shares.breaking * events or any(holds_to_the_end(one, last[one.partition]) for one in counts)


def is_gone(counts: Sequence[FieldCount], events: int) -> bool:
    """Whether an optional field is in no event of a run of some size."""
    return total(counts) == events >= MOST_OF_A_TAIL


def carried_fields(last: RunReport | None, shares: DriftShares) -> frozenset[str]:
    """Return the columns that most events of the last run had a value in: more than the share that breaks a stream."""
    profile = last.profile if last else ()
    return frozenset(one.column for one in profile if one.rows and 1 - one.null_rate > shares.breaking)


MOST_OF_A_TAIL = 20
"""Events in a row that make the end of a partition's range a change and not an accident."""


def holds_to_the_end(count: FieldCount, partition: PartitionCount) -> bool:
    """Whether every event from some offset to the end of the partition's range differs."""
    first = count.first_offset if count.run_from is None else count.run_from
    width = partition.last_offset - first + 1
    filled = count.count == width if count.run_from is None else count.count >= MOST_OF_A_TAIL
    return count.last_offset == partition.last_offset and filled and width >= MOST_OF_A_TAIL


def span(counts: Sequence[FieldCount]) -> dict[str, int]:
    """Count and offsets of a difference."""
    return {
        "count": total(counts),
        "first_offset": min(one.first_offset for one in counts),
        "last_offset": max(one.last_offset for one in counts),
    }


def added_field(name: str, counts: Sequence[FieldCount]) -> AddedField:
    """Describe an unknown field; whole numbers of either sign are one type."""
    types = {{"UBIGINT": "BIGINT"}.get(one.found, one.found) for one in counts} - {"NULL"}
    if types == {"BIGINT", "DOUBLE"}:
        types = {"DOUBLE"}
    kind = types.pop() if len(types) == 1 else ("mixed" if types else "NULL")
    return AddedField(name=name, type=kind, nullable=True, **span(counts))


def removed_field(field: Field, counts: Sequence[FieldCount]) -> RemovedField:
    """Describe a field of the contract that is not carried any more."""
    return RemovedField(name=field.name, type=field.type.label, required=field.required, **span(counts))


def retyped_field(name: str, counts: Sequence[FieldCount]) -> RetypedField:
    """Describe a field whose values have another JSON type."""
    found = "|".join(sorted({one.found for one in counts}))
    return RetypedField(name=name, from_type=counts[0].expected, to_type=found, **span(counts))
