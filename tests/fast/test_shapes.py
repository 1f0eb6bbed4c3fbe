"""The shape of an event: what its keys and JSON types alone say about the contract."""

import pytest

from mend.contracts.schema import Field, FieldType, parse_schema
from mend.curate.shapes import MOST_UNKNOWN, Reason, Shape, classify, judge_field

pytestmark = pytest.mark.spark

SCHEMA = parse_schema({
    "type": "record", "name": "Reading", "fields": [
        {"name": "sensor", "type": "string"},
        {"name": "value", "type": "double"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "unit", "type": "string", "default": "C"},
        {"name": "note", "type": ["null", "string"], "default": None},
    ],
})  # fmt: skip
NAMES = SCHEMA.names
GOOD = {"sensor": "VARCHAR", "value": "DOUBLE", "at": "UBIGINT", "unit": "VARCHAR", "note": "VARCHAR"}


def shape(types: dict[str, str], *, keys: tuple[str, ...] | None = None) -> Shape:
    """Classify an event of these fields."""
    return classify(7, [types.get(name) for name in NAMES], keys or tuple(types), SCHEMA.fields, NAMES)


def test_a_shape_that_fits_is_clean() -> None:
    """All fields with their types: no reason, nothing unknown, all of them carry a value."""
    found = shape(GOOD)
    assert (found.clean, found.differs, found.unknown, found.defaulted) == (True, False, (), ())
    assert found.present == NAMES


def test_optional_fields_may_be_missing() -> None:
    """A missing field with a default takes it; a missing nullable one carries no value; neither is drift."""
    found = shape({name: GOOD[name] for name in ("sensor", "value", "at")})
    assert (found.clean, found.differs, found.defaulted) == (True, False, ("unit",))
    assert found.present == ("sensor", "value", "at", "unit")


def test_a_required_field_may_not_be_missing() -> None:
    """The reason names the column and what was expected; the field carries no value."""
    found = shape({name: GOOD[name] for name in ("sensor", "value")})
    assert found.reasons == (Reason(rule="required", column="at", expected="timestamp-millis", found="missing"),)
    assert "at" not in found.present


def test_unknown_fields_are_named_once_in_their_order() -> None:
    """An unknown field that is there twice is one unknown field, and no reason to reject."""
    found = shape(GOOD, keys=("z", *NAMES, "a", "z"))
    assert (found.unknown, found.clean, found.differs) == (("z", "a"), True, True)


def test_a_contract_field_that_is_there_twice_is_refused() -> None:
    """Readers disagree on which of two values counts, so none does."""
    found = shape(GOOD, keys=(*NAMES, "value"))
    assert found.reasons == (Reason(rule="repeated", column="value", expected="one value", found="several"),)
    assert not found.clean


def test_a_mapped_field_is_known_by_its_observed_name() -> None:
    """The name that the stream uses is known, the contract's name is not."""
    observed = ("id", *NAMES[1:])
    found = classify(7, [GOOD[name] for name in NAMES], ("id", "sensor", *NAMES[1:]), SCHEMA.fields, observed)
    assert found.unknown == ("sensor",)


@pytest.mark.parametrize(
    ("kind", "fitting"),
    [
        ("string", {"VARCHAR"}), ("enum", {"VARCHAR"}), ("bytes", {"VARCHAR"}), ("boolean", {"BOOLEAN"}),
        ("int", {"UBIGINT", "BIGINT"}), ("long", {"UBIGINT", "BIGINT"}),
        ("float", {"DOUBLE", "UBIGINT", "BIGINT"}), ("double", {"DOUBLE", "UBIGINT", "BIGINT"}),
        ("record", {"OBJECT"}), ("map", {"OBJECT"}), ("array", {"ARRAY"}),
    ],
)  # fmt: skip
def test_types_that_fit(kind: str, fitting: set[str]) -> None:
    """Whole numbers fit fractions, fractions do not fit whole numbers; neither text nor a truth value is a number."""
    field = Field(name="x", type=FieldType(kind=kind, logical=None, structure="VARCHAR"))
    kinds = {"VARCHAR", "BOOLEAN", "UBIGINT", "BIGINT", "DOUBLE", "OBJECT", "ARRAY"}
    assert {came for came in kinds if judge_field(field, came) is None} == fitting


@pytest.mark.parametrize(("nullable", "rule"), [(True, None), (False, "not_null")])
def test_a_null_fits_where_the_contract_says_so(nullable: bool, rule: str | None) -> None:
    """A default does not make a null fit: it stands for a missing field only."""
    text = FieldType(kind="string", logical=None, structure="VARCHAR")
    field = Field(name="x", type=text, nullable=nullable, has_default=True, default="d")
    reason = judge_field(field, "NULL")
    assert (reason.rule if reason else None) == rule


def test_unknown_fields_are_refused_where_the_pipeline_says_so() -> None:
    """Each is a reason of its own, the first ones by name; a long name is cut, since it may be made of a value."""
    names = ("x" * 500, *(f"f{one}" for one in range(MOST_UNKNOWN + 4)))
    kept, refused = (
        classify(7, [GOOD[name] for name in NAMES], (*NAMES, *names), SCHEMA.fields, NAMES, refuse_unknown=refuse)
        for refuse in (False, True)
    )
    assert (kept.clean, kept.reasons, len(kept.unknown)) == (True, (), MOST_UNKNOWN)
    assert (refused.clean, len(refused.reasons)) == (False, MOST_UNKNOWN + 1)
    assert {one.rule for one in refused.reasons} == {"unknown_field"}
    assert (refused.reasons[0].column, refused.reasons[-1].found) == ("x" * 100, "5 more fields")
