"""The rules file: what loads, what is refused and with which words."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mend.contracts.rules import RuleSet, Thresholds
from mend.quality.rules import check_columns, load_rules
from mend.runtime.errors import UserError

pytestmark = pytest.mark.dq

SHIPPED = Path(__file__).parents[2] / "airflow" / "include" / "dq_rules.yml"
OLD = """
business_rules:
  customer_data_quality:
    description: "Rules as they were written before there were severities"
    expectations:
      - expectation_type: expect_column_values_to_not_be_null
        column: id
        meta: {notes: "Customer ID must not be null"}
      - expectation_type: expect_column_values_to_match_regex
        column: email
        regex: "^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\\\\.[a-zA-Z]{2,}$"
        meta: {notes: {format: markdown, content: ["A real", "address"]}}
      - expectation_type: expect_column_values_to_be_in_set
        column: plan
        value_set: ["free", "basic"]
      - expectation_type: expect_column_values_to_be_of_type
        column: signup_ts
        type_: TimestampType
      - expectation_type: expect_column_values_to_be_between
        column: signup_ts
        min_value: "2020-01-01"
        max_value: "2030-12-31"
        parse_strings_as_datetimes: true
      - expectation_type: expect_column_pair_values_A_to_be_greater_than_B
        column_A: event_ts
        column_B: signup_ts
        or_equal: true
        parse_strings_as_datetimes: true
