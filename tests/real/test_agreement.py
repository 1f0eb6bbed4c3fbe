"""Great Expectations and the row rules count the same failures, whatever the rows: for every expectation there is."""

import json
import math
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from mend.contracts.quality import ExpectationResult
from mend.contracts.rules import Rule, RuleSet
from mend.curate.predicates import failure_predicate
from mend.quality.audit import audit
from mend.quality.rules import load_rules
from mend.quality.vocabulary import EXPECTATIONS

pytestmark = pytest.mark.dq

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
LOW = datetime(2020, 1, 1, tzinfo=UTC)
ODD = [
    "", " ", "a", "A", "ab\n", "a@b.co", "a@b.co\n", "é@ü.de", "日本語 😀", "x'; DROP", "\\", "٣", "\x0b", "\t", "ß",
    "\x00", "e\u0301", "\u2028", "US", "NO", "null", "nan", "-", "🤦🏼‍♂️", "İ", "a" * 300, "\ufeff", "\u200b",
]  # fmt: skip
PATTERNS = [
    r"^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}$", "b$", r"\d", r"^\S*$", r"\s", "^.$", "(?s)^.*$",
    "^.{2,5}$", r"\w+$", "[^a-z]", "a{,2}$", "(?i)^a", r"\bb\b", "日本", "^$",
]  # fmt: skip
UNLIKE_ASCII = str.maketrans("", "", "\u212a\u017f")
"""RE2's (?i) takes them for k and s: the one known difference, see below."""


def near(*bounds: float) -> st.SearchStrategy[float | None]:
    """Return floats on, one step below and one step above the bounds, and all kinds of others."""
    edges = [edge for one in bounds for edge in (one, math.nextafter(one, -math.inf), math.nextafter(one, math.inf))]
    return st.none() | st.sampled_from(edges) | st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, -0.0])


def moments(zone: Any) -> st.SearchStrategy[datetime | None]:
    """Return times on and beside the bounds, and from all of history."""
    edges = [edge for one in (NOW, LOW, NOW - timedelta(hours=2)) for edge in (one, one - TICK, one + TICK)]
    far = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))  # noqa: DTZ001 - the zone is added below
    return (
        st.none()
        | st.sampled_from(edges).map(lambda at: at.replace(tzinfo=zone))
        | far.map(lambda at: at.replace(tzinfo=zone))
    )


TEXT = st.none() | st.sampled_from(ODD) | st.text(st.characters(codec="utf-8"), max_size=8)
INTEGERS = st.none() | st.sampled_from([0, 1, -1, 10, 11, 2**53, 2**53 + 1]) | st.integers(-(2**63), 2**63 - 1)
DAYS = st.none() | st.sampled_from([date(2019, 12, 31), date(2020, 1, 1), date(2026, 1, 1), date(2026, 1, 2)])
MONEY = (
    st.none()
    | st.decimals(-(10**9), 10**9, places=2)
    | st.sampled_from([Decimal("0.10"), Decimal("9.99"), Decimal(10)])
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "text": TEXT.map(lambda one: one and one.translate(UNLIKE_ASCII)),
            "coded": st.sampled_from(["US", "CA", "", None]),
            "number": INTEGERS,
            "full": st.sampled_from([0, 1, 9, 10, 11, -(2**31), 2**31 - 1]),
            "real": near(0.1, 10.0),
            "money": MONEY,
            "time": moments(UTC),
            "plain": moments(None),
            "day": DAYS,
            "flag": st.sampled_from([True, False, None]),
            "empty": st.none(),
        }
    ),
    min_size=20,
    max_size=60,
)
SCHEMA = pa.schema(
    {
        "text": pa.string(), "coded": pa.dictionary(pa.int32(), pa.string()), "number": pa.int64(), "full": pa.int32(),
        "real": pa.float64(), "money": pa.decimal128(12, 2), "time": pa.timestamp("us", "UTC"),
        "plain": pa.timestamp("us"), "day": pa.date32(), "flag": pa.bool_(), "empty": pa.string(),
    }
)  # fmt: skip


def on(columns: str, **arguments: Any) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """Return the same arguments for each of the columns, which are parted by spaces."""
    return [((column,), arguments) for column in columns.split()]


