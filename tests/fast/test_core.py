"""The corners of the decision core that no run of a day reaches; `make coverage-core` holds it at every branch."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from agent.caution import caution
from agent.conditions import CUSTOM, Condition, holds
from agent.decide import Act, judge, judge_failure
from agent.envelope import escalated
from agent.explain import act_in_words
from agent.flip import SOME, flips, shown
from agent.foresight import prediction
from agent.matrix import Matrix, Rule
from agent.matrix_file import load_matrix
from agent.signals import finding, signals_of
from agent.testing import scenario
from mend.contracts.decision import Action, Fallback, PartitionFilter, Proposal, Rows, model_answered
from mend.contracts.incident import IncidentStatus, Severity, Transition
from mend.contracts.quality import ExpectationResult
from mend.contracts.report import ColumnProfile, PartitionRange, Places, RunReport
from mend.incidents.lifecycle import instant, judged, last_seen, marked, opened, resolved, statistics
from mend.runtime.errors import UserError

pytestmark = pytest.mark.agent

TABLE = load_matrix()
AT = datetime(2026, 1, 1, tzinfo=UTC)
HEALTHY = signals_of(scenario(), TABLE.limits)
TASK = {
    "event": "event-1", "dag_id": "nightly", "task_id": "load", "pattern": "oom", "severity": "high",
    "root_cause": "Memory ran out.", "strategy": "notify_human",
}  # fmt: skip


def asking(condition: Condition) -> Matrix:
    """Return a matrix with one rule."""
    mine = Rule(id="mine", when=condition, actions=(Action.CONTINUE,), rows=Rows.PUBLISH, reason="")
    return replace(TABLE, rules=(mine,))


def test_a_single_condition_is_asked_as_the_rules_are() -> None:
    """One that names no signal is an error, never false."""
    assert holds(Condition(signal="total_records", op=">=", value=Fraction(1000)), HEALTHY)
    assert not holds(Condition(signal="total_records", op=">", value=Fraction(1000)), HEALTHY)
    with pytest.raises(AttributeError):
        holds(Condition(signal="no_signal", op="present"), HEALTHY)


def test_a_failed_task_of_another_system_names_its_incident() -> None:
    """Of a task and a pattern one incident is open at a time, as grave as the pattern says."""
    context = scenario(job_status="failed", job_cause="not_retriable", failed_task=TASK)
    (call,) = [one for one in judge(context, TABLE).acts if one.tool == "escalate_incident"]
    assert (call.target, call.params["cause"], call.params["severity"]) == ("oom", "task:nightly.load:oom", "high")
    assert call.params["context"]["failed_task"]["event"] == "event-1"


def test_a_proposal_about_a_decision_that_could_not_be_made_changes_nothing() -> None:
    """There are no signals that it could be about."""
    failed = judge_failure(scenario(), RuntimeError("x"))
    assert escalated(failed, Proposal(run_id="r", action=Action.ESCALATE, confidence=1.0, reason="")) is failed


@pytest.mark.parametrize(
    ("tool", "params", "words"),
    [
        ("retrigger_task", {"execution_date": "2026-01-01"}, "the job is run again, not before 2026-01-01"),
        ("retrigger_task", {}, "the job is run again"),
        ("apply_schema_remap", {"mapping": {"n": {}}}, "these fields enter the mapping: 'n'"),
        ("quarantine_records", {"reason": "dq"}, "rows are set aside in quarantine (dq)"),
        ("escalate_incident", {"severity": "high"}, "a person is called (severity high, target)"),
        ("resolve_incident", {}, "the incident about target is resolved"),
        ("mine", {}, "mine is called"),
    ],
)
def test_each_act_has_its_words(tool: str, params: dict[str, str], words: str) -> None:
    """Those of users' tools are named."""
    assert act_in_words(Act(tool=tool, target="target", params=params)) == words


def test_words_and_shares_of_nothing_flip_too() -> None:
    """A user's metric that is a word is tried with it; a share of an unknown total at the threshold itself."""
    assert shown(SOME) == "present"
    (word,) = flips(HEALTHY, asking(Condition(signal=f"{CUSTOM}zone", op="==", value="red")))
    assert word.value == "red"
    unknown = replace(HEALTHY, total_records=None, late_share=None)
    (late,) = flips(unknown, asking(Condition(signal="late_share", op=">=", value=Fraction(1, 10))))
    assert late.value == Fraction(1, 10)


