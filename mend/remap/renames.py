"""Where vanished fields may have gone: what came lately beside what the last good run published."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mend.contracts.drift import Drift, RenameCandidate
from mend.contracts.schema import Field
from mend.curate.decode import Decoder
from mend.remap.matching import match_columns

SAMPLE = 1_000
"""Rows of either side that are compared."""


def candidates(
    drift: Drift, fields: Sequence[Field], sources: Sequence[str], good: Sequence[Path], texts: Iterable[str]
) -> tuple[RenameCandidate, ...]:
    """Return, of the fields that vanished, which new one each may be; by values of the last good run and of this one.

    `texts` are events of this run as JSON. The names are those of the contract (old) and of the stream (new).
    """
    vanished, new = {one.name for one in drift.removed}, {one.name for one in drift.added}
    if not vanished or not new or not good:
        return ()
    before, now = published_sample(good, fields, sources), event_sample(texts)
    if not before.num_rows or not now.num_rows:
        return ()
    name_of = dict(zip(sources, (one.name for one in fields), strict=True))
    found = match_columns(None, before, None, now)
    return tuple(
        RenameCandidate(old=name_of[one.old], new=one.new, score=one.score, action=one.action)
        for one in found.proposals
        if one.action != "none" and one.new in new and name_of.get(one.old) in vanished
    )


def published_sample(files: Sequence[Path], fields: Sequence[Field], sources: Sequence[str]) -> pa.Table:
    """Return some published rows, each column under the name that it was read from."""
    tables, rows = [], 0
    for path in files:
        with pq.ParquetFile(path) as file:
            there = set(file.schema_arrow.names)
            names = {one.name: source for one, source in zip(fields, sources, strict=True) if one.name in there}
            for batch in file.iter_batches(SAMPLE - rows, columns=list(names)):
                tables.append(pa.Table.from_batches([batch]).rename_columns([names[one] for one in batch.schema.names]))
                rows += batch.num_rows
                break
        if rows >= SAMPLE:
            break
    return pa.concat_tables(tables, promote_options="default") if tables else pa.table({})


def event_sample(texts: Iterable[str]) -> pa.Table:
    """Return events as a table; a column of several types is text."""
    events: list[dict[str, Any]] = []
    for text in texts:
        try:
            event = orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
        if isinstance(event, dict):
            events.append(event)
    names = dict.fromkeys(name for one in events for name in one)
    return pa.table({name: column([one.get(name) for one in events]) for name in names})


def column(values: list[Any]) -> pa.Array:
    """Return values as an array, as text where no one type holds them."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if one is None else orjson.dumps(one).decode() for one in values], pa.string())


def texts_of(rejected: Sequence[Path], accepted: Sequence[Path], decode: Decoder) -> list[str]:
    """Return events of this run as JSON, rejected ones first: a field that vanished is not among the accepted."""
    texts: list[str] = []
    for path in rejected:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(SAMPLE - len(texts), columns=["value"]):
                payload, _ = decode(batch.column(0))
                texts += [one for one in payload.to_pylist() if one is not None]
                break
        if len(texts) >= SAMPLE:
            return texts
    return texts + rescued_texts(accepted, SAMPLE - len(texts))


def rescued_texts(files: Sequence[Path], many: int) -> list[str]:
    """Return what was rescued of accepted rows, as JSON."""
    found: list[str] = []
    for path in files:
        texts = pc.drop_null(pq.read_table(path, columns=["rescued"], partitioning=None)["rescued"])
        found += texts.slice(0, many - len(found)).to_pylist()
        if len(found) >= many:
            break
    return found
