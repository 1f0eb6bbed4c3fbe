"""Whether a report's counts close."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mend.contracts.report import PartitionRange, Places, RunReport
from mend.store.sums import check_sums


def part(partition: int, start: int, places: Places, *, records: int | None = None) -> PartitionRange:
    """Return a range of offsets."""
    return PartitionRange(
        topic="orders",
        partition=partition,
        from_offset=start,
        until_offset=start + places.total,
        records=places.total if records is None else records,
        places=places,
    )


def report(*parts: PartitionRange, total: int | None = None, places: Places | None = None) -> RunReport:
    """Return a report of a run."""
    return RunReport(
        run_id="run-7",
        total_records=sum(one.records for one in parts) if total is None else total,
        late_records=0,
        dq_failures=0,
        schema_drift_detected=False,
        partitions=parts,
        places=places,
    )


A = part(0, 10, Places(accepted=5, rejected=2, dead_letter=1, duplicate=2))
B = part(1, 0, Places(accepted=3))
BOTH = Places(accepted=8, rejected=2, dead_letter=1, duplicate=2)


def told(value: RunReport) -> list[str]:
    """Return what is found, as people read it."""
    return [str(found) for found in check_sums(value)]


def test_counts_that_close_say_nothing() -> None:
    """Every event in one place, ranges and totals equal: no discrepancy."""
    assert check_sums(report(A, B, places=BOTH)) == ()
    assert check_sums(report(A, B)) == ()
    assert check_sums(report(places=Places())) == ()


def test_an_event_in_no_place_is_found() -> None:
    """A range with one record more than its places names topic, partition, offsets, expected and came."""
    lost = replace(A, records=10, places=replace(A.places, accepted=4))
    assert told(report(lost, B)) == ["run-7: orders/0 [10, 20) places: expected 10, came 9"]


def test_more_records_than_offsets_are_found() -> None:
    """A range cannot hold more records than it is wide; fewer it can (compaction, control records)."""
    assert told(report(replace(A, until_offset=19))) == ["run-7: orders/0 [10, 19) width: expected 9, came 10"]
    assert told(report(replace(A, until_offset=500))) == []


def test_a_wrong_total_is_found() -> None:
    """The report's total is the sum over the ranges."""
    assert told(report(A, B, total=14)) == ["run-7: total: expected 14, came 13"]


def test_places_of_the_report_are_those_of_the_ranges() -> None:
    """An event that moved from one place to another between range and report is found, place by place."""
    moved = replace(BOTH, accepted=9, rejected=1)
    assert told(report(A, B, places=moved)) == [
        "run-7: sum of accepted: expected 9, came 8",
        "run-7: sum of rejected: expected 1, came 2",
    ]


def test_offsets_read_twice_are_found() -> None:
    """Two ranges of one partition that share offsets would count events twice."""
    twice = part(0, 15, Places(accepted=10))
    assert told(report(twice, A)) == ["run-7: orders/0 [15, 25) overlap: expected 20, came 15"]
    assert told(report(part(0, 20, Places(accepted=10)), A)) == []


def test_a_report_without_counts_is_not_one_that_closes() -> None:
    """Neither places nor ranges: nothing was shown to add up."""
    assert told(report(total=5)) == ["run-7: missing: expected 5, came 0"]
    assert [found.kind for found in check_sums(report(total=0))] == ["missing"]


counts = st.integers(0, 10**12)
all_places = st.builds(Places, accepted=counts, rejected=counts, dead_letter=counts, duplicate=counts)


@given(st.lists(all_places, min_size=1, max_size=4), st.integers(0, 3), st.integers(1, 10**6))
def test_no_lost_event_goes_unseen(places: list[Places], where: int, lost: int) -> None:
    """Whatever the counts, taking events out of one place of one range is found."""
    parts = [part(number, 0, one) for number, one in enumerate(places)]
    assert check_sums(report(*parts)) == ()
    chosen = parts[where % len(parts)]
    fewer = replace(chosen, places=replace(chosen.places, accepted=chosen.places.accepted + lost))
    broken = [fewer if one is chosen else one for one in parts]
    assert "places" in {found.kind for found in check_sums(report(*broken))}
