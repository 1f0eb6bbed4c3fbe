"""The audit by the real Great Expectations, and that it counts what the row predicates count."""

import logging
import math
import random
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from mend.contracts import codec
from mend.contracts.quality import ExpectationResult, QualityResults
from mend.contracts.rules import RuleSet
from mend.curate.predicates import failure_predicate
from mend.quality.audit import audit, checkpoint_name
from mend.quality.rules import load_rules
from mend.quality.summary import gate

pytestmark = pytest.mark.dq

RULES = Path(__file__).parents[2] / "airflow" / "include" / "dq_rules.yml"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = 700
TEXTS = [
    None,
    "",
    " ",
    "a",
    "A",
    "ab\n",
    "a@b.co",
    "a@b.co\n",
    "A@B.CO",
    "é@ü.de",
    "naïve 日本語 😀",
    "x'; DROP TABLE t; --",
    "\\",
    "%",
    "٣",
    "12",
    "\x0b",
    "\t",
    "a b",
    "línea\nb",
    "ß",
    "ab" * 40,
    "\u2028",
    "e\u0301",
    "US",
    "NO",
    "no",
    "null",
    "nan",
    "NaN",
    "-",
]
NUMBERS = [None, 0, 1, -1, 2, 9, 10, 11, 2**31, -(2**31), 2**53]
FLOATS = [None, math.nan, math.inf, -math.inf, 0.0, -0.0, 0.1, 1.0, 1.5, 2.0, 9.99, 10.0, 10.000001, -1e300, 5e-324]
TIMES = [
    None,
    NOW,
    NOW + timedelta(microseconds=1),
    NOW - timedelta(microseconds=1),
    datetime(2020, 1, 1, tzinfo=UTC),
    datetime(2019, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2500, 1, 1, tzinfo=UTC),
]


def _rule(expectation: str, column: str = "text", **arguments: Any) -> dict[str, Any]:
    return {"expectation_type": expectation, "column": column, **arguments}


def _between(column: str, **arguments: Any) -> dict[str, Any]:
    return _rule("expect_column_values_to_be_between", column, **arguments)


def _pair(left: str, right: str, *, or_equal: bool) -> dict[str, Any]:
    kind = "expect_column_pair_values_a_to_be_greater_than_b"
    return {"expectation_type": kind, "column_A": left, "column_B": right, "or_equal": or_equal}


REGEXES = [
    r"^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}$",
    "b",
    "^a",
    "b$",
    r"\d",
    r"\w+$",
    r"^\S*$",
    r"\s",
    r"[\s]$",
    "(?i)^a",
    r"^.$",
    "(?s)^.*$",
    "a{,2}$",
    r"\\",
    "'",
    "^$",
    r"\bb\b",
    "[^a-z]",
    r"[]x-]",
    "(?:a|(b))@",
    "日本",
    r"\Aab\Z",
    "^.{2,5}$",
    r"\$?$",
]
LENGTH = "expect_column_value_lengths_to_be_between"
COUNTED = [
    *(
        _rule("expect_column_values_to_not_be_null", name)
        for name in ("text", "number", "wide", "real", "time", "flag", "full")
    ),
    *(_rule("expect_column_values_to_be_null", name) for name in ("text", "number", "real", "time", "flag", "empty")),
    *(_rule("expect_column_values_to_match_regex", regex=regex) for regex in REGEXES),
    *(_rule("expect_column_values_to_not_match_regex", regex=regex) for regex in REGEXES),
    *(
        _rule(f"expect_column_values_to_{kind}", column, value_set=values)
        for kind in ("be_in_set", "not_be_in_set")
        for column, values in (
            ("text", ["US", "NO", "x'; DROP TABLE t; --", "\\", "é@ü.de", ""]),
            ("text", ["nan"]),
            ("coded", ["US"]),
            ("number", [1, 2, 11]),
            ("full", [0, 10]),
            ("real", [0, 1.5, 0.1]),
            ("wide", [-1, 2.5]),
            ("flag", [True]),
        )
    ),
    _rule(LENGTH, min_value=1),
    _rule(LENGTH, max_value=3),
    _rule(LENGTH, min_value=1, max_value=6),
    _rule(LENGTH, min_value=1, max_value=6, strict_min=True, strict_max=True),
    *(
        _between(column, **bounds)
        for column in ("number", "full", "wide", "real", "money")
        for bounds in (
            {"min_value": 1},
            {"max_value": 10},
            {"min_value": 0, "max_value": 10, "strict_min": True},
            {"min_value": 0.1, "max_value": 10.0, "strict_max": True},
            {"min_value": -2147483648, "max_value": 2147483648},
        )
    ),
    *(
        _between(column, **bounds)
        for column in ("time", "plain", "day")
        for bounds in (
            {"min_value": "2020-01-01", "parse_strings_as_datetimes": True},
            {"min_value": "2020-01-01", "max_value": "now"},
            {"max_value": "now", "strict_max": True},
            {"min_value": "2019-12-31T23:59:59.999999", "max_value": "2026-01-01T01:00:00+01:00", "strict_min": True},
        )
    ),
    *(
        _pair(left, right, or_equal=or_equal)
        for or_equal in (True, False)
        for left, right in (
            ("time", "plain"),
            ("number", "wide"),
            ("real", "number"),
            ("number", "real"),
            ("text", "coded"),
        )
    ),
]


