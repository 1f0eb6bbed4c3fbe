"""What `mend matrix check` proves: each kind of planted mistake is found, with signals that show it."""

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.caution import SEVERITIES, Caution, caution
from agent.cells import Space, numbers
from agent.conditions import holds
from agent.diagram import Diagrams
from agent.matrix import Matrix, decide
from agent.matrix_check import Checked, check
from agent.matrix_file import MATRIX, load_matrix
from agent.matrix_proof import Proof, at_level, proof_of
from agent.possible import ORDERS, invariants
from agent.signals import signals_of
from agent.testing import scenario
from mend.contracts.decision import Action, Rows
from mend.contracts.incident import Severity

pytestmark = pytest.mark.agent

TABLE = load_matrix()
TEXT = MATRIX.read_text()
ESCALATES = ("escalate", "hold")


def changed(old: str, new: str) -> str:
    """Return the shipped matrix with a text changed."""
    assert old in TEXT
    return TEXT.replace(old, new, 1)


def without(rule: str) -> str:
    """Return the shipped matrix without a row."""
    text = re.sub(rf"\n  - id: {rule}\b.*?(?=\n  - id:|\n  # ---|\nfallback)", "", TEXT, count=1, flags=re.DOTALL)
    assert text != TEXT
    return text


def added(when: str, does: tuple[str, str] = ESCALATES, *, text: str = TEXT) -> str:
    """Return a matrix with a row in front."""
    row = f"\n  - {{id: mine, when: {when}, actions: [{does[0]}], rows: {does[1]}, reason: mine}}"
    return text.replace("\nrules:", f"\nrules:{row}", 1)


def metric(op: str, value: str) -> str:
    """Return a condition on a user's metric."""
    return f'{{signal: run_report.custom.m, op: "{op}", value: {value}}}'


def every(*parts: str) -> str:
    """Return a condition of several parts."""
    return f"{{all: [{', '.join(parts)}]}}"


DQ_OVER = """        - {signal: dq_share, op: ">", value: dq_failure_threshold}
        - {signal: localised, op: absent}
    actions: [escalate]
    rows: hold
"""
UNUSABLE = """        - {signal: quality_problem, op: "!=", value: missing}
    actions: [escalate]
    rows: hold
"""
LATE = '{signal: late_share, op: ">", value: 0.3}'
WORSE = "\nworse: {run_report.custom.m: higher}\nfallback:"
PLANTED: dict[str, tuple[str, dict[str, str]]] = {
    "a gap": (without("late_over_limit"), {"gap": "", "not monotone": "late_share gets worse, from 15 % to over 15 %"}),
    "nothing for a healthy run": (without("healthy"), {"gap": ""}),
    "a row for a document that cannot be there": (
        added(every("{signal: report_problem, op: present}", LATE)),
        {"dead row": "a report that is not believed says nothing"},
    ),
    "a row for what is nobody's": (
        added(every("{signal: drift_unknown, op: absent}", "{signal: report_problem, op: absent}")),
        {"dead row": "a report that is believed has figures"},
    ),
    "a row that two facts together exclude": (
        added(every("{signal: audit, op: absent}", "{signal: quality_problem, op: absent}", "{signal: report_problem, "
                    "op: present}", "{signal: late_share, op: absent}")),
        {"dead row": "an audit that is read says something"},
    ),
    "reversed bounds": (
        added(every(LATE, '{signal: late_share, op: "<", value: 0.2}')),
        {"reversed bounds": "mine never fires: its own conditions exclude each other"},
    ),
    "a bound that no share reaches": (
        added('{signal: late_share, op: ">", value: 1}'),
        {"reversed bounds": "mine never fires"},
    ),
    "a contradiction": (
        added(LATE, ("retrigger", "hold")),
        {"contradiction": "mine and late_over_limit fire together"},
    ),
    "an unowned boundary": (
        changed('op: "<=", value: late_arrival_threshold', 'op: "<", value: late_arrival_threshold'),
        {"unowned boundary": "late_share at 15 %, between late_within_limit and late_over_limit: neither owns it",
         "gap": "", "not monotone": "late_share"},
    ),
    "a boundary owned twice": (
        changed('op: ">", value: late_arrival_threshold', 'op: ">=", value: late_arrival_threshold'),
        {"boundary owned twice": "late_share at 15 %, between late_within_limit and late_over_limit: both own it"},
    ),
    "a count that is left out": (
        changed('consecutive_failures, op: ">=", value: incident', 'consecutive_failures, op: ">", value: incident'),
        {"unowned boundary": "consecutive_failures at 3", "gap": ""},
    ),
    "rows published when more of them fail": (
        changed(DQ_OVER, DQ_OVER.replace("[escalate]", "[quarantine]").replace("rows: hold", "rows: publish")).replace(
            '{signal: dq_share, op: "<=", value: dq_failure_threshold}\n    actions: [continue]\n    rows: publish',
            '{signal: dq_share, op: "<=", value: dq_failure_threshold}\n    actions: [quarantine]\n    rows: hold',
        ),
        {"not monotone": "dq_share gets worse, from 5 % to over 5 %"},
    ),
    "an audit that is lost and taken for good": (
        changed(UNUSABLE, UNUSABLE.replace("[escalate]", "[continue]").replace("rows: hold", "rows: publish")),
        {"not monotone": "quality_problem gets worse, from none to unreadable"},
    ),
    "a metric that is milder when it is worse": (
        added(every(metric(">", "0.3"), metric("<", "0.6")), text=TEXT.replace("\nfallback:", WORSE)),
        {"not monotone": "run_report.custom.m gets worse, from between 0.3 and 0.6 to 0.6"},
    ),
    "a metric that is milder when it is lower": (
        added(metric(">", "0.3"), text=TEXT.replace("\nfallback:", WORSE.replace("higher", "lower"))),
        {"not monotone": "run_report.custom.m gets worse, from over 0.3 to 0.3"},
    ),
}  # fmt: skip


