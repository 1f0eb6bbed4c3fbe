"""What became of vanished columns: nothing wrong is applied, good renames are, and silent changes are told."""

from random import Random
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mend.contracts.codec import loads, to_dict
from mend.contracts.matching import Matching, Proposal
from mend.remap import match_columns, rename_candidates
from tests.remap_cases import values as v
from tests.remap_cases.case import Case, outcome
from tests.remap_cases.domains import HELD_OUT, TUNED
from tests.remap_cases.generated import generated
from tests.remap_cases.handmade import handmade_cases

pytestmark = pytest.mark.spark

SOME = [
    one
    for domains, seed in ((TUNED, 0), (HELD_OUT, 1000))
    for at, one in enumerate(generated(dict(list(domains.items())[:3]), range(seed, seed + 1)))
    if at % 2
]
HAND_MADE = list(handmade_cases())
cases = pytest.mark.parametrize("case", [*HAND_MADE, *SOME], ids=lambda one: one.name)


def match(old: dict[str, Any], new: dict[str, Any]) -> Matching:
    """Match two samples of plain columns."""
    return match_columns(None, pa.table(old), None, pa.table(new))


def only(found: Matching) -> Proposal:
    """Return the proposal of a matching that has one."""
    (one,) = found.proposals
    return one


def kinds(found: Matching, column: str) -> set[str]:
    """Return the kinds of warnings of a column."""
    return {one.kind for one in found.warnings if one.column == column}


@cases
def test_a_case_is_answered_safely(case: Case) -> None:
    """Nothing wrong is applied, the right column comes first, and what changed under its name is told."""
    found = outcome(case, match_columns(None, case.old, None, case.new))
    assert (found.unsafe, found.silent, found.wrong) == ((), (), ())


def test_most_good_renames_need_nobody() -> None:
    """At least 85 % of the good renames are applied, of the cases where a third or more must not be."""
    done = [outcome(one, match_columns(None, one.old, None, one.new)) for one in (*HAND_MADE, *SOME)]
    assert sum(one.applied for one in done) >= 0.85 * sum(one.good for one in done) > 50
    must_not = sum(not one.case.quiet for one in done)
    assert len(done) >= 60
    assert must_not >= len(done) / 3


def test_a_proposal_says_why() -> None:
    """Each side of the evidence is a reason, and what speaks against it too."""
    chance = Random(1)
    old, new = v.lognormal(50, 0.5)(chance, 400), v.lognormal(50, 0.5)(chance, 400)
    applied = only(match({"amt": old}, {"amount": new}))
    assert (applied.action, applied.reasons[0]) == ("apply", "the names have the same words")
    asked = only(match({"amt": old}, {"amount": [one * 100 for one in new]}))
    assert asked.action == "ask"
    assert any("times the old ones (a hundred to one" in reason for reason in asked.reasons)


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("price_eur", "price_usd", "currency"),
        ("temp_c", "temp_f", "unit"),
        ("delay_s", "delay_ms", "unit"),
        ("email", "email_hash", "encoding"),
        ("start_local", "start_utc", "time_zone"),
    ],
)
def test_a_name_that_says_another_unit_is_never_applied(old: str, new: str, kind: str) -> None:
    """Even where the values look the same: the name alone is reason enough to ask."""
    chance = Random(1)
    found = match({old: v.normal(20, 3)(chance, 500)}, {new: v.normal(20, 3)(chance, 500)})
    assert only(found).action == "ask" if found.proposals else True
    if old != "start_local":  # numbers are no moments
        assert kind in kinds(found, old)


def test_the_same_rows_prove_a_rename_of_any_name() -> None:
    """Where a key shows the same rows, equal values say more than names; changed ones are explained."""
    chance = Random(1)
    old = {"k": list(range(200)), "wert": v.lognormal(9, 0.8)(chance, 200)}
    same = {"zz9": old["wert"][::-1], "k": old["k"][::-1]}
    assert only(match(old, same)).action == "apply"
    twice = match(old, same | {"zz9": [2 * one for one in same["zz9"]]})
    assert all(one.action != "apply" for one in twice.proposals)


