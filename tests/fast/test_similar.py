"""Incidents like one, what ended them, how bad a failure is, how incidents develop. Pure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from mend.contracts.incident import Incident, Severity
from mend.incidents.fold import explained
from mend.incidents.lifecycle import acknowledged, marked, opened, reopened, resolved
from mend.incidents.similar import recommended, similar
from mend.incidents.trends import trends

AT = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


def incident(
    name: str, says: str, *, days: float = 0, kind: str = "job_failed_for_good", **changes: object
) -> Incident:
    """Return an incident of so many days ago."""
    one = opened(name, kind, says, Severity.HIGH, AT - timedelta(days=days), context={"run_id": name})
    return replace(one, **changes)  # type: ignore[arg-type]


def ended(one: Incident, note: str, *, helped: bool | None = None) -> Incident:
    """Return it resolved two hours after it began."""
    over = resolved(one, note, datetime.fromisoformat(one.created_at) + timedelta(hours=2))
    return over if helped is None else marked(over, helped=helped)


def test_the_same_fingerprint_goes_before_the_same_words() -> None:
    """What differs in numbers only is the same; then what shares words; what shares few is not told."""
    one = incident("now", "topic customers: 12 brokers are down, the lag grows")
    same = incident("same", "topic customers: 3 brokers are down, the lag grows", days=9)
    close = incident("close", "topic orders: 3 brokers are down, the lag grows", days=1)
    far = incident("far", "no module named x", days=1)
    child = incident("child", one.summary, parent="now")
    found = similar(one, [far, close, same, child, one])
    assert [(each.incident.id, each.likeness == 1) for each in found] == [("same", True), ("close", False)]


def test_what_helped_is_recommended_before_what_did_not() -> None:
    """Remedies are ranked by how often they are known to have helped; a mark that is changed changes the rank."""
    says = "brokers are down"
    past = [ended(incident(f"a{at}", says, days=at + 1), f"restarted broker {at}", helped=at != 2) for at in range(3)]
    past += [ended(incident("b", says), "waited", helped=False), ended(incident("c", says), "new disk")]
    one = incident("now", says)
    best = recommended(similar(one, past))
    assert [each.note.split()[0] for each in best] == ["restarted", "new", "waited"]
    assert (best[0].times, best[0].helped, best[0].failed) == (3, 2, 1)
    marked_again = [marked(each, helped=each.id == "b") for each in past]
    assert recommended(similar(one, marked_again))[0].note == "waited"


def test_a_recurrence_teaches_that_a_remedy_failed() -> None:
    """What came back within a day counts against what had been done."""
    came_back = reopened(ended(incident("a", "brokers are down"), "waited"), AT + timedelta(hours=3))
    assert recommended(similar(incident("now", "brokers are down"), [came_back]))[0].failed == 1


def test_trends_count_days_and_how_fast_people_are() -> None:
    """Each day has its count, empty ones too; means are of those that were acknowledged or resolved."""
    first = ended(
        acknowledged(incident("a", "x", days=2), AT - timedelta(days=2, minutes=-30), who="ann"), "done", helped=True
    )
    again = reopened(ended(incident("b", "x", days=1), "done"), AT)
    found = trends(
        [
            first,
            again,
            incident("c", "x", kind="t", previous="a"),
            incident("d", "x", parent="c"),
            incident("e", "x", days=9),
        ],
        7,
        AT,
    )
    assert [count for _, count in found.periods] == [0, 0, 0, 0, 1, 1, 1]
    assert (found.periods[-1][0], found.incidents, found.folded, found.live) == ("2026-01-15", 3, 1, 2)
    assert found.by_type == {"job_failed_for_good": 2, "t": 1}
    assert (found.mtta_seconds, found.mttr_seconds, found.reopened, found.recurred) == (1800, 7200, 1, 1)
    assert (found.resolutions_helped, found.resolutions_failed) == (1, 1)
    weekly = trends([incident("e", "x", days=9)], 90, AT)
    assert (weekly.step_days, [count for _, count in weekly.periods][-2:]) == (7, [1, 0])


def test_a_cause_is_explained_from_facts() -> None:
    """What came first, what followed, how many runs, and why that is thought."""
    root = incident("a", "kafka: all brokers are down")
    children = [incident(f"r{at}", root.summary, cause=None, parent="a") for at in range(2)]
    children.append(incident("s", "late", kind="report_missing", cause="s", parent="a"))
    text = explained(root, children)
    for part in (
        "First seen: job_failed_for_good",
        "came 2 more times",
        "1 followed from it: report_missing",
        "4 runs",
        "the broker was away",
    ):
        assert part in text