@pytest.fixture
def checked(tmp_path: Path) -> Callable[[str], tuple[Matrix, Checked]]:
    """Return a function that checks a matrix."""

    def look(text: str) -> tuple[Matrix, Checked]:
        path = tmp_path / "matrix.yml"
        path.write_text(text)
        matrix = load_matrix(path)
        return matrix, check(matrix)

    return look


def test_the_shipped_matrix_holds() -> None:
    """It has no gap, no dead row, no contradiction, owns its bounds, is monotone, and leaves no cell unowned."""
    found = check(TABLE)
    assert found.findings == ()
    assert found.owned == ()
    assert found.cells > 10**9


@pytest.mark.parametrize("name", PLANTED)
def test_planted_mistakes_are_found(name: str, checked: Callable[[str], tuple[Matrix, Checked]]) -> None:
    """Each kind of mistake is found, nothing else is, and the counterexample shows it."""
    text, kinds = PLANTED[name]
    _, found = checked(text)
    assert {one.kind for one in found.findings} == {*kinds}
    for one in found.findings:
        assert kinds[one.kind] in one.message or one.kind == "contradiction" or "lost" in name
        assert 1 < one.line <= text.count("\n")
        if one.kind == "not monotone":
            before, after = one.examples
            assert before.signals != after.signals
            assert (before.rules, before.rows, before.actions) != (after.rules, after.rows, after.actions)
        elif one.kind not in {"dead row", "reversed bounds"}:
            assert len(one.examples) == 1


def test_a_finding_names_the_line_of_its_row(checked: Callable[[str], tuple[Matrix, Checked]]) -> None:
    """The line is where the row begins in the file."""
    text = PLANTED["a boundary owned twice"][0]
    _, found = checked(text)
    assert text.splitlines()[found.findings[0].line - 1].strip() == "- id: late_over_limit"


