"""A pipeline is its files: another schema, another key and another format of time go the same way."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from mend.contracts.mapping import MappedField, Mapping
from mend.contracts.schema import parse_schema
from mend.curate.check import checked_plan
from mend.curate.curator import Curated
from mend.curate.plan import RESERVED, Plan, make_plan
from mend.quality.rules import load_rules
from mend.runtime.errors import UserError
from mend.runtime.pipeline_file import load_pipeline
from orchestration.check import check_pipeline

pytestmark = pytest.mark.spark

ORDERS = Path(__file__).parent / "data" / "orders" / "orders.yml"
ORDER: dict[str, Any] = {
    "order_no": 2**53 + 1, "line": 1, "placed_at": "2026-03-01T12:30:00+01:00", "via": "app",
    "amount": "1234567890.10", "weight": 2, "billing": {"street": "A 1", "zip": "0123"},
    "shipping": {"zip": None, "street": "B 2", "floor": 3}, "items": [{"sku": "x", "qty": 2}, {"sku": "y", "qty": 1}],
    "labels": ["gift"], "counts": {"views": 3},
}  # fmt: skip


def order(**changes: Any) -> bytes:
    """Return a good order with changes; a field that is changed to `...` is left out."""
    return orjson.dumps({name: value for name, value in (ORDER | changes).items() if value is not ...})


def test_the_second_pipeline_is_checked_by_its_files_alone() -> None:
    """`mend pipeline check` accepts it."""
    assert check_pipeline(ORDERS).pipeline.name == "orders"


def test_another_schema_goes_the_same_way(orders: Plan, curate: Callable[..., Curated]) -> None:
    """Nested values, decimals, a mapped field and times as text arrive as they were sent."""
    out = curate(order(), plan=orders)
    (row,) = out.accepted.to_pylist()
    assert (row["order_no"], row["amount"], row["channel"], row["weight"]) == (
        2**53 + 1,
        Decimal("1234567890.10"),
        "app",
        2.0,
    )
    assert row["billing"] == {"street": "A 1", "zip": "0123", "floor": None}
    assert row["shipping"] == {"street": "B 2", "zip": None, "floor": 3}
    assert row["items"] == ORDER["items"]
    assert (row["labels"], row["counts"]) == (["gift"], [("views", 3)])
    assert (row["cents"], row["pieces"], row["town"]) == (123456789010, 2, "0123")
    assert (row["event_date"], row["is_late_arrival"], row["dq_passed"]) == (date(2026, 3, 1), False, True)


def test_defaults_of_the_second_pipeline(orders: Plan, curate: Callable[..., Curated]) -> None:
    """Missing fields take the contract's defaults, lists and maps too."""
    out = curate(order(via=..., labels=..., counts=..., weight=..., shipping=...), plan=orders)
    (row,) = out.accepted.to_pylist()
    assert (row["channel"], row["labels"], row["counts"]) == ("web", [], [])
    assert (row["weight"], row["shipping"], row["schema_drift_detected"]) == (None, None, False)


REJECTED: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "NaN": ({"weight": float("nan")}, ("range", "weight")),
    "Infinity": ({"weight": float("inf")}, ("range", "weight")),
    "a truth value as a decimal": ({"amount": True}, ("type", "amount")),
    "a digit too many": ({"amount": "12.345"}, ("format", "amount")),
    "a digit too many of a number": ({"amount": 12.345}, ("format", "amount")),
    "no decimal": ({"amount": "12abc"}, ("format", "amount")),
    "another symbol": ({"via": "fax"}, ("symbol", "channel")),
    "no time": ({"placed_at": "yesterday"}, ("range", "placed_at")),
    "an infinite time": ({"placed_at": "infinity"}, ("range", "placed_at")),
    "a wrong type in a list": ({"items": [{"sku": "x", "qty": "2"}]}, ("type", "items.qty")),
    "a part that is missing": ({"items": [{"sku": "x"}]}, ("required", "items.qty")),
    "a null in a record": ({"billing": {"street": None, "zip": "1", "floor": 1}}, ("not_null", "billing.street")),
    "a null in a list": ({"items": [None]}, ("not_null", "items")),
    "a fraction in a map": ({"counts": {"views": 1.5}}, ("type", "counts")),
    "no record at all": ({"billing": "A 1"}, ("type", "billing")),
    "a contract rule": ({"items": []}, ("pieces.between", "pieces")),
}


