"""The ingest job: every event of a real topic ends in one place, whatever it is and whatever dies."""

import glob
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from time import time
from typing import Any

import orjson
import pytest

from cli.gather import gather
from cli.run_page import render
from producer.anomalies import Anomalies, Message
from tests.real.conftest import Flow, Platform, Position, customer_event, read

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

EVERYTHING = Anomalies(late=0.05, drift_frequency=50, missing=0.02, malformed=0.01, duplicate=0.02)
MEGABYTES = 10_000_000
DEPTH = 100_000
COLUMNS = {
    *("kafka_key", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp"),
    *("id", "name", "email", "signup_ts", "country", "plan", "event_ts", "version"),
    *("signup_timestamp", "event_timestamp", "processing_timestamp", "region", "email_domain", "customer_age_days"),
    *("schema_drift_detected", "is_late_arrival", "dq_email_valid", "dq_id_not_null", "dq_timestamp_valid"),
    *("dq_plan_valid", "dq_passed", "dq_failed_rules", "rescued", "run_id", "mapping_version"),
}
REMAPPED = {"marketing_opt_in", "customer_segment"}


def with_text(field: str, text: str, number: int = 900) -> bytes:
    """Return an event with a field in the words of a JSON document, which may be ones that no encoder writes."""
    return customer_event(number, without=(field,))[:-1] + f',"{field}":{text}}}'.encode()


BAD: dict[str, tuple[bytes | None, str, str]] = {
    "half of an event": (customer_event(1)[:40], "dead_letters", "not_json"),
    "no JSON": (b"ERROR upstream timed out", "dead_letters", "not_json"),
    "two events in one record": (customer_event(2) * 2, "dead_letters", "not_json"),
    "a list": (b"[1, 2]", "dead_letters", "not_an_object"),
    "null": (b"null", "dead_letters", "not_an_object"),
    "an empty value": (b"", "dead_letters", "empty"),
    "a tombstone": (None, "dead_letters", "tombstone"),
    "not UTF-8": (b'{"id": "\xff"}', "dead_letters", "not_utf8"),
    "UTF-16": (customer_event(3).decode().encode("utf-16"), "dead_letters", "not_utf8"),
    "10 MB of nothing": (b"z" * MEGABYTES, "dead_letters", "not_json"),
    "100,000 open brackets": (b"[" * DEPTH, "dead_letters", "not_json"),
    "NaN as a time": (with_text("event_ts", "NaN"), "quarantine", "type"),
    "Infinity as a time": (with_text("event_ts", "-Infinity"), "quarantine", "type"),
    "a time beyond all calendars": (with_text("event_ts", "9" * 18), "quarantine", "range"),
    "a number of 40 digits": (with_text("event_ts", "9" * 40), "quarantine", "type"),
    "a text as a time": (with_text("event_ts", '"2024-01-01"'), "quarantine", "type"),
    "null as an id": (with_text("id", "null"), "quarantine", "not_null"),
    "an event without fields": (b"{}", "quarantine", "required"),
}
ODD: dict[str, bytes] = {
    "a name of 10 MB": customer_event(10, name="x" * MEGABYTES),
    "an unknown field nested 100,000 deep": with_text("deep", "[" * DEPTH + "]" * DEPTH),
    "an unknown field with an empty name": with_text("", "1", 12),
    "an unknown field with quotes and dots in its name": with_text(r"a\"b.c[0]\\", "1", 13),
    "NaN in an unknown field": customer_event(14)[:-1] + b',"score":NaN}',
    "a zero byte in a name": customer_event(15, name="a\x00b"),
    "white space around it": b" \n" + customer_event(16) + b"\n",
}


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """A run over everything that can be wrong at once; `at` says where each bad or odd record stands."""

    flow: Flow
    made: list[Message]
    at: dict[str, Position]
    run_id: str

    def row(self, place: str, name: str) -> dict[str, Any]:
        """Return what is kept of a record that was set aside."""
        partition, offset = self.at[name]
        rows = read(f"{glob.escape(str(self.flow.workspace.settings.home))}/{place}/**/*.parquet")
        found = rows.filter(f'"partition" = {partition} AND "offset" = {offset}').to_arrow_table().to_pylist()
        assert len(found) == 1
        return dict(found[0])

    def published(self, name: str) -> dict[str, Any]:
        """Return the published row of a record."""
        partition, offset = self.at[name]
        rows = self.flow.readable().filter(f"kafka_partition = {partition} AND kafka_offset = {offset}")
        found = rows.to_arrow_table().to_pylist()
        assert len(found) == 1
        return dict(found[0])


@pytest.fixture(scope="module")
def mixed(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mixed]:
    """Run the pipeline once over producer's events with every anomaly and over bad records of all kinds."""
    with platform.flow(tmp_path_factory.mktemp("mixed")) as flow:
        made = flow.send_customers(2000, EVERYTHING)
        bad = {name: value for name, (value, _, _) in BAD.items()}
        at = {name: flow.send(value, partition=n % 4)[0] for n, (name, value) in enumerate((bad | ODD).items())}
        yield Mixed(flow=flow, made=made, at=at, run_id=flow.run())


def fate(made: list[Message]) -> Counter[str]:
    """Work out where producer's events must end: the first of a key wins, incomplete ones are rejected each time."""
    found: Counter[str] = Counter()
    seen = set()
    for message in made:
        if "malformed_events" in message.marks:
            found["dead_letter"] += 1
            continue
        event = orjson.loads(message.value)
        key = (event["id"], event["event_ts"])
        place = "duplicate" if key in seen else "published"
        if not {"country", "plan"} <= event.keys():
            place = "rejected"
        else:
            seen.add(key)
        found[place] += 1
        found["late"] += place != "duplicate" and event["event_ts"] < (time() - 3600) * 1000
        found["drifted"] += bool({"marketing_opt_in", "customer_segment"} & event.keys())
    return found


def test_every_event_is_in_exactly_one_place(mixed: Mixed) -> None:
    """Published, rejected, dead letters and duplicates are the sent events, offset by offset, and as foretold."""
    wanted = fate(mixed.made)
    bad = Counter(place for _, place, _ in BAD.values())
    assert mixed.flow.closed()
    assert mixed.flow.counts() == {
        "published": wanted["published"] + len(ODD),
        "rejected": wanted["rejected"] + bad["quarantine"],
        "dead_letter": wanted["dead_letter"] + bad["dead_letters"],
        "duplicate": wanted["duplicate"],
    }


def test_the_report_counts_what_is_in_the_files(mixed: Mixed) -> None:
    """Each partition's range is the sent offsets, and its places are the rows in the files."""
    places, report = mixed.flow.places(), mixed.flow.report(mixed.run_id)
    for part in report.partitions:
        offsets = [offset for partition, offset in mixed.flow.sent if partition == part.partition]
        assert (part.from_offset, part.until_offset) == (0, max(offsets) + 1)
        found = {
            place: sum(many for (partition, _), many in rows.items() if partition == part.partition)
            for place, rows in places.items()
        }
        assert part.places.accepted == found["published"] + found["held"]
        assert part.places.rejected == found["rejected"]
        assert part.places.dead_letter == found["dead_letter"]
        assert part.places.duplicate == found["duplicate"]
    assert report.total_records == len(mixed.flow.sent)


def test_the_report_is_filled(mixed: Mixed) -> None:
    """Failures, late events and drift are counted; none of the figures that users read stays zero."""
    report, wanted = mixed.flow.report(mixed.run_id), fate(mixed.made)
    bad = Counter(place for _, place, _ in BAD.values())
    assert report.dq_failures == wanted["rejected"] + bad["quarantine"]
    assert report.late_records == wanted["late"] > 50
    assert report.processing_errors == wanted["dead_letter"] + bad["dead_letters"]
    assert report.schema_drift_detected
    assert report.drift is not None
    assert {one.name for one in report.drift.added} == REMAPPED
    assert report.schema_drift_count >= wanted["drifted"]
    assert report.watermark_delay == "15 minutes"
    assert report.status == "success"
    assert {one.column for one in report.segments} == {"country", "plan"}
    assert {one.columns for one in report.segment_pairs} == {("country", "plan")}
    assert all(one.failures for one in report.segment_pairs)
    assert {one.rule for one in report.rules} >= {"required", "type", "range"}
    assert {one.column for one in report.profile} >= {"email", "event_ts", "region"}
    assert report.start_time is not None
    assert report.end_time is not None
    assert report.start_time < report.end_time


def test_late_events_are_published(mixed: Mixed) -> None:
    """No watermark filters them out: every late event that fits is readable and marked."""
    late = [one for one in mixed.made if one.marks == ("late_events",)]
    readable = mixed.flow.readable().filter("is_late_arrival").project("id, event_ts").fetchall()
    wanted = {(event["id"], event["event_ts"]) for event in (orjson.loads(one.value) for one in late)}
    assert len(wanted) > 50
    assert wanted <= set(readable)


def test_a_plain_reader_sees_the_agreed_columns(mixed: Mixed) -> None:
    """One glob over all files gives the columns that users know, new fields too, and values as they were sent."""
    rows = mixed.flow.readable()
    assert set(rows.columns) - {"run", "event_date"} == COLUMNS | {"marketing_opt_in", "customer_segment"}
    sound = next(one for one in mixed.made if not one.marks)
    event = orjson.loads(sound.value)
    (row,) = rows.filter(f"id = '{event['id']}' AND event_ts = {event['event_ts']}").to_arrow_table().to_pylist()
    assert {name: row[name] for name in event} == event
    assert row["kafka_key"] == event["id"]
    assert row["email_domain"] == event["email"].split("@")[1]
    assert row["event_timestamp"].timestamp() * 1000 == event["event_ts"]
    assert row["run_id"] == mixed.run_id
    assert row["dq_passed"] is True


@pytest.mark.parametrize("name", BAD)
def test_a_bad_record_is_kept_with_its_bytes_and_reason(mixed: Mixed, name: str) -> None:
    """What is no event, or breaks the contract, is set aside byte for byte and says why."""
    value, place, reason = BAD[name]
    row = mixed.row(place, name)
    assert row["value"] == value
    assert row["reasons"][0]["rule"] == reason


@pytest.mark.parametrize("name", ODD)
def test_an_odd_event_is_published(mixed: Mixed, name: str) -> None:
    """What fits the contract is published, whatever else it carries; unknown fields are kept as they came."""
    row = mixed.published(name)
    known = orjson.loads(customer_event()).keys()
    assert (row["rescued"] is not None) == row["schema_drift_detected"]
    if b"deep" in ODD[name]:
        assert row["rescued"] == f'{{"deep":{"[" * DEPTH + "]" * DEPTH}}}'
    elif b"NaN" not in ODD[name]:
        event = orjson.loads(ODD[name])
        assert {key: row[key] for key in known} == {key: event[key] for key in known}
        assert orjson.loads(row["rescued"] or "{}") == {key: event[key] for key in event.keys() - known}


def test_reports_are_small_and_hold_no_personal_data(mixed: Mixed) -> None:
    """A name of ten megabytes does not make the report as large, and no address is in any of the run's documents."""
    people = {orjson.loads(one.value)["email"] for one in mixed.made if not one.marks}
    for name in ("run_report", "ge_results", "agent_decision", "load_validation"):
        content = mixed.flow.file(mixed.run_id, name).read_text(encoding="utf-8")
        assert len(content) < 100_000
        assert not [one for one in people if one in content]


def test_a_page_can_be_made_of_it(mixed: Mixed) -> None:
    """Samples of what was set aside are shown with personal data masked, whatever the records are."""
    facts = gather(mixed.flow.workspace, mixed.run_id)
    assert {one.reason for one in facts.samples} > {"required", "not_null", "range", "type"}
    page = render(facts)
    assert "ada@example.com" not in page
    assert len(page) < 500_000
