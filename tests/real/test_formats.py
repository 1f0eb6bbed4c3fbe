"""Other formats and other pipelines take the same way."""

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from producer.anomalies import Anomalies, Message
from producer.messages import Format
from tests.real.conftest import CUSTOMERS, ORDERS, Flow, Platform, order_event, with_registry

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

EVERYTHING = Anomalies(late=0.05, drift_frequency=20, missing=0.02, malformed=0.01, duplicate=0.02)
SOUND = Anomalies(late=0.02, drift_frequency=20, missing=0)


NAMES = {
    CUSTOMERS: "id, name, email, signup_ts, country, plan, event_ts, version, region, email_domain, rescued",
    ORDERS: "store, order_no, status, happened_at, channel, total, buyer, lines, payment, attributes, rescued",
}


@pytest.fixture(params=["files", "registry"])
def avro_flow(request: pytest.FixtureRequest, new_flow: Callable[..., Flow]) -> tuple[Flow, dict[int, int] | None]:
    """Open the shipped pipeline for Avro, its schemas in files or in a registry; their ids by version."""
    flow = new_flow(format="avro")
    if request.param == "files":
        return flow, None
    return with_registry(flow, request.getfixturevalue("schema_registry").url)


def test_avro_reaches_the_same_rows(avro_flow: tuple[Flow, dict[int, int] | None]) -> None:
    """Avro in the wire format is decoded; what is truncated, or of a schema nobody knows, is kept with its bytes."""
    flow, ids = avro_flow
    made = flow.send_customers(400, SOUND, form=Format.AVRO, schema_ids=ids)
    (unknown,) = flow.send(b"\x00" + struct.pack(">I", 7777) + made[0].value[5:], partition=0)
    dead = flow.send(made[0].value[:-3], b"\x00\x00", b"plain text", b"", None, made[0].value + b"\x00", partition=1)
    run_id = flow.run()
    assert flow.closed()
    places = flow.places()
    assert set(places["rejected"]) == {unknown}
    assert set(places["dead_letter"]) == set(dead)
    assert places["published"].total() == 400
    drift = flow.report(run_id).drift
    assert drift is not None
    assert {one.name for one in drift.added} == {"marketing_opt_in", "customer_segment"}


@pytest.mark.parametrize("base", NAMES, ids=lambda path: path.stem)
def test_avro_and_json_give_equal_rows(new_flow: Callable[..., Flow], base: Path) -> None:
    """The same events in both formats are the same rows, to the millisecond and the last unknown field."""
    found = []
    for form in Format:
        flow = new_flow(base=base, format=form.value)
        flow.send_made(60, SOUND, form=form, start=1_760_000_000_000)
        flow.run()
        found.append(sorted(flow.readable().project(NAMES[base]).fetchall(), key=str))
    assert found[0] == found[1]


@pytest.fixture(scope="module")
def orders(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flow, list[Message], str]]:
    """Run the producer's orders with every anomaly, and a few that are wrong in a way of their own."""
    with platform.flow(tmp_path_factory.mktemp("orders"), base=ORDERS) as flow:
        made = flow.send_made(1000, EVERYTHING)
        flow.send(order_event(1, total="12abc"), order_event(2, lines=[]), order_event(3, channel="fax"), None, b"")
        flow.send(
            order_event(4, buyer={"id": "?", "full_name": ""}), order_event(5, lines=[{"sku": "x", "quantity": 1}])
        )
        flow.send(
            order_event(6, total=10.03, gift={"text": "x"}), order_event(7).replace(b"0.03", b"0.030000000000000001")
        )
        yield flow, made, flow.run()


def test_another_pipeline_takes_the_whole_way(orders: tuple[Flow, list[Message], str]) -> None:
    """Nested values, decimals, zones, another key: files are all that a pipeline needs, and no event is lost."""
    flow, made, run_id = orders
    assert flow.closed()
    counts, marks = flow.counts(), Counter(mark for one in made for mark in one.marks)
    assert counts["dead_letter"] == marks["malformed_events"] + 2
    assert counts["rejected"] + counts["duplicate"] == marks["missing_field_events"] + marks["duplicate_events"] + 5
    report = flow.report(run_id)
    assert report.late_records >= marks["late_events"] - marks["missing_field_events"] > 0
    assert {(one.column, one.rule) for one in report.rules} >= {
        ("total", "format"), ("pieces", "pieces.between"), ("buyer.id", "format"), ("lines.unit_price", "required"),
        ("lines.unit_price", "format"), ("channel", "channel.in_set"),
    }  # fmt: skip
    assert report.drift is not None
    assert {one.name for one in report.drift.added} == {"voucher", "loyalty_points", "gift"}


def test_orders_are_read_to_the_last_digit(orders: tuple[Flow, list[Message], str]) -> None:
    """Large numbers, decimals, days before 1970 and the store's own day stand in the files as they were sent."""
    flow, made, _ = orders
    sound = {event["order_no"]: event for one in made if not one.marks for event in [orjson.loads(one.value)]}
    rows = flow.readable().to_arrow_table().to_pylist()
    found = [(row, sound[row["order_no"]]) for row in rows if row["order_no"] in sound]
    assert len(found) > 500
    for row, event in found:
        if row["status"] != event["status"]:
            continue
        assert row["total"] == Decimal(event["total"]) == row["lines_total"]
        assert [one["unit_price"] for one in row["lines"]] == [Decimal(one["unit_price"]) for one in event["lines"]]
        assert row["order_date"].isoformat() == event["happened_at"][:10]
        assert (row["buyer"], row["weight_kg"]) == (event["buyer"], event["weight_kg"])
        if event["payment"]:
            assert orjson.loads(row["payment"]["reference"]) == event["payment"]["reference"]
    (odd,) = [row for row in rows if row["order_no"] == 2**53 + 6]
    assert (odd["total"], odd["buyer"]["born"]) == (Decimal("10.03"), -56_270)
    assert (odd["gift"], odd["rescued"]) == ('{"text":"x"}', None)


def test_the_audit_of_orders_is_of_the_same_rules(orders: tuple[Flow, list[Message], str]) -> None:
    """All expectations of its rules file are evaluated, and the load is validated."""
    flow, _, run_id = orders
    quality = flow.document(run_id, "ge_results")
    assert (quality["verdict"], quality["summary"]["total_expectations"]) == ("fail", 8)
    assert flow.document(run_id, "load_validation")["rows"] == flow.counts()["published"]


def test_an_optional_field_that_is_gone_calls_a_person_once(new_flow: Callable[..., Flow]) -> None:
    """The run after one whose events carried it escalates and publishes nulls; the run after that is healthy."""
    flow = new_flow(base=ORDERS)
    found = []
    for run in range(3):
        lacking = ("weight_kg",) if run else ()
        flow.send(*(order_event(100 * run + n, without=lacking, weight_kg=1.5) for n in range(30)))
        found.append(flow.decision(flow.run()))
    assert [one.rules for one in found] == [("healthy",), ("drift_removed",), ("healthy",)]
    assert [one.escalation_required for one in found] == [False, True, False]
    assert flow.counts() == {"published": 90}
