"""The life of an incident, without any store."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mend.contracts import codec
from mend.contracts.incident import Incident, IncidentStatus, Severity
from mend.incidents.lifecycle import (
    GRAVITY,
    NEXT,
    VERBS,
    acknowledged,
    closed,
    escalated,
    marked,
    moved,
    noted,
    opened,
    raised,
    reopened,
    resolved,
)
from mend.incidents.text import Context
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


def test_each_step_says_who_when_and_why() -> None:
    """Open, acknowledged, resolved, closed; the times of the steps are fields, too."""
    one = closed(
        resolved(acknowledged(incident(), LATER, who="ann", note="I look"), "restarted", LATER, who="bob"),
        LATER,
        who="eve",
    )
    assert [(step.status, step.who, step.note) for step in one.transitions] == [
        ("open", "pipeline_agent", ""),
        ("acknowledged", "ann", "I look"),
        ("resolved", "bob", "restarted"),
        ("closed", "eve", ""),
    ]
    assert [step.at for step in one.transitions] == [AT.isoformat(), *[LATER.isoformat()] * 3]
    assert one.acknowledged_at == one.resolved_at == one.closed_at == LATER.isoformat()


@pytest.mark.parametrize("before", list(IncidentStatus))
@pytest.mark.parametrize("after", list(IncidentStatus))
def test_a_step_that_is_not_allowed_is_refused(before: IncidentStatus, after: IncidentStatus) -> None:
    """Of all pairs those of the table pass; the others say what is allowed now."""
    ways = {"open": [], "acknowledged": ["acknowledged"], "resolved": ["resolved"], "closed": ["resolved", "closed"]}
    one = incident()
    for step in ways[before]:
        one = moved(one, IncidentStatus(step), AT)
    if after in NEXT[before]:
        assert moved(one, after, LATER).status is after
        return
    with pytest.raises(UserError) as caught:
        moved(one, after, LATER)
    assert caught.value.exit_code == 3
    for allowed in NEXT[before]:
        assert VERBS[allowed] in str(caught.value).split(". ", 1)[1]


def test_what_is_over_refuses_changes() -> None:
    """A resolved incident is not escalated, noted or made graver; it says since when it is resolved."""
    ended = resolved(incident(), "done", AT)
    told = "id-1 was resolved at 2024-01-15T10:00:00"
    with pytest.raises(UserError, match=told):
        resolved(ended, "again", LATER)
    with pytest.raises(UserError, match=told):
        escalated(ended, "why", LATER)
    with pytest.raises(UserError, match=told):
        noted(ended, "why", LATER)
    with pytest.raises(UserError, match=told):
        raised(ended, Severity.CRITICAL, LATER)


def test_what_came_back_was_not_helped() -> None:
    """Opened again, the last resolution is marked as one that did not help; nobody marks what was never resolved."""
    again = reopened(resolved(incident(), "restarted", AT), LATER, note="it is back")
    assert (again.status, again.resolved_at, again.transitions[1].helped) == ("open", None, False)
    assert marked(resolved(again, "new disk", LATER), helped=True).transitions[-1].helped is True
    with pytest.raises(UserError, match="never resolved"):
        marked(incident(), helped=True)


HOSTILE = "\x1b[2J\r\nBcc: all\x00\ud800<b>" + "x" * 1_000_000


def test_text_from_data_is_bounded_and_can_be_kept() -> None:
    """A megabyte, half characters, numbers that JSON lacks: the record is small and reads back as it was."""
    context = {"error": HOSTILE, "list": ["y" * 100_000] * 1000, "nan": float("nan"), "big": 10**40, HOSTILE: HOSTILE}
    deep: dict[str, object] = {}
    for _ in range(500):
        deep = {"deep": deep}
    one = opened("id-1", HOSTILE, HOSTILE, Severity.LOW, AT, context=context | deep, created_by=HOSTILE)
    one = resolved(escalated(noted(one, HOSTILE, AT), HOSTILE, AT), HOSTILE, AT, who=HOSTILE)
    content = codec.dumps(one)
    assert len(content) < 400_000
    assert codec.loads(Incident, content) == one
    assert one.incident_type.isprintable()
    assert len(one.incident_type) <= 200


def test_personal_values_are_in_no_context() -> None:
    """Values of personal columns, addresses of people and passwords of URLs are hidden at any depth; names stay."""
    secret = "ann.lee+x@mail.example.org"
    context = {
        "email": secret,
        "rows": [{"email": 7, "n": 1}],
        "filter": {"column": "email", "value": "ann"},
        "error": f"row of {secret} at postgresql://mend:hush@db/x",
    }
    shown = Context({"email"}).cut(context)
    assert shown == {
        "email": "***",
        "rows": [{"email": "***", "n": 1}],
        "filter": {"column": "email", "value": "***"},
        "error": "row of *** at postgresql://***@db/x",
    }


def test_a_naive_time_is_refused_and_a_zone_becomes_utc() -> None:
    """Records are in UTC."""
    elsewhere = datetime.fromisoformat("2024-01-15T15:30:00+05:30")
    assert opened("id-1", "job_failed", "away", Severity.LOW, elsewhere).created_at == AT.isoformat()
    with pytest.raises(ValueError, match="a time needs a zone"):
        opened("id-1", "job_failed", "away", Severity.LOW, AT.replace(tzinfo=None))