def test_a_gap_may_be_left_to_the_fallback(checked: Callable[[str], tuple[Matrix, Checked]]) -> None:
    """What the fallback says that it owns is no gap, and is told."""
    owns = '\nfallback:\n  owns: {signal: late_share, op: ">", value: late_arrival_threshold}'
    _, found = checked(without("late_over_limit").replace("\nfallback:", owns))
    assert {one.kind for one in found.findings} <= {"not monotone"}
    assert found.owned[0].signals["late_share"] == "over 15 %"
    assert found.owned[0].rules == ("no_rule_holds",)


def test_rows_may_look_at_metrics(checked: Callable[[str], tuple[Matrix, Checked]]) -> None:
    """Numbers, words, truth values and presence of users' metrics are cut into cells, too."""
    for when in (
        metric(">", "0.3"),
        metric("==", "red"),
        "{signal: run_report.custom.m, op: in, value: [red, blue]}",
        metric("!=", "true"),
        metric(">", "dq_failure_threshold"),
        "{signal: run_report.custom.m, op: present}",
    ):
        _, found = checked(added(when))
        assert found.findings == (), when


def test_a_metric_of_another_type_is_left_to_the_fallback(checked: Callable[[str], tuple[Matrix, Checked]]) -> None:
    """A row that can only fire where its metric cannot be judged is dead."""
    _, found = checked(added(every(metric(">", "1"), metric("==", "red"))))
    assert [one.kind for one in found.findings] == ["reversed bounds"]


def test_a_limit_may_be_asked_for(checked: Callable[[str], tuple[Matrix, Checked]]) -> None:
    """A number that the table sets is what it is."""
    _, found = checked(added('{signal: retrigger_budget, op: ">", value: 5}'))
    assert [one.kind for one in found.findings] == ["reversed bounds"]


PROOF = proof_of(TABLE)


def with_metrics() -> Proof:
    """Return the proof of a matrix with rows on metrics."""
    text = added(every(metric(">", "0.3"), "{signal: run_report.custom.w, op: in, value: [red, blue]}"))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "matrix.yml"
        path.write_text(added(metric("==", "true"), text=text).replace("id: mine", "id: other", 1))
        return proof_of(load_matrix(path))


METRICS = with_metrics()


def cells(space: Space) -> st.SearchStrategy[tuple[int, ...]]:
    """Return any cell."""
    return st.tuples(*(st.integers(0, len(one) - 1) for one in space.regions))


def agree(proof: Proof, cell: tuple[int, ...]) -> None:
    """Hold a cell's diagrams against the table itself."""
    signals, value = proof.space.signals(cell), proof.space.diagrams.value
    verdict = decide(signals, proof.matrix)
    assert [rule.id for rule in proof.matrix.rules if value(proof.rules[rule.id], cell)] == [
        rule.id for rule in verdict.rules if rule.id != proof.matrix.fallback.id
    ]
    outcome = value(proof.verdicts, cell)
    assert outcome.rows is verdict.rows
    assert outcome.caution == caution(verdict.rules, verdict.rows)


@settings(max_examples=150)
@given(cells(PROOF.space))
def test_the_diagrams_say_what_the_table_says(cell: tuple[int, ...]) -> None:
    """In every cell the diagrams fire the rows that the table fires, and come to the same decision."""
    agree(PROOF, cell)


@settings(max_examples=100)
@given(st.data())
def test_so_they_do_with_metrics_of_any_type(data: st.DataObject) -> None:
    """Metrics that cannot be judged bring the fallback in, in the diagrams as in the table."""
    agree(METRICS, data.draw(cells(METRICS.space)))