SETS = [
    *on("text coded", value_set=["US", "", "x'; DROP", "é@ü.de", "nan"]),
    *on("number full real", value_set=[0, 1, 10]),
    *on("real", value_set=[0.1, 10.5]),
    *on("flag", value_set=[True]),
]
RANGES = [
    *on("number full real money", min_value=0, max_value=10),
    *on("number full real", min_value=0.1, max_value=10.0, strict_min=True, strict_max=True),
    *on("money", min_value=0.1),
    *on("number", max_value=2**53),
    *on("time plain day", min_value="2020-01-01", max_value="now"),
    *on("time plain", min_value="now - 2 hours", strict_min=True),
    *on("time", max_value="now", strict_max=True),
]
ALL = "text coded number full real money time plain day flag empty"
CASES: dict[str, list[tuple[tuple[str, ...], dict[str, Any]]]] = {
    "expect_column_values_to_not_be_null": [*on(ALL), *on("text", mostly=0.9)],
    "expect_column_values_to_be_null": on(ALL),
    "expect_column_values_to_match_regex": [each for one in PATTERNS for each in on("text", regex=one)],
    "expect_column_values_to_not_match_regex": [each for one in PATTERNS for each in on("text", regex=one)],
    "expect_column_values_to_be_in_set": [*SETS, *on("coded", value_set=["CA"], mostly=0.5)],
    "expect_column_values_to_not_be_in_set": SETS,
    "expect_column_values_to_be_between": RANGES,
    "expect_column_value_lengths_to_be_between": [
        *on("text coded", min_value=1, max_value=4),
        *on("text", min_value=1, max_value=4, strict_min=True, strict_max=True),
    ],
    "expect_column_pair_values_a_to_be_greater_than_b": [
        (pair, {"or_equal": equal})
        for equal in (True, False)
        for pair in (("time", "plain"), ("number", "full"), ("real", "full"), ("number", "real"), ("text", "coded"))
    ],
    "expect_column_values_to_be_unique": on("text coded number full time flag"),
    "expect_column_to_exist": on("text gone"),
    "expect_column_values_to_be_of_type": [*on("text number", type_="string"), *on("full real", type_="integer")],
    "expect_table_row_count_to_be_between": [
        ((), {"min_value": 5, "max_value": 20}),
        ((), {"within": 0.2, "min_runs": 2}),
    ],
    "expect_column_proportion_of_unique_values_to_be_between": [
        *on("text coded number time", min_value=0.5),
        *on("full", max_value=0.5, strict_max=True),
    ],
    "expect_column_max_to_be_between": [
        *on("number full", max_value=10),
        *on("time plain", min_value="now - 2 hours"),
        *on("time", max_value="now"),
    ],
}
HISTORY = [10, 12, 10]
EXAMPLES = 4
"""Of some forty rows each: an audit of 120 rules costs more than its rows do."""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    """Return all cases as a rules file says them."""
    written = []
    for kind, cases in CASES.items():
        where = EXPECTATIONS[kind].columns
        named = (dict(zip(where, columns, strict=True)) | arguments for columns, arguments in cases)
        written += [{"expectation_type": kind, "severity": "quality"} | one for one in named]
    path = tmp_path_factory.mktemp("rules") / "rules.yml"
    path.write_text(json.dumps({"business_rules": {"all": {"expectations": written}}}))  # JSON is YAML
    return load_rules(path)


def is_missing(value: Any) -> bool:
    """Whether a value is null or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def repeated(values: list[Any], _rule: Rule) -> tuple[str, int]:
    """Count the rows whose value another row has too."""
    times = Counter(one for one in values if not is_missing(one))
    failures = sum(many for many in times.values() if many > 1)
    return "fail" if failures else "pass", failures


def distinct_share(values: list[Any], rule: Rule) -> tuple[str, int]:
    """Judge the share of distinct values among those that are there."""
    there = [one for one in values if not is_missing(one)]
    share = len(set(there)) / len(there) if there else None
    return fits(share, rule), 0


def largest(values: list[Any], rule: Rule) -> tuple[str, int]:
    """Judge the greatest value."""
    there = [one.replace(tzinfo=UTC) if isinstance(one, datetime) else one for one in values if not is_missing(one)]
    return fits(max(there, default=None), rule), 0


def fits(value: Any, rule: Rule) -> str:
    """Say whether a value lies in the rule's bounds; nothing lies in any."""
    words: dict[Any, datetime] = {"now": NOW, "now - 2 hours": NOW - timedelta(hours=2)}
    low, high = (
        words.get(bound, bound) for bound in (rule.arguments.get("min_value"), rule.arguments.get("max_value"))
    )
    if value is None:
        return "unknown or fail"
    above = low is None or value >= low
    below = high is None or (value < high if rule.arguments.get("strict_max") else value <= high)
    return "pass" if above and below else "fail"


def volume(rows: int, rule: Rule) -> tuple[str, int]:
    """Judge the number of rows by fixed bounds, or by the median of the runs before, which is 10."""
    low, high = (8, 12) if "within" in rule.arguments else (5, 20)
    return "pass" if low <= rows <= high else "fail", 0


WHOLE: dict[str, Callable[[list[Any], Rule], tuple[str, int]]] = {
    "expect_column_values_to_be_unique": repeated,
    "expect_column_proportion_of_unique_values_to_be_between": distinct_share,
    "expect_column_max_to_be_between": largest,
    "expect_column_to_exist": lambda _values, rule: ("pass" if rule.columns[0] == "text" else "fail", 0),
    "expect_column_values_to_be_of_type": lambda _values, rule: (
        "pass" if rule.columns[0] in {"text", "full"} else "fail",
        0,
    ),
}
"""What is not about single rows has no row rule to agree with: plain Python says what is right."""


