"""What holds for every pipeline, shown on both that ship with Mend: they differ in their files and in nothing else."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest

from mend.curate.curator import Curated, Curator
from mend.curate.decode import decode_json
from mend.curate.decoders import decoder
from mend.curate.drift import find_drift
from mend.curate.plan import Plan, make_plan
from mend.quality.rules import load_rules
from mend.quarantine.rows import held_records
from mend.runtime.pipeline_file import load_pipeline
from producer.anomalies import Anomalies, Message
from producer.avro import default_schema_path
from producer.kinds import KINDS, Kind, KindName
from producer.messages import Format, messages

pytestmark = pytest.mark.spark

PIPELINES = Path(__file__).parents[2] / "pipelines"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
START = int(NOW.timestamp() * 1000) - 60_000
CLEAN = Anomalies(late=0, drift_frequency=0, missing=0)
REQUIRED = {"customers": "name", "orders": "total"}
"""A field of each that must be there, and is neither a text for all nor part of the key."""


@pytest.fixture(scope="module", params=list(KindName))
def name(request: pytest.FixtureRequest) -> str:
    """Name each pipeline."""
    return str(request.param)


@pytest.fixture(scope="module")
def kind(name: str) -> Kind:
    """Return the kind of event of a pipeline."""
    return KINDS[KindName(name)]


@pytest.fixture(scope="module")
def plan(name: str) -> Plan:
    """Compile a pipeline."""
    pipeline = load_pipeline(PIPELINES / f"{name}.yml")
    return make_plan(pipeline, load_rules(pipeline.rules_path, pipeline=pipeline.name))


@pytest.fixture(scope="module")
def made(kind: Kind) -> Callable[..., list[Message]]:
    """Return a function that makes the producer's events."""

    def make(count: int, anomalies: Anomalies = CLEAN, start: int = START, form: Format = Format.JSON) -> list[Message]:
        path = default_schema_path(kind.schema)
        return list(
            islice(messages(7, start_ts=start, anomalies=anomalies, kind=kind, form=form, schema_path=path), count)
        )

    return make


@pytest.fixture(scope="module")
def events(made: Callable[..., list[Message]]) -> list[dict[str, Any]]:
    """Return forty good events."""
    return [orjson.loads(one.value) for one in made(40)]


@pytest.fixture(scope="module")
def curated(plan: Plan, records: Callable[..., pa.Table]) -> Callable[..., Curated]:
    """Return a function that curates events, or values, as one batch."""

    def one_batch(values: list[Any]) -> Curated:
        written = [orjson.dumps(one) if isinstance(one, dict) else one for one in values]
        return Curator(plan, decode_json, run_id="r", now=NOW).curate(records(written))

    return one_batch


def test_good_events_are_published_without_a_word(
    curated: Callable[..., Curated], events: list[dict[str, Any]]
) -> None:
    """All of them pass every rule; no drift, nothing late, nothing rescued."""
    out = curated(events)
    assert out.accepted.num_rows == 40
    assert (out.tally.failed, out.tally.late, out.tally.drifted, out.tally.rules) == (0, 0, 0, ())
    assert set(out.accepted["dq_passed"].to_pylist()) == {True}


def test_an_empty_input_is_no_mistake(curated: Callable[..., Curated]) -> None:
    """A batch without records has nothing; empty and null values are dead letters with their reason."""
    assert curated([]).tally.places.total == 0
    out = curated([b"", None, b" ", b"{}"])
    assert out.dead_letters["reason"].to_pylist() == ["empty", "tombstone", "not_json"]
    assert out.rejected["reason"].to_pylist() == ["required"]