def test_what_does_not_fit_the_second_pipeline(orders: Plan, curate: Callable[..., Curated]) -> None:
    """A nested value that does not fit is a reason, never a null that nobody sent."""
    import json

    values = [
        json.dumps(ORDER | {"line": line} | changes).encode() for line, (changes, _) in enumerate(REJECTED.values())
    ]
    out = curate(*values, order(line=99), plan=orders)
    reasons = [(one[0]["rule"], one[0]["column"]) for one in out.rejected["reasons"].to_pylist()]
    assert dict(zip(REJECTED, reasons, strict=True)) == {name: reason for name, (_, reason) in REJECTED.items()}
    assert out.accepted["line"].to_pylist() == [99]
    assert out.rejected["value"].to_pylist() == values


def test_keys_of_whole_numbers(orders: Plan, curate: Callable[..., Curated]) -> None:
    """The second pipeline's key is order and line: 2^53 + 1 and 2^53 are two orders."""
    out = curate(order(), order(line=2), order(order_no=2**53), order(amount="1.00"), plan=orders)
    assert out.accepted["kafka_offset"].to_pylist() == [0, 1, 2]
    assert out.duplicates["offset"].to_pylist() == [3]


def test_lateness_of_the_second_pipeline(orders: Plan, curate: Callable[..., Curated]) -> None:
    """An hour is the limit there; a time without a zone is UTC."""
    times = ["2026-03-01T11:00:00Z", "2026-03-01T10:59:59.999Z", "2026-03-01 11:00:00", "2026-03-01T12:59:59+02:00"]
    out = curate(*(order(line=line, placed_at=time) for line, time in enumerate(times)), plan=orders)
    assert out.accepted["is_late_arrival"].to_pylist() == [False, True, False, True]
    assert out.tally.late == 2


def test_rules_of_the_second_pipeline(orders: Plan, curate: Callable[..., Curated]) -> None:
    """Quality failures are published and counted, warnings are counted only; segments are those of its file."""
    out = curate(order(weight=200), order(line=2, shipping=None), plan=orders)
    assert out.accepted["dq_failed_rules"].to_pylist() == [["weight.between"], None]
    counted = {(one.rule, one.severity): one.failures for one in out.tally.rules}
    assert counted == {("weight.between", "quality"): 1, ("shipping.not_null", "warn"): 1}
    assert [(one.column, one.value, one.rows, one.failures) for one in out.tally.segments] == [("channel", "app", 2, 1)]


# --- fields that enter by a remap -----------------------------------------------------------------------------------


def remapped(plan: Plan, *added: tuple[str, str]) -> Plan:
    """Return the plan with fields of these names and types added by a second version of the mapping."""
    fields = tuple(MappedField(name=name, source=name, type=kind, added=True) for name, kind in added)
    mapping = Mapping(
        pipeline=plan.pipeline.name, version=2, fields=fields, created_at="2026-03-01T00:00:00Z", created_by="rules"
    )
    return make_plan(plan.pipeline, plan.rules, mapping)


def test_a_field_that_entered_by_a_remap_is_a_column(
    customers: Plan, event: Callable[..., bytes], curate: Callable[..., Curated]
) -> None:
    """It is no drift any more, may be missing, and rows say which version of the mapping made them."""
    plan = remapped(customers, ("opt_in", "BOOLEAN"), ("score", "BIGINT"))
    out = curate(event(opt_in=True, score=7), event(id="c-2"), event(id="c-3", opt_in=None, other=1), plan=plan)
    rows = out.accepted.to_pylist()
    assert [(row["opt_in"], row["score"]) for row in rows] == [(True, 7), (None, None), (None, None)]
    assert [row["schema_drift_detected"] for row in rows] == [False, False, True]
    assert [row["rescued"] for row in rows] == [None, None, '{"other":1}']
    assert {row["mapping_version"] for row in rows} == {2}


