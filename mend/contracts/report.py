"""The run report: what one run read and where each event went."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge

from mend.contracts.codec import STRICT
from mend.contracts.drift import Count, Drift, Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """How many events ended in each place. An event is in exactly one."""

    __pydantic_config__ = STRICT
    accepted: Count = 0
    rejected: Count = 0
    dead_letter: Count = 0
    duplicate: Count = 0

    @property
    def total(self) -> int:
        """All events of the run."""
        return self.accepted + self.rejected + self.dead_letter + self.duplicate


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRange:
    """Offsets [from_offset, until_offset) of one partition, the events counted there and the records the broker gave.

    `records` may be smaller than the width of the range: control records and compacted offsets carry no event.
    """

    __pydantic_config__ = STRICT
    topic: str
    partition: Count
    from_offset: Count
    until_offset: Count
    records: Count
    places: Places = field(default_factory=Places)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentCount:
    """Rows and failing rows of one value of a segment column; a missing value is `(missing)`."""

    __pydantic_config__ = STRICT
    column: str
    value: str
    rows: Count
    failures: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCount:
    """Rows and failing rows that have both values of two segment columns. A report tells pairs with failing rows only.

    Rare and missing values are in no pair.
    """

    __pydantic_config__ = STRICT
    columns: tuple[str, str]
    values: tuple[str, str]
    rows: Count
    failures: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCount:
    """Failures of one row rule or contract check. The same row may fail several."""

    __pydantic_config__ = STRICT
    rule: str
    column: str
    severity: Literal["contract", "quality", "warn"]
    failures: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """A partition with more bad events than its pipeline's share. Those that breaking drift explains are no part of it.

    `longest` is the most bad events in a row. `begins` says that they are enough for a storm to begin; with fewer one
    that is known only goes on.
    """

    __pydantic_config__ = STRICT
    topic: str
    partition: Count
    records: Count
    dead_letter: Count
    rejected: Count
    longest: Count
    begins: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """Profile of one column over the accepted rows; `distinct` is an estimate (HyperLogLog)."""

    __pydantic_config__ = STRICT
    column: str
    type: str
    rows: Count
    nulls: Count
    distinct: Count
    min: str | None = None
    max: str | None = None
    quantiles: tuple[float, ...] = ()
    top: tuple[tuple[str, int], ...] = ()

    @property
    def null_rate(self) -> float:
        """Share of nulls, 0 for an empty column."""
        return self.nulls / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """Counts are events unless said otherwise; times are ISO 8601 in UTC; shares lie in 0..1.

    The first nine fields are the names that users' scripts read. `versions` are the SHA-256 of the pipeline's files.
    """

    __pydantic_config__ = STRICT
    total_records: Count
    late_records: Count
    dq_failures: Count
    schema_drift_detected: bool
    schema_drift_count: Count = 0
    processing_errors: Count = 0
    start_time: str | None = None
    end_time: str | None = None
    watermark_delay: str | None = None
    timestamp: str | None = None
    status: Literal["success", "failed", "no_data"] = "success"
    run_id: str | None = None
    pipeline: str | None = None
    mapping_version: Count | None = None
    places: Places | None = None
    partitions: tuple[PartitionRange, ...] = ()
    drift: Drift | None = None
    segments: tuple[SegmentCount, ...] = ()
    segment_pairs: tuple[PairCount, ...] = ()
    rules: tuple[RuleCount, ...] = ()
    storms: tuple[Storm, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    profile: tuple[ColumnProfile, ...] = ()
    late_rate: Share | None = None
    dq_failure_rate: Share | None = None
    events_per_second: Annotated[float, Ge(0)] | None = None
    lag_before: Count | None = None
    lag_after: Count | None = None
    partitions_added: tuple[Count, ...] = ()
    error: str | None = None
    custom: dict[str, Any] = field(default_factory=dict)


ALIASES = {"dq_fail_count": "dq_failures"}
"""Names that users' scripts also write."""
