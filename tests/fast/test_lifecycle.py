"""The life of an incident, without any store."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mend.contracts.incident import Incident, Severity
from mend.incidents.lifecycle import GRAVITY, escalated, opened, raised, resolved
from mend.runtime.errors import UserError

AT = datetime(2024, 1, 15, 10, 0, tzinfo=UTC)
LATER = AT + timedelta(hours=1)


def incident(severity: Severity = Severity.MEDIUM) -> Incident:
    """Return an open incident."""
    return opened("id-1", "job_failed", "away", severity, AT)


@given(st.lists(st.sampled_from(Severity), min_size=1))
def test_an_incident_never_becomes_milder(asked: list[Severity]) -> None:
    """Whatever is asked for in whatever order, the gravest stands."""
    one = incident(Severity.LOW)
    for severity in asked:
        one = raised(one, severity, LATER)
    assert one.severity == max(asked, key=GRAVITY.__getitem__)


def test_raising_to_the_same_changes_nothing() -> None:
    """No new time without a change."""
    assert raised(incident(), Severity.MEDIUM, LATER) == incident()
    assert raised(incident(), Severity.HIGH, LATER).updated_at == LATER.isoformat()


def test_a_second_escalation_keeps_the_time_of_the_first() -> None:
    """Notes are added, the original is not changed."""
    one = incident()
    twice = escalated(escalated(one, "first", AT), "second", LATER)
    assert (twice.escalated_at, twice.updated_at) == (AT.isoformat(), LATER.isoformat())
    assert twice.context["escalation_notes"] == ["first", "second"]
    assert (one.escalated, one.context) == (False, {})


def test_after_its_end_nothing_can_happen() -> None:
    """A resolved incident refuses every change, and says since when it is resolved."""
    ended = resolved(incident(), "done", AT)
    told = "id-1 was resolved at 2024-01-15T10:00:00"
    with pytest.raises(UserError, match=told):
        resolved(ended, "again", LATER)
    with pytest.raises(UserError, match=told):
        escalated(ended, "why", LATER)
    with pytest.raises(UserError, match=told):
        raised(ended, Severity.CRITICAL, LATER)


def test_a_naive_time_is_refused_and_a_zone_becomes_utc() -> None:
    """Records are in UTC."""
    elsewhere = datetime.fromisoformat("2024-01-15T15:30:00+05:30")
    assert opened("id-1", "job_failed", "away", Severity.LOW, elsewhere).created_at == AT.isoformat()
    with pytest.raises(ValueError, match="a time needs a zone"):
        opened("id-1", "job_failed", "away", Severity.LOW, AT.replace(tzinfo=None))