def test_two_counts_from_one_on_are_no_key() -> None:
    """Rows that only share their numbers are other rows: nothing is concluded from values beside them."""
    chance = Random(1)
    old = {"n": list(range(300)), "a": v.person(chance, 300), "amt": v.lognormal(5, 0.5)(chance, 300)}
    new = {"n": list(range(300)), "a": v.person(chance, 300), "amount": v.lognormal(5, 0.5)(chance, 300)}
    found = only(match(old, new))
    assert found.action == "apply"
    assert not any("same rows" in reason for reason in found.reasons)
    lines = {"line": list(range(1, 301))}
    twice = only(match(old | lines, new | lines))
    assert not any("same rows" in reason for reason in twice.reasons)


def test_rows_that_meet_by_accident_are_left_out() -> None:
    """A key that other rows happen to have as well does not make a rename look like a change of values."""
    chance = Random(1)
    keys = chance.sample(range(10**6), 105)
    names, sums = v.person(chance, 105), v.lognormal(9, 0.8)(chance, 105)
    old = {"key": keys[:100], "who": names[:100], "wert": sums[:100]}
    new = {
        "key": keys[40:100] + keys[:4],
        "who": names[40:100] + names[100:104],
        "zz9": sums[40:100] + sums[100:104],
    }
    found = only(match(old, new))
    assert (found.action, found.reasons[1]) == ("apply", "100.0% of 60 same rows have the same value")


def test_a_shift_shows_in_the_same_rows_beside_a_count() -> None:
    """A count is a key where another column follows itself exactly; where both only grow, it proves nothing."""
    chance = Random(1)
    moments = [1_700_000_000 + chance.randrange(10**6) for _ in range(200)]
    shifted = match(
        {"n": list(range(200)), "ts": moments}, {"n": list(range(200)), "ts": [one - 7200 for one in moments]}
    )
    assert [(one.kind, one.why) for one in shifted.warnings] == [
        ("time_zone", "moments of the same rows are shifted by -2 h")
    ]
    other = sorted(1_700_000_000 + chance.randrange(10**6) for _ in range(200))
    grown = match({"n": list(range(200)), "ts": sorted(moments)}, {"n": list(range(200)), "ts": other})
    assert grown.warnings == ()


def test_swapped_columns_are_told_as_such() -> None:
    """Both names stay and the values change places: each says where its values stand now."""
    chance = Random(1)
    low, high = v.normal(10, 2), v.normal(50, 3)
    found = match(
        {"inlet": low(chance, 300), "outlet": high(chance, 300)},
        {"inlet": high(chance, 300), "outlet": low(chance, 300)},
    )
    told = {(one.kind, one.column, one.why) for one in found.warnings}
    assert told == {
        ("swap", "inlet", "its values stand in 'outlet' now"),
        ("swap", "outlet", "its values stand in 'inlet' now"),
    }


def test_a_name_that_means_something_else_now_is_followed() -> None:
    """Where the values of a name that stayed went to a new one, a person is asked, and the old name is warned about."""
    chance = Random(1)
    old = {"contact": v.email(chance, 300)}
    found = match(old, {"contact": v.phone(chance, 300), "contact_email": v.email(chance, 300)})
    assert (only(found).new, only(found).action) == ("contact_email", "ask")
    assert kinds(found, "contact") == {"personal_data"}


def test_personal_data_of_the_schema_is_watched() -> None:
    """A column that was personal and is not said to be so any more is told, under its name and a new one."""
    values = v.email(Random(1), 100)
    schema = pa.schema(
        [
            pa.field("mail", pa.string(), metadata={"pii": "true"}),
            pa.field("ref", pa.string(), metadata={"pii": "true"}),
        ]
    )
    bare = pa.schema([("e_mail", pa.string()), ("ref", pa.string())])
    old, new = pa.table({"mail": values, "ref": values[::-1]}), pa.table({"e_mail": values, "ref": values[::-1]})
    found = match_columns(schema, old, bare, new)
    assert only(found).action == "ask"
    assert "personal_data" in kinds(found, "mail")
    assert "personal_data" in kinds(found, "ref")


