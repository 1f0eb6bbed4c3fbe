"""Rows and failing rows of a batch by segment: by the values of each segment column, and by pairs of two columns'."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mend.contracts.report import PairCount, SegmentCount
from mend.curate.arrow import visible
from mend.curate.segment_sums import MOST_SEGMENTS, OTHER_SEGMENT

MISSING_SEGMENT = "(missing)"
LONGEST_SEGMENT = 200
Codes = np.ndarray[Any, np.dtype[np.int64]]
Rows = np.ndarray[Any, np.dtype[Any]] | slice
"""Which rows: their numbers, a flag for each, or all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """A column as numbers of its most frequent values' texts; one number more for the rows of all others."""

    column: str
    names: tuple[str, ...]
    codes: Codes


def count_segments(
    db: duckdb.DuckDBPyConnection, columns: pa.Table, counted: pa.ChunkedArray, bad: pa.ChunkedArray
) -> tuple[tuple[SegmentCount, ...], tuple[PairCount, ...]]:
    """Count the rows that count, and those that are bad, by the values of columns and by pairs of them."""
    rows = slice(None) if pc.all(counted).as_py() else counted.to_numpy()
    failing = np.flatnonzero(bad.to_numpy())
    coded = [coded_column(db, name, columns[name], rows) for name in columns.column_names]
    segments = (segment for one in coded for segment in count_values(one, rows, failing))
    pairs = (pair for one, other in combinations(coded, 2) for pair in count_pairs(one, other, rows, failing))
    return tuple(segments), tuple(pairs)


def coded_column(db: duckdb.DuckDBPyConnection, column: str, values: pa.ChunkedArray, rows: Rows) -> Coded:
    """Give each value that is frequent and not long a number."""
    found = values.dictionary_encode("encode").combine_chunks()
    codes = found.indices.to_numpy()
    many = np.bincount(codes[rows], minlength=len(found.dictionary))
    frequent = np.argsort(-many, kind="stable")[:MOST_SEGMENTS]
    texts = texts_of(db, found.dictionary.take(pa.array(frequent)))
    names = {name: nth for nth, name in enumerate(dict.fromkeys(filter(is_name, texts)))}
    number = np.full(len(many), len(names))
    number[frequent] = [names.get(one, len(names)) for one in texts]
    return Coded(column=column, names=tuple(names), codes=number[codes])


def is_name(text: str) -> bool:
    """Whether a value is counted under its own text."""
    return len(text) <= LONGEST_SEGMENT and text != OTHER_SEGMENT


def texts_of(db: duckdb.DuckDBPyConnection, values: pa.Array) -> list[str]:
    """Return values as the texts that they are compared by when rows are set aside."""
    if not pa.types.is_string(values.type):
        with visible(db, found=pa.table({"value": values})):
            values = db.sql("SELECT value::VARCHAR AS value FROM found").to_arrow_table()["value"]
    return [MISSING_SEGMENT if one is None else one for one in values.to_pylist()]


def count_values(one: Coded, rows: Rows, failing: Rows) -> Iterator[SegmentCount]:
    """Count the rows of each value, and those of all others together."""
    many, bad = (np.bincount(one.codes[which], minlength=len(one.names) + 1).tolist() for which in (rows, failing))
    for name, of, fail in zip((*one.names, OTHER_SEGMENT), many, bad, strict=True):
        if of:
            yield SegmentCount(column=one.column, value=name, rows=of, failures=fail)


def count_pairs(one: Coded, other: Coded, rows: Rows, failing: Rows) -> Iterator[PairCount]:
    """Count the rows that have a named value in both columns; the rarest pairs are left out where there are many."""
    wide, size = len(other.names) + 1, (len(one.names) + 1) * (len(other.names) + 1)
    both = one.codes * wide + other.codes
    many, bad = (np.bincount(both[which], minlength=size).reshape(-1, wide) for which in (rows, failing))
    named = many[:-1, :-1].ravel()
    frequent = np.argsort(-named, kind="stable")[:MOST_SEGMENTS]
    for first, second in (divmod(pair, wide - 1) for pair in frequent[named[frequent] > 0].tolist()):
        values = one.names[first], other.names[second]
        if MISSING_SEGMENT not in values:
            yield PairCount(
                columns=(one.column, other.column),
                values=values,
                rows=int(many[first, second]),
                failures=int(bad[first, second]),
            )
