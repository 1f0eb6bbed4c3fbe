"""One pass over Kafka records: Arrow in, Arrow out, one place for every event."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from mend.curate import counts, sql
from mend.curate.decode import UNKNOWN_SCHEMA, Decoder, key_text
from mend.curate.plan import KAFKA_COLUMNS, Plan
from mend.curate.shapes import Shape, classify
from mend.curate.tally import Tally

REASON = pa.struct([("rule", pa.string()), ("column", pa.string()), ("expected", pa.string()), ("found", pa.string())])
SHAPES = pa.schema(
    [
        ("shape", pa.uint64()),
        ("unknown", pa.list_(pa.string())),
        ("shape_reasons", pa.list_(REASON)),
        ("present", pa.list_(pa.string())),
        ("defaulted", pa.list_(pa.string())),
    ]
)
MOST_SHAPES = 10_000
"""Shapes remembered between batches; a topic has a handful, a storm of random keys must not fill the memory."""
UTC_TIME = pa.timestamp("us", tz="UTC")
DECODED = """
CREATE OR REPLACE TEMP TABLE decoded AS
SELECT row, {columns}, payload,
  CASE WHEN NOT json_valid(payload) THEN 'not_json'
    WHEN json_type(payload) <> 'OBJECT' THEN 'not_an_object' END AS refused,
  CASE WHEN refused IS NULL THEN hash({types}, json_keys(payload)) END AS shape,
  CASE WHEN refused IS NULL THEN json_transform(payload, {structure}) END AS event
FROM events
"""
UNSEEN = """
SELECT shape, first({types}), first(json_keys(payload)) FROM decoded
WHERE shape IS NOT NULL AND shape NOT IN (SELECT shape FROM shapes) GROUP BY shape
"""
FIRST_ROWS = """
CREATE OR REPLACE TEMP TABLE first_rows AS
SELECT min(row) AS row, _key FROM judged
WHERE reasons IS NULL AND _key NOT IN (SELECT _key FROM seen) GROUP BY _key
"""
KEYS = """
SELECT (_key >> 64)::UBIGINT AS key_high, (_key & 18446744073709551615::UHUGEINT)::UBIGINT AS key_low,
  kafka_topic, kafka_partition, kafka_offset
FROM judged WHERE reasons IS NULL AND (row IN (SELECT row FROM first_rows)) = {first} ORDER BY row
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curated:
    """Where the events of one batch went. `accepted` carries event_date beside the published columns.

    `rejected`, `dead_letters` and `duplicates` keep the records as they came, with their reasons. `keys` holds the
    digests of the accepted events' keys, by which duplicates are found between tasks and runs.
    """

    accepted: pa.Table
    rejected: pa.Table
    dead_letters: pa.Table
    duplicates: pa.Table
    keys: pa.Table
    tally: Tally


