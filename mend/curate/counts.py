"""Counts of one batch, read from the tables of the pass."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mend.contracts.report import Places, RuleCount
from mend.contracts.schema import Field
from mend.curate.arrow import visible
from mend.curate.decode import UNKNOWN_SCHEMA
from mend.curate.plan import Plan
from mend.curate.segments import count_segments
from mend.curate.shapes import MISSING, Reason, Shape
from mend.curate.tally import MOST_NAMES, BadRun, FieldCount, PartitionCount, Tally

ACCEPTED, REJECTED, DUPLICATE, ELSEWHERE = 0, 1, 2, 3
"""Places of a judged event; for one that was judged twice the other row counts."""
BY_PLACE = f"""
SELECT shape, kafka_partition, place, count(*), min(kafka_offset), max(kafka_offset),
  count(*) FILTER (is_late_arrival), count(*) FILTER (place = {REJECTED} OR NOT dq_passed)
FROM judged WHERE place <> {ELSEWHERE} GROUP BY ALL
"""
UNKNOWN_NAMES = f"""
SELECT name, count(*) OVER () FROM (SELECT unnest(list_distinct(json_keys(payload))) AS name FROM drifted)
WHERE name NOT IN (SELECT unnest($known)) GROUP BY name ORDER BY count(*) DESC, name LIMIT {MOST_NAMES}
"""
UNKNOWN = """
SELECT 'unknown', name, 'nothing', found, kafka_partition, count(*), min(kafka_offset), max(kafka_offset)
FROM (SELECT unnest($names) AS name, unnest(json_type(payload, $pointers)) AS found, kafka_partition, kafka_offset
      FROM drifted)
WHERE found IS NOT NULL GROUP BY ALL
"""
"""All names of an event in one look at its text: one look for each would be quadratic in the fields of an event."""
REJECTIONS = """
SELECT reason.rule, reason."column", count(*) FROM (SELECT unnest(reasons) AS reason FROM reasons) GROUP BY ALL
"""
OF_SHAPES = ["shape", "kafka_partition", "kafka_offset", "place", "is_late_arrival", "dq_passed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is counted: records, why some are refused, the judged events with their places, the reasons of misfits.

    `events` are those that were looked at closely.
    """

    records: pa.Table
    refused: pa.Array
    judged: pa.Table
    reasons: pa.Table
    events: pa.Table


def count(db: duckdb.DuckDBPyConnection, plan: Plan, shapes: Mapping[int, Shape], batch: Batch) -> Tally:
    """Count a batch."""
    judged = batch.judged
    with visible(db, judged=judged.select(OF_SHAPES)):
        groups = [Group(*row) for row in db.execute(BY_PLACE).fetchall()]
    by_shape = together(groups)
    new = any(shapes[row[0]].unknown for row in by_shape)
    unknown, unnamed = unknown_fields(db, plan, drifted_events(batch.events, judged)) if new else ([], 0)
    undecoded = undecoded_by_partition(batch.records, batch.refused)
    unknown_schema = sum(of[UNKNOWN_SCHEMA] for of in undecoded.values())
    counted = pc.less_equal(judged["place"], REJECTED)
    bad = pc.and_(counted, pc.or_(pc.equal(judged["place"], REJECTED), pc.invert(judged["dq_passed"])))
    segments, pairs = count_segments(db, judged.select(plan.pipeline.segments), counted, bad)
    return Tally(
        partitions=partitions(batch.records, groups, undecoded, bad_runs(batch.records, batch.refused, judged)),
        fields=(*misfit_fields(by_shape, shapes), *absent_fields(by_shape, shapes, plan.fields), *unknown),
        unnamed=unnamed,
        rules=(*rejections(db, batch.reasons), *unknown_schemas(unknown_schema), *failures(plan, judged, counted)),
        segments=segments,
        pairs=pairs,
        late=sum(one.late for one in groups if one.place != DUPLICATE),
        failed=sum(one.failed for one in groups if one.place != DUPLICATE) + unknown_schema,
        drifted=sum(row[2] for row in by_shape if shapes[row[0]].differs),
    )


class Group(NamedTuple):
    """The events of one shape, partition and place."""

    shape: int
    partition: int
    place: int
    many: int
    first: int
    last: int
    late: int
    failed: int


