"""Work on what waits in the quarantine: which rows are meant, how they are repaired, and what became of them."""

from dataclasses import dataclass, field
from typing import Literal

from mend.contracts.codec import STRICT
from mend.contracts.drift import Count

Waiting = Literal["held", "rejected", "dead_letter"]
"""Places whose rows wait to be repaired."""
StepKind = Literal["rename", "cast", "default", "enum", "sql", "edit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A typed filter over waiting rows: an empty part says nothing. Offsets are of one partition each."""

    __pydantic_config__ = STRICT
    causes: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    places: tuple[Waiting, ...] = ()
    partition: Count | None = None
    from_offset: Count | None = None
    until_offset: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of an event; `target` is its key in the event. A row for which it gives no value stays as it is.

    rename: `value` is the key that the value has now · cast: a kind such as int, trim, epoch_ms · default: JSON text,
    for a field that is missing or null · enum: `values` old → new · sql: an expression · edit: the file of new events.
    """

    __pydantic_config__ = STRICT
    kind: StepKind
    target: str
    value: str = ""
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a repair does to the rows that it is meant for, tried on all of them; nothing is written for it.

    `before` of them pass without the repair, `passes` with it; `worse` pass without it only. `repeats` would be
    duplicates of others of these rows. `refused` says why the repair must not be used.
    """

    __pydantic_config__ = STRICT
    rows: Count
    before: Count
    passes: Count
    still: Count
    worse: Count
    repeats: Count
    failing_quality: Count
    reasons: dict[str, Count] = field(default_factory=dict)
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """A repair that a person accepted: for the rows of `selection`, in runs that were there then. It never changes."""

    __pydantic_config__ = STRICT
    id: str
    pipeline: str
    selection: Selection
    steps: tuple[Step, ...]
    trial: Trial
    accepted_by: str
    accepted_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The plan of a replay, and whose word it goes by; a `released` one was looked at, and passes the audit's gate."""

    __pydantic_config__ = STRICT
    run_id: str
    pipeline: str
    selection: Selection
    by: str
    reason: str
    asked_at: str
    repairs: tuple[str, ...] = ()
    released: bool = False
    held: Count = 0
    still: Count = 0
    reasons: dict[str, Count] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discard:
    """Rows that a person gave up; their bytes stay until retention ends."""

    __pydantic_config__ = STRICT
    id: str
    pipeline: str
    selection: Selection
    rows: Count
    by: str
    reason: str
    at: str
