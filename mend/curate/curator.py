"""One pass over Kafka records: Arrow in, Arrow out, one place for every event."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mend.curate import counts
from mend.curate.counts import ACCEPTED, DUPLICATE, REJECTED
from mend.curate.decode import UNKNOWN_SCHEMA, Decoder, key_text
from mend.curate.direct import as_entries, flat
from mend.curate.kept import REASON, duplicate_rows, kept, refused_reasons
from mend.curate.nested import completed, look_into, newly_drifted, rescued_exactly, settled, with_nested, with_unknown
from mend.curate.parts import is_strict
from mend.curate.plan import Plan
from mend.curate.shapes import Shape, classify
from mend.curate.tally import Tally

SHAPES = pa.schema(
    [
        ("shape", pa.uint64()),
        ("clean", pa.bool_()),
        ("drifted", pa.bool_()),
        ("present_count", pa.int32()),
        ("defaulted", pa.list_(pa.string())),
    ]
)
SHAPE_DETAILS = pa.schema(
    [
        ("shape", pa.uint64()),
        ("shape_reasons", pa.list_(REASON)),
        ("present", pa.list_(pa.string())),
        ("defaulted", pa.list_(pa.string())),
    ]
)
MOST_SHAPES = 10_000
"""Shapes remembered between batches; a topic has a handful, a storm of random keys must not fill the memory."""
SHAPES_AT_ONCE = 1_000
"""Shapes whose keys are in memory at once."""
UTC_TIME = pa.timestamp("us", tz="UTC")
UNDECODABLE = """
SELECT row, CASE WHEN json_valid(payload) THEN 'not_an_object' ELSE 'not_json' END FROM events
WHERE NOT (json_valid(payload) AND starts_with(ltrim(payload, ' \t\r\n'), '{'))
"""
COMMAS = {
    nested: f"SELECT row, payload FROM events WHERE regexp_matches(payload, '{pattern}') AND json_valid(payload)"
    for nested, pattern in ((False, r",\s*}\s*$"), (True, r",\s*[}\]]"))
}
"""Looking at the end alone costs a flat pipeline next to nothing; nested values may hide one in the middle."""
FIRST_ROWS = """
SELECT min(row) FROM judged WHERE fits AND (key_high, key_low) NOT IN (FROM seen) GROUP BY key_high, key_low
"""
KEY_COLUMNS = ["key_high", "key_low", "kafka_topic", "kafka_partition", "kafka_offset"]


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
        self.run("SET VARIABLE now = ?::TIMESTAMP", [now.astimezone(UTC).replace(tzinfo=None)])
        self.run("SET VARIABLE run_id = ?", [run_id])
        self.run("SET VARIABLE mapping_version = ?::INTEGER", [plan.mapping_version])
        self.run("CREATE TABLE seen (key_high UBIGINT, key_low UBIGINT)")
        self.forget_shapes()

    def curate(self, records: pa.Table) -> Curated:
        """Give each record (columns of Spark's Kafka source) its place."""
        payload, refused = self.decode(records["value"].combine_chunks())
        events, refused = self.events(records, payload, refused)
        with self.visible(events=events):
            nested = look_into(self.db, self.plan.fields, self.plan.sources)
        events = completed(events, nested)
        judged = self.judge(events)
        drifted = newly_drifted(judged, nested)
        judged = settled(rescued_exactly(judged, events, self.plan.sources), nested)
        with self.visible(events=events, judged=judged):
            first = self.first_rows(records.num_rows)
            fits = judged["fits"].to_numpy()
            places = np.where(fits, np.where(first[judged["row"].to_numpy()], ACCEPTED, DUPLICATE), REJECTED)
            reasons = with_nested(self.reasons(judged, fits), nested.misfits)
        judged = judged.append_column("place", pa.array(places, pa.int8()))
        with self.visible(events=events, judged=judged):
            tally = counts.count(self.db, self.plan, self.shapes, records, refused, reasons)
        tally = with_unknown(tally, judged, nested, drifted=drifted)
        lost = refused_reasons(refused, records["value"])
        accepted = judged if (places == ACCEPTED).all() else judged.filter(pa.array(places == ACCEPTED))
        return Curated(
            accepted=self.published(accepted),
            rejected=self.kept(records, [*reasons.to_pylist(), *(row for rule, row in lost if rule == UNKNOWN_SCHEMA)]),
            dead_letters=self.kept(records, [row for rule, row in lost if rule != UNKNOWN_SCHEMA]),
            duplicates=self.duplicates(records, judged.filter(pa.array(places == DUPLICATE))),
            keys=accepted.select(KEY_COLUMNS),
            tally=tally,
        )

    def events(self, records: pa.Table, payload: pa.Array, refused: pa.Array) -> tuple[pa.Table, pa.Array]:
        """Return the records whose payload is a JSON object, and the reasons of the others."""
        columns = {"payload": payload}
        if self.plan.direct is not None:
            columns = flat(as_entries(payload, self.plan.direct))
        events = pa.table(
            {
                "row": pa.array(np.arange(records.num_rows)),
                "kafka_key": key_text(records["key"].combine_chunks()),
                "kafka_topic": records["topic"],
                "kafka_partition": records["partition"],
                "kafka_offset": records["offset"],
                "kafka_timestamp": records["timestamp"].cast(pa.timestamp("us")),
            }
            | columns
        )
        if columns["payload"].null_count:
            events = events.filter(pc.is_valid(columns["payload"]))
        with self.visible(events=events):
            undecodable = self.run(UNDECODABLE) + self.with_commas()
        if not undecodable:
            return events, refused
        reasons = refused.to_pylist()
        for row, reason in undecodable:
            reasons[row] = reason
        rows = pa.array([row for row, _ in undecodable], pa.int64())
        return events.filter(pc.invert(pc.is_in(events["row"], rows))), pa.array(reasons, pa.string())

    def with_commas(self) -> list[tuple[int, str]]:
        """Return the events in which a comma stands before a closing bracket: JSON for DuckDB, and for nobody else."""
        rows = self.run(COMMAS[any(one.type.nested for one in self.plan.fields)])
        return [(row, "not_json") for row, payload in rows if not is_strict(payload)]

    def judge(self, events: pa.Table) -> pa.Table:
        """Run the pass; it is run again when it met shapes that were not known."""
        with self.visible(events=events):
            judged = in_order(self.arrow(self.plan.judged_sql))
            unseen = judged.filter(pc.is_null(judged["clean"])).select(["row"])
            if not unseen.num_rows:
                return judged
            if len(self.shapes) > MOST_SHAPES:
                self.forget_shapes()
                unseen = judged.select(["row"])
            with self.visible(unseen=unseen):
                self.learn_shapes()
            return in_order(self.arrow(self.plan.judged_sql))

    def learn_shapes(self) -> None:
        """Judge the shapes of the rows in `unseen`."""
        plan, refuse = self.plan, self.plan.pipeline.unknown_fields == "reject"
        cursor = self.db.execute(plan.unseen_sql)
        found = [
            classify(shape, types, keys, plan.fields, plan.sources, refuse_unknown=refuse)
            for rows in iter(lambda: cursor.fetchmany(SHAPES_AT_ONCE), [])
            for shape, types, keys in rows
        ]
        self.shapes |= {shape.hash: shape for shape in found}
        scalars = pa.Table.from_pylist([shape_row(shape) for shape in found], SHAPES)
        details = pa.Table.from_pylist([detail_row(shape) for shape in found], SHAPE_DETAILS)
        with self.visible(found_shapes=scalars, found_details=details):
            self.run("INSERT INTO shapes FROM found_shapes")
            self.run("INSERT INTO shape_details FROM found_details")

    def forget_shapes(self) -> None:
        """Start with no known shape."""
        self.shapes.clear()
        with self.visible(no_shapes=SHAPES.empty_table(), no_details=SHAPE_DETAILS.empty_table()):
            self.run("CREATE OR REPLACE TABLE shapes AS FROM no_shapes")
            self.run("CREATE OR REPLACE TABLE shape_details AS FROM no_details")

    def first_rows(self, rows: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Say for each row whether it is the first of its key, and remember the keys."""
        found = self.db.sql(FIRST_ROWS).fetchnumpy()
        first = np.zeros(rows, dtype=bool)
        first[next(iter(found.values()))] = True
        with self.visible(first_rows=pa.table({"row": pa.array(np.flatnonzero(first))})):
            self.run("INSERT INTO seen SELECT key_high, key_low FROM judged SEMI JOIN first_rows USING (row)")
        return first

    def reasons(self, judged: pa.Table, fits: np.ndarray[Any, np.dtype[np.bool_]]) -> pa.Table:
        """Return row and reasons of the events that do not fit."""
        misfits = judged.filter(pa.array(~fits)).select(["row"])
        with self.visible(misfits=misfits):
            return self.arrow(self.plan.reasons_sql)

    def published(self, accepted: pa.Table) -> pa.Table:
        """Return the published columns and event_date, times marked as UTC."""
        table = accepted.select([*self.plan.columns, "event_date"])
        return table.cast(pa.schema([as_utc(field) for field in table.schema]))

    def kept(self, records: pa.Table, rows: list[dict[str, Any]]) -> pa.Table:
        """Return records with their bytes and reasons; `reason` is the first of them."""
        return kept(self.plan, self.run_id, records, rows)

    def duplicates(self, records: pa.Table, judged: pa.Table) -> pa.Table:
        """Return the records whose key came before, with the digest by which the first one is found."""
        table = self.kept(records, duplicate_rows(judged["row"].to_pylist(), self.plan.pipeline.key))
        return table.append_column("key_high", judged["key_high"]).append_column("key_low", judged["key_low"])

    @contextmanager
    def visible(self, **tables: pa.Table) -> Iterator[None]:
        """Let queries read Arrow tables by name."""
        for name, table in tables.items():
            self.db.register(name, table)
        try:
            yield
        finally:
            for name in tables:
                self.db.unregister(name)

    def run(self, statement: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement to its end."""
        rows: list[tuple[Any, ...]] = self.db.execute(statement, values).fetchall()
        return rows

    def arrow(self, query: str) -> pa.Table:
        """Run a query."""
        return self.db.sql(query).to_arrow_table()


def in_order(judged: pa.Table) -> pa.Table:
    """Return rows in the order of their offsets, which a join with more shapes than events does not keep."""
    rows = judged["row"].to_numpy()
    return judged if (rows[1:] > rows[:-1]).all() else judged.sort_by("row")


def as_utc(field: pa.Field) -> pa.Field:
    """Mark times as UTC, which those without a zone are."""
    return field.with_type(UTC_TIME) if pa.types.is_timestamp(field.type) else field


def shape_row(shape: Shape) -> dict[str, Any]:
    """Return a shape as a row of the table `shapes`: what every event needs of it."""
    return {
        "shape": shape.hash,
        "clean": shape.clean,
        "drifted": bool(shape.unknown),
        "present_count": len(shape.present),
        "defaulted": list(shape.defaulted),
    }


def detail_row(shape: Shape) -> dict[str, Any]:
    """Return a shape as a row of the table `shape_details`: what only misfits need of it."""
    return {
        "shape": shape.hash,
        "shape_reasons": [asdict(one) for one in shape.reasons],
        "present": list(shape.present),
        "defaulted": list(shape.defaulted),
    }
