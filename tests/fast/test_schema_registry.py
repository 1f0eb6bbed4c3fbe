"""The registry's client: three kinds of answers are told apart, and what was learnt is kept."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agent.causes import Cause, classify
from mend.runtime.errors import UserError
from mend.runtime.schema_registry import (
    LARGEST_ANSWER,
    RegistryAddress,
    RegistryAwayError,
    SchemaRegistry,
    registry_address,
)
from mend.runtime.settings import load_settings
from spark.failure import explained
from tests.fake_registry import FakeRegistry, fake_registry, respond

pytestmark = [pytest.mark.spark, pytest.mark.waits]
RECORD = '{"type":"record","name":"R","fields":[{"name":"x","type":"int"}]}'
Client = Callable[..., SchemaRegistry]


@pytest.fixture
def registry() -> Iterator[tuple[FakeRegistry, str]]:
    """Run a registry for this test alone."""
    with fake_registry() as running:
        yield running


@pytest.fixture
def client(registry: tuple[FakeRegistry, str], tmp_path: Path) -> Client:
    """Return a function that makes a client without a memory, all with the same folder."""

    def make(url: str = registry[1], wait: float = 0.3) -> SchemaRegistry:
        return SchemaRegistry(RegistryAddress(url=url, folder=tmp_path, wait_seconds=wait, answer_seconds=0.3))

    return make


def test_a_schema_is_asked_for_once(registry: tuple[FakeRegistry, str], client: Client) -> None:
    """Whatever number of records names it."""
    one = client()
    number = one.register("s", RECORD)
    registry[0].asked.clear()
    first, again = one.schema(number), one.schema(number)
    assert first is not None
    assert (first.type, first.documents) == ("AVRO", (RECORD,))
    assert again is first
    assert registry[0].asked == [f"GET /schemas/ids/{number}"]


def test_what_a_schema_refers_to_comes_before_it(registry: tuple[FakeRegistry, str], client: Client) -> None:
    """References are followed, each once, deepest first; a subject may have any name."""
    fake = registry[0]
    fake.register("a/b ü", {"schema": "A"})
    fake.register("b", {"schema": "B", "references": [{"name": "A", "subject": "a/b ü", "version": 1}]})
    refers = [{"name": "B", "subject": "b", "version": 1}, {"name": "A", "subject": "a/b ü", "version": 1}]
    fake.register("c", {"schema": "C", "references": refers})
    found = client().schema(3)
    assert found is not None
    assert found.documents == ("A", "B", "C")


def test_a_reference_that_leads_nowhere_is_no_answer(registry: tuple[FakeRegistry, str], client: Client) -> None:
    """The record is not to blame."""
    refers = [{"name": "B", "subject": "b", "version": 1}]
    registry[0].register("c", {"schema": "C", "references": refers})
    with pytest.raises(RegistryAwayError, match="lacks version 1 of 'b'"):
        client().schema(1)


def test_an_id_that_is_unknown_is_an_answer(registry: tuple[FakeRegistry, str], client: Client) -> None:
    """No wait, no error; and no memory, because it may be registered later."""
    one = client()
    assert one.schema(1) is None
    assert len(registry[0].asked) == 1
    assert one.register("s", RECORD) == 1
    assert one.schema(1) is not None


def hang(_: Any) -> None:
    """Answer when nobody waits any more."""
    time.sleep(0.5)


def drip(handler: Any) -> None:
    """Answer a byte at a time."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    with suppress(OSError):
        for _ in range(10):
            handler.wfile.write(b" ")
            time.sleep(0.1)


def says(status: int, body: bytes, **headers: str) -> Callable[[Any], None]:
    """Return a registry that always says the same."""

    def answer(handler: Any) -> None:
        with suppress(OSError):
            respond(handler, status, body, **headers)

    return answer


FOUND = json.dumps({"schema": RECORD}).encode()
NO_ANSWERS = {
    "an error of the server": (says(500, b'{"error_code":50001,"message":"store"}'), r"answers 500 \(store\)"),
    "a proxy's error": (says(503, b"<html>"), "answers 503"),
    "too many requests": (says(429, b""), "answers 429"),
    "another server's 404": (says(404, b"<html>nothing here</html>"), "answers 404"),
    "a redirect": (says(302, FOUND, Location="http://127.0.0.1:1/"), "answers 302"),
    "text": (says(200, b"hello"), "none of a schema registry"),
    "another document": (says(200, b'{"id": 5}'), "none of a schema registry"),
    "a number": (says(200, b'{"schema": 5}'), "none of a schema registry"),
    "gzip": (says(200, b"\x1f\x8b\x08\x00", **{"Content-Encoding": "gzip"}), "none of a schema registry"),
    "without end": (says(200, b" " * (LARGEST_ANSWER + 100_000)), "more than"),
    "silence": (hang, "does not answer"),
    "drop by drop": (drip, "more than"),
}  # fmt: skip


