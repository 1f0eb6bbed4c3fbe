"""Drift is a change of the stream, not a few bad events."""

from typing import Any, Literal

import pytest

from mend.contracts.drift import Drift
from mend.contracts.report import ColumnProfile, Places, RunReport
from mend.contracts.schema import parse_schema
from mend.curate.drift import MOST_OF_A_TAIL, carried_fields, find_drift
from mend.curate.tally import FieldCount, PartitionCount, Tally
from mend.runtime.pipeline_file import DriftShares

pytestmark = pytest.mark.spark

Kind = Literal["unknown", "missing", "absent", "null", "type"]
FIELDS = parse_schema({
    "type": "record", "name": "R", "fields": [
        {"name": "x", "type": "long"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "note", "type": ["null", "string"]},
        {"name": "unit", "type": "string", "default": "m"},
    ],
}).fields  # fmt: skip
SHARES = DriftShares(additive=0.01, breaking=0.2)


def counted(kind: Kind, count: int, *, first: int = 0, last: int | None = None, **more: Any) -> FieldCount:
    """Return a count of events that differ in one field."""
    names: dict[str, Any] = {"name": "x", "expected": "long", "found": "VARCHAR", "partition": 0} | more
    end = first + count - 1 if last is None else last
    return FieldCount(kind=kind, count=count, first_offset=first, last_offset=end, **names)


def drift(*fields: FieldCount, events: int = 1000, dead: int = 0, partitions: int = 1, **known: Any) -> Drift:
    """Find the drift of a run of partitions with this many events each, and dead letters besides."""
    parts = tuple(
        PartitionCount(
            topic="t", partition=number, first_offset=0, last_offset=events + dead - 1, records=events + dead,
            places=Places(accepted=events - 3, rejected=2, duplicate=1, dead_letter=dead),
        )
        for number in range(partitions)
    )  # fmt: skip
    return find_drift(Tally(partitions=parts, fields=fields), FIELDS, SHARES, **known)


@pytest.mark.parametrize(("count", "found"), [(9, False), (10, True), (1000, True)])
def test_an_unknown_field_is_drift_from_its_share_on(count: int, found: bool) -> None:
    """Exactly the share is drift, one event less is not."""
    assert bool(drift(counted("unknown", count, name="new")).added) is found


def test_dead_letters_are_no_events_of_the_share() -> None:
    """The share is of the events that could be read: half a topic of garbage does not hide a new field."""
    assert drift(counted("unknown", 10, name="new"), dead=5000).added


@pytest.mark.parametrize(("count", "found"), [(200, False), (201, True)])
@pytest.mark.parametrize("kind", ["missing", "type"])
def test_a_missing_or_retyped_field_is_drift_above_its_share(
    kind: Literal["missing", "type"], count: int, found: bool
) -> None:
    """Exactly the share is still a row failure, one event more is a change of the stream."""
    assert drift(counted(kind, count, first=5)).detected is found


@pytest.mark.parametrize("kind", ["missing", "type"])
def test_everything_after_an_offset_is_drift(kind: Literal["missing", "type"]) -> None:
    """A change at the end of a partition is found though its share is small, once it is more than an accident."""
    tail = MOST_OF_A_TAIL
    assert drift(counted(kind, tail, first=1000 - tail)).detected
    assert not drift(counted(kind, tail - 1, first=1000 - tail + 1)).detected
    assert not drift(counted(kind, tail, first=1000 - tail - 1)).detected
    assert not drift(counted(kind, tail - 1, first=1000 - tail, last=999)).detected


@pytest.mark.parametrize(("run_from", "found"), [(980, True), (981, False), (5, True)])
def test_a_stray_before_the_end_does_not_hide_it(run_from: int, *, found: bool) -> None:
    """What counts is the unbroken run of differing events to the end, whatever differed before."""
    assert drift(counted("missing", 30, first=5, last=999, run_from=run_from)).detected is found
    assert not drift(counted("missing", 19, first=5, last=999, run_from=980)).detected
    assert not drift(counted("missing", 30, first=5, last=998, run_from=970)).detected