def _table(seed: int) -> pa.Table:
    chance = random.Random(seed)

    def some(values: list[Any], kind: pa.DataType) -> pa.Array:
        return pa.array([chance.choice(values) for _ in range(ROWS)], kind)

    return pa.table(
        {
            "text": some(TEXTS, pa.string()),
            "coded": some(["US", "CA", None], pa.string()).dictionary_encode(),
            "number": some(NUMBERS, pa.int64()),
            "full": some([value for value in NUMBERS if value is not None], pa.int64()),
            "wide": some([None, -1, 0, 1, 2], pa.int32()),
            "real": some(FLOATS, pa.float64()),
            "money": some([Decimal("0.10"), Decimal("9.99"), None, 1, 10], pa.decimal128(10, 2)),
            "time": some(TIMES, pa.timestamp("us", "UTC")),
            "plain": some([value and value.replace(tzinfo=None) for value in TIMES], pa.timestamp("us")),
            "day": some([None, date(2019, 12, 31), date(2020, 1, 1), date(2026, 1, 1), date(2026, 1, 2)], pa.date32()),
            "flag": some([True, False, None], pa.bool_()),
            "empty": some([None], pa.string()),
        }
    )


def _written(path: Path, rules: list[dict[str, Any]]) -> RuleSet:
    path.write_text(yaml.safe_dump({"business_rules": {"all": {"expectations": rules}}}), encoding="utf-8")
    return load_rules(path)


def _staged(folder: Path, rows: pa.Table) -> list[Path]:
    files = [folder / "part-0.parquet", folder / "part-1.parquet"]
    half = rows.num_rows // 2
    pq.write_table(rows.slice(0, half), files[0])
    pq.write_table(rows.slice(half), files[1])
    return files


def failing_rows(files: list[Path], rules: RuleSet) -> dict[str, int]:
    """Count by the predicates; a predicate that is NULL for some row breaks the promise and the test."""
    counts = {}
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for each in rules.rules:
            broken = failure_predicate(each, lambda name: f'"{name}"', now_sql=f"TIMESTAMPTZ '{NOW.isoformat()}'")
            query = f"SELECT count(*) FILTER ({broken}), count(*) FILTER (({broken}) IS NULL) FROM read_parquet(?)"  # noqa: S608 - the predicate is what is tested
            ((failures, undecided),) = connection.execute(query, [[str(file) for file in files]]).fetchall()
            assert undecided == 0
            counts[each.name] = failures
    return counts


def _by_rule(results: QualityResults, rules: RuleSet) -> dict[str, ExpectationResult]:
    (suite,) = results.validations
    return dict(zip((each.name for each in rules.rules), suite.results, strict=True))


@pytest.mark.parametrize("seed", range(2))
def test_both_engines_count_the_same_failures(tmp_path: Path, seed: int) -> None:
    """For each row-wise expectation the audit's failures are the rows that the predicate finds."""
    rules = _written(tmp_path / "rules.yml", COUNTED)
    files = _staged(tmp_path, _table(seed))
    results = _by_rule(audit(files, rules, run_id="r", now=NOW), rules)
    assert {name: result.error for name, result in results.items() if result.error} == {}
    expected = failing_rows(files, rules)
    assert {name: result.failures for name, result in results.items()} == expected
    assert {name for name, result in results.items() if result.verdict == "fail"} == {
        n for n, c in expected.items() if c
    }
    assert sum(1 for count in expected.values() if count) > len(expected) * 0.8