def test_the_rows_of_an_order_are_foreseen() -> None:
    """Those of paused partitions to the row; without a report nothing is promised."""
    judgement = judge(scenario(), TABLE)
    part = PartitionRange(
        topic="t", partition=1, from_offset=0, until_offset=9, records=9, places=Places(accepted=7, rejected=2)
    )
    paused = replace(judgement.decision, paused=(PartitionFilter(topic="t", partition=1),))
    report = RunReport(
        total_records=9, late_records=0, dq_failures=2, schema_drift_detected=False, partitions=(part,),
        places=part.places,
    )  # fmt: skip

    def foreseen(params: dict[str, object], known: RunReport | None) -> tuple[int | None, str | None]:
        order = Act(tool="quarantine_records", target="x", params=params)
        said = prediction(order, paused, known, HEALTHY)
        return said.rows, said.place

    assert foreseen({"partitions": [{}]}, report) == (7, "held")
    assert foreseen({"filter_condition": [{}]}, report) == (0, "held")
    assert foreseen({}, report) == (2, "rejected")
    assert foreseen({}, replace(report, places=None)) == (None, "rejected")
    assert foreseen({}, None) == (None, None)


def test_a_finding_names_its_column_and_no_value() -> None:
    """What was observed is shown only where it is a count of rows."""
    failed = ExpectationResult(
        expectation_type="expect_column_max_to_be_between",
        column="at",
        verdict="fail",
        severity="quality",
        observed="x",
    )
    assert finding(failed) == "'at': column max to be between"
    assert finding(replace(failed, column="")) == "column max to be between (x)"


def test_caution_is_compared_way_by_way() -> None:
    """More severe or stopping further runs is more cautious, whatever the rows."""
    calm = next(one for one in TABLE.rules if one.id == "healthy")
    stops = next(one for one in TABLE.rules if one.opens_circuit)
    assert caution([calm], Rows.PUBLISH).milder(caution([calm, stops], Rows.PUBLISH))
    assert not caution([calm, stops], Rows.HOLD).milder(caution([calm], Rows.PUBLISH))


@pytest.mark.parametrize(
    ("fallback", "proposed", "expected"),
    [(None, False, None), (None, True, True), (Fallback.TIME_OUT, False, False), (Fallback.OUTSIDE, True, True)],
)
def test_whether_the_model_answered(fallback: Fallback | None, *, proposed: bool, expected: bool | None) -> None:
    """A bad answer is one; who was not asked says nothing about itself."""
    assert model_answered(fallback, proposed=proposed) is expected


def test_a_resolution_is_judged_where_there_is_one() -> None:
    """The last one; what was never resolved has nothing that helped."""
    incident = opened("i", "x", "bad", Severity.LOW, AT)
    assert judged(incident, helped=True) == incident
    with pytest.raises(UserError, match="never resolved"):
        marked(incident, helped=True)
    over = resolved(incident, "done", AT)
    seen = replace(over, transitions=(*over.transitions, Transition(status=IncidentStatus.CLOSED, at="", who="")))
    assert [one.helped for one in marked(seen, helped=True).transitions][-2:] == [True, None]
    with pytest.raises(UserError, match="cannot be resolved"):
        resolved(over, "again", AT)


def test_the_life_of_an_incident_is_counted_in_time() -> None:
    """Only what was created in the days; a time without a zone is no time."""
    first = opened("i", "x", "bad", Severity.LOW, AT)
    found = statistics([first, replace(first, id="j", parent="i")], 1, AT + timedelta(hours=1))
    assert (found["total_incidents"], found["by_severity"]) == (1, {"low": 1})
    assert statistics([first], 1, AT + timedelta(days=2))["total_incidents"] == 0
    assert last_seen(first) == AT
    with pytest.raises(ValueError, match="needs a zone"):
        instant(datetime(2026, 1, 1))  # noqa: DTZ001


def test_an_empty_column_has_no_nulls() -> None:
    """A share of nothing is 0."""
    column = ColumnProfile(column="c", type="t", rows=0, nulls=0, distinct=0)
    assert (column.null_rate, replace(column, rows=4, nulls=1).null_rate) == (0.0, 0.25)