def test_a_declared_type_is_compared_with_a_declared_one_only() -> None:
    """One schema alone says nothing about the other sample: numbers of JSON are no change of type."""
    counted = pa.table({"at": [1_700_000_000_000 + 1000 * one for one in range(50)]})
    schema = pa.schema([("at", pa.timestamp("ms", "UTC"))])
    assert match_columns(schema, counted, None, counted).warnings == ()
    other = pa.schema([("at", pa.int32())])
    assert {one.kind for one in match_columns(schema, counted, other, counted).warnings} == {"type_change"}


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_few_rows_are_never_applied(rows: int) -> None:
    """Without values nobody can see a change of unit."""
    found = match({"custName": ["Ann Fox"] * rows, "x": [1] * rows}, {"cust_name": ["Bob Ito"] * rows, "x": [1] * rows})
    assert all(one.action != "apply" for one in found.proposals)
    assert [one.new for one in found.proposals] == ["cust_name"]


def test_money_needs_rows_enough_to_see_a_rate_of_exchange() -> None:
    """Sixty other rows of a wide spread would hide nine percent: a person is asked, and told why."""
    chance = Random(1)
    make = v.lognormal(50, 0.8)
    asked = only(match({"amt": make(chance, 60)}, {"amount": make(chance, 60)}))
    assert (asked.action, asked.reasons[-1]) == (
        "ask", "there are too few values to see a change of unit or meaning"
    )  # fmt: skip


def test_a_table_without_columns_matches_nothing() -> None:
    """Empty on either side, or twice the same name."""
    empty, one = pa.table({}), pa.table({"a": [1]})
    assert match_columns(None, empty, None, empty) == Matching()
    assert match_columns(None, empty, None, one).unmatched.new == ("a",)
    assert match_columns(None, one, None, empty).unmatched.old == ("a",)
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    assert {found.kind for found in match_columns(None, twice, None, one).warnings} == {"duplicate_name"}


def test_the_answer_is_a_contract() -> None:
    """What is printed can be read back, and says everything again."""
    found = match({"a_nm": ["x"] * 50}, {"a_name": ["x"] * 50, "b": [1] * 50})
    assert loads(Matching, orjson.dumps(to_dict(found))) == found
    assert set(to_dict(found)) == {"proposals", "unmatched", "warnings"}


def test_a_run_report_gets_its_candidates() -> None:
    """The same proposals, in the shape that the drift of a report has."""
    chance = Random(1)
    old, new = pa.table({"qty": v.whole(1, 9)(chance, 300)}), pa.table({"quantity": v.whole(1, 9)(chance, 300)})
    (one,) = rename_candidates(old, new)
    assert (one.old, one.new, one.action) == ("qty", "quantity", "apply")
    assert 0.5 < one.score <= 1


KINDS = (
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=12), st.dates(),
    st.binary(max_size=6), st.lists(st.integers(0, 9), max_size=3), st.fixed_dictionaries({"m": st.text(max_size=5)}),
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Make a table of columns of one kind each."""
    rows = draw(st.integers(0, 12))
    names = draw(st.lists(st.text(max_size=8), max_size=4, unique=True))
    return pa.table(
        {name: draw(st.lists(st.none() | draw(st.sampled_from(KINDS)), min_size=rows, max_size=rows)) for name in names}
    )


@settings(max_examples=40, deadline=None)
@given(old=tables(), new=tables())
def test_any_two_tables_have_an_answer(old: pa.Table, new: pa.Table) -> None:
    """Whatever the names, types and values, and the same one twice: no proposal names a column that is not there."""
    found = match_columns(None, old, None, new)
    assert found == match_columns(None, old, None, new)
    vanished = {one.old for one in found.proposals} | set(found.unmatched.old)
    assert all(
        one.split(".")[0].split("[")[0].split("{")[0] in {*old.schema.names, ""} or "." in one for one in vanished
    )
    assert not {one.old for one in found.proposals if one.action != "none"} & set(found.unmatched.old)