def together(groups: Sequence[Group]) -> list[tuple[int, ...]]:
    """Return shape, partition, count, first and last offset over all places; those with the last offsets first."""
    found: dict[tuple[int, int], tuple[int, int, int]] = {}
    for one in groups:
        many, first, last = found.get((one.shape, one.partition), (0, one.first, one.last))
        found[one.shape, one.partition] = many + one.many, min(first, one.first), max(last, one.last)
    return sorted(((*key, *value) for key, value in found.items()), key=lambda row: -row[4])


KINDS: dict[str, Literal["missing", "null", "type"]] = {"required": "missing", "not_null": "null", "type": "type"}
"""Reasons of a shape that say something about the stream, not only about the event."""


def misfit_fields(by_shape: list[tuple[int, ...]], shapes: Mapping[int, Shape]) -> list[FieldCount]:
    """Count missing, null and retyped fields: all events of a shape share them."""
    without = {
        (reason, row[1]): last_without(reason, row[1], by_shape, shapes)
        for row in by_shape
        for reason in shapes[row[0]].reasons
    }
    return [
        FieldCount(
            kind=KINDS[reason.rule],
            name=reason.column,
            expected=reason.expected,
            found=reason.found,
            partition=partition,
            count=events,
            first_offset=first,
            last_offset=last,
            run_from=max(first, without[reason, partition] + 1),
        )
        for shape, partition, events, first, last in by_shape
        for reason in shapes[shape].reasons
        if reason.rule in KINDS
    ]


def last_without(reason: Reason, partition: int, by_shape: list[tuple[int, ...]], shapes: Mapping[int, Shape]) -> int:
    """Return the last offset of a partition whose event does not differ so; by_shape has the last offsets first."""
    others = (row[4] for row in by_shape if row[1] == partition and reason not in shapes[row[0]].reasons)
    return next(others, -1)


def absent_fields(
    by_shape: list[tuple[int, ...]], shapes: Mapping[int, Shape], fields: Sequence[Field]
) -> list[FieldCount]:
    """Count the events without a field that may be missing: no fault of theirs, but it may be a change of the stream.

    A field that some events of the batch carry is not gone, so it is not counted.
    """
    seen = {shapes[row[0]].types for row in by_shape}
    gone = [
        field
        for position, field in enumerate(fields)
        if not field.required and all(types[position] == MISSING for types in seen)
    ]
    rows = {one: [row for row in by_shape if row[1] == one] for one in {row[1] for row in by_shape} if gone}
    return [
        FieldCount(
            kind="absent",
            name=field.name,
            expected=field.type.label,
            found=MISSING,
            partition=partition,
            count=sum(row[2] for row in of),
            first_offset=min(row[3] for row in of),
            last_offset=max(row[4] for row in of),
        )
        for partition, of in rows.items()
        for field in gone
    ]


def drifted_events(events: pa.Table, judged: pa.Table) -> pa.Table:
    """Return the events with unknown fields; the quick look has none."""
    rows = judged["row"].filter(pc.and_(judged["schema_drift_detected"], pc.not_equal(judged["place"], ELSEWHERE)))
    return events.filter(pc.is_in(events["row"], rows.combine_chunks()))


def unknown_fields(db: duckdb.DuckDBPyConnection, plan: Plan, drifted: pa.Table) -> tuple[list[FieldCount], int]:
    """Count the most frequent unknown fields by the JSON type of their value, and say how many more there are."""
    with visible(db, drifted=drifted):
        found = db.execute(UNKNOWN_NAMES, {"known": list(plan.sources)}).fetchall()
        names = [name for name, _ in found]
        pointers = [f"/{name.replace('~', '~0').replace('/', '~1')}" for name in names]
        rows = db.execute(UNKNOWN, {"names": names, "pointers": pointers}).fetchall()
    return [field_count(row) for row in rows], found[0][1] - len(found)


def bad_runs(records: pa.Table, refused: pa.Array, judged: pa.Table) -> dict[int, BadRun]:
    """Measure in each partition how many events in a row were rejected or not decoded; records are in their order."""
    rejected = judged["row"].filter(pc.equal(judged["place"], REJECTED)).to_numpy()
    if not rejected.size and refused.null_count == len(refused):
        return {}
    bad = pc.is_valid(refused).to_numpy(zero_copy_only=False).copy()
    bad[rejected] = True
    partition = records["partition"].to_numpy()
    return {int(one): bad_run(bad[partition == one]) for one in np.unique(partition)}


