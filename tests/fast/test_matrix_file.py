"""The file of the matrix: what is refused, where, and with which hint."""

import re
from hashlib import sha256
from pathlib import Path

import pytest

from agent.matrix import Call
from agent.matrix_file import MATRIX, load_matrix
from mend.contracts.decision import Action, Rows
from mend.contracts.incident import Severity
from mend.runtime.errors import UserError

pytestmark = pytest.mark.agent

RULE = """\
  - id: mine
    when: {signal: late_share, op: ">", value: 0.5}
    actions: [escalate]
    rows: publish
    reason: "half of {total_records} are late"
"""
AT = "rules:\n"
SMALL = re.sub(r"(?<=\nrules:\n).*(?=\nfallback:)", "", MATRIX.read_text(), flags=re.DOTALL)
"""The shipped matrix without its rules."""


def written(folder: Path, text: str) -> Path:
    """Write a matrix."""
    path = folder / "matrix.yml"
    path.write_text(text)
    return path


def changed(folder: Path, old: str, new: str) -> Path:
    """Write the shipped matrix with the first occurrence of a text changed."""
    text = MATRIX.read_text()
    assert old in text
    return written(folder, text.replace(old, new, 1))


def with_rule(folder: Path, old: str = "", new: str = "") -> Path:
    """Write a matrix with one rule, in which a text is changed."""
    assert old in RULE
    return written(folder, SMALL.replace(AT, AT + RULE.replace(old, new, 1), 1))


def test_the_shipped_matrix_loads() -> None:
    """It holds the rows, the limits and the hash of its own bytes."""
    matrix = load_matrix()
    assert matrix.version == sha256(MATRIX.read_bytes()).hexdigest()
    assert matrix.rules[0].id == "healthy"
    assert (matrix.fallback.actions, matrix.fallback.rows) == ((Action.ESCALATE,), Rows.HOLD)


def test_a_rule_is_a_row(tmp_path: Path) -> None:
    """A row added to the file is a rule, with defaults for what it leaves out."""
    matrix = load_matrix(with_rule(tmp_path))
    assert (matrix.rules[0].id, matrix.rules[0].severity) == ("mine", Severity.MEDIUM)
    assert matrix.version != load_matrix().version


def test_a_rule_may_call_tools(tmp_path: Path) -> None:
    """A row can name tools with parameters, or without any."""
    calls = "    reason: x\n    calls: [{tool: a}, {tool: b, params: {n: 1}}]\n"
    matrix = load_matrix(with_rule(tmp_path, '    reason: "half of {total_records} are late"\n', calls))
    assert matrix.rules[0].calls == (Call(tool="a"), Call(tool="b", params={"n": 1}))


WRONG_RULES = {
    "an unknown signal": ("late_share", "late_shar", "unknown signal 'late_shar'. Did you mean 'late_share'?"),
    "an unknown key": ("when:", "if:", "unknown key 'if'"),
    "a missing key": ("    rows: publish\n", "", "'rows' is missing"),
    "an unknown operator": (
        '">"',
        '"=>"',
        "unknown operator '=>'. Valid for late_share: == != < <= > >= present absent",
    ),
    "an operator of another kind": (
        "late_share",
        "localised",
        "unknown operator '>'. Valid for localised: present absent",
    ),
    "a value of another kind": ("value: 0.5", "value: much", "'much' is not a number"),
    "a truth value for a number": ("value: 0.5", "value: true", "True is not a number"),
    "a limit misspelt": ("value: 0.5", "value: late_arrival_treshold", "Did you mean 'late_arrival_threshold'?"),
    "no value": (", value: 0.5", "", "'value' is missing"),
    "a value too many": ('">", value: 0.5', "present, value: 0.5", "unknown key 'value'"),
    "an unknown action": ("[escalate]", "[escalat]", "unknown 0 'escalat'. Did you mean 'escalate'?"),
    "no action": ("[escalate]", "[]", "a rule needs an action"),
    "actions that are no list": ("[escalate]", "escalate", "expected a list"),
    "unknown rows": ("rows: publish", "rows: publis", "unknown rows 'publis'. Did you mean 'publish'?"),
    "an unknown fact": ("{total_records}", "{total}", "unknown signal 'total'"),
    "a fact with a format": ("{total_records}", "{total_records.real}", "unknown signal 'total_records.real'"),
    "an unknown severity": ("rows: publish", "rows: publish\n    severity: bad", "unknown severity 'bad'"),
    "an id that is no text": ("id: mine", "id: 7", "expected a text, came 7"),
    "a condition that is none": ('{signal: late_share, op: ">", value: 0.5}', "late", "expected keys and values"),
    "all and a signal": (
        '{signal: late_share, op: ">", value: 0.5}',
        "{all: [], signal: late_share}",
        "unknown key 'signal'",
    ),
    "a word that never comes": (
        'late_share, op: ">", value: 0.5',
        'job_status, op: "==", value: faild',
        "job_status is never 'faild'. Did you mean 'failed'?",
    ),
    "a word in a list that never comes": (
        'late_share, op: ">", value: 0.5',
        "audit, op: in, value: [pas]",
        "audit is never 'pas'. Did you mean 'pass'?",
    ),
    "a problem that never comes": (
        'late_share, op: ">", value: 0.5',
        'report_problem, op: "==", value: mising',
        "Did you mean 'missing'?",
    ),
    "a metric without a name": ("late_share", "run_report.custom.", "unknown signal 'run_report.custom.'"),
    "a metric with a list": (
        'late_share, op: ">", value: 0.5',
        'run_report.custom.m, op: ">", value: [1]',
        "is not a custom",
    ),
    "a call without a tool": ("    rows: publish\n", "    rows: publish\n    calls: [{}]\n", "'tool' is missing"),
}