def test_an_added_field_takes_the_values_that_were_seen(
    customers: Plan, event: Callable[..., bytes], curate: Callable[..., Curated]
) -> None:
    """Objects and arrays become JSON text; a field of several types takes them all: no event is rejected for it."""
    seen = {
        "text": ("VARCHAR", "x", "x"), "whole": ("UBIGINT", 7, 7), "part": ("DOUBLE", 1.5, 1.5),
        "record": ("OBJECT", {"a": [1]}, '{"a":[1]}'), "list": ("ARRAY", [1, None], "[1,null]"),
        "several": ("mixed", {"a": 1}, '{"a":1}'), "more": ("mixed", "x", "x"), "number": ("mixed", 1, "1"),
        "nothing": ("NULL", True, "true"),
    }  # fmt: skip
    plan = remapped(customers, *((name, kind) for name, (kind, _, _) in seen.items()))
    (row,) = curate(event(**{name: value for name, (_, value, _) in seen.items()}), plan=plan).accepted.to_pylist()
    assert {name: row[name] for name in seen} == {name: column for name, (_, _, column) in seen.items()}


def test_an_added_field_without_a_free_name_stays_rescued(
    customers: Plan, event: Callable[..., bytes], curate: Callable[..., Curated]
) -> None:
    """Names that a column cannot have, or that are taken, do not break the pass; their values stay where they were."""
    taken = ["run_id", "region", "REGION", "payload", "event", "", "*", 'a"b', "a b", "\0", "x" * 200, "Email"]
    plan = remapped(customers, *((name, "VARCHAR") for name in taken), ("free", "VARCHAR"), ("FREE", "VARCHAR"))
    changes = dict.fromkeys((*taken, "free"), "v")
    (row,) = curate(event(**changes), plan=plan).accepted.to_pylist()
    assert (row["free"], row["region"], row["run_id"]) == ("v", "North America", "run-1")
    assert orjson.loads(row["rescued"]) == dict.fromkeys(taken, "v")


# --- what is refused before anything starts -------------------------------------------------------------------------


def copied(folder: Path, *changes: tuple[str, str]) -> Path:
    """Copy the second pipeline with its files, and change the text of the pipeline file."""
    for file in ORDERS.parent.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    path = folder / ORDERS.name
    text = path.read_text()
    for before, after in changes:
        assert text.count(before) == 1
        text = text.replace(before, after)
    path.write_text(text)
    return path


EXPRESSIONS: dict[str, tuple[str, str]] = {
    "a column that is not there": ("upper(chanel)", 'Referenced column "chanel" not found'),
    "a syntax error": ("upper(channel", "syntax error"),
    "an unknown function": ("uper(channel)", "uper"),
    "a file": ("(SELECT count(*) FROM read_csv('/etc/hosts'))", "subquery"),
    "a file past the brackets": ("1) AS one, (SELECT count(*) FROM read_csv('/etc/hosts')) AS two, (3", "disabled"),
    "a type that no file can hold": ("INTERVAL 1 DAY", "month_day_nano_interval"),
    "another row": ("count(*)", "aggregates are not allowed"),
}


@pytest.mark.parametrize("case", EXPRESSIONS)
def test_a_bad_expression_names_file_line_and_column(tmp_path: Path, case: str) -> None:
    """What does not compile, reads files, or cannot be written is refused before anything starts."""
    expression, words = EXPRESSIONS[case]
    path = copied(tmp_path, ("  pieces: len(items)", f"  pieces: {expression}"))
    line = path.read_text().splitlines().index(f"  pieces: {expression}") + 1
    with pytest.raises(UserError) as caught:
        check_pipeline(path)
    assert str(caught.value).startswith(f"{path}:{line}: derived.pieces: ")
    assert words in str(caught.value)


