"""The one codec of everything that crosses a process border: what is not the contract is refused."""

import math
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from annotated_types import Ge
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from mend.contracts.codec import STRICT, ContractError, dumps, json_schema, loads, parse, to_dict
from mend.contracts.drift import AddedField, Drift, RetypedField
from mend.contracts.report import Places, RunReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a contract."""

    __pydantic_config__ = STRICT
    share: float
    of: Annotated[str, Field(alias="from")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A contract with all kinds of fields."""

    __pydantic_config__ = STRICT
    count: Annotated[int, Ge(0)]
    name: str | None = None
    parts: tuple[Part, ...] = ()
    pairs: tuple[tuple[str, int], ...] = ()


GOOD: dict[str, Any] = {"count": 1, "name": None, "parts": [{"share": 0.5, "from": "x"}], "pairs": [["a", 1]]}


@settings(deadline=None)
@given(
    count=st.integers(0, 2**62), name=st.none() | st.text(), share=st.floats(allow_nan=False, allow_infinity=False),
    pairs=st.lists(st.tuples(st.text(), st.integers(-(2**62), 2**62)), max_size=3),
)  # fmt: skip
def test_what_is_written_is_read_again(
    count: int, name: str | None, share: float, pairs: list[tuple[str, int]]
) -> None:
    """Any value survives the way to JSON and back."""
    value = Whole(count=count, name=name, parts=(Part(share=share),), pairs=tuple(pairs))
    assert loads(Whole, dumps(value)) == value


def test_equal_values_have_equal_bytes() -> None:
    """Keys are sorted, names are those of the wire."""
    assert dumps(parse(Whole, GOOD)) == dumps(parse(Whole, dict(reversed(GOOD.items()))))
    assert b'{"from":"x","share":0.5}' in dumps(parse(Whole, GOOD))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"more": 1}, "more"), ({"count": -1}, "count"), ({"count": "1"}, "count"), ({"count": 1.0}, "count"),
        ({"count": True}, "count"), ({"count": None}, "count"), ({"name": 5}, "name"), ({"parts": {}}, "parts"),
        ({"parts": [{"share": "1"}]}, "parts.0.share"), ({"parts": [{"share": 1, "of": "x"}]}, "parts.0.of"),
        ({"parts": [{}]}, "parts.0.share"), ({"pairs": [["a"]]}, "pairs.0"), ({"count": 2**70}, "not a JSON document"),
    ],
)  # fmt: skip
def test_what_is_not_the_contract_is_refused(change: dict[str, Any], place: str) -> None:
    """The error names the place: unknown fields, wrong types, missing fields, numbers out of range."""
    with pytest.raises(ContractError, match=f"^{place}"):
        parse(Whole, GOOD | change)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"count":NaN}', b"[" * 100_000, b'{"count":1', "nul"])
def test_what_is_not_json_is_refused(content: bytes | str) -> None:
    """Half a document, NaN, other bytes, endless nesting."""
    with pytest.raises(ContractError, match="not JSON"):
        loads(Whole, content)


@pytest.mark.parametrize("content", [b"null", b"[]", b"5", b"{}"])
def test_other_documents_are_refused(content: bytes) -> None:
    """JSON that is something else."""
    with pytest.raises(ContractError):
        loads(Whole, content)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_cannot_hold_is_not_written(number: float) -> None:
    """It would become a null that no reader accepts; the error names the place."""
    with pytest.raises(ContractError, match=r"^Whole\.parts\.0\.share"):
        dumps(Whole(count=1, parts=(Part(share=number),)))


def test_a_document_as_dict_has_the_names_of_the_wire() -> None:
    """Users' scripts read `from` and `to`, which are no names in Python."""
    drift = Drift(type_changed=(RetypedField(name="x", from_type="long", to_type="VARCHAR"),))
    (changed,) = to_dict(drift)["type_changed"]
    assert (changed["from"], changed["to"]) == ("long", "VARCHAR")


def test_counts_and_shares_have_their_range() -> None:
    """A negative count or a share of 14 for 14 % is no report."""
    report = {"total_records": 1, "late_records": 0, "dq_failures": 0, "schema_drift_detected": False}
    assert parse(RunReport, report).total_records == 1
    for change in ({"late_records": -1}, {"late_rate": 14}, {"dq_failure_rate": -0.1}, {"events_per_second": -1}):
        with pytest.raises(ContractError):
            parse(RunReport, report | change)


def test_places_add_up() -> None:
    """The total is the sum of the four places."""
    assert Places(accepted=1, rejected=2, dead_letter=4, duplicate=8).total == 15


@pytest.mark.parametrize(
    ("drift", "detected"), [(Drift(), False), (Drift(added=(AddedField(name="x", type="VARCHAR"),)), True)]
)
def test_drift_is_detected_when_anything_changed(drift: Drift, detected: bool) -> None:
    """An empty drift is none."""
    assert drift.detected is detected


def test_a_contract_has_a_schema_for_others() -> None:
    """The JSON Schema names required fields and refuses unknown ones."""
    schema = json_schema(Whole)
    assert (schema["required"], schema["additionalProperties"]) == (["count"], False)
