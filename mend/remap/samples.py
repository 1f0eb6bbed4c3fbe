"""Samples and schemas from files: CSV, JSON lines, Parquet, and Avro schemas as Arrow ones."""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from mend.remap.texts import read_as_number, read_as_time
from mend.runtime.errors import UserError

MOST_ROWS = 20_000
"""Rows that are read of a sample."""
BLANK = ["", "NULL", "null", "None", "NaN", "nan", "N/A", "\\N"]
WHOLE = r"^-?\d{1,15}$"
BOOLEAN = r"^(?i:true|false)$"


def read_sample(path: Path) -> pa.Table:
    """Read the first rows of a file by its ending; a file that is none of these, or broken, is an error that says so."""
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise UserError(f"{path} is no sample that can be read: its name must end in {', '.join(READERS)}.")
    try:
        return read(path)
    except (OSError, pa.ArrowException, ValueError) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path} cannot be read: {what}. Give a whole {path.suffix} file.") from error


def read_csv(path: Path) -> pa.Table:
    """Read a CSV file with a header; a column is a number, a moment or yes or no only if every value is written so."""
    from pyarrow import csv

    text = path.open(encoding="utf-8-sig", errors="replace", newline="").readline()
    mark = max(",;\t|", key=text.count)
    names = [one.strip() for one in next(iter(csv_rows(text, mark)), [])]
    if not names:
        return pa.table({})
    table = csv.read_csv(
        path,
        read_options=csv.ReadOptions(column_names=[str(at) for at in range(len(names))], skip_rows=1),
        parse_options=csv.ParseOptions(delimiter=mark, newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types={str(at): pa.string() for at in range(len(names))}, null_values=BLANK, strings_can_be_null=True
        ),
    ).slice(0, MOST_ROWS)
    return pa.Table.from_arrays([typed(one.combine_chunks()) for one in table.columns], names=names)


def csv_rows(text: str, mark: str) -> Iterable[list[str]]:
    """Split one line of a CSV file."""
    import csv

    return csv.reader([text], delimiter=mark)


def typed(values: pa.Array) -> pa.Array:
    """Return texts as what all of them are written as."""
    there = values.drop_null()
    if len(there) == 0:
        return values
    if matches(there, WHOLE) and read_as_number(values, there) is not None:
        return pc.cast(values, pa.int64())
    if (numbers := read_as_number(values, there)) is not None:
        return numbers
    if matches(there, BOOLEAN):
        return pc.equal(pc.utf8_lower(values), "true")
    return found[0] if (found := read_as_time(values, there)) is not None else values


def matches(there: pa.Array, pattern: str) -> bool:
    """Whether all texts match."""
    return bool(pc.all(pc.match_substring_regex(there, pattern)).as_py())


def read_lines(path: Path) -> pa.Table:
    """Read JSON objects, one a line; a member of several types is kept as JSON text."""
    with path.open("rb") as file:
        return as_table([orjson.loads(line) for line in islice((one for one in file if one.strip()), MOST_ROWS)], path)


def read_array(path: Path) -> pa.Table:
    """Read one JSON array of objects, or lines."""
    content = path.read_bytes()
    if not content.lstrip().startswith(b"["):
        return read_lines(path)
    return as_table(orjson.loads(content)[:MOST_ROWS], path)


def as_table(rows: list[Any], path: Path) -> pa.Table:
    """Return objects as a table with every member of any of them."""
    if not all(isinstance(one, dict) for one in rows):
        raise UserError(f"{path} has lines that are no JSON objects. Give one object a line.")
    names = dict.fromkeys(name for one in rows for name in one)
    return pa.table({name: as_array([one.get(name) for one in rows]) for name in names})