def by_rows(path: Path, rules: RuleSet) -> dict[str, int]:
    """Count the failing rows with the conditions of the decode pass."""
    conditions = {
        rule.name: failure_predicate(rule, lambda name: f'"{name}"', now_sql=f"TIMESTAMPTZ '{NOW.isoformat()}'")
        for rule in rules.rules
    }
    counted = {name: sql for name, sql in conditions.items() if sql is not None}
    assert {rule.expectation for rule in rules.rules if conditions[rule.name] is not None} == {
        kind for kind, term in EXPECTATIONS.items() if term.about == "rows"
    }
    counts = ", ".join(f"count(*) FILTER ({sql})" for sql in counted.values())
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        row = db.execute(f"SELECT {counts} FROM read_parquet(?)", [str(path)]).fetchone()  # noqa: S608 - what is tested
    return dict(zip(counted, row or (), strict=True))


def agrees(rule: Rule, found: ExpectationResult, counted: dict[str, int], rows: list[dict[str, Any]]) -> bool:
    """Whether the suite's result of a rule is what the row rules, or plain Python, say."""
    if rule.name in counted:
        return found.error is None and found.failures == counted[rule.name]
    if not rule.columns:
        verdict, failures = volume(len(rows), rule)
    else:
        verdict, failures = WHOLE[rule.expectation]([row.get(rule.columns[0]) for row in rows], rule)
    return found.verdict in verdict and found.failures == failures


def test_every_expectation_has_a_case() -> None:
    """An expectation that is new in the vocabulary must be added here."""
    assert CASES.keys() == EXPECTATIONS.keys()
    assert {kind for kind, term in EXPECTATIONS.items() if term.about != "rows"} == {
        *WHOLE,
        "expect_table_row_count_to_be_between",
    }


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # a smaller example is not worth an audit a step
    suppress_health_check=list(HealthCheck),
)
@given(rows=ROWS, at_once=st.sampled_from([1000, 25]))
@example(rows=[dict.fromkeys(SCHEMA.names) | {"full": 1}] * 3, at_once=2)
def test_suite_and_row_rules_agree(rules: RuleSet, rows: list[dict[str, Any]], at_once: int) -> None:
    """Equal failures for every rule, read whole or in parts: nulls, bounds and their neighbours, NaN, odd texts."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / "rows.parquet")
        results = audit([folder / "rows.parquet"], rules, run_id="r", now=NOW, history=HISTORY, at_once=at_once)
        counted = by_rows(folder / "rows.parquet", rules)
    found = dict(zip((rule.name for rule in rules.rules), results.validations[0].results, strict=True))
    wrong = [
        (rule.name, rule.arguments, found[rule.name], counted.get(rule.name))
        for rule in rules.rules
        if not agrees(rule, found[rule.name], counted, rows)
    ]
    assert wrong == []


def failures_of(folder: Path, rule: dict[str, Any], column: pa.Array) -> tuple[int, int]:
    """Return what the suite and the row rule count of one rule over one column called `a`."""
    (folder / "rules.yml").write_text(json.dumps({"business_rules": {"all": {"expectations": [rule]}}}))
    rules = load_rules(folder / "rules.yml")
    pq.write_table(pa.table({"a": column}), folder / "rows.parquet")
    results = audit([folder / "rows.parquet"], rules, run_id="r", now=NOW)
    with duckdb.connect() as db:
        condition = failure_predicate(rules.rules[0], lambda name: f'"{name}"', now_sql="now()")
        query = f"SELECT count(*) FILTER ({condition}) FROM read_parquet(?)"  # noqa: S608 - the condition is tested
        ((counted,),) = db.execute(query, [str(folder / "rows.parquet")]).fetchall()
    return results.validations[0].results[0].failures, counted


def test_known_difference_in_case(tmp_path: Path) -> None:
    """docs/rules.md: with (?i) the row rule takes the Kelvin sign for a k, the suite does not."""
    rule = {"expectation_type": "expect_column_values_to_match_regex", "column": "a", "regex": "(?i)^k$"}
    assert failures_of(tmp_path, rule, pa.array(["k", "K", "\u212a"])) == (1, 0)


def test_known_difference_in_long_decimals(tmp_path: Path) -> None:
    """docs/rules.md: the row rule compares every digit of a decimal, the suite the first fifteen."""
    rule = {"expectation_type": "expect_column_values_to_be_between", "column": "a", "min_value": 2**53 + 1}
    column = pa.array([Decimal(2**53)], pa.decimal128(20, 2))
    suite, row_rule = failures_of(tmp_path, rule, column)
    assert row_rule == 1
    assert suite == 0
