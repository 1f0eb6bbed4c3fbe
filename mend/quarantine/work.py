"""What trial and replay share: waiting rows with their repairs, through the same pass as the stream's own events."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import duckdb
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from mend.contracts.quarantine import Selection, Step
from mend.curate.curator import Curated, Curator
from mend.curate.decode import Decoder, decode_json
from mend.curate.decoders import decoder
from mend.curate.plan import Plan
from mend.quarantine.index import OFFSET_BITS, Index, Source, positions
from mend.quarantine.repair import repaired
from mend.quarantine.rows import Part, waiting
from mend.runtime.errors import UserError
from mend.runtime.schema_registry import RegistryAddress

AT_ONCE = timedelta(minutes=5)
"""Runs that were read within this time are judged by the time of the first, as a backfill does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """Steps for the rows of a selection; `edits` are whole new events by position."""

    selection: Selection
    steps: tuple[Step, ...]
    edits: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What every pass over waiting rows needs."""

    index: Index
    plan: Plan
    registry: RegistryAddress | None = None

    @property
    def decode(self) -> Decoder:
        """Return what makes events of bytes; values that would come decoded come as text here."""
        return decoder(self.plan.pipeline, self.registry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One part of the waiting rows after their repairs; `undecoded` of them are no event and went nowhere."""

    part: Part
    records: pa.Table
    curated: Curated
    undecoded: int


def curated_parts(
    bench: Bench, selection: Selection, remedies: Sequence[Remedy], run_id: str, *, judged: bool = True
) -> Iterator[Pass]:
    """Curate the waiting rows, repaired; each run's as of the time at which it read them.

    Without `judged` those are left out that today's words have judged already.
    """
    curators = Curators(bench, run_id)
    for part, events in ahead(prepared(bench, selection, remedies, judged=judged)):
        records = with_events(part.records, events)
        curated = curators.of(part.source).curate(records)
        yield Pass(part=part, records=records, curated=curated, undecoded=events.null_count)


def prepared(
    bench: Bench, selection: Selection, remedies: Sequence[Remedy], *, judged: bool
) -> Iterator[tuple[Part, pa.Array]]:
    """Read the waiting rows and repair them."""
    decode = bench.decode
    with duckdb.connect(config={"threads": 1, "enable_external_access": False}) as db:
        db.execute("SET TimeZone = 'UTC'").fetchall()
        for part in waiting(bench.index, selection, bench.plan):
            if judged or not part.judged:
                yield part, event_texts(db, decode, part, remedies)


T = TypeVar("T")


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Make the next item in a thread while the one before it is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


@dataclass(slots=True)
class Curators:
    """A curator for each time at which events were read; all of them know the keys that one has seen."""

    bench: Bench
    run_id: str
    made: dict[datetime, Curator] = field(default_factory=dict)

    def of(self, source: Source) -> Curator:
        """Return the curator of a run's events."""
        at = source.run.opened_at
        known = next((one for one in self.made if timedelta(0) <= at - one < AT_ONCE), None)
        if known is None:
            curator = Curator(self.bench.plan, decode_json, run_id=self.run_id, now=at)
            if self.made:
                curator.seen = next(iter(self.made.values())).seen
            self.made[at], known = curator, at
        return self.made[known]


def event_texts(db: duckdb.DuckDBPyConnection, decode: Decoder, part: Part, remedies: Sequence[Remedy]) -> pa.Array:
    """Return the events of a part as JSON text, repaired; null for what is no event."""
    value = part.records["value"].combine_chunks()
    texts = value.cast(pa.string()) if part.file.place == "held" else decode(value)[0]
    for remedy in remedies:
        chosen = part.chosen(remedy.selection)
        if not chosen.any():
            continue
        everything = bool(chosen.all())
        mask = pa.array(chosen)
        some, records = (texts, part.records) if everything else (texts.filter(mask), part.records.filter(mask))
        some = edited(some, records, remedy.edits)
        steps = [one for one in remedy.steps if one.kind != "edit"]
        fields = event_fields(some) if any(one.kind == "sql" for one in steps) else []
        some = repaired(db, steps, some, fields) if steps else some
        texts = some if everything else pc.replace_with_mask(texts, mask, some)
    return texts


SAMPLED = 2_000


def event_fields(texts: pa.Array) -> list[str]:
    """Return the keys that some of the events have."""
    return sorted({key for one in keys_of(texts) for key in one})


def keys_of(texts: pa.Array) -> Iterator[list[str]]:
    """Yield the keys of some events."""
    for text in texts.slice(0, SAMPLED).to_pylist():
        try:
            found = orjson.loads(text) if text else None
        except orjson.JSONDecodeError:
            continue
        if isinstance(found, dict):
            yield list(found)


def edited(texts: pa.Array, records: pa.Table, edits: Mapping[int, str]) -> pa.Array:
    """Put a person's events in the place of those that came."""
    if not edits:
        return texts
    at = positions(records).tolist()
    return pa.array([edits.get(one, text) for one, text in zip(at, texts.to_pylist(), strict=True)], pa.string())


def with_events(records: pa.Table, events: pa.Array) -> pa.Table:
    """Return the records that are events, with their texts."""
    column = records.column_names.index("value")
    there = records.set_column(column, "value", events.cast(pa.binary()))
    return there if not events.null_count else there.filter(pc.is_valid(events))


def read_edits(path: Path) -> dict[int, str]:
    """Read an edited export: a line an event, with its position. Another line is a UserError with its number."""
    found: dict[int, str] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            document = orjson.loads(line)
            at = (int(document["partition"]) << OFFSET_BITS) | int(document["offset"])
            event = document["event"]
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{path}:{number}: expected partition, offset and event, as in the export ({error})."
            ) from error
        if at in found:
            raise UserError(f"{path}:{number}: {document['partition']}/{document['offset']} stands there twice.")
        found[at] = event if isinstance(event, str) else orjson.dumps(event).decode()
    return found


def all_positions(curated: Curated) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return the positions of the events that a pass accepted, or found to be duplicates of others."""
    parts = [positions(curated.accepted, "kafka_"), positions(curated.duplicates)]
    return np.concatenate(parts)
