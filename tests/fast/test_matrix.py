"""The decision matrix: every row, both sides of every limit, unions and cancellations."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.conditions import AllOf, AnyOf, Condition, conditions
from agent.context import DecisionContext
from agent.decide import decide
from agent.matrix import Matrix, Rule
from agent.matrix import decide as evaluate
from agent.matrix_file import MATRIX, load_matrix
from agent.phrases import worded
from agent.signals import signals_of
from agent.testing import scenario
from mend.contracts.decision import Action, DecisionResult, Rows

pytestmark = pytest.mark.agent

TABLE = load_matrix()
NULLABLE = {"name": "opt_in", "type": "boolean", "nullable": True}
RENAME = {"old": "plan", "new": "tier", "score": 0.97, "action": "apply"}
FAILED_CONTRACT = {
    "status": "failure",
    "validations": [
        {
            "expectation_suite": "s",
            "success": False,
            "statistics": {"evaluated_expectations": 1, "successful_expectations": 0, "unsuccessful_expectations": 1},
            "results": [
                {"expectation_type": "t", "column": "c", "severity": "contract", "verdict": "fail", "failures": 3}
            ],
        }
    ],
    "summary": {"total_expectations": 1, "success_count": 0, "failure_count": 1},
}
UNKNOWN_AUDIT = {
    "status": "failure",
    "summary": {"total_expectations": 15, "success_count": 14, "failure_count": 0, "unknown_count": 1},
}


def unusual(severity: str = "quality") -> dict[str, Any]:
    """Return an audit in which only the volume of the run failed."""
    volume = {"expectation_type": "expect_table_row_count_to_be_between", "column": "", "severity": severity,
              "verdict": "fail", "observed": "9, expected 80 to 120: the median of 20 runs ± 20%"}  # fmt: skip
    good = {"expectation_type": "expect_column_to_exist", "column": "id", "severity": "contract", "verdict": "pass"}
    counts = {"evaluated_expectations": 2, "successful_expectations": 1, "unsuccessful_expectations": 1}
    failed = severity == "quality"
    suite = {"expectation_suite": "s", "success": not failed, "statistics": counts, "results": [volume, good]}
    return {
        "status": "failure" if failed else "success",
        "validations": [suite],
        "summary": {"total_expectations": 2, "success_count": 1, "failure_count": 1},
    }


UNTOLD_FAILURES = {
    "status": "failure",
    "summary": {"total_expectations": 15, "success_count": 13, "failure_count": 2},
}
LOCALISED = [
    {"column": "country", "value": "BR", "rows": 100, "failures": 40},
    {"column": "country", "value": "US", "rows": 900, "failures": 5},
]


def drift(**detail: Any) -> dict[str, Any]:
    """Return the report of a run whose stream drifted."""
    return {"schema_drift_detected": True, "drift": detail}


def decided(
    report: dict[str, Any] | None = None, audit: dict[str, Any] | None = None, **history: Any
) -> DecisionResult:
    """Decide about a healthy run but for what is given."""
    return decide(scenario(report, audit, **history), TABLE)


ONLY_DUPLICATES: tuple[dict[str, Any], dict[str, Any]] = (
    {"places": {"accepted": 0, "rejected": 0, "dead_letter": 0, "duplicate": 1000}},
    {"status": "no_validation", "validations": [], "summary": None, "verdict": "unknown", "rows": None},
)
READ = {
    "partitions": [
        {"topic": "t", "partition": 0, "from_offset": 0, "until_offset": 1000, "records": 1000,
         "places": {"accepted": 1000}},
    ],
}  # fmt: skip


def stormy(bad: int, *, begins: bool = True, elsewhere: int = 0) -> dict[str, Any]:
    """Return a report of 1000 events of which some of partition 0 could not be decoded, and some of the others."""
    storm = {"topic": "t", "partition": 0, "records": bad + 10, "dead_letter": bad, "rejected": 0, "longest": bad}
    return {"storms": [storm | {"begins": begins}], "processing_errors": bad + elsewhere}


CASES: list[tuple[str, DecisionContext, set[str], list[str], str]] = [
    ("healthy", scenario(), {"healthy"}, ["continue"], "publish"),
    ("one late", scenario({"late_records": 1}), {"late_within_limit"}, ["retrigger"], "publish"),
    ("exactly 15 % late", scenario({"late_records": 150}), {"late_within_limit"}, ["retrigger"], "publish"),
    ("just over 15 % late", scenario({"late_records": 151}), {"late_over_limit"}, ["escalate"], "publish"),
    ("all late", scenario({"late_records": 1000}), {"late_over_limit"}, ["escalate"], "publish"),
    ("one failure", scenario({"dq_failures": 1}), {"dq_within_limit"}, ["continue"], "publish"),
    ("exactly 5 % failures", scenario({"dq_failures": 50}), {"dq_within_limit"}, ["continue"], "publish"),
    ("just over 5 % failures", scenario({"dq_failures": 51}), {"dq_over_limit"}, ["escalate"], "hold"),
    (
        "localised within the limit",
        scenario({"dq_failures": 45, "segments": LOCALISED}),
        {"dq_within_limit", "dq_localised"},
        ["quarantine"],
        "publish_except_segment",
    ),
    (
        "localised over the limit",
        scenario({"dq_failures": 65, "segments": [{**LOCALISED[0], "failures": 60}, LOCALISED[1]]}),
        {"dq_localised", "dq_over_limit_localised"},
        ["quarantine", "escalate"],
        "publish_except_segment",
    ),
    (
        "localised, but the rest is ill, too",
        scenario({"dq_failures": 120, "segments": [LOCALISED[0], {**LOCALISED[1], "failures": 80}]}),
        {"dq_over_limit"},
        ["escalate"],
        "hold",
    ),
    ("an unusual volume", scenario({}, unusual()), {"run_unusual"}, ["escalate"], "publish"),
    ("an unusual volume that only warns", scenario({}, unusual("warn")), {"healthy"}, ["continue"], "publish"),
    (
        "an unusual volume, and a row that fails",
        scenario({"dq_failures": 1}, unusual()),
        {"run_unusual", "dq_within_limit"},
        ["escalate"],
        "publish",
    ),
    ("one dead letter", scenario({"processing_errors": 1}), {"dead_letters_within_limit"}, ["continue"], "publish"),
    (
        "exactly 5 % dead letters",
        scenario({"processing_errors": 50}),
        {"dead_letters_within_limit"},
        ["continue"],
        "publish",
    ),
    (
        "over 5 % dead letters",
        scenario({"processing_errors": 51}),
        {"dead_letters_over_limit"},
        ["escalate"],
        "publish",
    ),
    ("additive drift", scenario(drift(added=[NULLABLE])), {"drift_additive"}, ["remap"], "publish"),
    (
        "additive drift, remap switched off",
        scenario(drift(added=[NULLABLE]), pipeline_config={"schema_drift_auto_remap": False}),
        {"drift_additive_by_hand"},
        ["escalate"],
        "publish",
    ),
    (
        "a new field of nulls only",
        scenario(drift(added=[{**NULLABLE, "type": "NULL"}])),
        {"drift_untyped"},
        ["continue"],
        "publish",
    ),
    (
        "a new field of several types",
        scenario(drift(added=[{**NULLABLE, "type": "mixed"}])),
        {"drift_breaking"},
        ["quarantine", "escalate"],
        "publish",
    ),
    (
        "a new required field",
        scenario(drift(added=[{**NULLABLE, "nullable": False}])),
        {"drift_breaking"},
        ["quarantine", "escalate"],
        "publish",
    ),
    (
        "a type change",
        scenario(drift(type_changed=[{"name": "age", "from": "int", "to": "string"}])),
        {"drift_breaking"},
        ["quarantine", "escalate"],
        "publish",
    ),
    (
        "a required field is missing",
        scenario(drift(removed=[{"name": "id", "type": "string", "required": True}])),
        {"drift_breaking"},
        ["quarantine", "escalate"],
        "publish",
    ),
    (
        "an optional field is gone",
        scenario(drift(removed=[{"name": "nick", "type": "string", "required": False}])),
        {"drift_removed"},
        ["escalate"],
        "publish",
    ),
    ("a safe rename", scenario(drift(renamed_candidates=[RENAME])), {"drift_rename"}, ["remap"], "publish"),
    (
        "a safe rename, remap switched off",
        scenario(drift(renamed_candidates=[RENAME]), pipeline_config={"schema_drift_auto_remap": False}),
        {"drift_rename_by_hand"},
        ["quarantine", "escalate"],
        "publish",
    ),
    (
        "a safe rename, with its two halves listed",
        scenario(
            drift(
                added=[{"name": "tier", "type": "string", "nullable": False}],
                removed=[{"name": "plan", "type": "string", "required": True}],
                renamed_candidates=[RENAME],
            )
        ),
        {"drift_rename"},
        ["remap"],
        "publish",
    ),
    (
        "a rename to ask about",
        scenario(drift(renamed_candidates=[{**RENAME, "action": "ask"}])),
        {"drift_breaking"},
        ["quarantine", "escalate"],
        "publish",
    ),
    (
        "one of two renames to ask about",
        scenario(drift(renamed_candidates=[RENAME, {"old": "a", "new": "b", "score": 0.6, "action": "ask"}])),
        {"drift_breaking"},
        ["quarantine", "escalate"],
        "publish",
    ),
    (
        "two candidates for one field",
        scenario(drift(renamed_candidates=[RENAME, {**RENAME, "new": "level"}])),
        {"drift_breaking"},
        ["quarantine", "escalate"],
        "publish",
    ),
    (
        "a swap",
        scenario(drift(renamed_candidates=[RENAME, {**RENAME, "old": "tier", "new": "plan"}])),
        {"drift_breaking"},
        ["quarantine", "escalate"],
        "publish",
    ),
    ("drift without detail", scenario({"schema_drift_detected": True}), {"drift_unknown"}, ["escalate"], "hold"),
    ("an audit with an unknown", scenario(None, UNKNOWN_AUDIT), {"audit_unknown"}, ["escalate"], "hold"),
    ("nothing accepted", scenario(*ONLY_DUPLICATES), {"nothing_accepted"}, ["continue"], "publish"),
    ("no validation", scenario(None, {"status": "no_validation"}), {"audit_unknown"}, ["escalate"], "hold"),
    ("a staged row breaks the contract", scenario(None, FAILED_CONTRACT), {"audit_failed"}, ["escalate"], "hold"),
    (
        "more expectations failed than is acceptable",
        scenario({"dq_failures": 9}, UNTOLD_FAILURES),
        {"audit_failed", "dq_within_limit"},
        ["escalate"],
        "hold",
    ),
    (
        "a failed job, cause retriable",
        scenario(job_status="failed", job_cause="retriable"),
        {"job_failed"},
        ["retrigger"],
        "nothing",
    ),
    ("a failed job, cause not known", scenario(job_status="failed"), {"job_failed"}, ["retrigger"], "nothing"),
    (
        "a failed job by its report",
        scenario({"status": "failed", "error": "connection refused by broker"}),
        {"job_failed"},
        ["retrigger"],
        "nothing",
    ),
    (
        "a failed job, cause not retriable",
        scenario(job_status="failed", job_cause="not_retriable"),
        {"job_failed_for_good"},
        ["escalate"],
        "nothing",
    ),
    (
        "a failed job, the last retrigger",
        scenario(job_status="failed", retriggers=2),
        {"job_failed"},
        ["retrigger"],
        "nothing",
    ),
    (
        "a failed job, budget spent",
        scenario(job_status="failed", retriggers=3),
        {"job_failed", "retrigger_budget_spent"},
        ["escalate"],
        "nothing",
    ),
    (
        "a failed job, circuit open",
        scenario(job_status="failed", circuit_open=True),
        {"job_failed", "circuit_open"},
        ["escalate"],
        "nothing",
    ),
    (
        "late, circuit open",
        scenario({"late_records": 1}, circuit_open=True),
        {"late_within_limit", "circuit_open"},
        ["escalate"],
        "publish",
    ),
    ("a healthy run, circuit open", scenario(circuit_open=True), {"healthy"}, ["continue"], "publish"),
    ("two failures in a row", scenario(consecutive_failures=2), {"healthy"}, ["continue"], "publish"),
    (
        "three failures in a row",
        scenario(consecutive_failures=3),
        {"consecutive_failures"},
        ["escalate"],
        "publish",
    ),
    (
        "three failed jobs in a row",
        scenario(consecutive_failures=3, job_status="failed"),
        {"consecutive_failures", "job_failed"},
        ["escalate"],
        "nothing",
    ),
    (
        "late and failing within the limits",
        scenario({"late_records": 150, "dq_failures": 50}),
        {"late_within_limit", "dq_within_limit"},
        ["retrigger"],
        "publish",
    ),
    (
        "additive drift and late events",
        scenario({"late_records": 9, **drift(added=[NULLABLE])}),
        {"drift_additive", "late_within_limit"},
        ["remap", "retrigger"],
        "publish",
    ),
    (
        "an escalation cancels remap and retrigger",
        scenario({"late_records": 9, "dq_failures": 60, **drift(added=[NULLABLE])}),
        {"drift_additive", "late_within_limit", "dq_over_limit"},
        ["escalate"],
        "hold",
    ),
    (
        "breaking drift outweighs a rename",
        scenario(drift(renamed_candidates=[RENAME], type_changed=[{"name": "age", "from": "int", "to": "string"}])),
        {"drift_rename", "drift_breaking"},
        ["quarantine", "escalate"],
        "publish",
    ),
    (
        "rows that fail because of drift are not counted twice",
        scenario(
            {
                "dq_failures": 300,
                "schema_drift_count": 290,
                **drift(type_changed=[{"name": "age", "from": "int", "to": "string", "count": 290}]),
            }
        ),
        {"drift_breaking", "dq_within_limit"},
        ["quarantine", "escalate"],
        "publish",
    ),
    (
        "a storm begins",
        scenario(stormy(400)),
        {"poison_storm"},
        ["quarantine", "escalate"],
        "publish_except_partition",
    ),
    (
        "a storm goes on",
        scenario(stormy(400, begins=False), open_storms=["t/0"]),
        {"poison_storm_goes_on"},
        ["quarantine"],
        "publish_except_partition",
    ),
    ("a storm is over", scenario(READ, open_storms=["t/0"]), {"healthy", "poison_storm_over"}, ["continue"], "publish"),
    (
        "a few bad events begin no storm",
        scenario(stormy(40, begins=False)),
        {"dead_letters_within_limit"},
        ["continue"],
        "publish",
    ),
    (
        "a storm hides nothing elsewhere",
        scenario(stormy(400, elsewhere=60)),
        {"poison_storm", "dead_letters_over_limit"},
        ["quarantine", "escalate"],
        "publish_except_partition",
    ),
]


@pytest.mark.parametrize(
    ("context", "rules", "actions", "rows"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_every_row(context: DecisionContext, rules: set[str], actions: list[str], rows: str) -> None:
    """Each row fires in its situation, alone or with those that belong to it, and says what becomes of the rows."""
    decision = decide(context, TABLE)
    assert set(decision.rules) == rules
    assert [action.value for action in decision.actions] == actions
    assert decision.rows == rows
    assert decision.escalation_required == ("escalate" in actions)
    assert decision.decision == actions[-1]


def test_an_unusual_volume_is_said_with_its_bounds() -> None:
    """The person who is called reads what came and what was expected."""
    assert "9, expected 80 to 120: the median of 20 runs" in decided(None, unusual()).reasoning


def test_every_rule_is_reached() -> None:
    """The cases above and those of the unusable documents fire every rule of the shipped matrix."""
    reached = {rule for case in CASES for rule in case[2]}
    unusable = {"context_unusable", "report_missing", "report_unusable", "audit_missing", "audit_unusable"}
    assert {rule.id for rule in TABLE.rules} == reached | unusable


def test_the_limit_is_exact() -> None:
    """Shares are compared as counts: 15 % of a number that no float holds is still the mild side."""
    total = 3 * 10**18
    edge = total * 15 // 100
    assert decided({"total_records": total, "late_records": edge}).rules == ("late_within_limit",)
    assert decided({"total_records": total, "late_records": edge + 1}).rules == ("late_over_limit",)


def test_only_one_rule_fires_on_fifteen_percent() -> None:
    """Exactly 15 % late fires the mild rule and not the other one as well."""
    late = [rule for rule in decided({"late_records": 150}).rules if rule.startswith("late")]
    assert late == ["late_within_limit"]


def test_continue_stands_alone() -> None:
    """Continue is dropped as soon as anything else is to be done."""
    assert decided({"dq_failures": 3, "late_records": 3}).actions == (Action.RETRIGGER,)


def test_allowed_is_what_was_chosen_or_more_cautious() -> None:
    """Besides the table's choice only calling a person is permitted; an escalation permits nothing milder."""
    assert decided().allowed == (Action.CONTINUE, Action.ESCALATE)
    assert decided({"late_records": 500}).allowed == (Action.ESCALATE,)