def as_array(values: list[Any]) -> pa.Array:
    """Return values of one type as they are, of several types as JSON text."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array(
            [None if one is None else one if isinstance(one, str) else orjson.dumps(one).decode() for one in values]
        )


def read_parquet(path: Path) -> pa.Table:
    """Read the first rows of a Parquet file."""
    from pyarrow import parquet

    file = parquet.ParquetFile(path)
    batches = list(islice(file.iter_batches(batch_size=MOST_ROWS), 1))
    return pa.Table.from_batches(batches, schema=file.schema_arrow)


READERS: dict[str, Callable[[Path], pa.Table]] = {
    ".csv": read_csv, ".tsv": read_csv, ".jsonl": read_lines, ".ndjson": read_lines, ".json": read_array,
    ".parquet": read_parquet,
}  # fmt: skip


def read_schema(path: Path) -> pa.Schema:
    """Read an Avro schema of a record as an Arrow one; `pii` and other notes of a field stay in its metadata."""
    from fastavro import parse_schema
    from fastavro.schema import SchemaParseException

    try:
        document = orjson.loads(path.read_bytes())
        parse_schema(document)
        if not isinstance(document, dict) or document.get("type") != "record":
            raise UserError(f"{path} is no schema of a record. Give the .avsc file of the whole event.")
        return pa.schema(members(document, {}))
    except (OSError, ValueError, KeyError, TypeError, SchemaParseException) as error:
        raise UserError(f"{path} cannot be read as an Avro schema: {error}. Give an .avsc file.") from error


SIMPLE = {
    "null": pa.null(), "boolean": pa.bool_(), "int": pa.int32(), "long": pa.int64(), "float": pa.float32(),
    "double": pa.float64(), "bytes": pa.binary(), "string": pa.string(), "enum": pa.string(), "fixed": pa.binary(),
}  # fmt: skip
LOGICAL = {
    "date": pa.date32(), "time-millis": pa.time32("ms"), "time-micros": pa.time64("us"),
    "timestamp-millis": pa.timestamp("ms", "UTC"), "timestamp-micros": pa.timestamp("us", "UTC"),
    "local-timestamp-millis": pa.timestamp("ms"), "local-timestamp-micros": pa.timestamp("us"),
}  # fmt: skip


def members(record: Mapping[str, Any], named: dict[str, pa.DataType]) -> list[pa.Field]:
    """Return the fields of a record."""
    found = []
    for one in record["fields"]:
        kind, nullable = arrow_type(one["type"], named)
        notes = one | (one["type"] if isinstance(one["type"], dict) else {})
        facts = {"pii": str(notes["pii"]).lower()} if "pii" in notes else None
        found.append(pa.field(one["name"], kind, nullable=nullable, metadata=facts))
    return found


def arrow_type(avro: Any, named: dict[str, pa.DataType]) -> tuple[pa.DataType, bool]:
    """Return the type of an Avro type, and whether it may be null; a union of several is text."""
    if isinstance(avro, list):
        kinds = [one for one in avro if one != "null"]
        kind = arrow_type(kinds[0], named)[0] if len(kinds) == 1 else pa.string()
        return kind, "null" in avro
    if isinstance(avro, str):
        return SIMPLE.get(avro) or named.get(avro.rpartition(".")[2], pa.string()), False
    kind = complex_type(avro, named)
    if "name" in avro:
        named[avro["name"].rpartition(".")[2]] = kind
    return kind, False


def complex_type(avro: Mapping[str, Any], named: dict[str, pa.DataType]) -> pa.DataType:
    """Return the type of a schema that is an object."""
    kind = avro["type"]
    if avro.get("logicalType") == "decimal":
        return pa.decimal128(min(avro["precision"], 38), avro.get("scale", 0))
    if kind == "record":
        return pa.struct(members(avro, named))
    if kind == "array":
        return pa.list_(arrow_type(avro["items"], named)[0])
    if kind == "map":
        return pa.map_(pa.string(), arrow_type(avro["values"], named)[0])
    return LOGICAL.get(avro.get("logicalType", "")) or arrow_type(kind, named)[0]