class Curator:
    """Curates the batches of one task in the order of their offsets; not thread-safe.

    Holds an in-memory DuckDB with one thread and no access to files or the network. The first event of a key wins;
    digests of keys are remembered for the life of the object (16 bytes an event).
    """

    def __init__(self, plan: Plan, decode: Decoder, *, run_id: str, now: datetime) -> None:
        """Prepare the pass; `now` is the processing time of the whole run."""
        self.plan = plan
        self.decode = decode
        self.run_id = run_id
        self.shapes: dict[int, Shape] = {}
        self.db = duckdb.connect(config={"threads": 1, "enable_external_access": False})
        self.run("SET TimeZone = 'UTC'")
        self.run("SET VARIABLE now = ?::TIMESTAMP", [now.replace(tzinfo=None)])
        self.run("SET VARIABLE run_id = ?", [run_id])
        self.run("SET VARIABLE mapping_version = ?::INTEGER", [plan.mapping_version])
        self.run("CREATE TABLE seen (_key UHUGEINT)")
        self.forget_shapes()

    def curate(self, records: pa.Table) -> Curated:
        """Give each record (columns of Spark's Kafka source) its place."""
        payload, refused = self.decode(records["value"].combine_chunks())
        self.decode_events(records, payload)
        self.learn_shapes()
        self.run(f"CREATE OR REPLACE TEMP TABLE judged AS {self.plan.judged_sql}")
        self.run(FIRST_ROWS)
        self.run("INSERT INTO seen SELECT _key FROM first_rows")
        refused = self.with_undecodable(refused)
        tally = counts.count(self.db, self.plan, records, refused)
        return Curated(
            accepted=self.accepted(),
            rejected=self.rejected(records, refused),
            dead_letters=self.kept(records, dead_letter_rows(refused)),
            duplicates=self.duplicates(records),
            keys=self.arrow(KEYS.format(first=True)),
            tally=tally,
        )

    def decode_events(self, records: pa.Table, payload: pa.Array) -> None:
        """Fill the table `decoded`."""
        events = pa.table(
            {
                "row": pa.array(range(records.num_rows), pa.int64()),
                "kafka_key": key_text(records["key"].combine_chunks()),
                "kafka_topic": records["topic"],
                "kafka_partition": records["partition"],
                "kafka_offset": records["offset"],
                "kafka_timestamp": records["timestamp"].cast(pa.timestamp("us")),
                "payload": payload,
            }
        ).filter(pc.is_valid(payload))
        self.db.register("events", events)
        self.run(
            DECODED.format(
                columns=", ".join(KAFKA_COLUMNS), types=self.plan.types_sql, structure=sql.literal(self.plan.structure)
            )
        )
        self.db.unregister("events")

    def learn_shapes(self) -> None:
        """Judge the shapes that this batch shows for the first time."""
        if len(self.shapes) > MOST_SHAPES:
            self.forget_shapes()
        unseen = self.run(UNSEEN.format(types=self.plan.types_sql))
        found = [classify(shape, types, keys, self.plan.fields, self.plan.sources) for shape, types, keys in unseen]
        if not found:
            return
        self.shapes |= {shape.hash: shape for shape in found}
        self.db.register("found_shapes", pa.Table.from_pylist([shape_row(shape) for shape in found], SHAPES))
        self.run("INSERT INTO shapes FROM found_shapes")
        self.db.unregister("found_shapes")

    def forget_shapes(self) -> None:
        """Start with no known shape."""
        self.shapes.clear()
        self.db.register("no_shapes", SHAPES.empty_table())
        self.run("CREATE OR REPLACE TABLE shapes AS FROM no_shapes")
        self.db.unregister("no_shapes")

    def with_undecodable(self, refused: pa.Array) -> pa.Array:
        """Add the rows whose text is no JSON object to the rows that the decoder refused."""
        bad = self.run("SELECT row, refused FROM decoded WHERE refused IS NOT NULL")
        if not bad:
            return refused
        reasons = refused.to_pylist()
        for row, reason in bad:
            reasons[row] = reason
        return pa.array(reasons, pa.string())

    def accepted(self) -> pa.Table:
        """Return the rows that fit, times marked as UTC."""
        columns = ", ".join(sql.name(column) for column in (*self.plan.columns, "event_date"))
        table = self.arrow(f"SELECT {columns} FROM judged WHERE row IN (SELECT row FROM first_rows) ORDER BY row")
        return table.cast(pa.schema([as_utc(field) for field in table.schema]))

    def rejected(self, records: pa.Table, refused: pa.Array) -> pa.Table:
        """Return the records that failed the contract or a row rule."""
        rows = self.arrow("SELECT row, reasons FROM judged WHERE reasons IS NOT NULL ORDER BY row")
        unknown = (
            [
                {"row": row, "reasons": [reason_row(reason)]}
                for row, reason in enumerate(refused.to_pylist())
                if reason == UNKNOWN_SCHEMA
            ]
            if refused.null_count < len(refused)
            else []
        )
        return self.kept(records, [*rows.to_pylist(), *unknown])

    def duplicates(self, records: pa.Table) -> pa.Table:
        """Return the records whose key an earlier event has."""
        rows = self.arrow(
            "SELECT row FROM judged WHERE reasons IS NULL AND row NOT IN (SELECT row FROM first_rows) ORDER BY row"
        )
        return self.kept(
            records, [{"row": row, "reasons": [reason_row("duplicate")]} for row in rows["row"].to_pylist()]
        )

    def kept(self, records: pa.Table, rows: list[dict[str, Any]]) -> pa.Table:
        """Return records with their bytes and reasons; `reason` is the first of them."""
        reasons = [row["reasons"] for row in rows]
        kept = records.take(pa.array([row["row"] for row in rows], pa.int64()))
        return (
            kept.append_column("reason", pa.array([one[0]["rule"] for one in reasons], pa.string()))
            .append_column("reasons", pa.array(reasons, pa.list_(REASON)))
            .append_column("run_id", pa.array([self.run_id] * len(rows), pa.string()))
            .append_column("mapping_version", pa.array([self.plan.mapping_version] * len(rows), pa.int32()))
        )

    def run(self, statement: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement to its end."""
        rows: list[tuple[Any, ...]] = self.db.execute(statement, values).fetchall()
        return rows

    def arrow(self, query: str) -> pa.Table:
        """Run a query."""
        return self.db.sql(query).to_arrow_table()


def as_utc(field: pa.Field) -> pa.Field:
    """Mark times as UTC, which those without a zone are."""
    return field.with_type(UTC_TIME) if pa.types.is_timestamp(field.type) else field


def shape_row(shape: Shape) -> dict[str, Any]:
    """Return a shape as a row of the table `shapes`."""
    return {
        "shape": shape.hash,
        "unknown": list(shape.unknown),
        "shape_reasons": [
            {"rule": one.rule, "column": one.column, "expected": one.expected, "found": one.found}
            for one in shape.reasons
        ],
        "present": list(shape.present),
        "defaulted": list(shape.defaulted),
    }


def reason_row(rule: str) -> dict[str, str]:
    """Return a reason that concerns the whole record."""
    return {"rule": rule, "column": "", "expected": "an event", "found": rule}


def dead_letter_rows(refused: pa.Array) -> list[dict[str, Any]]:
    """Return the rows that are no events at all."""
    if refused.null_count == len(refused):
        return []
    return [
        {"row": row, "reasons": [reason_row(reason)]}
        for row, reason in enumerate(refused.to_pylist())
        if reason is not None and reason != UNKNOWN_SCHEMA
    ]