def test_an_optional_field_that_most_events_had_is_gone() -> None:
    """In no event of this run, in those of the last: removed, and not required. Once: the next run knows no better."""
    gone = counted("absent", 1000, name="note", found="missing")
    (removed,) = drift(gone, carried={"note"}).removed
    assert (removed.name, removed.required, removed.count) == ("note", False, 1000)
    assert not drift(gone).detected
    assert not drift(counted("absent", 999, name="note"), carried={"note"}).detected
    assert not drift(counted("absent", 1000, name="unit"), carried={"unit"}).detected
    assert not drift(counted("absent", 19, name="note"), events=19, carried={"note"}).detected


def test_what_most_events_had_is_read_from_the_last_report() -> None:
    """A column with values in more than the share that breaks a stream; without a last run there is none."""
    nulls = {"a": 0, "b": 80, "c": 79, "d": 100}
    columns = tuple(
        ColumnProfile(column=n, type="BIGINT", rows=100, nulls=many, distinct=1) for n, many in nulls.items()
    )
    report = RunReport(total_records=1, late_records=0, dq_failures=0, schema_drift_detected=False, profile=columns)
    assert carried_fields(report, SHARES) == {"a", "c"}
    assert carried_fields(None, SHARES) == set()


def test_an_unknown_field_is_news_once() -> None:
    """One that entered the mapping but can be no column stays among the rescued, and is no drift any more."""
    field = counted("unknown", 1000, name="run_id")
    assert drift(field).added
    assert not drift(field, decided={"run_id"}).detected


def test_the_end_of_each_partition_counts_for_itself() -> None:
    """One partition that changed is enough; the other's offsets are not mixed in."""
    tail = counted("missing", 30, first=970, partition=1)
    assert drift(tail, partitions=3).removed
    assert not drift(
        counted("missing", 15, first=985), counted("missing", 15, first=985, partition=1), partitions=3
    ).detected


def test_partitions_and_types_add_up_to_one_field() -> None:
    """A field is named once, with its count over all partitions and its first and last offset."""
    (added,) = drift(
        counted("unknown", 6, name="new", first=10, last=500), counted("unknown", 14, name="new", first=3, partition=1),
        partitions=2,
    ).added  # fmt: skip
    assert (added.name, added.count, added.first_offset, added.last_offset) == ("new", 20, 3, 500)


@pytest.mark.parametrize(
    ("types", "named"),
    [
        (["VARCHAR"], "VARCHAR"), (["UBIGINT"], "BIGINT"), (["BIGINT", "UBIGINT"], "BIGINT"),
        (["UBIGINT", "DOUBLE"], "DOUBLE"), (["VARCHAR", "NULL"], "VARCHAR"), (["NULL"], "NULL"),
        (["VARCHAR", "BOOLEAN"], "mixed"), (["UBIGINT", "DOUBLE", "VARCHAR"], "mixed"), (["OBJECT"], "OBJECT"),
    ],
)  # fmt: skip
def test_the_type_of_a_new_field(types: list[str], named: str) -> None:
    """Whole numbers of either sign are one type, with fractions they are fractions; nulls say nothing of the type."""
    (added,) = drift(*(counted("unknown", 10, name="new", found=one) for one in types)).added
    assert (added.type, added.nullable) == (named, True)


def test_a_removed_field_is_described_by_the_contract() -> None:
    """Type and whether it is required come from the contract."""
    (removed,) = drift(counted("missing", 500, name="at", found="missing")).removed
    assert (removed.name, removed.type, removed.required, removed.count) == ("at", "timestamp-millis", True, 500)


def test_a_retyped_field_says_from_what_to_what() -> None:
    """All types that came are named."""
    (changed,) = drift(counted("type", 300, found="VARCHAR"), counted("type", 300, found="BOOLEAN")).type_changed
    assert (changed.name, changed.from_type, changed.to_type, changed.count) == ("x", "long", "BOOLEAN|VARCHAR", 600)


def test_nulls_in_a_required_field_are_row_failures() -> None:
    """They are counted with their events, the stream's schema did not change."""
    assert not drift(counted("null", 1000, found="null")).detected


@pytest.mark.parametrize("fields", [(), (counted("unknown", 1, name="new"),)])
def test_no_events_are_no_drift(fields: tuple[Any, ...]) -> None:
    """An empty run, or one of dead letters alone, changes nothing."""
    assert find_drift(Tally(fields=fields), FIELDS, SHARES) == Drift()
