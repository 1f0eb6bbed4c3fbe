"""Avro in the Confluent wire format reaches the same rows as JSON."""

import io
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import orjson
import pyarrow as pa
import pytest

from mend.curate.avro import SchemaFiles, avro_decoder
from mend.curate.curator import Curated, Curator
from mend.curate.decode import Decoder, decode_json
from mend.curate.decoders import decoder
from mend.curate.plan import Plan, make_plan
from mend.runtime.errors import UserError

pytestmark = pytest.mark.spark

SCHEMAS = Path(__file__).parents[2] / "kafka" / "schemas"
LOGICAL = {
    "type": "record", "name": "Logical", "fields": [
        {"name": "millis", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "micros", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "clock", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 4}},
        {"name": "fixed", "type": {"type": "fixed", "name": "F", "size": 9, "logicalType": "decimal", "precision": 20}},
        {"name": "tiny", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 10}},
        {"name": "uuid", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "raw", "type": "bytes"},
    ],
}  # fmt: skip
VALUES = {
    "millis": datetime(2024, 2, 29, 23, 59, 59, 999_000, tzinfo=UTC),
    "micros": datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    "local": datetime(1969, 12, 31, 23, 59, 59, 999_000),  # noqa: DTZ001 - a local time has no zone
    "day": date(2024, 2, 29),
    "clock": 1,
    "amount": Decimal("-12345678901234567890123456789012.3400"),
    "fixed": Decimal(10**20 - 1),
    "tiny": Decimal("0.0000000001"),
    "uuid": UUID("12345678-1234-5678-1234-56781234ABCD"),
    "raw": b"\x00\xff",
}
JSON = {
    "millis": 1709251199999, "micros": 1709251199999999, "local": -1, "day": 19782, "clock": 1,
    "amount": "-12345678901234567890123456789012.3400", "fixed": "99999999999999999999",
    "tiny": "0.0000000001",
    "uuid": "12345678-1234-5678-1234-56781234abcd", "raw": "AP8=",
}  # fmt: skip


def encoded(record: dict[str, Any], schema: Any) -> bytes:
    """Encode a record without the header."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, record)
    return out.getvalue()


def wire(record: dict[str, Any], version: int) -> bytes:
    """Encode a customer event as a producer with this version of the schema does."""
    schema = orjson.loads((SCHEMAS / f"customer_events.v{version}.avsc").read_bytes())
    return b"\0" + version.to_bytes(4, "big") + encoded(record, schema)


def decode_one(value: bytes | None, decode: Decoder) -> tuple[str | None, str | None]:
    """Decode one record."""
    text, reason = decode(pa.array([value], pa.binary()))
    return text[0].as_py(), reason[0].as_py()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of schemas: the logical types, and plain doubles."""
    folder = tmp_path_factory.mktemp("schemas")
    double = {"type": "record", "name": "D", "fields": [{"name": "x", "type": "double"}]}
    for version, schema in enumerate((LOGICAL, double), start=1):
        (folder / f"things.v{version}.avsc").write_bytes(orjson.dumps(schema))
    return folder


@pytest.fixture(scope="module")
def things(folder: Path) -> Callable[[int, dict[str, Any]], tuple[str | None, str | None]]:
    """Return a function that decodes a record written with a version of the folder's schemas."""
    decoder = avro_decoder(folder / "things.v1.avsc")

    def decode(version: int, record: dict[str, Any]) -> tuple[str | None, str | None]:
        schema = orjson.loads((folder / f"things.v{version}.avsc").read_bytes())
        return decode_one(b"\0" + version.to_bytes(4, "big") + encoded(record, schema), decoder)

    return decode


def avro_curator(customers: Plan, now: datetime, **changes: Any) -> Curator:
    """Return the curator of the same pipeline for Avro, as a task makes it."""
    plan = make_plan(replace(customers.pipeline, format="avro", **changes), customers.rules)
    return Curator(plan, decoder(plan.pipeline, None, plan.direct), run_id="r", now=now)


def test_values_enter_the_pass_as_they_are(customers: Plan, event: Callable[..., bytes], now: datetime) -> None:
    """A writer with the contract's types needs no way over JSON, and a bad record beside it changes nothing."""
    curator = avro_curator(customers, now)
    good = wire(orjson.loads(event()), 2)
    payload, _ = curator.decode(pa.array([good, good[:-2], *[good] * 40, good + b"\0", good], pa.binary()))
    written = payload.field("written").to_pylist()
    assert (written[1], written[20:]) == (None, [2] * 22 + [None, 2])
    assert payload.field("raw").to_pylist()[-1]["country"] == "US"


