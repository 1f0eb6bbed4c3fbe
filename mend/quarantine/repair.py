"""Repairs: from the text of an event to the text of the repaired one, in one query over many rows.

Each step gives a field a value, as JSON text; where it gives none the event stays as it was. Other members of the event
are not touched, to the last digit.
"""

from collections.abc import Sequence
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from mend.contracts.quarantine import Step
from mend.curate import sql
from mend.curate.arrow import visible
from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest

TEXT = "json_extract_string(came, '$')"
"""The value of the field as a text; `came` is its JSON text, so that the event itself is read once for each step."""
CASTS = {
    "int": "CASE WHEN regexp_full_match(trim(text), '[+-]?[0-9]+([.]0*)?') "
    "THEN TRY_CAST(split_part(trim(text), '.', 1) AS HUGEINT)::VARCHAR END",
    "double": "CASE WHEN isfinite(TRY_CAST(trim(text) AS DOUBLE)) "
    "THEN to_json(TRY_CAST(trim(text) AS DOUBLE))::VARCHAR END",
    "decimal": "CASE WHEN regexp_full_match(trim(text), '-?(0|[1-9][0-9]*)([.][0-9]+)?') THEN trim(text) END",
    "string": "to_json(text)::VARCHAR",
    "boolean": "CASE WHEN lower(trim(text)) IN ('true', 't', 'yes', 'y', '1', 'on') THEN 'true' "
    "WHEN lower(trim(text)) IN ('false', 'f', 'no', 'n', '0', 'off') THEN 'false' END",
    "trim": "CASE WHEN starts_with(came, chr(34)) THEN to_json(trim(text, ' \t\r\n'))::VARCHAR END",
    "lower": "CASE WHEN starts_with(came, chr(34)) THEN to_json(lower(text))::VARCHAR END",
    "upper": "CASE WHEN starts_with(came, chr(34)) THEN to_json(upper(text))::VARCHAR END",
    "epoch_s": "(epoch_us({time}) // 1000000)::VARCHAR",
    "epoch_ms": "(epoch_us({time}) // 1000)::VARCHAR",
    "epoch_us": "epoch_us({time})::VARCHAR",
    "iso": "strftime({time}, '\"%Y-%m-%dT%H:%M:%S.%fZ\"')",
}
"""Kinds of casts; a time may come as ISO 8601, or in a format that follows a colon (`epoch_ms:%d.%m.%Y`)."""
TIMED = {"epoch_s", "epoch_ms", "epoch_us", "iso"}
FACTOR = "x/"
"""Signs of a unit: x1000, /1000."""


def repaired(
    db: duckdb.DuckDBPyConnection, steps: Sequence[Step], payload: pa.Array, fields: Sequence[str]
) -> pa.Array:
    """Return the events after all steps, in their order; `fields` are the names that an expression may use."""
    events = pa.table({"row": pa.array(range(len(payload)), pa.int64()), "payload": payload})
    query = "SELECT row, payload FROM events"
    for step in steps:
        gone = [step.target, *([step.value] if step.kind == "rename" else [])]
        came = f"SELECT *, json_extract(payload, {sql.json_pointer(step.target)})::VARCHAR AS came FROM ({query})"
        value = f"SELECT *, {value_sql(step, fields)} AS value FROM (SELECT *, {TEXT} AS text FROM ({came}))"
        query = f"SELECT row, {with_value(step.target, gone)} AS payload FROM ({value})"
    with visible(db, events=events):
        found: pa.ChunkedArray = db.sql(f"{query} ORDER BY row").to_arrow_table()["payload"]
    return found.combine_chunks().cast(pa.string())


def with_value(field: str, gone: Sequence[str]) -> str:
    """Write an event with a member in the first place; those of the same name, and others, leave it."""
    patch = sql.literal(orjson.dumps(dict.fromkeys(gone)).decode())
    key = sql.literal("{" + orjson.dumps(field).decode() + ":")
    rest = f"json_merge_patch(payload, {patch})::VARCHAR"
    whole = f"{key} || value || CASE WHEN {rest} = '{{}}' THEN '}}' ELSE ',' || substr({rest}, 2) END"
    return f"CASE WHEN value IS NULL OR payload IS NULL THEN payload ELSE {whole} END"


def value_sql(step: Step, fields: Sequence[str]) -> str:
    """Return the JSON text that a step gives to its field; NULL where it has nothing to say."""
    match step.kind:
        case "rename":
            return f"CASE WHEN came IS NULL THEN json_extract(payload, {sql.json_pointer(step.value)})::VARCHAR END"
        case "default":
            return f"CASE WHEN came IS NULL OR came = 'null' THEN {sql.literal(step.value)} END"
        case "enum":
            cases = " ".join(
                f"WHEN {sql.literal(old)} THEN {sql.literal(orjson.dumps(new).decode())}"
                for old, new in step.values.items()
            )
            return f"CASE text {cases} END"
        case "cast":
            return cast_sql(step.value)
        case "sql":
            return expression_sql(step.value, fields)
    raise UserError(f"a step '{step.kind}' is no query.")


def cast_sql(kind: str) -> str:
    """Write a cast of a value that is there."""
    if kind[:1] in FACTOR:
        return scaled(kind)
    name, _, form = kind.partition(":")
    time = f"TRY_STRPTIME(text, {sql.literal(form)})" if form else "TRY_CAST(text AS TIMESTAMPTZ)"
    if name == "iso" and not form:
        time = "make_timestamp(TRY_CAST(text AS BIGINT) * 1000)"
    return f"CASE WHEN text IS NOT NULL THEN {CASTS[name].format(time=time)} END"


def scaled(kind: str) -> str:
    """Write a number in another unit; whole where the result is."""
    number = "TRY_CAST(text AS DECIMAL(38, 9))"
    result = f"({number}::DOUBLE {'*' if kind[0] == 'x' else '/'} {float(kind[1:])!r})"
    return f"CASE WHEN {result} = trunc({result}) THEN {result}::HUGEINT::VARCHAR ELSE to_json({result})::VARCHAR END"


def expression_sql(text: str, fields: Sequence[str]) -> str:
    """Write a checked expression over the fields of the event, each as the text of its value."""
    found = f"json_extract_string(payload, [{', '.join(map(sql.json_pointer, fields))}])"
    columns = ", ".join(f"found[{number}] AS {sql.name(one)}" for number, one in enumerate(fields, start=1))
    return f"(SELECT to_json(TRY(({text}\n)))::VARCHAR FROM (SELECT {columns} FROM (SELECT {found} AS found)))"


def check_cast(kind: str) -> str:
    """Refuse a cast that does not exist."""
    if kind[:1] in FACTOR and is_number(kind[1:]):
        return kind
    name, _, form = kind.partition(":")
    if name not in CASTS or (form and name not in TIMED):
        known = f"{', '.join(CASTS)}, x1000, /1000, epoch_ms:%d.%m.%Y"
        raise UserError(f"no cast '{kind}' (known: {known}).{nearest(name, CASTS)}")
    return kind


def is_number(text: str) -> bool:
    """Whether a text is a factor."""
    try:
        return float(text) > 0
    except ValueError:
        return False


def json_text(value: str) -> str:
    """Return a value of the command line as JSON text: what is no JSON is a text."""
    try:
        document: Any = orjson.loads(value)
    except orjson.JSONDecodeError:
        document = value
    return orjson.dumps(document).decode()
