"""Every type of the contract: a column holds exactly what was sent, or the event says which column did not fit."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mend.curate.curator import Curated, Curator
from mend.curate.decode import decode_json
from mend.curate.plan import Plan, make_plan
from mend.quality.rules import load_rules
from mend.runtime.pipeline_file import load_pipeline
from tests.fast.plain_decoder import MISSING, MisfitError, decode_member, parse

pytestmark = pytest.mark.spark

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMIT = timedelta(minutes=15)
PIPELINE = "pipeline: things\ntopic: t\nschema: things.avsc\nrules: rules.yml\nkey: [key]\nevent_time: at\n"
RULES = """
business_rules:
  things:
    description: What must be there.
    expectations:
      - {expectation_type: expect_column_values_to_not_be_null, column: key, severity: contract}
"""
FIXED = ({"name": "key", "type": "long"}, {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}})


def plan_for(fields: list[dict[str, Any]]) -> Plan:
    """Compile a pipeline whose events have these fields besides key and time."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        schema = {"type": "record", "name": "Thing", "fields": [*FIXED, *fields]}
        (folder / "things.avsc").write_bytes(orjson.dumps(schema))
        (folder / "rules.yml").write_text(RULES)
        (folder / "things.yml").write_text(PIPELINE)
        pipeline = load_pipeline(folder / "things.yml")
        return make_plan(pipeline, load_rules(pipeline.rules_path, pipeline=pipeline.name))


def curated(plan: Plan, values: list[bytes], records: Callable[..., pa.Table]) -> Curated:
    """Curate the values as one batch."""
    return Curator(plan, decode_json, run_id="r", now=NOW).curate(records(values))


# --- one type after the other ----------------------------------------------------------------------------------------

DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
WIDE = DECIMAL | {"precision": 50}
UUID = "12345678-1234-5678-1234-56781234ABCD"
FITS: dict[str, tuple[Any, list[str], list[str]]] = {
    "int": ("int", ["0", "-2147483648", "2147483647"], ["2147483648", "1.0", "1e2", '"1"', "true", "null", "[]"]),
    "long": ("long", ["9007199254740993", "-9223372036854775808"], ["9223372036854775808", "99999999999999999999"]),
    "float": ("float", ["0.5", "1", "3.4e38"], ["1e39", "-1e39", "NaN", "Infinity", '"1"']),
    "double": ("double", ["0.1", "1e308", "123456789012345678901234567890"], ["1e400", "NaN", "-Infinity", "true"]),
    "boolean": ("boolean", ["true", "false"], ["1", '"true"', "null"]),
    "string": ("string", ['"a\\u0000b"', '"\\ud83d\\ude00"', '""'], ["1", "null", "{}"]),
    "bytes": ("bytes", ['""', '"AP8="', '"AAAA"'], ['"AP8"', '"A"', '"AP9="', '"A P8="', "1"]),
    "fixed": ({"type": "fixed", "name": "F", "size": 2}, ['"AP8="'], ['"AAAA"', '"AA=="', '""']),
    "enum": ({"type": "enum", "name": "E", "symbols": ["a", "it's"]}, ['"a"', '"it\'s"'], ['"A"', '""', "1"]),
    "uuid": ({"type": "string", "logicalType": "uuid"}, [f'"{UUID}"'], [f'"{{{UUID}}}"', '"x"', f'"{UUID}0"']),
    "date": ({"type": "int", "logicalType": "date"}, ["-1", "-719162", "2932896"], ["-719163", "2932897", '"1"']),
    "time-millis": ({"type": "int", "logicalType": "time-millis"}, ["0", "86399999"], ["-1", "86400000"]),
    "time-micros": ({"type": "long", "logicalType": "time-micros"}, ["86399999999"], ["-1", "86400000000"]),
    "timestamp-micros": (
        {"type": "long", "logicalType": "timestamp-micros"},
        ["-1", "253402300799999999", "-62135596800000000"],
        ["253402300800000000", "-62135596800000001"],
    ),
    "local-timestamp-millis": (
        {"type": "long", "logicalType": "local-timestamp-millis"}, ["-62135596800000"], ["253402300800000"],
    ),
    "decimal": (
        DECIMAL,
        ['"1234567.89"', "1234567.89", "-0.1", '"1.500"', '"007"', "1e5", '"1.5E-1"', "12", '".5"', "0.00000001e7"],
        ['"12abc"', "1.234", '"1.234"', "12345678", '""', '" 1"', '"1_0"', "NaN", "1e-50", "1e400", '"0x1"', "true",
         "0.10000000000000000001", '"1,5"', "null", "[]", '"1e-3"'],
    ),
    "a decimal of 50 digits": (WIDE, [f'"{"9" * 48}.99"', f"{'9' * 48}.99"], [f'"{"9" * 49}"', '"1.234"']),
    "union": (
        ["string", "long", {"type": "array", "items": "int"}], ['"1"', "1", "[1,2]", "9223372036854775807"],
        ["1.5", "[1.5]", "true", "{}", "9223372036854775808", "null"],
    ),
    "a list of decimals": (
        {"type": "array", "items": DECIMAL}, ["[]", '["1.10",2.20]', "[1234567.89]"], ['["x"]', "[1.234]", "[null]"],
    ),
    "a map of dates": (
        {"type": "map", "values": {"type": "int", "logicalType": "date"}}, ["{}", '{"a":-1,"":2}'], ['{"a":9999999}'],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FITS)
def test_what_fits_is_what_was_sent(name: str, records: Callable[..., pa.Table]) -> None:
    """Each value of the type is published as it came; each other rejects its event and is named."""
    declared, good, bad = FITS[name]
    field = {"name": "x", "type": declared}
    values = [f'{{"key":{number},"at":0,"x":{text}}}'.encode() for number, text in enumerate([*good, *bad])]
    out = curated(plan_for([field]), values, records)
    assert out.accepted["kafka_offset"].to_pylist() == list(range(len(good)))
    shown = [same_as(one, declared) for one in out.accepted["x"].to_pylist()]
    assert shown == [decode_member(parse(text), field) for text in good]
    assert [{one["column"] for one in reasons} for reasons in out.rejected["reasons"].to_pylist()] == [{"x"}] * len(bad)


def same_as(value: Any, declared: Any) -> Any:
    """Return a published value in the form of the second decoder: a union is JSON text, a wide decimal is text."""
    if isinstance(declared, list) and len([one for one in declared if one != "null"]) > 1 and value is not None:
        return parse(value)
    wide = isinstance(declared, dict) and declared.get("precision", 0) > 38
    return Decimal(value) if wide else value


def test_a_lone_surrogate_is_refused(records: Callable[..., pa.Table]) -> None:
    """Half a surrogate pair has no UTF-8: the event is kept byte for byte, with its reason, in any place of it."""
    plan = plan_for(
        [{"name": "x", "type": ["null", "string"]}, {"name": "m", "type": {"type": "map", "values": "int"}}]
    )
    texts = [r'"x":"\ud800"', r'"x":"\udc00\ud800"', r'"m":{"\ud800":1}', r'"y":"\ud800"', r'"\ud800":1']
    values = [f'{{"key":{n},"at":0,"m":{{}},{text}}}'.encode() for n, text in enumerate(texts)]
    out = curated(plan, values, records)
    assert out.dead_letters["reason"].to_pylist() == ["not_json"] * len(texts)
    assert out.dead_letters["value"].to_pylist() == values


TRAILING = [
    '{"key":1,"at":0,}',
    '{"key":1,"at":0 ,\n}\n',
    '{"key":1,"at":0,"n":[1,],"m":{}}',
    '{"key":1,"at":0,"n":[],"m":{"a":1,}}',
]


@pytest.mark.parametrize("text", TRAILING)
def test_a_trailing_comma_is_no_json(text: str, records: Callable[..., pa.Table]) -> None:
    """What every other reader refuses is a dead letter; the same signs in a text are not meant."""
    fields = [{"name": "n", "type": {"type": "array", "items": "int"}, "default": []},
              {"name": "m", "type": {"type": "map", "values": "int"}, "default": {}}]  # fmt: skip
    good = '{"key":2,"at":0,"note":",}"}'
    out = curated(plan_for(fields), [text.encode(), good.encode()], records)
    assert (out.dead_letters["reason"].to_pylist(), out.accepted["key"].to_pylist()) == (["not_json"], [2])


def test_unknown_fields_keep_their_digits(records: Callable[..., pa.Table]) -> None:
    """Rescued numbers are not rounded, and what JSON has no word for is a text."""
    value = b'{"key":1,"at":0,"x":12345678901234567890.10,"y":[NaN,-Infinity],"z":1}'
    (row,) = curated(plan_for([]), [value], records).accepted.to_pylist()
    assert row["rescued"] == '{"x":12345678901234567890.10,"y":["NaN","-Infinity"],"z":1}'


def test_unknown_members_are_rescued_like_unknown_fields(records: Callable[..., pa.Table]) -> None:
    """They are additive drift under their path, and stand in `rescued` beside unknown fields."""
    line = {"type": "record", "name": "L", "fields": [{"name": "a", "type": "int", "default": 7}]}
    plan = plan_for([{"name": "r", "type": line}, {"name": "s", "type": {"type": "array", "items": "L"}}])
    texts = [
        '"r":{"a":1,"b":1.50},"s":[{"a":2},{"b":3}],"u":1',
        '"r":{"a":"1","b":1},"s":[]',
        '"r":{},"s":[{}]',
        '"r":{"b":1}',
    ]
    out = curated(plan, [f'{{"key":{n},"at":0,{text}}}'.encode() for n, text in enumerate(texts)], records)
    first, last = out.accepted.to_pylist()[:2]
    assert (first["r"], first["s"]) == ({"a": 1}, [{"a": 2}, {"a": 7}])
    assert first["rescued"] == '{"u":1,"r":{"b":1.50},"s":[null,{"b":3}]}'
    assert (last["r"], last["s"], last["rescued"]) == ({"a": 7}, [{"a": 7}], None)
    assert (first["schema_drift_detected"], last["schema_drift_detected"], out.tally.drifted) == (True, False, 2)
    found = {(one.name, one.found): one.count for one in out.tally.fields}
    assert found == {
        ("u", "UBIGINT"): 1,
        ("r.b", "DOUBLE"): 1,
        ("r.b", "BIGINT"): 1,
        ("s.b", "BIGINT"): 1,
        ("s", "missing"): 1,
    }
    assert [one["column"] for one in out.rejected["reasons"].to_pylist()[0]] == ["r.a"]


# --- schemas and events that nobody thought of -----------------------------------------------------------------------

TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
LEAVES = st.sampled_from([declared for declared, _, _ in FITS.values() if "size" not in str(declared)])
GOOD_TEXTS = sorted({text for _, good, _ in FITS.values() for text in good})
BAD_TEXTS = sorted({text for _, _, bad in FITS.values() for text in bad if "Na" not in text and "Inf" not in text})


def named(declared: Any, name: str) -> Any:
    """Give a declared enum a name of its own."""
    return declared | {"name": f"E_{name}"} if isinstance(declared, dict) and "symbols" in declared else declared


@st.composite
def types(draw: st.DrawFn, name: str, depth: int = 2) -> Any:
    """Draw a type, perhaps nullable, perhaps with parts."""
    form = draw(st.sampled_from(["leaf"] * 4 + ["array", "map", "record", "nullable"] * (depth > 0)))
    if form == "leaf":
        return named(draw(LEAVES), name)
    if form == "record":
        return {"type": "record", "name": f"R_{name}", "fields": draw(members(name, depth - 1))}
    inner = draw(types(f"{name}i", depth - 1))
    if form == "nullable":
        return inner if isinstance(inner, list) else ["null", inner]
    return {"type": form, "items" if form == "array" else "values": inner}


@st.composite
def members(draw: st.DrawFn, name: str, depth: int) -> list[dict[str, Any]]:
    """Draw the members of a record."""
    found = [
        {"name": f"{name}{number}", "type": draw(types(f"{name}{number}", depth))}
        for number in range(draw(st.integers(1, 3)))
    ]
    return [
        one | {"default": None} if isinstance(one["type"], list) and one["type"][0] == "null" else one for one in found
    ]


@st.composite
def texts_of(draw: st.DrawFn, declared: Any) -> str:
    """Draw the JSON text of a value of a type; now and then of another one."""
    if draw(st.integers(0, 14)) == 0:
        return draw(st.sampled_from([*GOOD_TEXTS, *BAD_TEXTS]))
    if isinstance(declared, list) and declared[0] == "null":
        return "null" if draw(st.booleans()) else draw(texts_of(declared[1]))
    kind = declared.get("type") if isinstance(declared, dict) else declared
    if kind == "record":
        return draw(objects(declared["fields"]))
    if kind == "array":
        return "[" + ",".join(draw(st.lists(texts_of(declared["items"]), max_size=2))) + "]"
    if kind == "map":
        return draw_map(draw(st.dictionaries(TEXTS, texts_of(declared["values"]), max_size=2)))
    good = next(good for one, good, _ in FITS.values() if named(one, "x") == (named(declared, "x")))
    return draw(st.sampled_from(good))


def draw_map(members: dict[str, str]) -> str:
    """Write an object of texts."""
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in members.items()) + "}"


