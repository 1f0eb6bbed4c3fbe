"""What the agent did, in figures."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent.performance import Past, Performance, performance, spread
from mend.contracts.decision import Action, DecisionResult, Rows
from mend.contracts.incident import Severity
from mend.contracts.task_event import Answer, Assessment, Effect, Strategy
from mend.incidents.lifecycle import opened, resolved
from mend.store.measures import MadeDecision, RunEnd
from mend.store.tables import Outcome

START = datetime(2026, 1, 1, tzinfo=UTC)
CAUSES = {"drift_additive": frozenset({Action.REMAP}), "late_within_limit": frozenset({Action.RETRIGGER})}


def minutes(many: float) -> datetime:
    """Return a time after the start."""
    return START + timedelta(minutes=many)


def made(
    number: int, rule: str, *actions: Action, run: str | None = "", took: float | None = 1.0, **fields: object
) -> MadeDecision:
    """Return the decision about the run of that number."""
    run_id = f"run-{number}" if run == "" else run
    result = DecisionResult(
        decision=actions[0].value,
        actions=actions,
        rows=Rows.PUBLISH,
        rules=(rule,),
        reasoning="",
        confidence=1.0,
        escalation_required=Action.ESCALATE in actions,
        timestamp=minutes(number).isoformat(),
        run_id=run_id,
    )
    at = minutes(number)
    recorded = None if took is None else at + timedelta(seconds=took)
    changed = replace(result, **fields)  # type: ignore[arg-type]
    return MadeDecision(id=number, run_id=run_id, decided_at=at, recorded_at=recorded, result=changed)


def ran(number: int, outcome: Outcome = Outcome.PUBLISHED, pipeline: str = "orders", attempts: int = 1) -> RunEnd:
    """Return a run that ended half a minute after its opening."""
    return RunEnd(
        run_id=f"run-{number}",
        pipeline=pipeline,
        outcome=outcome,
        attempts=attempts,
        opened_at=minutes(number),
        ended_at=minutes(number + 0.5),
    )


def measured(*decisions: MadeDecision, runs: tuple[RunEnd, ...] | None = None, **past: object) -> Performance:
    """Measure decisions, by default about published runs of one pipeline."""
    known = tuple(ran(one.id) for one in decisions) if runs is None else runs
    told = Past(
        since=START,
        until=minutes(99),
        decisions=decisions,
        runs=known,
        failures=(),
        incidents=(),
        quarantined_batches=0,
    )
    return performance(replace(told, **past), CAUSES)  # type: ignore[arg-type]


def test_decisions_are_counted_by_rule_action_and_who_made_them() -> None:
    """An escalation is a share of all decisions; nothing is counted twice."""
    figures = measured(
        made(1, "healthy", Action.CONTINUE),
        made(2, "drift_breaking", Action.QUARANTINE, Action.ESCALATE, confidence=0.5),
        made(3, "approved", Action.RETRIGGER, decided_by="person"),
        made(4, "healthy", Action.CONTINUE, decided_by="model"),
    ).decisions
    assert figures.by_rule == {"healthy": 2, "drift_breaking": 1, "approved": 1}
    assert figures.by_decider == {"rules": 2, "person": 1, "model": 1}
    assert (figures.escalated, figures.escalation_share, figures.mean_confidence) == (1, 0.25, 0.875)


def test_a_decision_whose_act_failed_is_one_decision() -> None:
    """It is recorded again with what failed, about the same evidence: the last word counts."""
    first = made(1, "drift_additive", Action.REMAP)
    again = replace(first, id=2, result=replace(first.result, rules=("drift_additive", "act_failed")))
    figures = measured(first, again)
    assert figures.decisions.total == 1
    assert figures.remedies["remap"].recurred == 1


@pytest.mark.parametrize(
    ("later", "fate"),
    [
        (("healthy", "healthy", "healthy"), "helped"),
        (("healthy", "healthy", "drift_additive"), "recurred"),
        (("healthy", "healthy"), "pending"),
        (("healthy", "healthy", "healthy", "drift_additive"), "helped"),
    ],
)
def test_a_remedy_helped_if_its_cause_stayed_away_for_three_runs(later: tuple[str, ...], fate: str) -> None:
    """What comes back in the fourth run is another matter; with fewer runs it is too early to say."""
    follow = [made(at, rule, Action.CONTINUE) for at, rule in enumerate(later, start=2)]
    remedy = measured(made(1, "drift_additive", Action.REMAP), *follow).remedies["remap"]
    assert {"helped": remedy.helped, "recurred": remedy.recurred, "pending": remedy.pending}[fate] == 1
    assert remedy.acts == 1


def test_another_pipeline_says_nothing_about_a_remedy() -> None:
    """The cause of a remedy comes back in the runs of its own pipeline, or not."""
    runs = (ran(1), *(ran(at, pipeline="customers") for at in (2, 3, 4)))
    others = [made(at, "drift_additive", Action.CONTINUE) for at in (2, 3, 4)]
    remedy = measured(made(1, "drift_additive", Action.REMAP), *others, runs=runs).remedies["remap"]
    assert (remedy.pending, remedy.recurred) == (1, 0)


def test_a_fix_of_a_failed_task_is_judged_by_the_task() -> None:
    """Whether the task succeeded afterwards counts, not the next run of a pipeline."""
    assessment = Assessment(severity=Severity.HIGH, intervene=True, seen=0, why="")
    effects = (Effect.HELPED, Effect.HELPED, Effect.DID_NOT_HELP, Effect.PENDING, Effect.NOTHING_DONE)
    answers = tuple(Answer(assessment=assessment, strategy=Strategy.RETRY_TASK, effect=one) for one in effects)
    figures = measured(made(1, "late_within_limit", Action.RETRIGGER, run="event-1"), tasks=answers)
    assert figures.remedies == {}
    found = figures.task_fixes["retry_task"]
    assert (found.helped, found.recurred, found.pending, found.success_rate) == (2, 1, 1, 2 / 3)


def test_runs_give_success_retry_and_quarantine() -> None:
    """A failed job is no success, and a run of two attempts was retried."""
    runs = (ran(1), ran(2, attempts=2), ran(3, Outcome.HELD))
    figures = measured(runs=runs, failures=(("orders", minutes(1)),), quarantined_batches=2).runs
    assert (figures.published, figures.held, figures.failed) == (2, 1, 1)
    assert (figures.success_rate, figures.retry_rate, figures.mean_attempts) == (0.5, 1 / 3, 4 / 3)
    assert figures.quarantined_batches == 2


def test_times_to_detect_resolve_and_recover() -> None:
    """Detected from the run's opening, resolved from the incident's, recovered from the first failure of a row."""
    incident = opened("i", "dq", "", Severity.HIGH, minutes(2), context={"run_id": "run-1"})
    unknown = opened("j", "dq", "", Severity.HIGH, minutes(2), context={"run_id": "run-77"})
    failures = (("orders", minutes(3)), ("orders", minutes(4)), ("customers", minutes(4)))
    incidents = (resolved(incident, "", minutes(12)), unknown)
    figures = measured(runs=(ran(1), ran(5)), failures=failures, incidents=incidents).times
    assert (figures.to_detect, figures.detected) == (60.0, 1)
    assert (figures.to_resolve, figures.resolved) == (600.0, 1)
    assert (figures.to_recover, figures.recovered) == (150.0, 1)


def test_time_to_decide_is_from_the_evidence_to_the_record() -> None:
    """Decisions of before it was recorded are left out, not counted as 0."""
    figures = measured(*(made(at, "healthy", Action.CONTINUE, took=at) for at in range(1, 101)))
    assert figures.seconds_to_decide.p50 == 50.5
    assert figures.seconds_to_decide.p95 == pytest.approx(95.05)
    assert measured(made(1, "healthy", Action.CONTINUE, took=None)).seconds_to_decide.count == 0


def test_nothing_has_no_figures() -> None:
    """No share of nothing is claimed to be 0 or 1."""
    figures = measured()
    assert figures.decisions.escalation_share is None
    assert figures.runs.success_rate is None
    assert figures.times.to_detect is None
    assert spread([]).p95 is None
    assert spread([2.0]).p95 == 2.0
