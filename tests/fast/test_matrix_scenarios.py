"""Scenarios beside the matrix: what they may say, how they fail, and the commands over the matrix."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from agent.matrix_file import MATRIX, load_matrix
from agent.matrix_scenarios import SCENARIOS, load_scenarios, run_scenario, unreached
from cli.main import cli
from mend.runtime.errors import UserError

pytestmark = pytest.mark.agent

TABLE = load_matrix()
HEALTHY = "{name: all is well, expect: {rules: [healthy]}}"


def written(folder: Path, *scenarios: str) -> Path:
    """Write scenarios."""
    path = folder / "scenarios.yml"
    path.write_text("scenarios:" + ("".join(f"\n  - {one}" for one in scenarios) or " []") + "\n")
    return path


def mend(*arguments: str | Path) -> Result:
    """Run the command."""
    return CliRunner().invoke(cli, ["matrix", *map(str, arguments)])


def test_the_shipped_scenarios_hold_and_reach_every_row() -> None:
    """Each row of the shipped matrix has a scenario, and all are decided as written."""
    results = tuple(run_scenario(one, TABLE) for one in load_scenarios())
    assert {one.scenario.name: one.differences for one in results if not one.passed} == {}
    assert unreached(results, TABLE) == ()


@pytest.mark.parametrize("limit", ["exactly 15 %", "more than 15 %", "exactly 5 %", "more than 5 %", "three failures"])
def test_the_shipped_scenarios_stand_on_both_sides_of_the_limits(limit: str) -> None:
    """The limits that users know have a scenario on each side."""
    assert any(one.name.startswith(limit) for one in load_scenarios())


def decided(folder: Path, scenario: str) -> tuple[str, ...]:
    """Run one scenario and return how it differs."""
    (one,) = load_scenarios(written(folder, scenario))
    return run_scenario(one, TABLE).differences


def test_differences_are_told(tmp_path: Path) -> None:
    """Rules, actions, rows and reason are compared, in any order, and only where something is expected of them."""
    expect = "{rules: [late_over_limit], actions: [escalate, quarantine], rows: hold, reason: too late}"
    assert decided(tmp_path, f"{{name: late, given: {{report: {{late_records: 1}}}}, expect: {expect}}}") == (
        "rules: expected late_over_limit, came late_within_limit",
        "actions: expected escalate, quarantine, came retrigger",
        "rows: expected hold, came publish",
        "no reason says 'too late': 1 of 1000 events are late (0.1 %, limit 15 %)",
    )
    assert decided(tmp_path, "{name: late, given: {report: {late_records: 1}}, expect: {rows: publish}}") == ()


@pytest.mark.parametrize(
    ("signals", "rules"),
    [
        ("late_share: 0.16", "late_over_limit"),
        ("consecutive_failures: 3", "consecutive_failures"),
        ("audit: unknown", "audit_unknown"),
        ("drift_unknown: true", "drift_unknown"),
        ("context_problem: stale", "context_unusable"),
        ("run_report.custom.refunds: 5", "healthy"),
    ],
)
def test_signals_may_be_given(tmp_path: Path, signals: str, rules: str) -> None:
    """A signal is given as its own type, whatever the report would have to say for it."""
    given = f"{{signals: {{{signals}}}}}"
    assert decided(tmp_path, f"{{name: s, given: {given}, expect: {{rules: [{rules}]}}}}") == ()


WRONG = {
    "a key of a scenario": ("{name: s, when: {}, expect: {rows: hold}}", "unknown key 'when'"),
    "a key of what is given": ("{name: s, given: {reports: {}}, expect: {rows: hold}}", "Did you mean 'report'?"),
    "a history that there is not": (
        "{name: s, given: {history: {retrigger: 1}}, expect: {rows: hold}}",
        "Did you mean 'retriggers'?",
    ),
    "nothing expected": ("{name: s, expect: {}}", "nothing is expected"),
    "an action": ("{name: s, expect: {actions: [escalat]}}", "Did you mean 'escalate'?"),
    "what becomes of the rows": ("{name: s, expect: {rows: holt}}", "Did you mean 'hold'?"),
    "a signal": ("{name: s, given: {signals: {late: 1}}, expect: {rows: hold}}", "unknown signal 'late'"),
    "a limit as a signal": (
        "{name: s, given: {signals: {retrigger_budget: 1}}, expect: {rows: hold}}",
        "is a limit. Set it under history: pipeline_config",
    ),
    "a list as a signal": ("{name: s, given: {signals: {localised: x}}, expect: {rows: hold}}", "is a list"),
    "a word for a number": ("{name: s, given: {signals: {late_share: x}}, expect: {rows: hold}}", "is not a number"),
    "a number for a truth": ("{name: s, given: {signals: {drift_unknown: 1}}, expect: {rows: hold}}", "is not a flag"),
    "a problem": (
        "{name: s, given: {signals: {report_problem: stal}}, expect: {rows: hold}}",
        "Did you mean 'stale'?",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_scenarios_are_refused(tmp_path: Path, name: str) -> None:
    """A mistake in a scenario names file and line, and never passes as a test."""
    text, message = WRONG[name]
    with pytest.raises(UserError, match=r"scenarios\.yml:3: ") as caught:
        load_scenarios(written(tmp_path, HEALTHY, text))
    assert message in str(caught.value)


def test_the_command_tests(tmp_path: Path) -> None:
    """Exit code 0 only where there are scenarios and all hold; an empty run has tested nothing."""
    assert mend("test", SCENARIOS).exit_code == 0
    empty = mend("test", written(tmp_path))
    assert (empty.exit_code, "nothing was tested" in empty.stdout) == (1, True)
    wrong = "{name: never so, expect: {rows: hold}}"
    failed = mend("test", written(tmp_path, HEALTHY, wrong), "--json")
    assert failed.exit_code == 1
    lines = orjson.loads(failed.stdout)["scenarios"]
    assert [(one["name"], one["passed"], one["line"]) for one in lines] == [
        ("all is well", True, 2), ("never so", False, 3)
    ]  # fmt: skip
    assert "never so: rows: expected hold, came publish" in " ".join(
        mend("test", written(tmp_path, HEALTHY, wrong)).stdout.split()
    )


def test_the_command_tests_another_matrix(tmp_path: Path) -> None:
    """Users' rows and metrics are tested as those of the shipped matrix are."""
    matrix = tmp_path / "matrix.yml"
    row = '\n  - {id: many, when: {signal: run_report.custom.refunds, op: ">", value: 3}, actions: [escalate], '
    matrix.write_text(MATRIX.read_text().replace("\nrules:", f"\nrules:{row}rows: hold, reason: many}}", 1))
    given = "{report: {custom: {refunds: 5}}}"
    scenarios = written(tmp_path, f"{{name: many refunds, given: {given}, expect: {{rules: [many, healthy]}}}}")
    assert mend("test", scenarios, "--matrix", matrix).exit_code == 0
    assert mend("test", scenarios).exit_code == 1
    assert mend("check", matrix).exit_code == 0
    assert "run_report.custom.refunds > 3" in mend("show", matrix).stdout