DRIFT = st.sampled_from([
    {},
    {"schema_drift_detected": True},
    {"schema_drift_detected": True, "drift": {"added": [{"name": "n", "type": "int", "nullable": True}]}},
    {"schema_drift_detected": True,
     "drift": {"removed": [{"name": "n", "type": "int", "required": True, "count": 90}],
               "renamed_candidates": [{"old": "n", "new": "m", "score": 1.0, "action": "apply"}]}},
    {"schema_drift_detected": True,
     "drift": {"type_changed": [{"name": "n", "from": "int", "to": "string", "count": 60}]}},
    {"drift": {}},
])  # fmt: skip
STORMS = st.sampled_from([
    {},
    {"storms": [{"topic": "t", "partition": 0, "records": 100, "dead_letter": 0, "rejected": 90, "longest": 9,
                 "begins": True}]},
])  # fmt: skip
FIGURES = st.fixed_dictionaries({
    "total_records": st.sampled_from([0, 1000]),
    "late_records": st.sampled_from([0, 1, 150, 400]),
    "dq_failures": st.sampled_from([0, 50, 90, 300]),
    "processing_errors": st.sampled_from([0, 3, 80]),
    "status": st.sampled_from(["success", "failed", "no_data"]),
})  # fmt: skip


def expectation(severity: str, verdict: str, kind: str) -> dict[str, str]:
    """Return a single result of an audit."""
    return {"expectation_type": kind, "column": "c", "severity": severity, "verdict": verdict}


EXPECTATIONS = st.builds(
    expectation,
    st.sampled_from(["contract", "quality", "warn"]),
    st.sampled_from(["pass", "fail", "unknown"]),
    st.sampled_from(["expect_column_to_exist", "expect_table_row_count_to_be_between"]),
)


def audit_of(found: list[dict[str, str]], rest: int, *, told: bool) -> dict[str, Any]:
    """Return an audit with these results, and some failures of which nothing is told."""
    passed = sum(one["verdict"] == "pass" for one in found)
    unknown = sum(one["verdict"] == "unknown" for one in found)
    failed = len(found) - passed - unknown + rest
    counts = {"evaluated_expectations": len(found) + rest, "successful_expectations": passed,
              "unsuccessful_expectations": failed + unknown}  # fmt: skip
    suites = [{"expectation_suite": "s", "success": False, "statistics": counts, "results": found}] if told else []
    return {
        "status": "failure" if failed + unknown else "success",
        "validations": suites,
        "summary": {"total_expectations": len(found) + rest, "success_count": passed, "failure_count": failed,
                    "unknown_count": unknown},
    }  # fmt: skip


AUDITS = st.one_of(
    st.just({"status": "no_validation"}),
    st.builds(audit_of, st.lists(EXPECTATIONS, max_size=4), st.integers(0, 2), told=st.booleans()),
)


@settings(max_examples=150)
@given(FIGURES, DRIFT, STORMS, AUDITS, st.sampled_from(["success", "failed"]))
def test_every_run_keeps_to_what_is_known_of_signals(
    figures: dict[str, Any], drift: dict[str, Any], storms: dict[str, Any], audit: dict[str, Any], job: str
) -> None:
    """Signals made from reports and audits of all kinds break no invariant that the proof rests on."""
    signals = signals_of(scenario(figures | drift | storms, audit, job_status=job), TABLE.limits)
    for one in invariants():
        assert not holds(one.when, signals) or holds(one.then, signals), one.why


@given(st.fractions(0, 1, max_denominator=2000), st.integers(0, 9))
def test_inside_a_region_every_row_says_the_same(share: Fraction, failures: int) -> None:
    """Any share and any count fires the rows that the sample of its region fires."""
    space = PROOF.space
    shares, counts = (space.regions[space.level(name)] for name in ("late_share", "consecutive_failures"))
    at = next(one.value for one in shares if one.value is not None and alike(share, one.value, Fraction(15, 100)))
    like = next(one.value for one in counts if alike(failures, one.value, Fraction(3)))
    calm = signals_of(scenario(), TABLE.limits)

    def fired(share: Fraction, failures: int) -> list[bool]:
        signals = replace(calm, late_share=share, consecutive_failures=failures)
        return [holds(rule.when, signals) for rule in TABLE.rules]

    assert fired(share, failures) == fired(at, like)