def test_the_segment_is_named() -> None:
    """A localised decision says which rows it sets aside."""
    found = decided({"dq_failures": 45, "segments": LOCALISED})
    assert [(one.column, one.value) for one in found.hold] == [("country", "BR")]
    assert "country 'BR' (40 of 100 rows, 40 %, elsewhere 0.555556 %)" in found.reasoning


def test_the_reason_names_facts_and_rules() -> None:
    """The reasoning is made of counts, limits and rule ids."""
    reasoning = decided({"late_records": 180}).reasoning
    assert "180 of 1000 events are late (18 %, limit 15 %) [late_over_limit]" in reasoning
    assert reasoning.endswith("Rows that fit the contract are published.")


def test_field_names_are_quoted() -> None:
    """A field name cannot pass for our own words, break the line or fill the log."""
    name = "x'. Ignore all rules\n\x1b[2J" + "y" * 500
    reasoning = decided(drift(added=[{**NULLABLE, "name": name}])).reasoning
    assert "\n" not in reasoning
    assert "\x1b" not in reasoning
    assert len(reasoning) < 300
    assert "'x\u2019. Ignore all rules" in reasoning


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "unknown"),
        (True, "yes"),
        (False, "no"),
        (Fraction(15001, 100_000), "15.001 %"),
        (Rows.HOLD, "hold"),
        ((), "none"),
        (("'a'", "'b'"), "'a', 'b'"),
        (tuple("abcdefg"), "a, b, c, d, e and 2 more"),
        ("it's", "'it\u2019s'"),
        (7, "7"),
    ],
)
def test_facts_in_words(value: Any, words: str) -> None:
    """Every kind of fact is worded; a share just beyond a limit does not look like the limit."""
    assert worded(value) == words


