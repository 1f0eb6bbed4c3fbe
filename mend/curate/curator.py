"""One pass over Kafka records: Arrow in, Arrow out, one place for every event."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mend.curate import counts
from mend.curate.counts import ACCEPTED, DUPLICATE, REJECTED
from mend.curate.decode import UNKNOWN_SCHEMA, Decoder, key_text
from mend.curate.direct import arrived, as_entries, flat, in_text
from mend.curate.kept import REASON, duplicate_rows, kept, refused_reasons
from mend.curate.keys import SeenKeys
from mend.curate.nested import (
    Nested,
    completed,
    look_into,
    newly_drifted,
    rescued_exactly,
    settled,
    with_nested,
    with_unknown,
)
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
FIRST_LOOK = 1_000
"""Events whose shapes a task learns before its first pass, so that few of them need a second one."""
WORTH_IT = 0.5
"""A stream of which more events than this share need the closer look gets no quick one any more."""
Flags = np.ndarray[Any, np.dtype[Any]]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What the pass found: all judged events, and of those that needed a closer look what that was about.

    `events` are the latter, defaults of their parts filled in; `undecodable` says which records are no event, and why.
    """

    events: pa.Table
    judged: pa.Table
    nested: Nested
    drifted: int
    undecodable: dict[int, str]


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
        self.usual: tuple[Shape, ...] = ()
        self.db = duckdb.connect(config={"threads": 1, "enable_external_access": False})
        self.run("SET TimeZone = 'UTC'")
        self.run("SET VARIABLE now = ?::TIMESTAMP", [now.astimezone(UTC).replace(tzinfo=None)])
        self.run("SET VARIABLE run_id = ?", [run_id])
        self.run("SET VARIABLE mapping_version = ?::INTEGER", [plan.mapping_version])
        self.seen = SeenKeys()
        self.forget_shapes()

    def curate(self, records: pa.Table) -> Curated:
        """Give each record (columns of Spark's Kafka source) its place."""
        payload, refused = self.decode(records["value"].combine_chunks())
        looked = self.judge(self.events(records, payload))
        events, judged, nested = looked.events, looked.judged, looked.nested
        refused = with_reasons(refused, looked.undecodable)
        places = self.places(judged)
        reasons = with_nested(self.reasons(events, judged, places == REJECTED), nested.misfits)
        judged = judged.append_column("place", pa.array(places, pa.int8()))
        with self.visible(events=events, judged=judged):
            tally = counts.count(self.db, self.plan, self.shapes, records, refused, reasons)
        tally = with_unknown(tally, judged, nested, drifted=looked.drifted)
        lost = refused_reasons(refused, records["value"])
        accepted = judged.filter(pa.array(places == ACCEPTED))
        return Curated(
            accepted=self.published(accepted),
            rejected=self.kept(records, [*reasons.to_pylist(), *(row for rule, row in lost if rule == UNKNOWN_SCHEMA)]),
            dead_letters=self.kept(records, [row for rule, row in lost if rule != UNKNOWN_SCHEMA]),
            duplicates=self.duplicates(records, judged.filter(pa.array(places == DUPLICATE))),
            keys=accepted.select(KEY_COLUMNS),
            tally=tally,
        )

    def events(self, records: pa.Table, payload: pa.Array) -> pa.Table:
        """Return the records under the names that the pass knows them by; `row` is their position."""
        columns = {"payload": payload}
        if self.plan.direct is not None:
            columns = flat(as_entries(payload, self.plan.direct))
        return pa.table(
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

    def judge(self, events: pa.Table) -> Looked:
        """Run the pass: a quick look at all events, a closer one at all that it does not find to fit."""
        if not self.shapes:
            self.learn_shapes(events.slice(0, FIRST_LOOK))
        if not self.usual:
            return self.look_closely(events)
        quick = self.look(events, self.plan.parts.quick(self.usual))
        fits = quick["fits"].to_numpy()
        rest = np.ones(events.num_rows, dtype=bool)
        rest[quick["row"].to_numpy()[fits]] = False
        if rest.mean() > WORTH_IT:
            self.usual = ()
        looked = self.look_closely(events.filter(pa.array(rest)))
        return replace(looked, judged=merged(quick, fits, looked.judged))

    def look_closely(self, events: pa.Table) -> Looked:
        """Judge events of any shape; those of shapes that were not known go through the pass again."""
        events, undecodable = self.decodable(events)
        with self.visible(events=events):
            nested = look_into(self.db, self.plan.fields, self.plan.sources)
        events = completed(events, nested)
        judged = self.look(events, self.plan.judged_sql)
        unknown = pc.is_null(judged["clean"]).to_numpy()
        if unknown.any():
            if len(self.shapes) > MOST_SHAPES:
                self.forget_shapes()
                unknown[:] = True
            unseen = of_rows(events, judged["row"].filter(pa.array(unknown)))
            self.learn_shapes(unseen)
            judged = merged(judged, ~unknown, self.look(unseen, self.plan.judged_sql))
        drifted = newly_drifted(judged, nested)
        judged = settled(rescued_exactly(judged, events, self.plan.sources), nested)
        return Looked(events=events, judged=judged, nested=nested, drifted=drifted, undecodable=undecodable)

    def decodable(self, events: pa.Table) -> tuple[pa.Table, dict[int, str]]:
        """Return the events whose payload is a JSON object, and why the others are none."""
        events = arrived(events)
        with self.visible(events=in_text(events)):
            undecodable = dict(self.run(UNDECODABLE) + self.with_commas())
        if not undecodable:
            return events, {}
        rows = pa.array(list(undecodable), pa.int64())
        return events.filter(pc.invert(pc.is_in(events["row"], rows))), undecodable

    def with_commas(self) -> list[tuple[int, str]]:
        """Return the events in which a comma stands before a closing bracket: JSON for DuckDB, and for nobody else."""
        rows = self.run(COMMAS[any(one.type.nested for one in self.plan.fields)])
        return [(row, "not_json") for row, payload in rows if not is_strict(payload)]

    def look(self, events: pa.Table, query: str) -> pa.Table:
        """Run a query of the pass, over those records that are JSON objects."""
        with self.visible(events=events):
            return in_order(self.arrow(query))

    def learn_shapes(self, events: pa.Table) -> None:
        """Judge the shapes of some events."""
        plan, refuse = self.plan, self.plan.pipeline.unknown_fields == "reject"
        with self.visible(events=events):
            cursor = self.db.execute(plan.unseen_sql)
            found = [
                classify(shape, types, keys, plan.fields, plan.sources, refuse_unknown=refuse)
                for rows in iter(lambda: cursor.fetchmany(SHAPES_AT_ONCE), [])
                for shape, types, keys in rows
            ]
        if not self.shapes:
            self.usual = plan.parts.usual(found)
        self.shapes |= {shape.hash: shape for shape in found}
        scalars = pa.Table.from_pylist([shape_row(shape) for shape in found], SHAPES)
        details = pa.Table.from_pylist([detail_row(shape) for shape in found], SHAPE_DETAILS)
        with self.visible(found_shapes=scalars, found_details=details):
            self.run("INSERT INTO shapes FROM found_shapes")
            self.run("INSERT INTO shape_details FROM found_details")

    def forget_shapes(self) -> None:
        """Start with no known shape but the usual ones, which the quick look goes on to find."""
        self.shapes = {one.hash: one for one in self.usual}
        with self.visible(no_shapes=SHAPES.empty_table(), no_details=SHAPE_DETAILS.empty_table()):
            self.run("CREATE OR REPLACE TABLE shapes AS FROM no_shapes")
            self.run("CREATE OR REPLACE TABLE shape_details AS FROM no_details")

    def places(self, judged: pa.Table) -> Flags:
        """Return the place of each judged event, and remember the keys of those that are accepted."""
        fits = judged["fits"].to_numpy()
        first = self.seen.first(judged["key_high"].to_numpy()[fits], judged["key_low"].to_numpy()[fits])
        places = np.full(len(fits), REJECTED, dtype=np.int8)
        places[fits] = np.where(first, ACCEPTED, DUPLICATE)
        return places

    def reasons(self, events: pa.Table, judged: pa.Table, misfits: Flags) -> pa.Table:
        """Return row and reasons of the events that do not fit."""
        with self.visible(events=of_rows(events, judged["row"].filter(pa.array(misfits)))):
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


def of_rows(events: pa.Table, rows: pa.ChunkedArray) -> pa.Table:
    """Return the events with these row numbers."""
    return events.filter(pc.is_in(events["row"], rows.combine_chunks()))


def with_reasons(refused: pa.Array, undecodable: dict[int, str]) -> pa.Array:
    """Add the reasons of records that turned out to be no event."""
    if not undecodable:
        return refused
    reasons = (undecodable.get(row, reason) for row, reason in enumerate(refused.to_pylist()))
    return pa.array(reasons, pa.string())


def in_order(judged: pa.Table) -> pa.Table:
    """Return rows in the order of their offsets, which a join with more shapes than events does not keep."""
    rows = judged["row"].to_numpy()
    return judged if (rows[1:] > rows[:-1]).all() else judged.sort_by("row")


def merged(judged: pa.Table, stays: Flags, others: pa.Table) -> pa.Table:
    """Return the rows that stay and the others in the order of their offsets."""
    if stays.all():
        return judged
    both = pa.concat_tables([judged, others])
    index = np.flatnonzero(np.concatenate((stays, np.ones(others.num_rows, dtype=bool))))
    return both.take(index[np.argsort(both["row"].to_numpy()[index], kind="stable")])


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