def test_extra_columns_do_no_harm(curated: Callable[..., Curated], events: list[dict[str, Any]], plan: Plan) -> None:
    """Events with a field more are published as they are without it; the field is kept and is additive drift."""
    out = curated([one | {"surplus": {"a": [1]}} for one in events])
    plain = curated(events).accepted
    assert out.accepted.drop_columns(["rescued", "schema_drift_detected"]).equals(
        plain.drop_columns(["rescued", "schema_drift_detected"])
    )
    assert set(out.accepted["rescued"].to_pylist()) == {'{"surplus":{"a":[1]}}'}
    drift = find_drift(out.tally, plan.fields, plan.pipeline.drift)
    assert [(one.name, one.type) for one in drift.added] == [("surplus", "OBJECT")]
    assert not drift.removed


def test_a_held_row_is_written_as_the_event_that_it_was(
    curated: Callable[..., Curated], events: list[dict[str, Any]], plan: Plan
) -> None:
    """Curated again, every column is the same: nested values, decimals, times as text, what was rescued."""
    first = curated([*events[:20], *(one | {"surplus": {"a": [1, None]}} for one in events[20:])]).accepted
    first = first.sort_by("kafka_offset").drop_columns(["event_date"])
    again = curated(held_records(first, plan)["value"].to_pylist()).accepted.sort_by("kafka_offset")
    assert first.num_rows == 40
    assert [name for name in first.column_names if not again[name].equals(first[name])] == []


def test_missing_columns_are_breaking(
    curated: Callable[..., Curated], events: list[dict[str, Any]], plan: Plan, name: str
) -> None:
    """Events without a field that must be there are kept and named, and the run's drift is breaking."""
    gone = REQUIRED[name]
    out = curated([{key: value for key, value in one.items() if key != gone} for one in events])
    assert out.accepted.num_rows == 0
    assert {(one["rule"], one["column"]) for row in out.rejected["reasons"].to_pylist() for one in row} >= {
        ("required", gone)
    }
    (removed,) = find_drift(out.tally, plan.fields, plan.pipeline.drift).removed
    assert (removed.name, removed.required, removed.count) == (gone, True, 40)


def test_malformed_types_are_breaking(
    curated: Callable[..., Curated], events: list[dict[str, Any]], plan: Plan, name: str
) -> None:
    """A field of another type rejects its events with what was expected and what came."""
    retyped = REQUIRED[name]
    out = curated([*({**one, retyped: True} for one in events[:20]), *events[20:]])
    assert out.accepted["kafka_offset"].to_pylist() == list(range(20, 40))
    assert {(row[0]["rule"], row[0]["column"], row[0]["found"]) for row in out.rejected["reasons"].to_pylist()} == {
        ("type", retyped, "BOOLEAN")
    }
    (changed,) = find_drift(out.tally, plan.fields, plan.pipeline.drift).type_changed
    assert (changed.name, changed.to_type) == (retyped, "BOOLEAN")


def test_synthetic_events_end_where_their_marks_say(
    made: Callable[..., list[Message]], curated: Callable[..., Curated]
) -> None:
    """Late, incomplete, evolved, corrupt and repeated: published, rejected, rescued, dead letters, duplicates."""
    anomalies = Anomalies(late=0.1, drift_frequency=20, missing=0.05, malformed=0.05, duplicate=0.05)
    batch = made(2000, anomalies)
    out = curated([one.value for one in batch])
    marks = {
        mark: [n for n, one in enumerate(batch) if mark in one.marks] for mark in {m for b in batch for m in b.marks}
    }
    assert out.dead_letters["offset"].to_pylist() == marks["malformed_events"]
    repeated, incomplete = set(marks["duplicate_events"]), set(marks["missing_field_events"])
    rejected, duplicates = set(out.rejected["offset"].to_pylist()), set(out.duplicates["offset"].to_pylist())
    assert incomplete <= rejected <= incomplete | repeated
    assert repeated == duplicates | (rejected - incomplete)
    drifted = out.accepted.filter(out.accepted["schema_drift_detected"])["kafka_offset"].to_pylist()
    assert set(drifted) == set(marks["schema_drift_events"]) - incomplete
    late = out.accepted.filter(out.accepted["is_late_arrival"])["kafka_offset"].to_pylist()
    assert set(late) == set(marks["late_events"]) - incomplete
    assert out.tally.places.total == 2000