def test_an_expression_may_use_an_earlier_one(tmp_path: Path) -> None:
    """Derived columns are computed in order; the later one is the error when it comes first."""
    check_pipeline(copied(tmp_path, ("  pieces: len(items)", "  half: cents / 2\n  pieces: half * 2")))
    path = copied(tmp_path, ("  cents:", "  early: pieces + 1\n  cents:"))
    with pytest.raises(UserError, match=r"derived\.early.*pieces"):
        check_pipeline(path)


def test_a_rule_that_does_not_suit_its_column_is_named(tmp_path: Path) -> None:
    """A number as the bound of a text does not compile; the error names the rules file and the rule."""
    path = copied(tmp_path)
    rules = tmp_path / "orders_rules.yml"
    rules.write_text(rules.read_text().replace("column: weight", "column: channel"))
    with pytest.raises(UserError, match=r"orders_rules\.yml: rule channel\.between"):
        check_pipeline(path)


@pytest.mark.parametrize("name", ["run_id", "Payload", "event", "row", "kafka_offset", "event_date", "run", "reasons"])
def test_a_field_with_the_name_of_a_column_of_mend_is_refused(tmp_path: Path, name: str) -> None:
    """The error says how to read such a field all the same."""
    path = copied(tmp_path)
    schema = tmp_path / "orders.v1.avsc"
    schema.write_text(schema.read_text().replace('"weight"', f'"{name}"'))
    with pytest.raises(UserError, match=rf"orders\.yml:4: schema: the field '{name}' .* mapping"):
        check_pipeline(path)
    path = copied(tmp_path, ("  pieces:", f"  {name}:"))
    with pytest.raises(UserError, match=rf"derived\.{name}: the name is taken"):
        check_pipeline(path)


def test_the_columns_of_the_pass_are_reserved(customers: Plan) -> None:
    """Every name that the compiled queries give to something of their own cannot be a field's."""
    import re

    ours = {name.lower() for name in re.findall(r"\bAS ([a-z_]+)\b(?! \()", customers.judged_sql)}
    fields = {*customers.pipeline.schema.names, *customers.pipeline.derived}
    ctes = {"decoded", "typed", "derived", "judged"}
    assert {name for name in ours - fields - ctes if name not in RESERVED} == set()


@pytest.mark.parametrize("observed", ["payload", "*", "a/b~c", "it's", 'a\\"b', "$.a", "Ünïcode 😀"])
def test_a_field_is_read_from_whatever_name_the_stream_has(
    tmp_path: Path, curate: Callable[..., Curated], observed: str
) -> None:
    """A stream whose field has a name that no column can have is read by mapping it to another."""
    path = copied(tmp_path, ("channel: via", f"channel: {orjson.dumps(observed).decode()}"))
    pipeline = load_pipeline(path)
    plan = checked_plan(pipeline, load_rules(pipeline.rules_path, pipeline=pipeline.name))
    out = curate(order(via=..., **{observed: "phone"}), plan=plan)
    assert (out.accepted["channel"].to_pylist(), out.tally.drifted) == (["phone"], 0)


def test_exact_decimals(tmp_path: Path, curate: Callable[..., Curated]) -> None:
    """Decimals keep every digit, as text and as a number, in derived columns of type DECIMAL too."""
    path = copied(tmp_path, ("  pieces: len(items)", "  pieces: len(items)\n  exact: CAST(amount AS DECIMAL(38, 2))"))
    pipeline = load_pipeline(path)
    plan = make_plan(pipeline, load_rules(pipeline.rules_path, pipeline=pipeline.name))
    amount = "999999999999999999999999999999999999.99"
    number = order(line=2).replace(b'"1234567890.10"', amount.encode())
    for row in curate(order(amount=amount), number, plan=plan).accepted.to_pylist():
        assert (row["amount"], row["exact"], row["cents"]) == (Decimal(amount), Decimal(amount), None)