@pytest.mark.parametrize("kind", NO_ANSWERS)
def test_what_is_no_answer_says_nothing_about_the_id(
    registry: tuple[FakeRegistry, str], client: Client, kind: str
) -> None:
    """It is asked again until the time is over; then the registry is away, which is worth another try."""
    registry[0].misbehave, why = NO_ANSWERS[kind]
    with pytest.raises(RegistryAwayError, match=why) as caught:
        client().schema(1)
    assert len(registry[0].asked) >= 2
    said = f"Traceback (most recent call last):\nmend.runtime.schema_registry.RegistryAwayError: {caught.value}\n"
    assert classify(explained(said)) is Cause.RETRIABLE
    assert "SCHEMA_REGISTRY_URL" in explained(said)


def test_nobody_listens(client: Client) -> None:
    """A refused connection is a registry that is away."""
    began = time.monotonic()
    with pytest.raises(RegistryAwayError, match="does not answer"):
        client("http://127.0.0.1:1", wait=0.5).schema(1)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("status", [401, 403])
def test_refused_access_is_not_tried_again(registry: tuple[FakeRegistry, str], client: Client, status: int) -> None:
    """A person has to correct the address; the error does not repeat the password."""
    registry[0].misbehave = says(status, b"{}")
    with pytest.raises(UserError, match=rf"refuses access \({status}\)") as caught:
        client(registry[1].replace("//", "//user:secret@")).schema(1)
    assert "secret" not in str(caught.value)
    assert len(registry[0].asked) == 1
    assert classify(f"UserError: {caught.value}") is Cause.NOT_RETRIABLE


def test_errors_that_pass_are_waited_for(registry: tuple[FakeRegistry, str], client: Client) -> None:
    """The run goes on when the registry is back."""
    fake = registry[0]
    number = client().register("s", RECORD)
    failures = iter(range(2))

    def fail_twice(handler: Any) -> None:
        if next(failures, None) is None:
            fake.misbehave = None
            respond(handler, *fake.answer("GET", handler.path, b""))
        else:
            respond(handler, 500, b"")

    fake.misbehave = fail_twice
    assert client(wait=10).schema(number) is not None


def test_a_kept_schema_is_used_while_the_registry_is_away(
    registry: tuple[FakeRegistry, str], client: Client, tmp_path: Path
) -> None:
    """What was learnt is on disk, so that a replay needs no registry; a damaged file counts as none."""
    number = client().register("s", RECORD)
    before = client().schema(number)
    registry[0].misbehave = says(503, b"")
    assert client().schema(number) == before
    (kept,) = tmp_path.rglob("*.json")
    kept.write_bytes(kept.read_bytes()[:10])
    with pytest.raises(RegistryAwayError):
        client().schema(number)


def test_a_registry_that_answers_is_believed_rather_than_the_disk(
    registry: tuple[FakeRegistry, str], client: Client
) -> None:
    """One that was built anew may have given the id to another schema."""
    number = client().register("s", RECORD)
    client().schema(number)
    registry[0].ids.clear()
    client().register("s", RECORD.replace('"x"', '"y"'))
    found = client().schema(number)
    assert found is not None
    assert '"y"' in found.documents[0]


def test_another_registry_has_other_schemas(client: Client) -> None:
    """The same id of another address is not the kept one."""
    number = client().register("s", RECORD)
    client().schema(number)
    with pytest.raises(RegistryAwayError):
        client("http://127.0.0.1:1").schema(number)


def test_credentials_go_into_the_header_alone(registry: tuple[FakeRegistry, str], client: Client) -> None:
    """The registry gets them; no text that people see does."""
    seen: list[str] = []

    def note(handler: Any) -> None:
        seen.append(handler.headers["Authorization"])
        respond(handler, 500, b"")

    registry[0].misbehave = note
    with pytest.raises(RegistryAwayError) as caught:
        client(registry[1].replace("//", "//us%40er:se%3Acret@")).schema(1)
    assert seen[0] == "Basic dXNAZXI6c2U6Y3JldA=="
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["registry:8081", "ftp://x", "http://", "http://a:1,http://b:1", "http://x:secret", "http://x/?a=secret"]
)
def test_an_address_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    """It may hold a password."""
    with pytest.raises(UserError, match="SCHEMA_REGISTRY_URL is no address") as caught:
        registry_address(load_settings(schema_registry_url=url))
    assert "secret" not in str(caught.value)


def test_without_an_address_the_schema_files_are_the_registry() -> None:
    """An address with a password is not shown."""
    assert registry_address(load_settings(schema_registry_url="")) is None
    address = registry_address(load_settings(schema_registry_url="https://u:secret@x:1/api/", mend_home="/m"))
    assert address is not None
    assert "secret" not in repr(address)
    assert (address.shown, address.folder) == ("https://x:1/api", Path("/m/cache/schemas"))
