"""Dead letters as messages, and what the store knows of their sending."""

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from mend.store.dead_letters import MOST_OFFSETS, Owed, Sent
from mend.store.engine import Store, open_store
from orchestration.dead_letter_topic import letter

pytestmark = pytest.mark.waits

AT = datetime(2026, 1, 1, 12, 0, 0, 123_000, tzinfo=UTC)


def record(headers: str | None = None) -> dict[str, Any]:
    """Return a kept record."""
    reasons = [
        {"rule": "type", "column": "age", "expected": "long", "found": "VARCHAR"},
        {"rule": "required", "column": "id", "expected": "string", "found": "missing"},
    ]
    return {
        "key": b"\xff", "value": None, "topic": "t", "partition": 3, "offset": 7, "timestamp": AT, "headers": headers,
        "reasons": reasons,
    }  # fmt: skip


def test_a_letter_is_the_record_with_its_reasons() -> None:
    """Key, value, time and headers as they came; then those of KIP-1034, and the disposition."""
    headers = orjson.dumps(
        [{"key": "a", "value": b64encode(b"\x00").decode()}, {"key": "a"}, {"key": "b", "value": ""}]
    )
    made = letter(record(headers.decode()), "rejected")
    assert (made.position, made.offset, made.key, made.value) == (("t", 3), 7, b"\xff", None)
    assert made.timestamp_ms == 1_767_268_800_123
    for moment in (1_001, 1_003, 1_700_000_000_001):
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=moment)
        assert letter(record() | {"timestamp": at}, "rejected").timestamp_ms == moment
    assert made.headers == (
        ("a", b"\x00"),
        ("a", None),
        ("b", b""),
        ("__streams.errors.exception", b"type"),
        ("__streams.errors.message", b"type in age: expected long, came VARCHAR"),
        (
            "__streams.errors.stacktrace",
            b"type in age: expected long, came VARCHAR\nrequired in id: expected string, came missing",
        ),
        ("__streams.errors.topic", b"t"),
        ("__streams.errors.partition", b"3"),
        ("__streams.errors.offset", b"7"),
        ("disposition", b"rejected"),
    )
    assert next(name for name, _ in letter(record(), "dead_letter").headers) == "__streams.errors.exception"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open a store with one run."""
    with open_store(f"sqlite:///{tmp_path / 'mend.db'}") as opened:
        opened.runs.open_run("r-1", "orders", "q", 1, AT)
        yield opened


def test_what_is_owed_is_sent_once(store: Store) -> None:
    """Owing it twice changes nothing; a failure keeps it owed; once sent it is owed no more."""
    sends = store.dead_letters
    for target in ("t.dlq", "other"):
        sends.owe("r-1", "orders", target, {("t", 0): 5, ("t", 1): 2}, AT)
    first, second = sends.owed("orders")
    assert first == Owed(run_id="r-1", topic="t", partition=0, target="t.dlq", events=5)
    assert sends.owed("customers") == ()
    sends.record_failure(first, "away", AT)
    assert [one.attempts for one in sends.owed("orders")] == [1, 0]
    sends.record(second, Sent(sent=2), AT)
    sends.record(first, Sent(sent=3, refused=tuple(range(MOST_OFFSETS + 5)), error="too large"), AT)
    assert sends.owed("orders") == ()
    of_first, of_second = sends.of_run("r-1")
    assert (of_first["sent"], of_first["refused"]["messages"], len(of_first["refused"]["offsets"])) == (3, 1_005, 1_000)
    assert (of_second["sent"], of_second["error"]) == (2, None)