def bad_run(bad: "np.ndarray[Any, np.dtype[np.bool_]]") -> BadRun:
    """Measure the bad events at the beginning, at the end, and the most in a row."""
    good = np.flatnonzero(~bad)
    gaps = np.diff(np.concatenate(([-1], good, [bad.size]))) - 1
    return BadRun(head=int(gaps[0]), tail=int(gaps[-1]), longest=int(gaps.max()))


def undecoded_by_partition(records: pa.Table, refused: pa.Array) -> dict[int, Counter[str]]:
    """Count the records that could not be decoded by partition and reason."""
    found: dict[int, Counter[str]] = {}
    rows = pc.indices_nonzero(pc.is_valid(refused))
    reasons, where = refused.take(rows).to_pylist(), records["partition"].take(rows).to_pylist()
    for reason, partition in zip(reasons, where, strict=True):
        found.setdefault(partition, Counter())[reason] += 1
    return found


def partitions(
    records: pa.Table,
    groups: Sequence[Group],
    undecoded: dict[int, Counter[str]],
    runs: dict[int, BadRun],
) -> tuple[PartitionCount, ...]:
    """Count each place on its own; none is what the others leave over, so that the sums prove something."""
    judged: Counter[tuple[int, int]] = Counter()
    for one in groups:
        judged[one.partition, one.place] += one.many
    seen = (
        records.group_by(["topic", "partition"])
        .aggregate([("offset", "min"), ("offset", "max"), ("offset", "count")])
        .to_pylist()
    )
    return tuple(partition_count(one, judged, undecoded, runs.get(one["partition"], BadRun())) for one in seen)


def partition_count(
    seen: dict[str, Any], judged: Counter[tuple[int, int]], undecoded: dict[int, Counter[str]], bad: BadRun
) -> PartitionCount:
    """Count one partition."""
    accepted, rejected, duplicate = (judged[seen["partition"], one] for one in (ACCEPTED, REJECTED, DUPLICATE))
    refused = undecoded.get(seen["partition"], Counter())
    return PartitionCount(
        topic=seen["topic"],
        partition=seen["partition"],
        first_offset=seen["offset_min"],
        last_offset=seen["offset_max"],
        records=seen["offset_count"],
        places=Places(
            accepted=accepted,
            rejected=rejected + refused[UNKNOWN_SCHEMA],
            dead_letter=refused.total() - refused[UNKNOWN_SCHEMA],
            duplicate=duplicate,
        ),
        bad=bad,
    )


def field_count(row: tuple[Any, ...]) -> FieldCount:
    """Return a row of FIELDS or UNKNOWN as a value."""
    kind, name, expected, found, partition, events, first, last = row
    return FieldCount(
        kind=kind, name=name, expected=expected, found=found, partition=partition,
        count=events, first_offset=first, last_offset=last,
    )  # fmt: skip


def rejections(db: duckdb.DuckDBPyConnection, reasons: pa.Table) -> list[RuleCount]:
    """Count the reasons for which events were rejected."""
    if not reasons.num_rows:
        return []
    with visible(db, reasons=reasons):
        rows = db.execute(REJECTIONS).fetchall()
    return [RuleCount(rule=rule, column=column, severity="contract", failures=many) for rule, column, many in rows]


def unknown_schemas(many: int) -> list[RuleCount]:
    """Count the events that are rejected because their schema is not known."""
    return [RuleCount(rule=UNKNOWN_SCHEMA, column="", severity="contract", failures=many)] if many else []


def failures(plan: Plan, judged: pa.Table, counted: pa.ChunkedArray) -> list[RuleCount]:
    """Count the failures of rules that do not reject."""
    columns = {rule.name: "".join(rule.columns[:1]) for rule in plan.rules.rules}
    severities: tuple[tuple[Literal["quality", "warn"], str], ...] = (
        ("quality", "dq_failed_rules"),
        ("warn", "_warned"),
    )
    return [
        RuleCount(rule=rule, column=columns[rule], severity=severity, failures=many)
        for severity, column in severities
        if column in judged.column_names
        for rule, many in occurrences(
            pc.list_flatten(judged[column].filter(pc.and_(counted, pc.is_valid(judged[column]))))
        )
    ]


def occurrences(values: pa.ChunkedArray) -> list[tuple[Any, int]]:
    """Count each value."""
    return [(one["values"], one["counts"]) for one in pc.value_counts(values).to_pylist()]
