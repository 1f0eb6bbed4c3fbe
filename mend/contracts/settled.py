"""The settled manifest: where the events of a run lie, and what retention took away of them since."""

from dataclasses import dataclass
from typing import Literal

from mend.contracts.codec import STRICT
from mend.contracts.drift import Count

Place = Literal["published", "held", "rejected", "dead_letter", "duplicate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledRange:
    """Offsets [from_offset, until_offset) of one partition, and how many records the broker gave of them."""

    __pydantic_config__ = STRICT
    topic: str
    partition: Count
    from_offset: Count
    until_offset: Count
    records: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledFile:
    """One Parquet file; `path` is relative to PARQUET_OUT for published ones, to MEND_HOME for all others."""

    __pydantic_config__ = STRICT
    place: Place
    path: str
    rows: Count
    bytes: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """Rows of one place and partition that retention deleted: when, and by which policy."""

    __pydantic_config__ = STRICT
    place: Place
    topic: str
    partition: Count
    rows: Count
    retired_at: str
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Rows that a replay took out of a place of an earlier run, and where they are now. The originals stay as they are.

    So there are two files with such an offset: the replay's says where the event is, the other one where it came from.
    """

    __pydantic_config__ = STRICT
    run_id: str
    place: Place
    topic: str
    partition: Count
    into: Place
    rows: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledManifest:
    """Written before the run is readable. The files of a retired place stay named; they may be there or not.

    `replaces` are the runs whose place this run took. `sparse`: offsets without an event are normal in the topic.
    `takes` is what a replay took from earlier runs; it read no offsets, so it has no ranges.
    """

    __pydantic_config__ = STRICT
    run_id: str
    pipeline: str
    settled_at: str
    ranges: tuple[SettledRange, ...]
    files: tuple[SettledFile, ...] = ()
    replaces: tuple[str, ...] = ()
    retired: tuple[Retired, ...] = ()
    takes: tuple[Taken, ...] = ()
    sparse: bool = False