def test_the_command_checks(tmp_path: Path) -> None:
    """Exit code 0 for a matrix that holds, 1 for one with a finding, with file and line of each."""
    good = mend("check", "--json")
    document = orjson.loads(good.stdout)
    assert (good.exit_code, document["holds"], document["findings"]) == (0, True, [])
    path = tmp_path / "matrix.yml"
    path.write_text(MATRIX.read_text().replace('op: ">", value: late_arr', 'op: ">=", value: late_arr'))
    bad = mend("check", path, "--json")
    found = orjson.loads(bad.stdout)["findings"][0]
    assert (bad.exit_code, found["kind"], found["line"] > 1) == (1, "boundary owned twice", True)
    assert found["examples"][0]["signals"]["late_share"] == "15 %"
    shown = " ".join(mend("check", path).stdout.split())
    assert "late_share = 15 % → escalate; publish [late_within_limit, late_over_limit]" in shown


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("signal: late_share", "signal: late_shar", "unknown signal 'late_shar'. Did you mean 'late_share'?"),
        ("id: late_over_limit", "id: late_within_limit", "there is another rule 'late_within_limit'"),
        ("\nfallback:", "\nworse: {refunds: higher}\nfallback:", "'refunds' is no metric of yours"),
        ("\nfallback:", "\nworse: {run_report.custom.m: more}\nfallback:", "unknown way 'more'"),
        ("rules:", "rules: [", "is not YAML"),
    ],
)
def test_a_matrix_that_is_refused_is_a_finding(tmp_path: Path, old: str, new: str, message: str) -> None:
    """A table that cannot be loaded is told like every other finding, with its line."""
    path = tmp_path / "matrix.yml"
    path.write_text(MATRIX.read_text().replace(old, new, 1))
    refused = mend("check", path, "--json")
    (found,) = orjson.loads(refused.stdout)["findings"]
    assert (refused.exit_code, found["kind"]) == (1, "refused")
    assert message in found["message"]
    assert found["line"] > 1


def test_the_command_shows() -> None:
    """Every row and the fallback, for people and for programs."""
    rules = [rule["id"] for rule in orjson.loads(mend("show", "--json").stdout)["rules"]]
    assert rules == [rule.id for rule in TABLE.rules]
    shown = mend("show").stdout
    assert all(rule in shown for rule in (*rules, "no_rule_holds"))
    assert "late_share > late_arrival_threshold (15 %)" in shown
    assert "critical · opens the circuit" in shown
