from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastavro import schemaless_reader, schemaless_writer

from mend.runtime.errors import UserError
from producer.avro import OWN_SCHEMA, avro_encoder, default_schema_path, read_schema, version_path
from producer.customers import Event, customers
from producer.topics import declared_topics

START = 1_767_225_600_000


def schema(version: int) -> Any:
    """Return the schema of a version."""
    return read_schema(version_path(OWN_SCHEMA, version))


@pytest.mark.parametrize(("writer", "reader"), [(1, 2), (1, 3), (2, 3)])
def test_a_later_schema_reads_what_an_earlier_one_wrote(writer: int, reader: int) -> None:
    """The versions are backward compatible: what an old event lacks is null."""
    event = Event(customers(42)[0], START, writer)
    out = BytesIO()
    schemaless_writer(out, schema(writer), event.fields())
    out.seek(0)
    record = schemaless_reader(out, schema(writer), schema(reader))
    assert isinstance(record, dict)
    assert record["marketing_opt_in"] is None
    assert list(record) == [field["name"] for field in schema(reader)["fields"]]


def test_the_schema_without_a_version_is_the_newest() -> None:
    """`customer_events.avsc` and its third version are the same schema of ten fields."""
    newest = orjson.loads(OWN_SCHEMA.read_bytes())
    assert newest == orjson.loads(version_path(OWN_SCHEMA, 3).read_bytes())
    assert len(newest["fields"]) == 10
    assert len(schema(1)["fields"]) == 8


def test_bytes_name_their_schema() -> None:
    """A zero byte, then the version as four bytes, most significant first."""
    encode, customer = avro_encoder(OWN_SCHEMA), customers(42)[0]
    for version in (1, 2, 3):
        assert encode(Event(customer, START, version))[:5] == bytes([0, 0, 0, 0, version])


def test_without_the_containers_schema_the_checkouts_own_is_taken() -> None:
    """The default path is a file that exists."""
    assert default_schema_path().is_file()


def test_a_schema_without_its_versions_beside_it_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    """A lone schema file is refused, with the file that is missing and the flag to correct."""
    lone = tmp_path / "events.avsc"
    lone.write_bytes(OWN_SCHEMA.read_bytes())
    with pytest.raises(UserError, match=r"events\.v1\.avsc.*--schema-path"):
        avro_encoder(lone)


@pytest.mark.parametrize("content", [b"", b"{", b'{"type": "nonsense"}', b"\xff"])
def test_a_file_that_is_no_schema_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    """Empty, broken, foreign: one error, no stack trace."""
    path = tmp_path / "events.avsc"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"events\.avsc is not an Avro schema"):
        read_schema(path)


def test_topics_are_declared_with_partitions_and_retention() -> None:
    """The events' topic and the one of dead letters can be created as they are written down."""
    for layout in (declared_topics()[name] for name in ("customers", "customers-dead-letters")):
        assert layout["partitions"] >= 1
        assert layout["replication_factor"] >= 1
        assert int(layout["config"]["retention.ms"]) > 0
