"""Offsets without an event are named: what a run did not read was perhaps lost."""

from mend.contracts.report import PartitionRange, RunReport
from orchestration.decision_step import missing_events


def report(records: int) -> RunReport:
    """Return a report of one partition with ten offsets."""
    part = PartitionRange(topic="t", partition=3, from_offset=5, until_offset=15, records=records)
    return RunReport(
        total_records=records, late_records=0, dq_failures=0, schema_drift_detected=False, partitions=(part,)
    )


def test_a_hole_names_partition_range_and_count() -> None:
    """Three offsets that carry nothing are said, with what to do where that is normal."""
    (said,) = missing_events(report(7))
    assert "t/3 [5, 15): 3 offsets carry no event" in said
    assert "sparse: true" in said


def test_a_full_range_has_no_hole() -> None:
    """As many records as offsets."""
    assert not list(missing_events(report(10)))