validation_thresholds: {critical_failures: 0.01, warning_failures: 0.05, acceptable_failures: 0.10}
"""


def _load(folder: Path, text: str, **options: Any) -> RuleSet:
    path = folder / "rules.yml"
    path.write_text(text, encoding="utf-8")
    return load_rules(path, **options)


def one(folder: Path, *lines: str) -> RuleSet:
    """Load a file with one rule; its first line is line 4 of the file."""
    head = ["business_rules:", "  all:", "    expectations:"]
    return _load(folder, "\n".join([*head, "    - " + lines[0], *(f"      {line}" for line in lines[1:])]))


def _refused(folder: Path, *lines: str) -> str:
    with pytest.raises(UserError) as error:
        one(folder, *lines)
    assert error.value.exit_code == 2
    message = str(error.value)
    assert message.startswith(f"{folder / 'rules.yml'}:")
    assert "\n" not in message
    return message.removeprefix(f"{folder / 'rules.yml'}:")


NOT_NULL = "expectation_type: expect_column_values_to_not_be_null"
REGEX = "expectation_type: expect_column_values_to_match_regex"
IN_SET = "expectation_type: expect_column_values_to_be_in_set"
BETWEEN = "expectation_type: expect_column_values_to_be_between"


def test_the_shipped_file_has_the_fifteen_expectations() -> None:
    """The suite that users know: 15 expectations, each with its severity."""
    rules = load_rules(SHIPPED)
    assert rules.suite == "customers_expectation_suite"
    assert {rule.name: rule.severity for rule in rules.rules} == {
        "id.exists": "contract",
        "id.not_null": "contract",
        "id.unique": "warn",
        "email.exists": "contract",
        "email.not_null": "contract",
        "email.match_regex": "quality",
        "plan.in_set": "quality",
        "signup_timestamp.of_type": "contract",
        "signup_timestamp.between": "quality",
        "event_timestamp.of_type": "contract",
        "event_timestamp.between": "quality",
        "event_timestamp.at_least.signup_timestamp": "quality",
        "country.in_set": "quality",
        "name.not_null": "contract",
        "version.between": "quality",
    }
    assert len(rules.rules) == 15


def test_the_shipped_file_says_what_the_names_promise() -> None:
    """Bounds, sets, thresholds, mappings and dimensions are those of the interface."""
    rules = load_rules(SHIPPED)
    arguments = {rule.name: rule.arguments for rule in rules.rules}
    assert arguments["event_timestamp.between"] == {"min_value": "2020-01-01T00:00:00+00:00", "max_value": "now"}
    assert arguments["version.between"] == {"min_value": 1, "max_value": 10}
    assert arguments["plan.in_set"]["value_set"] == ["free", "basic", "premium", "enterprise"]
    countries = arguments["country.in_set"]["value_set"]
    assert len(set(countries)) == 17
    assert {"US", "CA", "GB", "DE", "FR", "AU", "JP", "IN", "BR", "MX"} <= set(countries)
    assert rules.thresholds == Thresholds(critical_failures=0.01, warning_failures=0.05, acceptable_failures=0.10)
    assert rules.field_mappings["customer_id"] == "id"
    assert rules.quality_dimensions["consistency"] == [["event_ts", "signup_ts"]]


def test_files_without_severities_load(tmp_path: Path) -> None:
    """Old files keep working: presence and types are the contract, everything else is quality."""
    rules = _load(tmp_path, OLD, pipeline="orders")
    assert rules.suite == "orders_expectation_suite"
    assert [rule.severity for rule in rules.rules] == [
        "contract",
        "quality",
        "quality",
        "contract",
        "quality",
        "quality",
    ]
    assert rules.rules[0].notes == "Customer ID must not be null"
    assert rules.rules[1].notes == "A real\naddress"
    assert rules.rules[3].arguments == {"type_": "timestamp"}
    assert rules.rules[5].columns == ("event_ts", "signup_ts")


def test_the_old_spelling_of_the_pair_expectation_is_understood(tmp_path: Path) -> None:
    """Files from before the library's first version spell the columns' letters large."""
    assert _load(tmp_path, OLD).rules[5].expectation == "expect_column_pair_values_a_to_be_greater_than_b"


def test_the_suite_is_named_by_the_file_then_the_pipeline_then_the_file_name(tmp_path: Path) -> None:
    """A suite always has a name that says whose it is."""
    assert _load(tmp_path, "suite: mine\n" + OLD, pipeline="orders").suite == "mine"
    assert _load(tmp_path, OLD).suite == "rules_expectation_suite"


def test_words_are_texts_and_numbers_numbers(tmp_path: Path) -> None:
    """Norway is a country, a code keeps its zeros and a date needs no quotes."""
    assert one(tmp_path, IN_SET, "column: a", "value_set: [NO, on, y, 010, 1:30]").rules[0].arguments == {
        "value_set": ["NO", "on", "y", "010", "1:30"]
    }
    assert one(tmp_path, IN_SET, "column: a", "value_set: [1, 2.5, 1e3]").rules[0].arguments == {
        "value_set": [1, 2.5, 1e3]
    }
    bounds = one(tmp_path, BETWEEN, "column: a", "min_value: 2020-01-01T02:00:00+02:00").rules[0].arguments
    assert bounds == {"min_value": "2020-01-01T00:00:00+00:00"}


def test_rules_of_the_same_kind_get_names_of_their_own(tmp_path: Path) -> None:
    """Two patterns for one column are two rules with stable names."""
    text = yaml.safe_dump(
        {
            "business_rules": {
                "all": {
                    "expectations": [
                        {"expectation_type": "expect_column_values_to_match_regex", "column": "a", "regex": regex}
                        for regex in ("x", "y")
                    ]
                }
            }
        }
    )
    assert [rule.name for rule in _load(tmp_path, text).rules] == ["a.match_regex", "a.match_regex.2"]


def test_the_version_follows_what_is_checked(tmp_path: Path) -> None:
    """Another bound is another version; another note or a moved line is not."""
    first = one(tmp_path, BETWEEN, "column: a", "min_value: 1")
    assert one(tmp_path, "column: a", BETWEEN, "min_value: 1", "meta: {notes: why}").version == first.version
    assert one(tmp_path, BETWEEN, "column: a", "min_value: 2").version != first.version
    assert one(tmp_path, BETWEEN, "column: a", "min_value: 1", "severity: warn").version != first.version


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["expectation_type: expect_column_values_to_not_be_nul", "column: id"],
            (
                "4: expectation 'expect_column_values_to_not_be_nul' is not known. "
                "Did you mean 'expect_column_values_to_not_be_null'?"
            ),
        ),
        (["column: id"], "4: expectation_type is missing."),
        ([NOT_NULL], "4: column is missing."),
        (
            [NOT_NULL, "colum: id"],
            "5: 'colum' is not a key of expect_column_values_to_not_be_null. Did you mean 'column'?",
        ),
        ([NOT_NULL, "column: id", "regex: x"], "6: 'regex' is not a key of expect_column_values_to_not_be_null."),
        ([NOT_NULL, "column: 7"], "5: column is a text, not 7."),
        ([NOT_NULL, "column: id", "column: name"], "6: 'column' stands twice in an expectation."),
        (
            [NOT_NULL, "column: id", "severity: contrakt"],
            "6: severity 'contrakt' is not known. Did you mean 'contract'?",
        ),
        ([REGEX, "column: id"], "4: regex is missing."),
        ([REGEX, "column: id", "regex: '['"], "6: regex: unterminated character set at position"),
        ([REGEX, "column: id", "regex: '(?=a)b'"], "6: regex: invalid perl operator: (?= (look-arounds"),
        ([REGEX, "column: id", "regex: '(?<!a)b'"], "6: regex: invalid perl operator"),
        ([REGEX, "column: id", r"regex: '(a)\1'"], r"6: regex: invalid escape sequence: \1"),
        ([REGEX, "column: id", "regex: '[[:alpha:]]'"], "6: regex: [:name:] classes are not supported"),
        ([REGEX, "column: id", "regex: '(?m)^a$'"], "6: regex: of the flags only (?i) and (?s) are supported"),
        ([REGEX, "column: id", "regex: '(?i)ü'"], "6: regex: (?i) knows ASCII letters only"),
        ([REGEX, "column: id", "regex: 5"], "6: regex: is a regular expression, not 5."),
        ([IN_SET, "column: id", "value_set: []"], "6: value_set: is a list with at least one value."),
        ([IN_SET, "column: id", "value_set: abc"], "6: value_set: is a list"),
        (
            [IN_SET, "column: id", "value_set: [US, 1]"],
            "6: value_set: mixes numbers and texts; quote the values that are texts.",
        ),
        ([IN_SET, "column: id", "value_set: [US, null]"], "6: value_set: None is neither a text nor a number"),
        ([BETWEEN, "column: id"], "4: min_value or max_value is missing."),
        ([BETWEEN, "column: id", "min_value: 3", "max_value: 2"], "4: min_value 3 is greater than max_value 2."),
        (
            [BETWEEN, "column: id", "min_value: 2021-01-01", "max_value: 2020-01-01"],
            "4: min_value 2021-01-01T00:00:00+00:00 is greater",
        ),
        (
            [BETWEEN, "column: id", "min_value: 2", "max_value: 2", "strict_max: true"],
            "4: the bounds are equal and one of them is excluded",
        ),
        ([BETWEEN, "column: id", "min_value: 2", "max_value: now"], "4: one bound is a number and the other a time."),
        (
            [BETWEEN, "column: id", "min_value: yesterday"],
            "6: min_value: is a number, an ISO date such as 2020-01-01, or `now` (or `now - 90 minutes`), not 'yest",
        ),
        ([BETWEEN, "column: id", "min_value: 0001-01-01T00:00:00+10:00"], "6: min_value: is a number, an ISO date"),
        ([BETWEEN, "column: id", "min_value: .nan"], "6: min_value: is a number"),
        ([BETWEEN, "column: id", "min_value: 1e999"], "6: min_value: is too large a number."),
        ([BETWEEN, "column: id", "min_value: 1", "mostly: 0"], "7: mostly: is a share above 0 and up to 1, not 0."),
        (
            ["expectation_type: expect_column_value_lengths_to_be_between", "column: id", "min_value: 1.5"],
            "4: the bounds of a length are whole numbers from 0 on.",
        ),
        (
            ["expectation_type: expect_column_values_to_be_of_type", "column: id", "type_: strin"],
            "6: type_: 'strin' is not a known type. Did you mean 'string'?",
        ),
        (
            ["expectation_type: expect_column_values_to_be_of_type", "column: id", "type_: [a]"],
            "6: type_: ['a'] is not a known type.",
        ),
        (
            ["expectation_type: expect_column_pair_values_a_to_be_greater_than_b", "column_A: a"],
            "4: column_B is missing.",
        ),
        (["just a text"], "4: an expectation is a mapping of names to values."),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, lines: list[str], message: str) -> None:
    """Each mistake is one line: file, line, what is wrong, and the nearest valid name where there is one."""
    assert _refused(tmp_path, *lines).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": is empty."),
        ("business_rules: [", ":1: is not YAML"),
        ("a: b: c", ":1: is not YAML"),
        ("\x01", ": is not YAML"),
        ("- a", ":1: the rules file is a mapping"),
        ("busines_rules: {}", ":1: 'busines_rules' is not a key of the rules file. Did you mean 'business_rules'?"),
        ("suite: a", ":1: the section business_rules is missing."),
        ("\nbusiness_rules: {}", ":2: business_rules holds no expectation"),
        ("business_rules:\n  all: {}", ":2: the group 'all' has no expectations."),
        ("business_rules:\n  all: {expectation: []}", ":2: 'expectation' is not a key of the group 'all'."),
        ("business_rules:\n  all: {expectations: 5}", ":2: expectations is a list."),
        ("? [a]\n: b", ":1: a name in the rules file is a text."),
        ("suite: 5\nbusiness_rules: {}", ":1: suite is a text, not 5."),
    ],
)
def test_a_file_that_is_no_rules_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Empty, torn, misspelt and hollow files are one clear line."""
    with pytest.raises(UserError) as error:
        _load(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path / 'rules.yml'}{message}")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            "validation_thresholds: {critical: 0.1}",
            "is not a key of validation_thresholds. Did you mean 'critical_failures'?",
        ),
        ("validation_thresholds: {critical_failures: 14}", "critical_failures is a share from 0 to 1, not 14."),
        ("field_mappings: {a: 1}", "a is a text, not 1."),
        ("quality_dimensions: [a]", "quality_dimensions is a mapping"),
    ],
)
def test_the_other_sections_are_checked_too(tmp_path: Path, section: str, message: str) -> None:
    """A share of 14 or a misspelt threshold does not pass unseen."""
    with pytest.raises(UserError) as error:
        _load(tmp_path, f"{section}\n{OLD.partition('validation_thresholds')[0]}")
    assert message in str(error.value)
    assert str(error.value).startswith(f"{tmp_path / 'rules.yml'}:1: ")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """No file is not an empty set of rules."""
    with pytest.raises(UserError, match="cannot be read"):
        load_rules(tmp_path / "none.yml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are one clear line."""
    path = tmp_path / "rules.yml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not UTF-8"):
        load_rules(path)