def _customers(count: int = 200, **changed: list[Any]) -> pa.Table:
    """Return good rows of the shipped pipeline, with the first values of some columns changed."""
    columns: dict[str, list[Any]] = {
        "id": [f"id-{number}" for number in range(count)],
        "name": ["Zoé"] * count,
        "email": [f"user{number}@example.com" for number in range(count)],
        "plan": ["free"] * count,
        "country": ["NO"] * count,
        "version": [1] * count,
        "signup_timestamp": [datetime(2021, 5, 1, tzinfo=UTC)] * count,
        "event_timestamp": [datetime(2025, 12, 31, tzinfo=UTC)] * count,
        "not_in_the_rules": [b"\xff"] * count,
    }
    for name, values in changed.items():
        columns[name][: len(values)] = values
    times = {"signup_timestamp": pa.timestamp("us", "UTC"), "event_timestamp": pa.timestamp("us", "UTC")}
    types = times | {"version": pa.int32()}
    return pa.table({name: pa.array(values, types.get(name)) for name, values in columns.items()})


def _audited(folder: Path, rows: pa.Table, rules: RuleSet | None = None) -> QualityResults:
    return audit(_staged(folder, rows), rules or load_rules(RULES), run_id="run-1", now=NOW)


def _failed(results: QualityResults) -> set[tuple[str, str, int]]:
    (suite,) = results.validations
    return {(each.expectation_type, each.column, each.failures) for each in suite.results if each.verdict == "fail"}


def test_good_rows_pass_the_shipped_suite(tmp_path: Path) -> None:
    """All 15 expectations of the shipped file run over the staged rows, pass, and the file survives its codec."""
    results = _audited(tmp_path, _customers())
    (suite,) = results.validations
    assert (results.status, results.verdict, results.rows) == ("success", "pass", 200)
    assert (suite.expectation_suite, suite.success) == ("customers_expectation_suite", True)
    assert (suite.statistics.evaluated_expectations, suite.statistics.success_percent) == (15, 100.0)
    assert results.summary is not None
    assert (results.summary.total_expectations, results.summary.failure_count) == (15, 0)
    assert results.rules_version == load_rules(RULES).version
    assert gate(results, load_rules(RULES).thresholds) is None
    assert codec.loads(QualityResults, codec.dumps(results)) == results


def test_each_kind_of_bad_row_is_counted(tmp_path: Path) -> None:
    """Null id, bad address, unknown plan, future event and event before signup are failures of their own rules."""
    late = datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
    early = datetime(2021, 4, 30, tzinfo=UTC)
    rows = _customers(
        id=[None, None],
        email=["no address", "", "x@y.z\n"],
        plan=["gold"],
        version=[0, 11],
        event_timestamp=[late, early],
    )
    results = _audited(tmp_path, rows)
    assert (results.status, results.verdict) == ("failure", "fail")
    assert _failed(results) == {
        ("expect_column_values_to_not_be_null", "id", 2),
        ("expect_column_values_to_match_regex", "email", 3),
        ("expect_column_values_to_be_in_set", "plan", 1),
        ("expect_column_values_to_be_between", "version", 2),
        ("expect_column_values_to_be_between", "event_timestamp", 1),
        ("expect_column_pair_values_a_to_be_greater_than_b", "event_timestamp, signup_timestamp", 1),
    }
    assert gate(results, load_rules(RULES).thresholds) is not None


def test_a_repeated_id_is_counted_but_fails_nothing(tmp_path: Path) -> None:
    """A failed warning shows in the counts, not in the verdict."""
    results = _audited(tmp_path, _customers(id=["same", "same"]))
    assert _failed(results) == {("expect_column_values_to_be_unique", "id", 2)}
    assert (results.status, results.verdict) == ("success", "pass")


