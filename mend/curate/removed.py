"""What published rows had been counted as, for those that turn out to be duplicates after they were counted."""

from itertools import combinations

import duckdb
import pyarrow as pa

from mend.contracts.report import PairCount, Places, RuleCount, SegmentCount
from mend.curate import sql
from mend.curate.plan import Plan, flags
from mend.curate.segments import MISSING_SEGMENT
from mend.curate.tally import PartitionCount, Tally

PARTITIONS = """
SELECT kafka_topic, kafka_partition, min(kafka_offset), max(kafka_offset), count(*) FROM published GROUP BY ALL
"""
SUMS = "SELECT count(*) FILTER (is_late_arrival), count(*) FILTER (NOT dq_passed) FROM published"
QUALITY = "SELECT unnest(dq_failed_rules) AS rule, count(*) FROM published GROUP BY 1"


def published_counts(rows: pa.Table, plan: Plan) -> Tally:
    """Count rows as the pass counted them, from their own columns."""
    with duckdb.connect(config={"threads": 1}) as db:
        db.execute("SET TimeZone = 'UTC'").fetchall()
        db.register("published", rows)
        ((late, failed),) = db.execute(SUMS).fetchall()
        return Tally(
            partitions=tuple(partition_count(*row) for row in db.execute(PARTITIONS).fetchall()),
            rules=tuple(rules(db, plan)),
            segments=tuple(one for column in plan.pipeline.segments for one in segments(db, column)),
            pairs=tuple(one for both in combinations(plan.pipeline.segments, 2) for one in pairs(db, both)),
            late=late,
            failed=failed,
        )


def partition_count(topic: str, partition: int, first: int, last: int, many: int) -> PartitionCount:
    """Return the rows of a partition."""
    return PartitionCount(
        topic=topic, partition=partition, first_offset=first, last_offset=last, records=many,
        places=Places(accepted=many),
    )  # fmt: skip


def rules(db: duckdb.DuckDBPyConnection, plan: Plan) -> list[RuleCount]:
    """Count failures by rule; of those that only warn no row keeps the name, so they are asked again."""
    columns = {rule.name: rule.columns[0] for rule in plan.rules.rules}
    found = [
        RuleCount(rule=rule, column=columns[rule], severity="quality", failures=many)
        for rule, many in db.execute(QUALITY).fetchall()
    ]
    for rule, predicate in flags(plan.rules, "warn"):
        ((many,),) = db.execute(f"SELECT count(*) FROM published WHERE {predicate}").fetchall()
        if many:
            found.append(RuleCount(rule=rule.name, column=rule.columns[0], severity="warn", failures=many))
    return found


def segments(db: duckdb.DuckDBPyConnection, column: str) -> list[SegmentCount]:
    """Count rows and failing rows by the values of a segment column."""
    query = f"SELECT {value_of(column)}, count(*), count(*) FILTER (NOT dq_passed) FROM published GROUP BY 1"
    counts = db.execute(query).fetchall()
    return [SegmentCount(column=column, value=one, rows=many, failures=bad) for one, many, bad in counts]


def pairs(db: duckdb.DuckDBPyConnection, columns: tuple[str, str]) -> list[PairCount]:
    """Count rows and failing rows by pairs of values."""
    values = ", ".join(value_of(column) for column in columns)
    query = f"SELECT {values}, count(*), count(*) FILTER (NOT dq_passed) FROM published GROUP BY ALL"
    counts = db.execute(query).fetchall()
    return [PairCount(columns=columns, values=(one, two), rows=many, failures=bad) for one, two, many, bad in counts]


def value_of(column: str) -> str:
    """Return a segment's value as the text that it is counted by."""
    return f"coalesce({sql.name(column)}::VARCHAR, {sql.literal(MISSING_SEGMENT)})"