WRITERS: dict[str, tuple[Any, list[Any], bool]] = {
    "a number that is too big": ("long", [2**40, 3], True),
    "another type": ("string", ["3"], False),
    "null": (["null", "int"], [3, None, 4], True),
    "a double": ("double", [3.5, 3.0], False),
    "missing": (None, [None], True),
}
"""The type that is written, values, and whether they are decoded in the batch."""


@pytest.mark.parametrize("kind", WRITERS)
def test_decoded_values_are_judged_as_text_is(
    customers: Plan, event: Callable[..., bytes], records: Callable[..., pa.Table], now: datetime, tmp_path: Path,
    kind: str,
) -> None:  # fmt: skip
    """Whatever a writer does to a field of the contract: the same places, reasons and counts as in JSON."""
    declared, values, direct = WRITERS[kind]
    document = orjson.loads((SCHEMAS / "customer_events.v1.avsc").read_bytes())
    fields = [one for one in document["fields"] if one["name"] != "version"]
    writer = document | {"fields": [*fields, *([{"name": "version", "type": declared}] if declared else [])]}
    (tmp_path / "x.v1.avsc").write_bytes(orjson.dumps(document))
    (tmp_path / "x.v2.avsc").write_bytes(orjson.dumps(writer))
    first = orjson.loads(event())
    others = [first | {"id": f"c-{at}", "version": value} for at, value in enumerate(values, start=2)]
    others = [{name: one[name] for name in one if declared or name != "version"} for one in others]
    binary = avro_curator(customers, now, schema_path=tmp_path / "x.v1.avsc")
    expected = Curator(customers, decode_json, run_id="r", now=now).curate(
        records([orjson.dumps(one) for one in (first, *others)])
    )
    written = [b"\0\0\0\0\2" + encoded(one, writer) for one in others]
    assert (binary.decode(pa.array(written))[0].field("written").null_count == 0) is direct
    found = binary.curate(records([wire(first, 1), *written]))
    assert found.accepted.equals(expected.accepted)
    assert found.tally == expected.tally
    assert found.rejected["reasons"].to_pylist() == expected.rejected["reasons"].to_pylist()


def test_avro_and_json_reach_the_same_rows(
    customers: Plan, event: Callable[..., bytes], records: Callable[..., pa.Table], now: datetime
) -> None:
    """The same events in both formats, in three versions of the schema, old and future times too, give equal rows."""
    documents = [
        orjson.loads(event()),
        orjson.loads(event(id="c-2", version=2, marketing_opt_in=None)),
        orjson.loads(event(id="c-3", version=3, marketing_opt_in=True, customer_segment="churn_risk")),
        orjson.loads(event(id="c-4", signup_ts=-62_135_596_800_000)),
        orjson.loads(event(id="c-5", event_ts=253_402_300_800_000)),
        orjson.loads(event(id="é😀", name="", email="nobody")),
    ]
    text = Curator(customers, decode_json, run_id="r", now=now)
    binary = avro_curator(customers, now)
    expected = text.curate(records([orjson.dumps(one) for one in documents]))
    found = binary.curate(records([wire(one, one["version"]) for one in documents]))
    assert found.accepted.equals(expected.accepted)
    assert found.tally == expected.tally
    assert found.rejected["reasons"].to_pylist() == expected.rejected["reasons"].to_pylist()
    assert (expected.accepted.num_rows, expected.rejected.num_rows, expected.tally.drifted) == (5, 1, 2)


def test_records_that_are_no_avro(
    customers: Plan, event: Callable[..., bytes], records: Callable[..., pa.Table], now: datetime
) -> None:
    """A schema that is not known rejects the record with its bytes; everything else is a dead letter."""
    good = wire(orjson.loads(event()), 1)
    values = {
        "unknown_schema": good[:4] + b"\x63" + good[5:],
        "truncated": good[:-3],
        "truncated in the header": good[:3],
        "not_avro": good + b"\0",
        "not_avro: JSON": event(),
        "not_avro: no such plan": good[:-8] + b"\x7f" + good[-7:],
        "tombstone": None,
        "empty": b"",
        "good": good,
    }
    out = avro_curator(customers, now).curate(records(list(values.values())))
    dead = dict(zip(out.dead_letters["offset"].to_pylist(), out.dead_letters["reason"].to_pylist(), strict=True))
    names = list(values)
    assert out.rejected["reason"].to_pylist() == ["unknown_schema"]
    assert out.rejected["value"].to_pylist() == [values["unknown_schema"]]
    assert [(one.rule, one.failures) for one in out.tally.rules] == [("unknown_schema", 1)]
    assert out.accepted["kafka_offset"].to_pylist() == [names.index("good")]
    for offset, reason in dead.items():
        assert names[offset].startswith(reason)
    assert out.dead_letters["value"].to_pylist() == [values[names[offset]] for offset in dead]
    assert (out.tally.places.total, out.tally.places.rejected, out.tally.places.dead_letter) == (9, 1, 7)