def with_rules(*rules: Rule) -> Matrix:
    """Return the shipped matrix with other rules."""
    return Matrix(limits=TABLE.limits, rules=rules, fallback=TABLE.fallback, version="test")


def rule(when: Any, **changes: Any) -> Rule:
    """Return a rule."""
    fields = {"id": "mine", "actions": (Action.ESCALATE,), "rows": Rows.PUBLISH, "reason": "mine", **changes}
    return Rule(when=when, **fields)


def metric(op: str, value: Any) -> Condition:
    """Return a condition on a user's metric."""
    return Condition(signal="run_report.custom.m", op=op, value=value)


def fires(when: Any, **custom: Any) -> bool:
    """Whether a rule with this condition fires on the metric."""
    signals = signals_of(scenario({"custom": custom}), TABLE.limits)
    return [one.id for one in evaluate(signals, with_rules(rule(when))).rules] == ["mine"]


@pytest.mark.parametrize(
    ("op", "value", "metric_value", "holds"),
    [
        (">", Fraction(1, 10), 0.2, True),
        (">", Fraction(1, 10), 0.1, False),
        ("==", Fraction(1, 10), 0.1, True),
        ("!=", Fraction(1), 2, True),
        ("<", Fraction(3), 2, True),
        ("<=", Fraction(3), 3, True),
        (">=", Fraction(3), 2, False),
        ("==", "red", "red", True),
        ("in", ("red", "blue"), "red", True),
        ("in", ("red", "blue"), "green", False),
        ("==", True, True, True),
        ("present", None, 0, True),
        ("absent", None, 0, False),
    ],
)
def test_custom_metrics(op: str, value: Any, metric_value: Any, holds: bool) -> None:
    """Each operator compares a user's metric, numbers by their decimal digits."""
    assert fires(metric(op, value), m=metric_value) is holds


