"""Storms of poison: when they begin, what explains bad events otherwise, and what a person is told of them."""

import random
from collections.abc import Callable
from datetime import datetime
from itertools import groupby, pairwise
from typing import Any

import pyarrow as pa
import pytest

from agent.decide import judge
from agent.matrix_file import load_matrix
from agent.testing import scenario
from mend.contracts.drift import Drift, RemovedField, RetypedField
from mend.contracts.report import Places
from mend.curate.curator import Curator
from mend.curate.decode import decode_json
from mend.curate.plan import Plan
from mend.curate.storms import find_storms
from mend.curate.tally import BadRun, FieldCount, PartitionCount, Tally, merge
from mend.runtime.pipeline_file import StormLimits

pytestmark = pytest.mark.spark

LIMITS = StormLimits(share=0.5, events=100, run=500)


def partition(records: int, bad: int, *, longest: int = 0, number: int = 0, rejected: bool = False) -> PartitionCount:
    """Return the counts of a partition."""
    places = (
        Places(accepted=records - bad, rejected=bad) if rejected else Places(accepted=records - bad, dead_letter=bad)
    )
    return PartitionCount(
        topic="t", partition=number, first_offset=0, last_offset=records - 1, records=records, places=places,
        bad=BadRun(longest=longest),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("records", "bad", "longest", "storm", "begins"),
    [
        (1000, 500, 1, False, False),  # exactly the share is mild
        (1000, 501, 1, True, True),
        (99, 99, 99, True, False),  # too few to begin
        (100, 51, 51, True, True),
        (100_000, 499, 499, False, False),
        (100_000, 500, 500, True, True),  # exactly so many in a row are a storm
        (0, 0, 0, False, False),
    ],
)
@pytest.mark.parametrize("rejected", [False, True])
def test_the_limits_are_exact(records: int, bad: int, longest: int, storm: bool, begins: bool, rejected: bool) -> None:
    """A share of enough events, or a run in a row; rejects count as dead letters do."""
    tally = Tally(partitions=(partition(records, bad, longest=longest, rejected=rejected),))
    found = find_storms(tally, Drift(), LIMITS)
    assert [one.begins for one in found] == ([begins] if storm else [])
    assert find_storms(tally, Drift(), None) == ()


def test_one_partition_is_judged_for_itself() -> None:
    """Good events of other partitions hide no storm."""
    tally = Tally(partitions=(partition(1000, 900), partition(1_000_000, 0, number=1)))
    assert [(one.partition, one.records, one.dead_letter) for one in find_storms(tally, Drift(), LIMITS)] == [
        (0, 1000, 900)
    ]


@pytest.mark.parametrize(
    "drift",
    [
        Drift(type_changed=(RetypedField(name="x", from_type="long", to_type="VARCHAR"),)),
        Drift(removed=(RemovedField(name="x"),)),
    ],
)
def test_what_breaking_drift_explains_is_no_storm(drift: Drift) -> None:
    """A changed contract has a decision of its own; poison beside it is still found."""

    def field(many: int) -> FieldCount:
        return FieldCount(
            kind="type", name="x", expected="long", found="VARCHAR", partition=0, count=many, first_offset=0,
            last_offset=1,
        )  # fmt: skip

    def storms(explained: int) -> int:
        tally = Tally(partitions=(partition(1000, 900, longest=900, rejected=True),), fields=(field(explained),))
        return len(find_storms(tally, drift, LIMITS))

    assert (storms(900), storms(401), storms(399)) == (0, 0, 1)
    assert len(find_storms(Tally(partitions=(partition(1000, 900),), fields=(field(900),)), Drift(), LIMITS)) == 1


def in_a_row(bad: list[bool]) -> int:
    """Count the most bad events in a row, the plain way."""
    return max((len(list(group)) for is_bad, group in groupby(bad) if is_bad), default=0)


@pytest.mark.parametrize("seed", range(2))
def test_bad_events_in_a_row_are_counted_over_batches(
    customers: Plan, records: Callable[..., pa.Table], event: Callable[..., bytes], now: datetime, seed: int
) -> None:
    """However a partition is cut into batches, the longest run, the first and the last are those of the whole."""
    chance = random.Random(seed)
    bad = [chance.random() < 0.7 for _ in range(60)]
    values = [
        b"poison" if is_bad else event(id=f"c-{at}", country=chance.choice(["US", None]))
        for at, is_bad in enumerate(bad)
    ]
    bad = [is_bad or b"null" in value for is_bad, value in zip(bad, values, strict=True)]
    cuts = [0, *sorted(chance.sample(range(1, 60), 6)), 60]
    curator = Curator(customers, decode_json, run_id="run-1", now=now)
    tallies = [curator.curate(records(values[a:b], first=a)).tally for a, b in pairwise(cuts)]
    chance.shuffle(tallies)
    whole = merge(tallies).partitions[0].bad
    assert whole.longest == in_a_row(bad)
    assert (whole.head, whole.tail) == (bad.index(False), bad[::-1].index(False))


# --- the decision ----------------------------------------------------------------------------------------------------


def storm(number: int, **more: Any) -> dict[str, Any]:
    """Return a storm of a report."""
    return {
        "topic": "t", "partition": number, "records": 100, "dead_letter": 90, "rejected": 0, "longest": 90,
        "begins": True, **more,
    }  # fmt: skip


def acts(report: dict[str, Any], **history: Any) -> dict[str, Any]:
    """Return the acts of a decision by target."""
    judgement = judge(scenario({"pipeline": "customers", **report}, **history), load_matrix())
    return {one.target: one for one in judgement.acts}


def test_each_storm_has_an_incident_of_its_own() -> None:
    """Two new storms call twice, each about its cause; the partitions are paused; no general call is added."""
    context = scenario({"pipeline": "customers", "storms": [storm(0), storm(3)], "processing_errors": 180})
    judgement = judge(context, load_matrix())
    calls = [one for one in judgement.acts if one.tool == "escalate_incident"]
    assert [one.params["cause"] for one in calls] == ["poison_storm:customers:t/0", "poison_storm:customers:t/3"]
    assert {one.params["incident_type"] for one in calls} == {"poison_storm"}
    assert [(one.topic, one.partition) for one in judgement.decision.paused] == [("t", 0), ("t", 3)]


def test_another_cause_calls_for_itself() -> None:
    """A storm does not swallow the call about late events, nor is it swallowed."""
    found = acts({"storms": [storm(0)], "processing_errors": 90, "late_records": 400})
    calls = {one.params["incident_type"] for one in found.values() if one.tool == "escalate_incident"}
    assert calls == {"poison_storm", "late_over_limit"}


def test_a_known_storm_calls_nobody() -> None:
    """Its incident is brought up to date; another one that began beside it is new."""
    found = acts({"storms": [storm(0, begins=False), storm(1)], "processing_errors": 180}, open_storms=["t/0"])
    assert found["poison_storm:customers:t/0"].tool == "update_incident"
    assert found["poison_storm:customers:t/1"].tool == "escalate_incident"


def test_the_end_of_a_storm_resolves_its_incident() -> None:
    """Only where events were read: an idle partition is not known to be good again."""
    part = {"topic": "t", "partition": 0, "from_offset": 0, "until_offset": 1000, "records": 1000,
            "places": {"accepted": 1000}}  # fmt: skip
    idle = {"topic": "t", "partition": 1, "from_offset": 7, "until_offset": 7, "records": 0}
    found = acts({"partitions": [part, idle]}, open_storms=["t/0", "t/1"])
    assert [one.tool for one in found.values()] == ["resolve_incident"]
    assert list(found) == ["poison_storm:customers:t/0"]
