"""Counts of one batch, read from the tables of the pass."""

from collections import Counter
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from mend.contracts.report import Places, RuleCount, SegmentCount
from mend.curate import sql
from mend.curate.decode import UNKNOWN_SCHEMA
from mend.curate.plan import Plan
from mend.curate.tally import FieldCount, PartitionCount, Tally

MISSING_SEGMENT = "(missing)"
FIELDS = """
SELECT CASE reason.rule WHEN 'required' THEN 'missing' WHEN 'not_null' THEN 'null' ELSE 'type' END,
  reason."column", reason.expected, reason.found, kafka_partition, count(*), min(kafka_offset), max(kafka_offset)
FROM (SELECT unnest(shape_reasons) AS reason, kafka_partition, kafka_offset FROM decoded JOIN shapes USING (shape)
      WHERE len(shape_reasons) > 0)
GROUP BY ALL
"""
UNKNOWN = """
SELECT 'unknown', name, 'nothing',
  coalesce(json_type(payload, '$."' || replace(replace(name, '\\', '\\\\'), '"', '\\"') || '"'), 'NULL') AS found,
  kafka_partition, count(*), min(kafka_offset), max(kafka_offset)
FROM (SELECT unnest(unknown) AS name, payload, kafka_partition, kafka_offset FROM decoded JOIN shapes USING (shape)
      WHERE len(unknown) > 0)
GROUP BY ALL
"""
REJECTED = """
SELECT reason.rule, reason."column", count(*)
FROM (SELECT unnest(reasons) AS reason FROM judged WHERE reasons IS NOT NULL) GROUP BY ALL
"""
FAILED = """
SELECT rule, '{severity}', count(*) FROM (SELECT unnest({column}) AS rule FROM judged
WHERE {column} IS NOT NULL AND row NOT IN (FROM duplicate_rows)) GROUP BY ALL
"""
PLACES = """
SELECT kafka_partition, count(*) FILTER (row IN (SELECT row FROM first_rows)), count(*) FILTER (reasons IS NOT NULL),
  count(*) FILTER (row IN (FROM duplicate_rows))
FROM judged GROUP BY 1
"""
SUMS = """
SELECT count(*) FILTER (is_late_arrival), count(*) FILTER (reasons IS NOT NULL OR NOT dq_passed)
FROM judged WHERE row NOT IN (FROM duplicate_rows)
"""
DRIFTED = "SELECT count(*) FROM decoded JOIN shapes USING (shape) WHERE len(unknown) > 0 OR len(shape_reasons) > 0"
SEGMENT = """
SELECT coalesce({column}::VARCHAR, '{missing}'), count(*), count(*) FILTER (reasons IS NOT NULL OR NOT dq_passed)
FROM judged WHERE row NOT IN (FROM duplicate_rows) GROUP BY 1
"""


def count(db: duckdb.DuckDBPyConnection, plan: Plan, records: pa.Table, refused: pa.Array) -> Tally:
    """Count the batch that stands in the tables decoded, judged and first_rows."""
    db.execute(
        "CREATE OR REPLACE TEMP TABLE duplicate_rows AS "
        "SELECT row FROM judged WHERE reasons IS NULL AND row NOT IN (SELECT row FROM first_rows)"
    ).fetchall()
    late, failed = one_row(db, SUMS)
    undecoded = undecoded_by_partition(records, refused)
    unknown_schema = sum(of[UNKNOWN_SCHEMA] for of in undecoded.values())
    return Tally(
        partitions=partitions(db, records, undecoded),
        fields=tuple(field_count(row) for query in (FIELDS, UNKNOWN) for row in db.execute(query).fetchall()),
        rules=(*rejections(db), *failures(db, plan)),
        segments=tuple(one for column in plan.pipeline.segments for one in segment(db, column)),
        late=late,
        failed=failed + unknown_schema,
        drifted=one_row(db, DRIFTED)[0],
    )


def one_row(db: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    """Return the only row of a query."""
    rows: list[tuple[int, ...]] = db.execute(query).fetchall()
    return rows[0]


def undecoded_by_partition(records: pa.Table, refused: pa.Array) -> dict[int, Counter[str]]:
    """Count the records that could not be decoded by partition and reason."""
    found: dict[int, Counter[str]] = {}
    rows = pc.indices_nonzero(pc.is_valid(refused))
    reasons, where = refused.take(rows).to_pylist(), records["partition"].take(rows).to_pylist()
    for reason, partition in zip(reasons, where, strict=True):
        found.setdefault(partition, Counter())[reason] += 1
    return found


def partitions(
    db: duckdb.DuckDBPyConnection, records: pa.Table, undecoded: dict[int, Counter[str]]
) -> tuple[PartitionCount, ...]:
    """Count each place on its own; none is what the others leave over, so that the sums prove something."""
    judged = {row[0]: row[1:] for row in db.execute(PLACES).fetchall()}
    seen = (
        records.group_by(["topic", "partition"])
        .aggregate([("offset", "min"), ("offset", "max"), ("offset", "count")])
        .to_pylist()
    )
    return tuple(partition_count(one, judged, undecoded) for one in seen)


def partition_count(
    seen: dict[str, Any], judged: dict[int, tuple[int, ...]], undecoded: dict[int, Counter[str]]
) -> PartitionCount:
    """Count one partition."""
    accepted, rejected, duplicate = judged.get(seen["partition"], (0, 0, 0))
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
    )


def field_count(row: tuple[Any, ...]) -> FieldCount:
    """Return a row of FIELDS or UNKNOWN as a value."""
    kind, name, expected, found, partition, events, first, last = row
    return FieldCount(
        kind=kind, name=name, expected=expected, found=found, partition=partition,
        count=events, first_offset=first, last_offset=last,
    )  # fmt: skip


def rejections(db: duckdb.DuckDBPyConnection) -> list[RuleCount]:
    """Count the reasons for which events were rejected."""
    rows = db.execute(REJECTED).fetchall()
    return [RuleCount(rule=rule, column=column, severity="contract", failures=many) for rule, column, many in rows]


def failures(db: duckdb.DuckDBPyConnection, plan: Plan) -> list[RuleCount]:
    """Count the failures of rules that do not reject."""
    columns = {rule.name: rule.columns[0] for rule in plan.rules.rules}
    rows = [
        row
        for severity, column in (("quality", "dq_failed_rules"), ("warn", "_warned"))
        for row in db.execute(FAILED.format(severity=severity, column=column)).fetchall()
    ]
    return [
        RuleCount(rule=rule, column=columns[rule], severity=severity, failures=many) for rule, severity, many in rows
    ]


def segment(db: duckdb.DuckDBPyConnection, column: str) -> list[SegmentCount]:
    """Count rows and failing rows by the values of a segment column."""
    rows = db.execute(SEGMENT.format(column=sql.name(column), missing=MISSING_SEGMENT)).fetchall()
    return [SegmentCount(column=column, value=value, rows=many, failures=bad) for value, many, bad in rows]