def test_a_changed_rules_file_changes_what_is_validated(tmp_path: Path) -> None:
    """The audit obeys the user's file: a plan that he adds to it is a good one from then on."""
    rows = _customers(plan=["gold"] * 3)
    assert ("expect_column_values_to_be_in_set", "plan", 3) in _failed(_audited(tmp_path, rows))
    mine = tmp_path / "mine.yml"
    mine.write_text(RULES.read_text(encoding="utf-8").replace("[free, basic,", "[free, gold, basic,"), encoding="utf-8")
    results = _audited(tmp_path, rows, load_rules(mine))
    assert (results.verdict, _failed(results)) == ("pass", set())


def test_an_expectation_that_raised_is_unknown(tmp_path: Path) -> None:
    """A rule over a column that is not there proves nothing: not passed, not failed, and the gate stays shut."""
    rules = _written(
        tmp_path / "rules.yml", [_rule("expect_column_values_to_not_be_null", "gone"), _between("version", min_value=1)]
    )
    results = _audited(tmp_path, _customers(), rules)
    gone, version = results.validations[0].results
    assert (gone.verdict, gone.failures, version.verdict) == ("unknown", 0, "pass")
    assert "gone" in (gone.error or "")
    assert (results.status, results.verdict) == ("failure", "unknown")
    assert results.summary is not None
    assert (results.summary.success_count, results.summary.failure_count, results.summary.unknown_count) == (1, 0, 1)
    assert gate(results, rules.thresholds) is not None


def test_a_range_that_does_not_suit_its_column_is_unknown(tmp_path: Path) -> None:
    """A number as the bound of a text cannot be evaluated; the other rules still are."""
    rules = _written(tmp_path / "rules.yml", [_between("email", min_value=1), _rule("expect_column_to_exist", "email")])
    results = _audited(tmp_path, _customers(), rules)
    assert [each.verdict for each in results.validations[0].results] == ["unknown", "pass"]
    assert results.verdict == "unknown"


def test_a_missing_column_fails_the_suite(tmp_path: Path) -> None:
    """A staged file without a column of the contract is a failure, although its other rules are unknown."""
    results = _audited(tmp_path, _customers().drop_columns(["email"]))
    assert ("expect_column_to_exist", "email", 0) in _failed(results)
    assert (results.status, results.verdict) == ("failure", "fail")


def test_only_missing_columns_still_fail(tmp_path: Path) -> None:
    """Rows without any column that the rules name are not taken for no rows."""
    rules = _written(tmp_path / "rules.yml", [_rule("expect_column_to_exist", "gone")])
    results = _audited(tmp_path, _customers(), rules)
    assert (results.rows, results.verdict) == (200, "fail")


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("text", "string"),
        ("coded", "string"),
        ("number", "integer"),
        ("wide", "integer"),
        ("full", "integer"),
        ("real", "float"),
        ("flag", "boolean"),
        ("time", "timestamp"),
        ("plain", "timestamp"),
    ],
)
def test_types_are_told_apart(tmp_path: Path, column: str, kind: str) -> None:
    """A column is of its own type, gaps or not, and of no other."""
    kinds = ["string", "integer", "float", "boolean", "timestamp"]
    rules = _written(
        tmp_path / "rules.yml", [_rule("expect_column_values_to_be_of_type", column, type_=each) for each in kinds]
    )
    results = _audited(tmp_path, _table(0), rules)
    assert [each.verdict for each in results.validations[0].results] == [
        "pass" if each == kind else "fail" for each in kinds
    ]


def test_a_share_of_failures_may_be_allowed(tmp_path: Path) -> None:
    """`mostly` is the share of rows that must pass."""
    allowed = [
        _rule("expect_column_values_to_be_in_set", "plan", value_set=["free"], mostly=share) for share in (0.9, 0.991)
    ]
    results = _audited(tmp_path, _customers(plan=["gold"] * 2), _written(tmp_path / "rules.yml", allowed))
    assert [(each.verdict, each.failures) for each in results.validations[0].results] == [("pass", 2), ("fail", 2)]


