"""Explanations: what would have flipped a decision, exactly, and the text that people read."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from agent.conditions import AllOf, Condition
from agent.decide import judge, judge_failure
from agent.envelope import reference, settle
from agent.explain import FALLBACKS, explain
from agent.flip import Flip, changed, flips
from agent.matrix import Rule, decide
from agent.matrix_file import load_matrix
from agent.signals import Signals, signals_of
from agent.testing import scenario
from mend.contracts.decision import Action, Fallback, Proposal, Rows

pytestmark = pytest.mark.agent

TABLE = load_matrix()


def signals(report: dict[str, Any] | None = None, **history: Any) -> Signals:
    """Return the signals of a healthy run but for what is given."""
    return signals_of(scenario(report, **history), TABLE.limits)


def flip_of(name: str, given: Signals) -> Flip | None:
    """Return the flip of one signal."""
    return next((one for one in flips(given, TABLE) if one.signal == name), None)


@pytest.mark.parametrize("name", ["late_share", "dq_share", "dead_letter_share"])
@pytest.mark.parametrize("total", [1, 7, 40, 1000])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.05, 0.149, 0.15, 0.16, 1.0])
def test_the_nearest_share_is_exact(name: str, total: int, share: float) -> None:
    """Of all counts of events, none nearer than the one that is named changes the decision, and that one does."""
    many = int(share * total)
    given = changed(name, Fraction(many, total), replace(signals(), total_records=total))
    before = decide(given, TABLE)
    others = [
        abs(one - many)
        for one in range(total + 1)
        if outcome(changed(name, Fraction(one, total), given)) != (before.actions, before.rows)
    ]
    found = flip_of(name, given)
    assert found is not None
    assert outcome(changed(name, found.value, given)) == (found.actions, found.rows)
    assert abs(found.value * total - many) == min(others)


def outcome(given: Signals) -> tuple[tuple[Action, ...], Rows]:
    """Return what the table decides."""
    verdict = decide(given, TABLE)
    return verdict.actions, verdict.rows


@pytest.mark.parametrize(
    ("late", "value", "action"), [(150, 151, "escalate"), (151, 150, "retrigger"), (1, 0, "continue")]
)
def test_a_late_run_says_how_many_events_would_have_mattered(late: int, value: int, action: str) -> None:
    """The flip is counted in whole events."""
    found = flip_of("late_share", signals({"late_records": late}))
    assert found is not None
    assert (found.value, found.actions[-1].value) == (Fraction(value, 1000), action)


def test_counts_words_and_lists_flip_too() -> None:
    """The third failure in a row, a cause that is known, a rename that is not there."""
    given = signals({"late_records": 1}, consecutive_failures=2)
    found = flip_of("consecutive_failures", given)
    assert (found and found.value, found and found.actions) == (3, (Action.ESCALATE,))
    failed = signals(job_status="failed")
    cause = flip_of("job_cause", failed)
    assert cause is not None
    assert (cause.value, str(cause)) == (
        "not_retriable",
        "job_cause not_retriable instead of unknown: escalate, rows: nothing",
    )
    drifted = signals({"schema_drift_detected": True, "drift": {"added": [{"name": "a", "type": "int"}]}})
    switch = flip_of("schema_drift_auto_remap", drifted)
    assert (switch and switch.value, switch and switch.actions) == (False, (Action.ESCALATE,))
    gone = flip_of("drift_added", drifted)
    assert str(gone) == "drift_added absent instead of 'a': continue, rows: publish"


def test_a_metric_of_the_user_flips_at_its_threshold() -> None:
    """A rule over `run_report.custom` has its flip beside the threshold, however fine the numbers are."""
    when = Condition(signal="run_report.custom.lag", op=">", value=Fraction(1, 2))
    rule = Rule(id="lag", when=AllOf((when,)), actions=(Action.ESCALATE,), rows=Rows.HOLD, reason="lag")
    matrix = replace(TABLE, rules=(*TABLE.rules, rule))
    found = next(one for one in flips(signals({"custom": {"lag": 0.4}}), matrix) if "lag" in one.signal)
    assert 0.5 < found.value < 0.5 + 1e-9
    assert found.rows is Rows.HOLD


def test_nearest_comes_first() -> None:
    """A run at the edge of a limit says so first."""
    assert flips(signals({"late_records": 150, "dq_failures": 20}), TABLE)[0].signal == "late_share"


def test_an_explanation_tells_all_parts() -> None:
    """What happened, the facts with their rules, the model, what would have flipped it, what happens next."""
    context = scenario({"late_records": 150}, {"run_id": "run-7"}, run_id="run-7")
    context = replace(context, run_report=replace(context.run_report, run_id="run-7"))  # type: ignore[arg-type]
    judgement = judge(context, TABLE)
    text = str(explain(judgement, TABLE))
    assert text.startswith("Run 'run-7' is run again.\nBecause:\n  - 150 of 1000 events are late (15 %, limit 15 %)")
    assert "[late_within_limit]" in text
    assert "no model was asked" in text
    assert "with late_share 15.1 % instead of 15 %: escalate, rows: publish" in text
    assert text.endswith("Next:\n  - Rows that fit the contract are published.\n  - the job is run again")


def test_an_explanation_says_what_the_model_added() -> None:
    """A proposal that was followed, and one that was not, are told with the model's own words in quotes."""
    table = judge(scenario(job_status="failed"), TABLE)
    proposal = Proposal(run_id=reference(table), action=Action.ESCALATE, confidence=0.8, reason="The disk may be gone.")
    followed = explain(settle(table, proposal, None), TABLE)
    assert followed.model == ("the model proposed 'escalate' (80% sure), and was followed: 'The disk may be gone.'")
    unsure = explain(settle(table, replace(proposal, confidence=0.2), None), TABLE)
    assert unsure.model.startswith("the model was not sure enough, so the rules decided alone")


def test_every_fallback_has_words() -> None:
    """No reason is left without an explanation."""
    assert FALLBACKS.keys() == set(Fallback)


def test_a_decision_that_failed_is_explained_without_flips() -> None:
    """Where deciding itself failed, there is nothing that would have flipped it."""
    assert explain(judge_failure(scenario(), ValueError("x")), TABLE).flips == ()
