"""One pass over Kafka records: Arrow in, Arrow out, one place for every event."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mend.curate.arrow import of_rows, visible
from mend.curate.counts import ACCEPTED, DUPLICATE, ELSEWHERE, REJECTED, Batch, count
from mend.curate.decode import UNKNOWN_SCHEMA, Decoder, key_text
from mend.curate.direct import arrived, as_entries, flat, in_text
from mend.curate.kept import duplicate_rows, kept, refused_reasons
from mend.curate.keys import Digests, SeenKeys
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
from mend.curate.plan import KAFKA_COLUMNS, NOW, Plan
from mend.curate.shape_tables import SHAPE_DETAILS, SHAPES, detail_row, shape_row
from mend.curate.shapes import Shape, classify
from mend.curate.tally import Tally

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Curated:
    """Where the events of one batch went. `accepted` carries event_date beside the published columns, in its order.

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
    `judged` are those of the quick look, then those of the closer one: of the former only the rows that `stand` count.
    """

    events: pa.Table
    judged: pa.Table
    stand: Flags
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
        self.same_in_all = {
            NOW: pa.scalar(now, UTC_TIME),
            "run_id": pa.scalar(run_id),
            "mapping_version": pa.scalar(plan.mapping_version, pa.int32()),
        }
        self.seen = SeenKeys()
        self.views: dict[str, str] = {}
        self.forget_shapes()

    def curate(self, records: pa.Table) -> Curated:
        """Give each record (columns of Spark's Kafka source) its place."""
        payload, refused = self.decoded(records["value"])
        looked = self.judge(self.events(records, payload))
        judged, nested = looked.judged, looked.nested
        refused = with_reasons(refused, looked.undecodable)
        keys = key_digests(judged["_key"])
        places = self.places(looked, keys)
        rows = judged["row"].to_numpy()
        accepted = by_date(judged, np.flatnonzero(places == ACCEPTED))
        duplicate = np.flatnonzero(places == DUPLICATE)
        duplicate = duplicate[np.argsort(rows[duplicate])]
        again = duplicate_rows(rows[duplicate].tolist(), self.plan.pipeline.key)
        reasons = with_nested(self.reasons(looked, places == REJECTED), nested.misfits)
        placed = judged.append_column("place", pa.array(places))
        batch = Batch(records=records, refused=refused, judged=placed, reasons=reasons, events=looked.events)
        tally = count(self.db, self.plan, self.shapes, batch)
        closer = judged.slice(judged.num_rows - looked.events.num_rows)
        tally = with_unknown(tally, closer, nested, drifted=looked.drifted)
        lost = refused_reasons(refused, records["value"])
        return Curated(
            accepted=self.published(judged, accepted),
            rejected=self.kept(records, [*reasons.to_pylist(), *(row for rule, row in lost if rule == UNKNOWN_SCHEMA)]),
            dead_letters=self.kept(records, [row for rule, row in lost if rule != UNKNOWN_SCHEMA]),
            duplicates=with_digests(self.kept(records, again), keys[duplicate]),
            keys=key_rows(judged, accepted, keys),
            tally=tally,
        )

    def decoded(self, values: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.Array]:
        """Decode records part by part, as they came: bytes are not copied."""
        parts = [self.decode(one) for one in values.chunks or [values.combine_chunks()]]
        payloads = [payload for payload, _ in parts]
        if self.plan.direct is not None:
            payloads = [as_entries(one, self.plan.direct) for one in payloads]
        return pa.chunked_array(payloads), pa.concat_arrays([refused for _, refused in parts])

    def events(self, records: pa.Table, payload: pa.ChunkedArray) -> pa.Table:
        """Return the records under the names that the pass knows them by; `row` is their position."""
        return pa.table(
            {
                "row": pa.array(np.arange(records.num_rows)),
                "kafka_key": key_texts(records["key"]),
                "kafka_topic": records["topic"],
                "kafka_partition": records["partition"],
                "kafka_offset": records["offset"],
                "kafka_timestamp": records["timestamp"].cast(pa.timestamp("us")),
            }
            | ({"payload": payload} if self.plan.direct is None else flat(payload))
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
        both = pa.concat_tables([quick, looked.judged])
        return replace(looked, judged=both, stand=np.concatenate((fits, looked.stand)))

    def look_closely(self, events: pa.Table) -> Looked:
        """Judge events of any shape; those of shapes that were not known go through the pass again."""
        events, undecodable = self.decodable(events)
        with visible(self.db, events=events):
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
        return Looked(
            events=events, judged=judged, stand=np.ones(judged.num_rows, dtype=bool), nested=nested,
            drifted=drifted, undecodable=undecodable,
        )  # fmt: skip

    def decodable(self, events: pa.Table) -> tuple[pa.Table, dict[int, str]]:
        """Return the events whose payload is a JSON object, and why the others are none."""
        events = arrived(events)
        with visible(self.db, events=in_text(events)):
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
        """Run a query of the pass, as a view: it is then parsed once, where an Arrow result has it parsed each time."""
        with visible(self.db, events=events):
            if query not in self.views:
                self.views[query] = f"pass_{len(self.views)}"
                self.run(f"CREATE TEMP VIEW {self.views[query]} AS {query}")
            found = in_order(self.arrow(f"FROM {self.views[query]}"))
        came = events if events.num_rows == found.num_rows else of_rows(events, found["row"])
        for name in KAFKA_COLUMNS:
            found = found.append_column(name, came[name])
        return found

    def learn_shapes(self, events: pa.Table) -> None:
        """Judge the shapes of some events."""
        plan, refuse = self.plan, self.plan.pipeline.unknown_fields == "reject"
        with visible(self.db, events=events):
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
        with visible(self.db, found_shapes=scalars, found_details=details):
            self.run("INSERT INTO shapes FROM found_shapes")
            self.run("INSERT INTO shape_details FROM found_details")

    def forget_shapes(self) -> None:
        """Start with no known shape but the usual ones, which the quick look goes on to find."""
        self.shapes = {one.hash: one for one in self.usual}
        with visible(self.db, no_shapes=SHAPES.empty_table(), no_details=SHAPE_DETAILS.empty_table()):
            self.run("CREATE OR REPLACE TABLE shapes AS FROM no_shapes")
            self.run("CREATE OR REPLACE TABLE shape_details AS FROM no_details")

    def places(self, looked: Looked, keys: Digests) -> Flags:
        """Return the place of each judged event, and remember the keys of those that are accepted."""
        fits = np.flatnonzero(looked.judged["fits"].to_numpy())
        fits = fits[np.argsort(looked.judged["row"].to_numpy()[fits], kind="stable")]
        places = np.where(looked.stand, np.int8(REJECTED), np.int8(ELSEWHERE))
        places[fits] = np.where(self.seen.first(keys[fits, 1], keys[fits, 0]), ACCEPTED, DUPLICATE)
        return places

    def reasons(self, looked: Looked, misfits: Flags) -> pa.Table:
        """Return row and reasons of the events that do not fit."""
        with visible(self.db, events=of_rows(looked.events, looked.judged["row"].filter(pa.array(misfits)))):
            return self.arrow(self.plan.reasons_sql)

    def published(self, judged: pa.Table, accepted: Flags) -> pa.Table:
        """Return the published columns of accepted events and event_date, times marked as UTC; by date, for a copy."""
        table = judged.select([name for name in (*self.plan.columns, "event_date") if name not in self.same_in_all])
        table = table.cast(pa.schema([as_utc(field) for field in table.schema]))
        table = table.take(pa.array(accepted))
        for name, value in self.same_in_all.items():
            table = table.add_column(self.plan.columns.index(name), name, pa.repeat(value, table.num_rows))
        return table

    def kept(self, records: pa.Table, rows: list[dict[str, Any]]) -> pa.Table:
        """Return records with their bytes and reasons; `reason` is the first of them."""
        return kept(self.plan, self.run_id, records, rows)

    def run(self, statement: str, values: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement to its end."""
        rows: list[tuple[Any, ...]] = self.db.execute(statement, values).fetchall()
        return rows

    def arrow(self, query: str) -> pa.Table:
        """Run a query."""
        return self.db.sql(query).to_arrow_table()


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


def key_texts(keys: pa.ChunkedArray) -> pa.ChunkedArray:
    """Show keys as text."""
    return pa.chunked_array([key_text(one) for one in keys.chunks], pa.string())


def key_digests(column: pa.ChunkedArray) -> Digests:
    """Return the lower and the upper half of each digest: Arrow has no integer of 128 bits but decimals."""
    halves = [
        np.frombuffer(one.buffers()[1], np.uint64, count=2 * len(one), offset=16 * one.offset)
        for one in column.chunks
        if len(one)
    ]
    return np.concatenate(halves or [np.empty(0, np.uint64)]).reshape(-1, 2)


def with_digests(table: pa.Table, keys: Digests) -> pa.Table:
    """Add the digests of keys."""
    return table.append_column("key_high", pa.array(keys[:, 1])).append_column("key_low", pa.array(keys[:, 0]))


def key_rows(judged: pa.Table, accepted: Flags, keys: Digests) -> pa.Table:
    """Return the digests of accepted events and where they stand."""
    positions = judged.select(["kafka_topic", "kafka_partition", "kafka_offset"]).take(pa.array(accepted))
    return with_digests(positions, keys[accepted]).select(["key_high", "key_low", *positions.column_names])


def merged(judged: pa.Table, stays: Flags, others: pa.Table) -> pa.Table:
    """Return the rows that stay and the others in the order of their offsets."""
    if stays.all():
        return judged
    both = pa.concat_tables([judged, others])
    index = np.flatnonzero(np.concatenate((stays, np.ones(others.num_rows, dtype=bool))))
    return both.take(index[np.argsort(both["row"].to_numpy()[index], kind="stable")])


def by_date(judged: pa.Table, chosen: Flags) -> Flags:
    """Return the chosen events by date, each of which has a file of its own, and then in the order of their offsets."""
    rows, dates = (judged[name].to_numpy()[chosen] for name in ("row", "event_date"))
    return chosen[np.lexsort((rows, dates))]


def as_utc(field: pa.Field) -> pa.Field:
    """Mark times as UTC, which those without a zone are."""
    return field.with_type(UTC_TIME) if pa.types.is_timestamp(field.type) else field
