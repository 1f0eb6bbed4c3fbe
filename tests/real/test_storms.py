"""A storm of poison pauses its partition, calls a person once, and ends by itself; nothing is lost meanwhile."""

from collections import Counter
from collections.abc import Callable

import pytest

from mend.contracts.incident import IncidentStatus
from mend.incidents.log import incident_log
from mend.runtime import clock
from tests.real.conftest import Flow, customer_event
from tests.real.test_dead_letters import consume, make_topic

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

LIMITS = {"share": 0.5, "events": 50, "run": 5_000}


def pour(flow: Flow, start: int, *, poison: int, good: int, elsewhere: int) -> str:
    """Send poison and good events into partition 0 and good ones into partition 1, and take the run to its end."""
    flow.send(*(b"poison %d" % one for one in range(poison)), *events(start, good), partition=0)
    flow.send(*events(start + 1_000, elsewhere), partition=1)
    return flow.run()


def events(start: int, many: int) -> list[bytes]:
    """Return good events."""
    return [customer_event(start + one) for one in range(many)]


def incidents(flow: Flow) -> list[tuple[str, IncidentStatus]]:
    """Return kind and status of all incidents."""
    log = incident_log(flow.workspace.store, flow.workspace.layout.ops)
    return [(one.incident_type, one.status) for one in log.get_recent_incidents(at=clock.now())]


def test_a_minute_of_poison_and_then_good_data(new_flow: Callable[..., Flow]) -> None:
    """The partition is held, the others go on, one incident is open and then resolved, every record has its place."""
    flow = new_flow(storm=LIMITS, dead_letter_topic=True)
    topic = make_topic(flow, f"{flow.workspace.pipeline.topic}.dlq")
    first = pour(flow, 10_000, poison=90, good=10, elsewhere=30)
    assert flow.decision(first).rules == ("poison_storm",)
    assert flow.counts() == {"published": 30, "held": 10, "dead_letter": 90}
    assert incidents(flow) == [("poison_storm", IncidentStatus.OPEN)]
    second = pour(flow, 20_000, poison=40, good=0, elsewhere=30)  # too few for a storm to begin, enough to go on
    assert flow.decision(second).rules == ("poison_storm_goes_on",)
    assert not flow.decision(second).escalation_required
    assert incidents(flow) == [("poison_storm", IncidentStatus.OPEN)]
    assert consume(flow, topic) == []
    third = pour(flow, 30_000, poison=1, good=60, elsewhere=30)
    assert "poison_storm_over" in flow.decision(third).rules
    assert incidents(flow) == [("poison_storm", IncidentStatus.RESOLVED)]
    assert flow.counts() == {"published": 150, "held": 10, "dead_letter": 131}
    assert flow.closed()
    assert len(consume(flow, topic)) == 131, "what waited is sent when the storm is over"
    assert flow.workspace.store.runs.consecutive_failures("customers") == 0


def test_without_the_limit_each_run_calls_a_person(new_flow: Callable[..., Flow]) -> None:
    """The control: with storms switched off the same poison escalates in every run, and good rows are published."""
    flow = new_flow(storm=False)
    pour(flow, 10_000, poison=90, good=10, elsewhere=30)
    pour(flow, 20_000, poison=40, good=0, elsewhere=30)
    assert Counter(incidents(flow)) == {("dead_letters_over_limit", IncidentStatus.OPEN): 2}
    assert flow.counts() == {"published": 70, "dead_letter": 130}