def test_missing_values_are_not_evaluated(tmp_path: Path) -> None:
    """A rule about values is evaluated where there are values, a rule about presence on every row."""
    presence = ("expect_column_values_to_not_be_null", "expect_column_values_to_be_null")
    rules = _written(
        tmp_path / "rules.yml",
        [_rule("expect_column_values_to_be_in_set", "plan", value_set=["free"]), *(_rule(e, "plan") for e in presence)],
    )
    results = _audited(tmp_path, _customers(plan=[None] * 50), rules)
    counts = [(each.evaluated, each.failures) for each in results.validations[0].results]
    assert counts == [(150, 0), (200, 50), (200, 150)]


def _unreadable(folder: Path) -> list[Path]:
    path = folder / "torn.parquet"
    path.write_bytes(_staged(folder, _customers())[0].read_bytes()[:-20])
    return [path]


@pytest.mark.parametrize(
    ("files", "rows", "error"),
    [
        (lambda _folder: [], 0, "no staged rows"),
        (lambda folder: _staged(folder, _customers(0)), 0, "no staged rows"),
        (lambda folder: [folder / "missing.parquet"], None, "missing.parquet"),
        (_unreadable, None, "cannot be read"),
    ],
    ids=["no files", "no rows", "missing file", "torn file"],
)
def test_nothing_to_validate_is_never_a_success(tmp_path: Path, files: Any, rows: int | None, error: str) -> None:
    """No rows, a missing or a torn file are `no_validation`, verdict unknown, with the error."""
    results = audit(files(tmp_path), load_rules(RULES), run_id="run-1", now=NOW)
    assert (results.status, results.verdict, results.rows) == ("no_validation", "unknown", rows)
    assert error in (results.error or "")
    assert gate(results, load_rules(RULES).thresholds) is not None
    assert codec.loads(QualityResults, codec.dumps(results)) == results


def test_a_missing_library_is_never_a_success(tmp_path: Path) -> None:
    """Where Great Expectations cannot be imported, the audit says so and knows nothing."""
    program = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime\n"
        "sys.modules['great_expectations'] = None\n"
        "from mend.contracts import codec; from mend.quality.audit import audit\n"
        "from mend.quality.rules import load_rules\n"
        "rules = load_rules(Path(sys.argv[1]))\n"
        "results = audit([Path(sys.argv[2])], rules, run_id='r', now=datetime(2026, 1, 1, tzinfo=UTC))\n"
        "sys.stdout.buffer.write(codec.dumps(results))"
    )
    file = _staged(tmp_path, _customers())[0]
    command = [sys.executable, "-c", program, str(RULES), str(file)]
    output = subprocess.run(command, check=True, capture_output=True, cwd=RULES.parents[2]).stdout
    results = codec.loads(QualityResults, output)
    assert (results.status, results.verdict) == ("no_validation", "unknown")
    assert "Great Expectations" in (results.error or "")


CONNECTIONS: list[str] = []
WATCHING: list[bool] = []


def _watch(event: str, _arguments: tuple[Any, ...]) -> None:
    if WATCHING and event in {"socket.connect", "socket.getaddrinfo", "socket.sendto"}:
        CONNECTIONS.append(event)


@contextmanager
def no_network() -> Iterator[None]:
    """Fail when anything inside looks up a name or opens a connection."""
    sys.addaudithook(_watch)
    WATCHING.append(True)
    try:
        yield
    finally:
        WATCHING.clear()
    assert not CONNECTIONS


def test_the_audit_is_quiet_and_speaks_to_nobody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """No network, no progress bar, no log line, no warning, and the process is left as it was."""
    caplog.set_level(logging.DEBUG)
    before = (logging.getLogger("great_expectations").level, list(warnings.filters))
    regex = _rule("expect_column_values_to_match_regex", "email", regex="(user)([0-9]+)@")
    rules = _written(tmp_path / "rules.yml", [regex, _rule("expect_column_values_to_not_be_null", "gone")])
    with no_network(), warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        _audited(tmp_path, _customers(), rules)
    assert seen == []
    assert [record for record in caplog.records if record.name.startswith("great_expectations")] == []
    assert capfd.readouterr() == ("", "")
    assert (logging.getLogger("great_expectations").level, list(warnings.filters)) == before


def test_the_checkpoint_is_named_after_the_pipeline() -> None:
    """The checkpoint of the shipped suite keeps the name that users know."""
    assert checkpoint_name(load_rules(RULES).suite) == "customers_data_quality_checkpoint"