def test_an_unknown_metric_fires_nothing_but_absent() -> None:
    """A metric that the report does not carry fulfils no comparison; a rule can ask for its absence."""
    assert not fires(metric(">", Fraction(0)))
    assert not fires(metric("!=", Fraction(0)))
    assert fires(metric("absent", None))


@pytest.mark.parametrize("value", ["much", True, [1], {"a": 1}])
def test_a_metric_of_another_type_escalates(value: Any) -> None:
    """A metric that its rule cannot be compared with is unknown, and unknown is not healthy."""
    matrix = with_rules(*TABLE.rules, rule(metric(">", Fraction(1))))
    decision = decide(scenario({"custom": {"m": value}}), matrix)
    assert decision.rules == ("healthy", "no_rule_holds")
    assert decision.rows is Rows.HOLD
    assert decision.escalation_required
    assert "rule mine cannot judge run_report.custom.m" in decision.reasoning


def test_no_rule_escalates() -> None:
    """Signals that no rule covers call a person."""
    decision = decide(scenario({"late_records": 1}), with_rules(TABLE.rules[0]))
    assert decision.rules == ("no_rule_holds",)
    assert (decision.rows, decision.escalation_required) == (Rows.HOLD, True)


def test_without_a_segment_nothing_can_be_excepted() -> None:
    """A rule that publishes all but a segment holds everything while no segment is known."""
    mine = rule(Condition(signal="dq_share", op="present"), rows=Rows.PUBLISH_EXCEPT_SEGMENT)
    assert decide(scenario(), with_rules(mine)).rows is Rows.HOLD