def test_an_expression_that_fails_for_a_row_is_null_there(orders: Plan, curate: Callable[..., Curated]) -> None:
    """One amount that is too large for a whole number does not stop the others."""
    out = curate(order(amount="9" * 30), order(line=2), plan=orders)
    assert out.accepted["cents"].to_pylist() == [None, 123456789010]


def test_a_new_format_is_a_schema_file(tmp_path: Path, curate: Callable[..., Curated]) -> None:
    """A field that is added to the schema file is a column of the next run; nothing else has to change."""
    path = copied(tmp_path, ("orders.v1.avsc", "orders.v2.avsc"))
    pipeline = load_pipeline(path)
    assert "gift" in parse_schema(orjson.loads((tmp_path / "orders.v2.avsc").read_bytes())).names
    plan = make_plan(pipeline, load_rules(pipeline.rules_path, pipeline=pipeline.name))
    out = curate(order(gift=True), order(line=2), plan=plan)
    assert out.accepted["gift"].to_pylist() == [True, None]
    assert out.accepted["processing_timestamp"].to_pylist() == [datetime(2026, 3, 1, 12, tzinfo=UTC)] * 2
    assert out.tally.drifted == 0


# --- the rules file --------------------------------------------------------------------------------------------------


def with_rules(plan: Plan, folder: Path, before: str, after: str) -> Plan:
    """Compile the shipped pipeline with its rules file changed."""
    text = plan.pipeline.rules_path.read_text(encoding="utf-8")
    assert before in text
    path = folder / "rules.yml"
    path.write_text(text.replace(before, after), encoding="utf-8")
    return make_plan(plan.pipeline, load_rules(path, pipeline=plan.pipeline.name))


@pytest.mark.dq
def test_not_null_of_the_rules_file_rejects(
    customers: Plan, event: Callable[..., bytes], curate: Callable[..., Curated], tmp_path: Path
) -> None:
    """The rule on id rejects with its own name; without it in the file only the contract speaks."""
    first, second = "expect_column_values_to_not_be_null", "column: id"
    expectation = f"      - expectation_type: {first}\n        {second}\n        severity: contract\n"
    notes = "        meta:\n          notes: An event that belongs to nobody cannot be kept in order or repaired.\n"
    out = curate(event(id=None))
    assert [one["rule"] for one in out.rejected["reasons"].to_pylist()[0]] == ["not_null", "id.not_null"]
    without = with_rules(customers, tmp_path, expectation + notes, "")
    assert [one["rule"] for one in curate(event(id=None), plan=without).rejected["reasons"].to_pylist()[0]] == [
        "not_null"
    ]


@pytest.mark.dq
def test_the_regex_of_the_rules_file_decides(
    customers: Plan, event: Callable[..., bytes], curate: Callable[..., Curated], tmp_path: Path
) -> None:
    """Another pattern in the file fails other rows; another severity rejects them."""
    pattern = "'^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\\.[a-zA-Z]{2,}$'\n        severity: quality"
    assert curate(event()).accepted["dq_passed"].to_pylist() == [True]
    stricter = with_rules(customers, tmp_path, pattern, "'@example\\.org$'\n        severity: quality")
    out = curate(event(), event(id="c-2", email="a@example.org"), plan=stricter)
    assert out.accepted["dq_failed_rules"].to_pylist() == [["email.match_regex"], None]
    assert stricter.rules.version != customers.rules.version
    contract = with_rules(customers, tmp_path, pattern, "'@example\\.org$'\n        severity: contract")
    out = curate(event(), event(id="c-2", email="a@example.org"), plan=contract)
    assert out.rejected["reason"].to_pylist() == ["email.match_regex"]
    assert out.accepted["kafka_offset"].to_pylist() == [1]
