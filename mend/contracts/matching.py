"""What a comparison of two samples found: where each vanished column may have gone, and what must not be taken alone."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

from mend.contracts.codec import STRICT

Action = Literal["apply", "ask", "none"]
Kind = Literal[
    "currency",
    "distribution",
    "duplicate_name",
    "encoding",
    "epoch_unit",
    "merge",
    "narrowing",
    "no_values",
    "personal_data",
    "reused_name",
    "split",
    "swap",
    "time_zone",
    "twins",
    "type_change",
    "unit",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A vanished column and a new one that may carry on its values.

    `score` is the estimated probability that it does. `apply`: the values can be read as before, nobody needs to look;
    `ask`: a person must say; `none`: most likely two different things.
    """

    __pydantic_config__ = STRICT
    old: str
    new: str
    score: Annotated[float, Ge(0), Le(1)]
    action: Action
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """Columns that vanished, or are new, and that no proposal to apply or to ask about names."""

    __pydantic_config__ = STRICT
    old: tuple[str, ...] = ()
    new: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """What a person should know of a column before its values are trusted, also where no column vanished."""

    __pydantic_config__ = STRICT
    kind: Kind
    column: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """Proposals in the order of the old columns, the best of each first. Nested columns are dotted paths."""

    __pydantic_config__ = STRICT
    proposals: tuple[Proposal, ...] = ()
    unmatched: Unmatched = Unmatched()
    warnings: tuple[Caution, ...] = ()
