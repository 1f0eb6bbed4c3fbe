"""The ingest job: every event of a real topic ends in one place, whatever it is and whatever dies."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mend.runtime.errors import UserError
from mend.store.tables import RunState
from producer.anomalies import Anomalies
from producer.messages import Format
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


def with_text(field: str, text: str) -> bytes:
    """Return an event with a field in the words of a JSON document, which may be ones that no encoder writes."""
    return customer_event(900, without=(field,))[:-1] + f',"{field}":{text}}}'.encode()


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
    "an unknown field with an empty name": customer_event(12, **{"": 1}),
    "an unknown field with quotes and dots in its name": customer_event(13, **{'a"b.c[0]\\': 1}),
    "NaN in an unknown field": customer_event(14)[:-1] + b',"score":NaN}',
    "a zero byte in a name": customer_event(15, name="a\x00b"),
    "white space around it": b" \n" + customer_event(16) + b"\n",
}


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """A run over everything that can be wrong at once; `at` says where each bad or odd record stands."""

    flow: Flow
    marks: Counter[str]
    at: dict[str, Position]
    run_id: str


@pytest.fixture(scope="module")
def mixed(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mixed]:
    """Run the pipeline once over producer's events with every anomaly and over bad records of all kinds."""
    with platform.flow(tmp_path_factory.mktemp("mixed")) as flow:
        marks = flow.send_customers(2000, EVERYTHING)
        at = {}
        for number, (name, value) in enumerate({name: bad[0] for name, bad in BAD.items()} | ODD).items():
            (at[name],) = flow.send(value, partition=number % 4)
        yield Mixed(flow=flow, marks=marks, at=at, run_id=flow.run())