def test_the_same_rule_twice_is_refused(tmp_path: Path) -> None:
    """A copy, whatever its severity or notes, is named with the line of the first one."""
    text = OLD.partition("validation_thresholds")[0]
    copy = "      - {expectation_type: expect_column_values_to_not_be_null, column: id, severity: warn}\n"
    with pytest.raises(UserError, match=r"the rule id.not_null stands already in line 6\."):
        _load(tmp_path, text + copy)


def test_an_unknown_column_is_named_with_its_line(tmp_path: Path) -> None:
    """A rule over a column that the rows do not have is refused before a run starts."""
    path = tmp_path / "rules.yml"
    rules = one(tmp_path, NOT_NULL, "column: emial")
    check_columns(rules, ["id", "emial"], path)
    with pytest.raises(UserError) as error:
        check_columns(rules, ["id", "email"], path)
    assert str(error.value) == f"{path}:5: column 'emial' is not known. Did you mean 'email'?"


def test_both_columns_of_a_pair_are_checked(tmp_path: Path) -> None:
    """The second column of a pair is checked as the first one is."""
    pair = "expectation_type: expect_column_pair_values_a_to_be_greater_than_b"
    rules = one(tmp_path, pair, "column_A: a", "column_B: b")
    with pytest.raises(UserError, match=r":6: column 'b' is not known"):
        check_columns(rules, ["a"], tmp_path / "rules.yml")
