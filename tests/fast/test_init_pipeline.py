"""A pipeline proposed from a sample: what it takes for what, and that it can always be run at once."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mend.draft.observe import Record
from mend.runtime.errors import UserError
from orchestration.init_pipeline import Proposed, draft_pipeline, write_files

NOW = 1_790_000_000_000
"""Kafka's time of all records, in milliseconds."""


def proposed(documents: list[Any], *raw: bytes) -> Proposed:
    """Propose a pipeline from documents, and records that are none."""
    values = [json.dumps(one).encode() for one in documents] + list(raw)
    records = [Record(value=value, key=None, timestamp=NOW) for value in values]
    return draft_pipeline(records, topic="some.topic", name="some")


def orders(count: int = 200) -> list[dict[str, Any]]:
    """Return events with nested parts, an amount as text and a time with a zone."""
    return [
        {
            "order-no": number // 2,
            "line": number % 2,
            "placed": f"2026-09-21T14:{number // 2 % 60:02d}:00+02:00",
            "amount": f"{number}.50",
            "channel": ["web", "shop", "app"][number % 3],
            "to": {"town": "Bonn", "zip": None if number % 5 else "53111"},
            "items": [{"sku": "a", "count": number}],
            "note": None,
            "mixed": number if number % 2 else "text",
            "tags": {f"k{number}-{one}": "v" for one in range(3)},
        }
        for number in range(count)
    ]


def fields(found: Proposed) -> dict[str, Any]:
    """Return the proposed types by field."""
    document = orjson.loads(found.draft.files["some/schema.v1.avsc"])
    return {one["name"]: one["type"] for one in document["fields"]}


def document(found: Proposed, name: str = "some.yml") -> Any:
    """Return a proposed file as YAML reads it."""
    return yaml.safe_load(found.draft.files[name])


def test_types_come_from_what_was_seen() -> None:
    """Nested records, lists and maps, optional members, and a name that no column can have."""
    found = fields(proposed(orders()))
    assert (found["order_no"], found["amount"]) == ("long", "string")
    assert found["items"]["items"]["fields"][1] == {"name": "count", "type": "long"}
    assert found["to"]["fields"][1] == {"name": "zip", "type": ["null", "string"], "default": None}
    assert found["tags"] == {"type": "map", "values": "string"}


def test_key_time_and_segments_are_found() -> None:
    """The key is the smallest that tells events apart, the time the one near Kafka's, segments have few values."""
    told = document(proposed(orders()))
    assert (told["key"], told["event_time"], told["segments"]) == (["order_no", "line"], "placed", ["channel"])
    assert told["mapping"] == {"order_no": "order-no"}
    assert told["pii"] == ["to"]


def test_what_has_no_single_type_is_left_out_and_said() -> None:
    """A field of two types, and one that is always null, stay unknown fields; the file says why."""
    text = proposed(orders()).draft.files["some.yml"]
    assert (
        "#   mixed: no single type that a column can have, or a name that only differs in case: string 100, integer 100"
        in text
    )
    assert "#   note: null in all 200 events that carry it" in text


def test_the_sample_itself_passes() -> None:
    """The proposal accepts the events it was made from; records that are none are dead letters."""
    trial = proposed(orders(), b"\xff", b"{").trial
    assert (trial.accepted, trial.rejected, trial.dead_letters) == (200, 0, 2)


def test_events_without_a_time_are_dated_by_kafka() -> None:
    """No field is a time: the event time is Kafka's own, and the events pass."""
    found = proposed([{"id": number} for number in range(60)])
    assert document(found)["event_time"] == "kafka_timestamp"
    assert found.trial.accepted == 60


def test_a_little_dirt_does_not_change_a_type() -> None:
    """One text among two hundred numbers is dirt: the field stays a number, and that event is rejected."""
    documents = [{"id": number, "age": number} for number in range(200)] + [{"id": 200, "age": "old"}]
    found = proposed(documents)
    assert fields(found)["age"] == "long"
    assert (found.trial.accepted, found.trial.reasons) == (200, (("type age", 1),))


def test_values_of_personal_data_stand_in_no_file() -> None:
    """Names and addresses are used to find types, and are never written down."""
    documents = [{"id": number, "name": f"Secret{number % 3}", "mail": "who@example.com"} for number in range(100)]
    found = proposed(documents)
    assert document(found)["pii"] == ["name", "mail"]
    assert not any("Secret" in text or "who@" in text for text in found.draft.files.values())


@pytest.mark.parametrize("name", ["a: b", "# x", "x\ny", "'\"", "{{", "€", "1st", "event", "payload", "", "x" * 300])
def test_any_name_of_a_field_is_written_safely(name: str) -> None:
    """Names are quoted in YAML, and columns get names of their own."""
    found = proposed([{"id": number, name: "v"} for number in range(3)])
    assert found.trial.accepted == 3
    assert set(document(found).get("mapping", {}).values()) <= {name}


@pytest.mark.parametrize("documents", [[], [1, 2], [{}], [{"a": None}]])
def test_a_sample_that_shows_nothing_is_an_error(documents: list[Any]) -> None:
    """An empty topic, or one without a field to name, says so."""
    with pytest.raises(UserError, match=r"empty|no event|no field"):
        proposed(documents)


VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**65), 2**65), st.text(max_size=5),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(st.text("aB1.", max_size=2), part, max_size=3)),
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["id", "a", "A", "time", "row"]), VALUES), min_size=1, max_size=6))
def test_whatever_a_topic_holds_the_proposal_passes_every_check(documents: list[dict[str, Any]]) -> None:
    """Either there is a proposal that can be run, or an error that says why there is none."""
    try:
        trial = proposed(documents).trial
    except UserError as error:
        assert "no field" in str(error) or "no event" in str(error)  # noqa: PT017 - the property is about both ways
    else:
        assert trial.accepted + trial.rejected + trial.dead_letters + trial.duplicates == len(documents)


def test_files_that_are_there_are_not_replaced(tmp_path: Path) -> None:
    """A second proposal for the same name needs to be asked for; nothing is half written."""
    draft = proposed([{"id": 1}]).draft
    assert len(write_files(tmp_path, draft)) == 3
    (tmp_path / "some.yml").write_text("mine")
    with pytest.raises(UserError, match="exists"):
        write_files(tmp_path, draft)
    assert (tmp_path / "some.yml").read_text() == "mine"
    write_files(tmp_path, draft, replace=True)
    assert (tmp_path / "some.yml").read_text() != "mine"
