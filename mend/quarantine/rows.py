"""Waiting rows as records with their causes: rejected ones to the byte, held ones written as events again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import duckdb
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mend.contracts.quarantine import Selection
from mend.contracts.schema import Field
from mend.contracts.settled import SettledFile
from mend.curate import sql
from mend.curate.arrow import visible
from mend.curate.kept import RECORD
from mend.curate.plan import Plan
from mend.quarantine.index import Index, Source

CAUSE = ("rule", "column", "expected", "found")
ROWS_AT_ONCE = 200_000
HELD_CAUSE = "held"
SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why rows wait: the first reason of each, or the rules of the decision that held them."""

    place: str
    rule: str
    column: str
    expected: str
    found: str

    @property
    def id(self) -> str:
        """Eight digits that name the cause, whatever runs it is in."""
        parts = [self.place, self.rule, self.column, self.expected, self.found]
        return sha256(orjson.dumps(parts)).hexdigest()[:8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some waiting rows of one file: records, and for each the number of its cause in `causes`."""

    source: Source
    file: SettledFile
    records: pa.Table
    causes: tuple[Cause, ...]
    codes: "np.ndarray[tuple[int], np.dtype[np.int32]]"
    judged: bool
    """Whether the rows were judged by today's contract, mapping and rules, so that as they are they fail again."""

    @property
    def topic(self) -> str:
        """The topic that the run read."""
        return self.source.topic

    def chosen(self, selection: Selection) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """Say for each row whether a selection means it."""
        if selection.runs and self.source.run.run_id not in selection.runs:
            return np.zeros(self.records.num_rows, dtype=bool)
        if selection.places and self.file.place not in selection.places:
            return np.zeros(self.records.num_rows, dtype=bool)
        wanted = [n for n, one in enumerate(self.causes) if means(selection, one)]
        return np.isin(self.codes, wanted) & matching(selection, self.records, "")


def waiting(index: Index, selection: Selection, plan: Plan | None = None) -> Iterator[Part]:
    """Yield the waiting rows that a selection means, in the order of runs and files.

    Without a plan the records have no more than their position: enough to count them.
    """
    for source in index.sources:
        if selection.runs and source.run.run_id not in selection.runs:
            continue
        for file in source.files:
            if not selection.places or file.place in selection.places:
                yield from of_file(index, source, file, selection, plan)


def of_file(index: Index, source: Source, file: SettledFile, selection: Selection, plan: Plan | None) -> Iterator[Part]:
    """Yield the chosen rows of one file, part by part."""
    held = file.place == "held"
    prefix = "kafka_" if held else ""
    path = index.layout.settings.home / file.path
    positions = [f"{prefix}partition", f"{prefix}offset", "mapping_version"]
    columns = None if plan else [*positions, *(() if held else ("reasons",))]
    for table in tables(path, columns):
        causes, codes = held_causes(source, table) if held else rejected_causes(file.place, table)
        chosen = index.waits(source, table, prefix) & matching(selection, table, prefix)
        chosen &= np.isin(codes, [n for n, one in enumerate(causes) if means(selection, one)])
        if not chosen.any():
            continue
        rows = table if chosen.all() else table.filter(pa.array(chosen))
        judged = plan is not None and not held and by_today(rows, plan)
        if plan:
            rows = held_records(rows, plan) if held else rows.select([one.name for one in RECORD])
        elif held:
            rows = rows.rename_columns([one.removeprefix(prefix) for one in rows.column_names])
        yield Part(source=source, file=file, records=rows, causes=causes, codes=codes[chosen], judged=judged)


def by_today(rows: pa.Table, plan: Plan) -> bool:
    """Whether all rows were judged by the same words that hold today."""
    today = {
        "mapping_version": plan.mapping_version, "schema_version": plan.pipeline.schema_version,
        "rules_version": plan.rules.version,
    }  # fmt: skip
    return all(pc.unique(rows[name]).to_pylist() == [version] for name, version in today.items())


def tables(path: Path, columns: Sequence[str] | None) -> Iterator[pa.Table]:
    """Read a file part by part."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=None if columns is None else list(columns)):
            yield pa.Table.from_batches([batch])


def held_causes(
    source: Source, table: pa.Table
) -> tuple[tuple[Cause, ...], "np.ndarray[tuple[int], np.dtype[np.int32]]"]:
    """Return the one cause of held rows."""
    cause = Cause(place="held", rule=HELD_CAUSE, column="", expected="", found=source.held_by)
    return (cause,), np.zeros(table.num_rows, dtype=np.int32)


def rejected_causes(
    place: str, table: pa.Table
) -> tuple[tuple[Cause, ...], "np.ndarray[tuple[int], np.dtype[np.int32]]"]:
    """Return the different first reasons of rows, and which of them each has."""
    first = pc.list_element(table["reasons"].combine_chunks(), 0)
    parts = [pc.fill_null(first.field(one), "") for one in CAUSE]
    encoded = pc.binary_join_element_wise(*parts, SEPARATOR).dictionary_encode()
    causes = tuple(
        Cause(place=place, **dict(zip(CAUSE, one.split(SEPARATOR), strict=False)))
        for one in encoded.dictionary.to_pylist()
    )
    return causes, encoded.indices.to_numpy()


def means(selection: Selection, cause: Cause) -> bool:
    """Whether a selection means rows of a cause."""
    return (
        (not selection.causes or cause.id in selection.causes)
        and (not selection.reasons or cause.rule in selection.reasons)
        and (not selection.columns or cause.column in selection.columns)
    )


def matching(selection: Selection, table: pa.Table, prefix: str) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Say for each row whether it lies at a position that the selection means."""
    found = np.ones(table.num_rows, dtype=bool)
    if selection.partition is not None:
        found &= table[f"{prefix}partition"].to_numpy() == selection.partition
    offsets = table[f"{prefix}offset"].to_numpy()
    if selection.from_offset is not None:
        found &= offsets >= selection.from_offset
    if selection.until_offset is not None:
        found &= offsets < selection.until_offset
    return found


def held_records(rows: pa.Table, plan: Plan) -> pa.Table:
    """Write held rows as events of today's mapping again; what was rescued of them is in the events, too.

    Their bytes were decoded when they fitted the contract, so a value is written as it is published.
    """
    pairs = zip(plan.fields, plan.sources, strict=True)
    members = [f"{sql.name(source)} := {as_came(one)}" for one, source in pairs if one.name in rows.column_names]
    known = f"to_json(struct_pack({', '.join(members)}))"
    event = f"CASE WHEN rescued IS NULL THEN {known} ELSE json_merge_patch({known}, rescued) END"
    with duckdb.connect(config={"threads": 1, "enable_external_access": False}) as db, visible(db, held=rows):
        db.execute("SET TimeZone = 'UTC'").fetchall()
        values = db.sql(f"SELECT ({event})::VARCHAR AS value FROM held").to_arrow_table()["value"]
    columns = {
        "key": rows["kafka_key"].cast(pa.binary()), "value": values.cast(pa.binary()), "topic": rows["kafka_topic"],
        "partition": rows["kafka_partition"], "offset": rows["kafka_offset"],
        "timestamp": rows["kafka_timestamp"].cast(RECORD.field("timestamp").type),
    }  # fmt: skip
    return pa.table([
        columns[one.name] if one.name in columns else pa.nulls(rows.num_rows, one.type) for one in RECORD
    ], schema=RECORD)  # fmt: skip


def as_came(field: Field) -> str:
    """Return a published value as it is decoded: what is published as the text of JSON is JSON again."""
    column, found = sql.name(field.name), field.type
    return column if found.column_type == found.structure else f"TRY_CAST({column} AS {found.structure})"
