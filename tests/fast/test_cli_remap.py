"""`mend remap propose`: samples and schemas of files, for people and for programs."""

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from cli.main import cli
from mend.contracts.codec import loads
from mend.contracts.matching import Matching
from mend.remap.samples import read_sample, read_schema
from mend.runtime.errors import UserError

pytestmark = pytest.mark.spark

ROWS = [
    {"id": at, "cust_nm": f"Ann {chr(65 + at % 26)}x{at}", "zip": f"0{at:04d}", "place": {"town": "Bonn"}}
    for at in range(60)
]


def renamed(row: dict[str, Any]) -> dict[str, Any]:
    """Return the same row under other names."""
    return {"id": row["id"], "customerName": row["cust_nm"], "zip": row["zip"], "place": {"city": row["place"]["town"]}}


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return path


def propose(*arguments: str | Path) -> Any:
    """Run the command."""
    return CliRunner().invoke(cli, ["remap", "propose", *map(str, arguments)])


def test_json_lines_are_matched(tmp_path: Path) -> None:
    """One JSON object on stdout, with exactly the keys that programs read."""
    old, new = lines(tmp_path / "a.jsonl", ROWS), lines(tmp_path / "b.jsonl", [renamed(one) for one in ROWS])
    result = propose("--old-sample", old, "--new-sample", new, "--json")
    assert result.exit_code == 0
    document = orjson.loads(result.stdout)
    assert set(document) == {"proposals", "unmatched", "warnings"}
    assert set(document["unmatched"]) == {"old", "new"}
    assert set(document["proposals"][0]) == {"old", "new", "score", "action", "reasons"}
    found = loads(Matching, result.stdout)
    assert [(one.old, one.new) for one in found.proposals] == [
        ("cust_nm", "customerName"),
        ("place.town", "place.city"),
    ]
    assert found.proposals[0].action == "apply"


def test_people_read_reasons(tmp_path: Path) -> None:
    """Each proposal with what speaks for and against it, and the warnings."""
    old, new = lines(tmp_path / "a.jsonl", ROWS[:3]), lines(tmp_path / "b.jsonl", [renamed(one) for one in ROWS[:3]])
    result = propose("--old-sample", old, "--new-sample", new)
    assert "ask   cust_nm → customerName" in result.stdout
    assert "there are too few values" in result.stdout
    assert "no column vanished" in propose("--old-sample", old, "--new-sample", old).stdout


def test_every_format_gives_the_same_columns(tmp_path: Path) -> None:
    """CSV with any usual separator, Parquet and JSON: zip codes keep their noughts, numbers are numbers."""
    flat = [{key: row[key] for key in ("id", "cust_nm", "zip")} for row in ROWS]
    for mark in ",;\t":
        text = "\n".join(mark.join(map(str, row)) for row in [list(flat[0]), *(one.values() for one in flat)])
        (tmp_path / "a.csv").write_text("\ufeff" + text)
        assert read_sample(tmp_path / "a.csv").to_pylist() == flat
    parquet.write_table(pa.Table.from_pylist(flat), tmp_path / "a.parquet")
    assert read_sample(tmp_path / "a.parquet").to_pylist() == flat
    assert read_sample(lines(tmp_path / "a.jsonl", flat)).to_pylist() == flat
    (tmp_path / "a.json").write_bytes(orjson.dumps(flat))
    assert read_sample(tmp_path / "a.json").to_pylist() == flat


def test_mixed_members_become_text(tmp_path: Path) -> None:
    """A member of several types is kept as JSON text, one that is missing is null."""
    table = read_sample(lines(tmp_path / "a.jsonl", [{"a": 1}, {"a": {"b": 2}, "c": True}, {"a": "x"}]))
    assert table.to_pylist() == [{"a": "1", "c": None}, {"a": '{"b":2}', "c": True}, {"a": "x", "c": None}]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.xlsx", b"", "its name must end in .csv"),
        ("a.jsonl", b"{", "cannot be read"),
        ("a.jsonl", b"[1]\n", "no JSON objects"),
        ("a.parquet", b"no", "cannot be read"),
        ("a.csv", b"a,b\n1,2,3\n", "cannot be read"),
    ],
)
def test_a_broken_sample_is_one_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """What cannot be read is said with the file's name and what to give."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said) as refused:
        read_sample(tmp_path / name)
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_avro_schema_keeps_types_and_classes(tmp_path: Path) -> None:
    """Logical types, nested and named ones, unions with null, and which field is about a person."""
    mail = {"name": "mail", "type": ["null", "string"], "pii": True}
    place = {"type": "record", "name": "Place", "fields": [{"name": "town", "type": "string"}]}
    fields = [
        mail,
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "sum", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "home", "type": place},
        {"name": "work", "type": {"type": "array", "items": "Place"}},
        {"name": "tags", "type": {"type": "map", "values": "int"}},
        {"name": "either", "type": ["int", "string"]},
    ]
    path = tmp_path / "a.avsc"
    path.write_bytes(orjson.dumps({"type": "record", "name": "Event", "fields": fields}))
    schema = read_schema(path)
    assert schema.field("mail").nullable
    assert schema.field("mail").metadata == {b"pii": b"true"}
    town = pa.struct([pa.field("town", pa.string(), nullable=False)])
    assert schema.types == [
        pa.string(), pa.timestamp("ms", "UTC"), pa.decimal128(9, 2), town, pa.list_(town),
        pa.map_(pa.string(), pa.int32()), pa.string(),
    ]  # fmt: skip
    path.write_bytes(b'"string"')
    with pytest.raises(UserError, match="no schema of a record"):
        read_schema(path)