@st.composite
def objects(draw: st.DrawFn, fields: list[dict[str, Any]]) -> str:
    """Draw an object in any order; now and then something is missing, or there is something more."""
    found = {one["name"]: draw(texts_of(one["type"])) for one in fields if draw(st.integers(0, 19))}
    if draw(st.integers(0, 9)) == 0:
        found["zz"] = draw(st.sampled_from(GOOD_TEXTS))
    return draw_map({name: found[name] for name in draw(st.permutations(list(found)))})


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[str]]:
    """Draw a schema and events that mostly fit it."""
    fields = draw(members("f", 2))
    return fields, draw(st.lists(objects(fields), min_size=12, max_size=24))


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(batch=batches())
def test_columns_hold_what_a_second_decoder_says(
    records: Callable[..., pa.Table], batch: tuple[list[dict[str, Any]], list[str]]
) -> None:
    """Each event has one place; accepted rows hold what plain Python decodes; a reject names the columns at fault."""
    fields, bodies = batch
    values = [f'{{"key":{n},"at":{n},{body[1:]}'.replace(",}", "}").encode() for n, body in enumerate(bodies)]
    out = curated(plan_for(fields), values, records)
    wanted: dict[int, dict[str, Any]] = {}
    faults: dict[int, set[str]] = {}
    for number, value in enumerate(values):
        event = parse(value.decode())
        for field in fields:
            try:
                wanted.setdefault(number, {})[field["name"]] = decode_member(event.get(field["name"], MISSING), field)
            except MisfitError:
                faults.setdefault(number, set()).add(field["name"])
    accepted = {row["kafka_offset"]: row for row in out.accepted.to_pylist()}
    rejected = dict(zip(out.rejected["offset"].to_pylist(), out.rejected["reasons"].to_pylist(), strict=True))
    assert {number: {one["column"].split(".")[0] for one in reasons} for number, reasons in rejected.items()} == faults
    assert sorted([*accepted, *rejected]) == list(range(len(values)))
    for number, row in accepted.items():
        assert plain({name: row[name] for name in wanted[number]}, fields) == wanted[number]
        assert (b'"zz"' in values[number]) is (row["rescued"] is not None) or in_union(fields)


def in_union(fields: list[dict[str, Any]]) -> bool:
    """Whether there is a union, which keeps whatever is in its values."""
    return "['string', 'long'" in str(fields)


def plain(value: Any, declared: Any) -> Any:  # noqa: PLR0911 - a case a type
    """Return a published value in the form of the second decoder, its parts too."""
    if value is None:
        return None
    if isinstance(declared, list) and declared and isinstance(declared[0], dict) and "name" in declared[0]:
        return {one["name"]: plain(value[one["name"]], one["type"]) for one in declared}
    if isinstance(declared, list) and declared[0] == "null":
        return plain(value, declared[1])
    kind = declared.get("type") if isinstance(declared, dict) else None
    if kind == "record":
        return plain(value, declared["fields"])
    if kind == "array":
        return [plain(one, declared["items"]) for one in value]
    if kind == "map":
        return [(name, plain(one, declared["values"])) for name, one in value]
    return same_as(value, declared)
