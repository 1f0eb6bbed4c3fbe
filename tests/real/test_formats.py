"""Other formats and other pipelines take the same way."""

import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from producer.anomalies import Anomalies
from producer.messages import Format
from tests.real.conftest import REPOSITORY, Flow, with_registry

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

ORDERS = REPOSITORY / "tests" / "fast" / "data" / "orders" / "orders.yml"
SOUND = Anomalies(late=0.02, drift_frequency=20, missing=0)


def order(number: int, **changes: Any) -> bytes:
    """Return an order line as JSON."""
    event = {
        "order_no": number,
        "line": 1,
        "placed_at": datetime.now(UTC).isoformat(),
        "via": "app",
        "amount": "10.03",
        "weight": 1.5,
        "billing": {"street": "High Street", "zip": "N1"},
        "items": [{"sku": "a", "qty": 1}, {"sku": "b", "qty": 2}],
    }
    return orjson.dumps(event | changes)


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


def test_avro_and_json_give_equal_rows(new_flow: Callable[..., Flow]) -> None:
    """The same events in both formats are the same rows, to the millisecond and the last unknown field."""
    found = []
    for form in Format:
        flow = new_flow(format=form.value)
        flow.send_customers(60, SOUND, form=form, start=1_760_000_000_000)
        flow.run()
        names = "id, name, email, signup_ts, country, plan, event_ts, version, region, email_domain, rescued"
        found.append(sorted(flow.readable().project(names).fetchall(), key=str))
    assert found[0] == found[1]


def test_another_pipeline_takes_the_whole_way(new_flow: Callable[..., Flow]) -> None:
    """Nested fields, decimals, another key, another topic: one file is all that a new pipeline needs."""
    flow = new_flow(base=ORDERS)
    flow.send(*(order(number) for number in range(40)))
    flow.send(order(1), order(50, items=[]), order(51, weight="heavy"))
    run_id = flow.run()
    assert flow.closed()
    assert flow.counts() == {"published": 40, "duplicate": 1, "rejected": 2}
    rows = flow.readable().project("order_no, cents, pieces, town, billing.street, channel").order("order_no")
    assert rows.fetchall()[3] == (3, 1003, 2, "N1", "High Street", "app")
    assert flow.decision(run_id).rules == ("dq_within_limit",)
    quality = flow.document(run_id, "ge_results")
    assert (quality["verdict"], quality["summary"]["total_expectations"]) == ("pass", 3)