def test_logical_types_are_what_a_json_producer_writes(
    things: Callable[[int, dict[str, Any]], tuple[str | None, str | None]],
) -> None:
    """Times are the whole numbers of the wire, decimals text with all digits, bytes base64."""
    text, reason = things(1, VALUES)
    assert reason is None
    assert orjson.loads(text or "") == JSON


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_double_that_is_no_number_stays_one(
    things: Callable[[int, dict[str, Any]], tuple[str | None, str | None]], number: float
) -> None:
    """It does not become a null, which an optional field would let pass."""
    text, _ = things(2, {"x": number})
    assert text in {'{"x":NaN}', '{"x":Infinity}', '{"x":-Infinity}'}


@pytest.mark.parametrize(
    "declared", [["null", "r.Node"], {"type": "array", "items": "Node"}, {"type": "map", "values": "Node"}]
)
def test_a_type_without_end_is_refused(tmp_path: Path, declared: Any) -> None:
    """A record of 100,000 levels would end the process; a type that is named twice, one after the other, is fine."""
    other = {"type": "record", "name": "Other", "fields": [{"name": "x", "type": "int"}]}
    fields = [{"name": "a", "type": other}, {"name": "b", "type": ["null", "Other"]}]
    node: dict[str, Any] = {"type": "record", "name": "Node", "namespace": "r", "fields": fields}
    path = tmp_path / "r.v1.avsc"
    path.write_bytes(orjson.dumps(node))
    assert list(SchemaFiles.beside(path).files) == [1]
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "next", "type": declared}]}
    path.write_bytes(orjson.dumps(node | {"fields": [*fields, {"name": "c", "type": inner}]}))
    with pytest.raises(UserError, match="refers to itself"):
        SchemaFiles.beside(path)


def test_a_schema_that_is_added_is_known_to_the_next_run(tmp_path: Path) -> None:
    """The schema files are the registry: its id is the number in the file's name."""
    one = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]}
    (tmp_path / "r.v1.avsc").write_bytes(orjson.dumps(one))
    (tmp_path / "other.v2.avsc").write_bytes(orjson.dumps(one))
    (tmp_path / "r.v1.bak.avsc").write_bytes(b"not JSON")
    value = b"\0\0\0\0\2" + encoded({"x": 5}, one)
    assert decode_one(value, avro_decoder(tmp_path / "r.v1.avsc")) == (None, "unknown_schema")
    (tmp_path / "r.v2.avsc").write_bytes(orjson.dumps(one))
    assert decode_one(value, avro_decoder(tmp_path / "r.v1.avsc")) == ('{"x":5}', None)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"string"', "5", '{"type":"record"}', '{"type":"record","name":"R","fields":5}', '"strin"']
)
def test_a_schema_file_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    """The error names the file."""
    path = tmp_path / "r.v1.avsc"
    path.write_text(text)
    with pytest.raises(UserError, match=r"r\.v1\.avsc cannot be used: it is not an Avro schema"):
        SchemaFiles.beside(path)


def test_no_versioned_schema_file_is_an_error(tmp_path: Path) -> None:
    """Without numbered files no record could ever be read; the error says how to name them."""
    with pytest.raises(UserError, match=r"no file 'r\.v<id>\.avsc'"):
        avro_decoder(tmp_path / "r.avsc")


def test_the_pipeline_file_names_the_format(customers: Plan, curate: Callable[..., Curated]) -> None:
    """JSON is read as it is; `format: avro` reads the wire format."""
    del curate
    assert decoder(customers.pipeline) is decode_json
    avro = decoder(replace(customers.pipeline, format="avro"))
    assert avro(pa.array([b"{}"], pa.binary()))[1].to_pylist() == ["not_avro"]