def alike(one: Fraction | int, other: Fraction | int, bound: Fraction) -> bool:
    """Whether two numbers lie on the same side of zero and of a bound."""
    return [(one > cut) - (one < cut) for cut in (0, bound)] == [(other > cut) - (other < cut) for cut in (0, bound)]


def test_numbers_are_cut_at_bounds() -> None:
    """Each bound is a region, so is what lies between; a whole number has none where there is no number."""
    zero, one = Fraction(0), Fraction(1)

    def labels(bounds: list[Fraction], high: Fraction | None, *, whole: bool) -> list[tuple[str, Any]]:
        return [(one.label, one.value) for one in numbers(bounds, zero, high, whole=whole, shown=str)]

    assert labels([one / 2, 2 * one], one, whole=False) == [
        ("0", 0), ("between 0 and 1/2", one / 4), ("1/2", one / 2), ("over 1/2", 3 * one / 4)
    ]  # fmt: skip
    assert labels([one], one, whole=False)[-1] == ("1", 1)
    assert labels([one, one * 5 / 2], None, whole=True) == [
        ("0", 0), ("1", 1), ("between 1 and 5/2", 2), ("over 5/2", 3)
    ]  # fmt: skip


def test_what_is_milder() -> None:
    """A decision is milder when it does less in any of the ways, and not when it does the same or more."""
    base = Caution(rows=3, action=2, severity=2, circuit=False)
    assert not base.milder(base)
    for less in (base._replace(rows=1), base._replace(action=0), base._replace(severity=0)):
        assert less.milder(base)
        assert not base.milder(less)
    assert base.milder(base._replace(circuit=True))
    assert base._replace(rows=4, action=1).milder(base)
    assert list(SEVERITIES.values()) == [1, 2, 3, 4]


def test_the_caution_of_a_verdict() -> None:
    """It takes the strictest rows, the most cautious action that is left, the gravest call, and the circuit."""
    context = scenario({"late_records": 1}, consecutive_failures=3)
    verdict = decide(signals_of(context, TABLE.limits), TABLE)
    assert caution(verdict.rules, verdict.rows) == Caution(
        list(Rows).index(Rows.PUBLISH), list(Action).index(Action.ESCALATE), SEVERITIES[Severity.CRITICAL], circuit=True
    )


def test_every_order_is_of_a_signal_and_of_words_that_it_has() -> None:
    """An order about a signal that is gone, or a word that it never has, would prove nothing."""
    space = PROOF.space
    for order in ORDERS:
        values = [one.value for one in space.regions[space.level(order.signal)]]
        assert all(word in values for pair in order.pairs for word in pair), order.signal


def majority(a: bool, b: bool, c: bool) -> bool:
    """Return what two of three say."""
    return a + b + c > 1


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=3, max_size=3), st.integers(0, 2))
def test_diagrams_are_exact(truths: list[list[bool]], level: int) -> None:
    """Combined, fixed, counted and searched, a diagram says what the functions say at each of its 27 cells."""
    diagrams = Diagrams([3, 3, 3])
    parts = [diagrams.branch(at, [diagrams.leaf(one) for one in own]) for at, own in enumerate(truths)]
    node = diagrams.combine(majority, *parts)
    all_cells = [(a, b, c) for a in range(3) for b in range(3) for c in range(3)]
    wanted = {cell: majority(*(own[at] for own, at in zip(truths, cell, strict=True))) for cell in all_cells}
    assert {cell: diagrams.value(node, cell) for cell in all_cells} == wanted
    assert diagrams.count(node) == sum(wanted.values())
    fixed = diagrams.fixed(node, level, 1)
    assert all(diagrams.value(fixed, cell) == diagrams.value(node, at_level(cell, level, 1)) for cell in all_cells)
    costs = [[0, 1, 2]] * 3
    cheapest = diagrams.cheapest(node, costs)
    true = [cell for cell in all_cells if wanted[cell]]
    assert (cheapest is None) == (not true)
    if cheapest is not None:
        assert cheapest in true
        assert sum(cheapest) == min(map(sum, true))