@pytest.mark.parametrize("name", WRONG_RULES)
def test_wrong_rules_are_refused(tmp_path: Path, name: str) -> None:
    """Each mistake in a row names the file, a line of that row, and the nearest valid name."""
    old, new, message = WRONG_RULES[name]
    path = with_rule(tmp_path, old, new)
    with pytest.raises(UserError) as caught:
        load_matrix(path)
    assert message in str(caught.value)
    file, line, _ = str(caught.value).split(":", 2)
    assert file == str(path)
    first = SMALL[: SMALL.index(AT)].count("\n") + 2
    assert first <= int(line) <= first + 6


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("late_arrival_threshold: 0.15", "late_arrival_threshold: 15", "expected a share from 0 to 1"),
        ("retrigger_budget: 3", "retrigger_budget: 0.5", "expected a whole number from 1"),
        ("schema_drift_auto_remap: true", "schema_drift_auto_remap: 1", "expected true or false"),
        ("  retrigger_budget: 3", "  retrigger_budgt: 3", "Did you mean 'retrigger_budget'?"),
        ("  retrigger_budget: 3", "  # retrigger_budget: 3", "'retrigger_budget' is missing"),
        ("  - id: late_over_limit", "  - id: late_within_limit", "there is another rule 'late_within_limit'"),
        ("id: no_rule_holds", "id: healthy", "there is another rule 'healthy'"),
        ("limits:", "limit:", "unknown key 'limit'"),
        ("id: no_rule_holds\n  actions: [escalate]", "id: f\n  actions: [continue]", "the fallback must escalate"),
        ("  id: no_rule_holds", "  when: {all: []}\n  id: no_rule_holds", "the fallback has no condition"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    """Limits must be there and be limits, ids must differ, and the fallback must be safe."""
    with pytest.raises(UserError, match=r"matrix\.yml:\d+: ") as caught:
        load_matrix(changed(tmp_path, old, new))
    assert message in str(caught.value)


def test_a_list_is_no_matrix(tmp_path: Path) -> None:
    """A file of another form is refused."""
    with pytest.raises(UserError, match="expected keys and values"):
        load_matrix(written(tmp_path, "[]"))


@pytest.mark.parametrize(
    "condition",
    [
        '{signal: run_report.custom.m, op: "==", value: red}',
        "{signal: run_report.custom.m, op: in, value: [red, blue]}",
        '{signal: run_report.custom.m, op: "!=", value: true}',
        '{signal: run_report.custom.m, op: ">", value: dq_failure_threshold}',
        '{signal: schema_drift_auto_remap, op: "==", value: false}',
        "{signal: report_problem, op: in, value: [stale, missing]}",
        "{any: [{signal: localised, op: absent}, {all: []}]}",
    ],
)
def test_valid_conditions(tmp_path: Path, condition: str) -> None:
    """Metrics take any scalar, limits may be asked for, and groups nest."""
    load_matrix(with_rule(tmp_path, '{signal: late_share, op: ">", value: 0.5}', condition))
