from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from io import BytesIO
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from fastavro import schemaless_reader, schemaless_writer
from hypothesis import given, settings
from hypothesis import strategies as st

from mend.runtime.errors import UserError
from producer.anomalies import AVRO_DAMAGES, Anomalies, Damage
from producer.avro import OWN_SCHEMA, avro_encoder, default_schema_path, read_schema, version_path
from producer.customers import Customer, Event, customers
from producer.messages import Format, messages
from producer.topics import declared_topics

START = 1_767_225_600_000


@cache
def customer() -> Customer:
    """Return one of the base."""
    return customers(42)[0]


@cache
def encoder() -> Callable[[Event], bytes]:
    """Return the Avro encoder of the schema files."""
    return avro_encoder(OWN_SCHEMA)


@cache
def schema(version: int) -> Any:
    """Return the schema of an id."""
    return read_schema(version_path(OWN_SCHEMA, version))


@pytest.mark.parametrize(("writer", "reader"), [(1, 2), (1, 3), (2, 3)])
def test_a_later_schema_reads_what_an_earlier_one_wrote(writer: int, reader: int) -> None:
    """The versions are backward compatible: what an old event lacks is null."""
    event = Event(customer(), START, writer)
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
    encode = avro_encoder(OWN_SCHEMA)
    for version in (1, 2, 3):
        assert encode(Event(customer(), START, version))[:5] == bytes([0, 0, 0, 0, version])


def decoded(value: bytes) -> dict[str, Any]:
    """Read the Confluent wire format with the schema that the bytes name."""
    if value[:1] != b"\x00" or len(value) < 5:
        raise ValueError(value[:5])
    record = schemaless_reader(BytesIO(value[5:]), schema(int.from_bytes(value[1:5], "big")), None)
    assert isinstance(record, dict)
    return {name: stamp(value) if name.endswith("_ts") else value for name, value in record.items()}


def stamp(value: datetime) -> int:
    """Return epoch milliseconds."""
    return round(value.timestamp() * 1000)


def avro_and_json(anomalies: Anomalies) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield the same events, read back from Avro and from JSON."""
    avro, json = (
        islice(messages(42, start_ts=START, anomalies=anomalies, form=form, schema_path=OWN_SCHEMA), 300)
        for form in (Format.AVRO, Format.JSON)
    )
    for one, other in zip(avro, json, strict=True):
        yield decoded(one.value), orjson.loads(other.value)


def test_avro_and_json_carry_the_same_events() -> None:
    """Every version read back from Avro has the fields and values of its JSON twin."""
    for avro, json in avro_and_json(Anomalies(drift_frequency=3, missing=0)):
        assert avro == json


def test_an_incomplete_event_in_avro_has_an_empty_country() -> None:
    """Avro cannot leave a required field out."""
    assert all(avro["country"] == "" for avro, _ in avro_and_json(Anomalies(missing=1)))


@pytest.mark.parametrize("damage", AVRO_DAMAGES)
@given(seed=st.integers(0, 2**32), version=st.sampled_from([1, 2, 3]))
@settings(max_examples=50, deadline=None)
def test_damaged_avro_cannot_be_decoded(damage: Damage, seed: int, version: int) -> None:
    """Cut anywhere, or text in its place: the header is not one, or the record ends too early."""
    broken = damage(encoder()(Event(customer(), START, version, customer_segment="standard")), Random(seed))
    with pytest.raises((EOFError, ValueError, IndexError)):
        decoded(broken)


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
