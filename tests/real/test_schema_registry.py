"""The registry of the tests and its stand-in give the same answers; runs live with one that comes and goes."""

import json
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from urllib3 import PoolManager

from agent.causes import Cause, classify
from mend.runtime.errors import UserError
from mend.runtime.schema_registry import RegistryAddress, SchemaRegistry
from orchestration.backfill import Asked, asked_spans
from producer.anomalies import Anomalies
from producer.avro import OWN_SCHEMA, register_schemas, version_path
from producer.messages import Format
from spark.failure import explained
from tests.fake_registry import fake_registry
from tests.real.conftest import Flow, with_registry
from tests.real.registry import running_registry
from tests.real.test_backfill import again

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

RECORD = {"type": "record", "name": "R", "namespace": "a.b", "fields": [{"name": "x", "type": "int"}]}
OUTER = {"type": "record", "name": "O", "fields": [{"name": "one", "type": "a.b.R"}]}


@pytest.fixture(params=["stand-in", "real"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of a registry."""
    if request.param == "real":
        yield request.getfixturevalue("schema_registry").url
        return
    with fake_registry() as (_, address):
        yield address


@pytest.fixture
def client(url: str, tmp_path: Path) -> SchemaRegistry:
    """Return a client."""
    return SchemaRegistry(RegistryAddress(url=url, folder=tmp_path, wait_seconds=5))


def test_a_schema_comes_back_by_its_id(client: SchemaRegistry) -> None:
    """The same schema has the same id, another version another one."""
    first, second = (version_path(OWN_SCHEMA, version).read_text() for version in (1, 2))
    ids = [client.register("t-value", text) for text in (first, second, first)]
    assert ids[0] == ids[2] != ids[1]
    found = client.schema(ids[1])
    assert found is not None
    assert found.type == "AVRO"
    assert [json.loads(one) for one in found.documents] == [json.loads(second)]


def test_an_id_that_was_never_given(client: SchemaRegistry) -> None:
    """Is told apart from a registry that fails."""
    assert client.schema(2_000_000) is None


def test_references_are_followed(client: SchemaRegistry, url: str) -> None:
    """What a schema refers to comes before it."""
    client.register("inner", json.dumps(RECORD))
    refers = [{"name": "a.b.R", "subject": "inner", "version": 1}]
    number = post(url, "outer", {"schema": json.dumps(OUTER), "references": refers})
    found = client.schema(number)
    assert found is not None
    assert [json.loads(one) for one in found.documents] == [RECORD, OUTER]


def test_other_kinds_of_schemas_say_so(client: SchemaRegistry, url: str) -> None:
    """A JSON Schema is none of Avro."""
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}
    found = client.schema(post(url, "json", {"schema": json.dumps(schema), "schemaType": "JSON"}))
    assert found is not None
    assert found.type == "JSON"


def post(url: str, subject: str, document: dict[str, Any]) -> int:
    """Register a schema of any kind."""
    body = json.dumps(document).encode()
    headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
    answer = PoolManager().request("POST", f"{url}/subjects/{subject}/versions", body=body, headers=headers)
    number: int = answer.json()["id"]
    return number


def test_runs_with_a_registry_that_goes_away(new_flow: Callable[..., Flow], tmp_path: Path) -> None:
    """Unknown ids are rejected with their number; without the registry known ids go on, others fail as retriable."""
    with running_registry(tmp_path / "registry.log") as registry:
        never_read = post(registry.url, "other", {"schema": json.dumps(RECORD)})  # ids are no versions of the files now
        flow, ids = with_registry(new_flow(format="avro"), registry.url, wait_seconds=1.0)
        made = flow.send_customers(
            100, Anomalies(late=0, drift_frequency=10, missing=0), form=Format.AVRO, schema_ids=ids
        )
        flow.send(b"\0" + struct.pack(">I", 4711) + made[0].value[5:])
        flow.run()
        assert flow.counts() == {"published": 100, "rejected": 1}
        (kept,) = flow.workspace.settings.home.glob("quarantine/run=*/**/*.parquet")
        (reasons,) = pq.ParquetFile(kept).read()["reasons"].to_pylist()
        assert [(one["rule"], one["found"]) for one in reasons] == [("unknown_schema", "schema id 4711")]
        before = flow.places()
        again(flow, *asked_spans(flow.workspace, Asked(begin=datetime(2026, 1, 1, tzinfo=UTC))))
        assert flow.places() == before, "a backfill asks the registry, too"
        registry.kill()
    flow.send_customers(50, form=Format.AVRO, schema_ids=ids, seed=7)
    flow.run()
    assert flow.counts() == {"published": 150, "rejected": 1}
    flow.send(b"\0" + struct.pack(">I", never_read) + b"\2")
    with pytest.raises(Exception, match="RegistryAwayError") as caught:
        flow.ingest()
    assert classify(explained(str(caught.value))) is Cause.RETRIABLE
    assert explained(str(caught.value)).startswith("RegistryAwayError: the schema registry")
    assert flow.counts() == {"published": 150, "rejected": 1}


def test_a_producer_without_its_registry_sends_nothing(tmp_path: Path) -> None:
    """One line says where the registry was looked for."""
    address = RegistryAddress(url="http://127.0.0.1:1", folder=tmp_path, wait_seconds=0.5)
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:1 does not answer.*Nothing was sent"):
        register_schemas(address, "t", OWN_SCHEMA)