def test_avro_reaches_the_same_rows(
    made: Callable[..., list[Message]], plan: Plan, records: Callable[..., pa.Table]
) -> None:
    """The producer's events in Avro, read by the schema files, are the rows of its JSON."""
    from dataclasses import replace

    anomalies = Anomalies(late=0.1, drift_frequency=10, missing=0)
    wire = decoder(replace(plan.pipeline, format="avro"))
    found = [
        Curator(plan, decode, run_id="r", now=NOW).curate(
            records([one.value for one in made(200, anomalies, form=form)])
        )
        for form, decode in ((Format.JSON, decode_json), (Format.AVRO, wire))
    ]
    assert found[0].accepted.equals(found[1].accepted)
    assert found[0].tally == found[1].tally
    assert found[0].accepted.num_rows == 200


# --- time ------------------------------------------------------------------------------------------------------------


def at(event: dict[str, Any], plan: Plan, when: datetime, zone: timedelta = timedelta(0)) -> dict[str, Any]:
    """Return an event of another time, in the form in which the pipeline's events have it."""
    from datetime import timezone

    field = next(one for one in plan.fields if one.name == plan.pipeline.event_time)
    millis = (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    shown = (
        when.astimezone(timezone(zone)).isoformat(timespec="milliseconds") if field.type.kind == "string" else millis
    )
    return event | {field.name: shown}


FAR = [
    datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1, 1, 2, tzinfo=UTC),
]


def test_a_time_far_away_moves_no_other_event(
    curated: Callable[..., Curated], events: list[dict[str, Any]], plan: Plan
) -> None:
    """Events of the years 1, 1970 and 9999 are on their own day, and all others are what they are without them."""
    far = [at(events[n], plan, when) for n, when in enumerate(FAR)]
    mixed, alone = curated([*events[3:], *far]), curated(events[3:])
    accepted, others = (one.accepted.sort_by("kafka_offset") for one in (mixed, alone))
    assert accepted.slice(0, 37).to_pylist() == others.to_pylist()
    assert accepted["event_date"].to_pylist()[37:] == [when.date() for when in FAR]
    assert accepted["is_late_arrival"].to_pylist()[37:] == [False, True, True]
    assert mixed.tally.late == 2


@pytest.fixture(params=["Pacific/Kiritimati", "America/St_Johns", "Europe/Berlin"])
def odd_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let the machine stand in a zone far from UTC, with half hours, or with a change of its clocks."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def test_the_zone_of_the_machine_does_not_matter(
    odd_zone: str, records: Callable[..., pa.Table], made: Callable[..., list[Message]], plan: Plan,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Around a change of the clocks each event is late, or on time, by its moment; the rows are those of UTC."""
    change = datetime(2026, 3, 29, 1, tzinfo=UTC)  # clocks in Berlin go from 2 to 3
    base = orjson.loads(made(1)[0].value)
    batch = []
    for minute in range(-40, 40):
        event = at(base, plan, change + timedelta(minutes=minute), timedelta(hours=1 if minute < 0 else 2))
        if minute % 2 and isinstance(event[plan.pipeline.event_time], str):  # without a zone it is UTC
            event[plan.pipeline.event_time] = f"{change + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%S}"
        batch.append(event | {one: event[one] + minute for one in plan.pipeline.key if isinstance(event[one], int)})
    values = records([orjson.dumps(one) for one in batch])
    now = change + timedelta(minutes=30)
    there = Curator(plan, decode_json, run_id="r", now=now).curate(values)
    assert time.tzname != ("UTC", "UTC"), odd_zone
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    here = Curator(plan, decode_json, run_id="r", now=now).curate(values)
    assert there.accepted.equals(here.accepted)
    assert there.tally.late == sum(30 - minute > 15 for minute in range(-40, 40)) == 55
    assert there.accepted.num_rows == 80