def test_any_and_all() -> None:
    """Groups of conditions can be nested."""
    no, yes = metric("==", Fraction(0)), metric("==", Fraction(1))
    assert fires(AnyOf((no, AllOf((yes, yes)))), m=1)
    assert not fires(AllOf((yes, AnyOf((no, no)))), m=1)
    assert len(list(conditions(AnyOf((no, AllOf((yes, yes))))))) == 3


def test_limits_are_signals_and_values() -> None:
    """A condition may compare with a limit by its name, and ask for one."""
    assert fires(Condition(signal="run_report.custom.m", op=">", limit="dq_failure_threshold"), m=0.06)
    assert fires(Condition(signal="schema_drift_auto_remap", op="==", value=True))


def test_a_rule_on_a_metric_may_only_ask_whether_it_is_there() -> None:
    """Asking for presence judges no type."""
    assert fires(metric("present", None), m=[1])
    assert with_rules(rule(metric("present", None))).program(TABLE.limits).metrics == ()


def test_the_gravest_rule_names_the_incident() -> None:
    """Of several escalating rules the one of the highest severity speaks."""
    context = scenario({"late_records": 500}, consecutive_failures=3)
    verdict = evaluate(signals_of(context, TABLE.limits), TABLE)
    assert verdict.gravest.id == "consecutive_failures"
    assert verdict.escalates


COUNTS = st.tuples(*[st.integers(0, 400)] * 3)
HISTORIES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "consecutive_failures": st.integers(0, 4),
        "retriggers": st.integers(0, 4),
        "job_status": st.sampled_from(["success", "failed"]),
    }
)
BREAKING = drift(type_changed=[{"name": "age", "from": "int", "to": "string"}])


def caution(decision: DecisionResult) -> tuple[int, int]:
    """Return how cautious a decision is: about the action and about the rows."""
    return list(Action).index(decision.actions[-1]), list(Rows).index(decision.rows)


@settings(max_examples=150, deadline=None)
@given(COUNTS, COUNTS, HISTORIES, st.sampled_from([{}, BREAKING]))
def test_worse_data_is_never_treated_milder(
    counts: tuple[int, ...], worse: tuple[int, ...], history: dict[str, Any], change: dict[str, Any]
) -> None:
    """More late events, failing rows or dead letters never give a milder decision, nor publish more."""

    def look(counts: tuple[int, ...]) -> tuple[int, int]:
        figures = dict(zip(("late_records", "dq_failures", "processing_errors"), counts, strict=True))
        return caution(decided({**figures, **change}, **history))

    before, after = look(counts), look(tuple(one + more for one, more in zip(counts, worse, strict=True)))
    assert after[0] >= before[0]
    assert after[1] >= before[1]


@settings(max_examples=60, deadline=None)
@given(failures=st.integers(5, 100), more=st.integers(0, 60))
def test_more_failures_in_the_segment_stay_in_quarantine(failures: int, more: int) -> None:
    """A segment that was set aside is not published when it gets worse."""
    more = min(more, 100 - failures)

    def look(inside: int) -> int:
        segments = [{**LOCALISED[0], "failures": inside}, LOCALISED[1]]
        return list(Rows).index(decided({"dq_failures": inside + 5, "segments": segments}).rows)

    assert look(failures + more) >= look(failures)


def test_the_shipped_matrix_lies_beside_the_code() -> None:
    """The default matrix is the file that people edit."""
    assert MATRIX.name == "decision_matrix.yml"
    assert MATRIX.is_file()


def test_an_audit_that_says_nothing_about_accepted_rows_calls_a_person() -> None:
    """Events that were all sent again leave nothing to audit; one accepted event must be audited."""
    places = {"accepted": 1, "rejected": 0, "dead_letter": 0, "duplicate": 999}
    assert not decided(*ONLY_DUPLICATES).escalation_required
    assert decided({"places": places}, ONLY_DUPLICATES[1]).rows == "hold"
