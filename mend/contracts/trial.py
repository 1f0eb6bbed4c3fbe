"""A trial of a mapping: what it would make of rows that are there. A mapping is accepted only with its trial."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from mend.contracts.codec import STRICT
from mend.contracts.drift import Count, Share
from mend.contracts.mapping import MappedField


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedColumn:
    """One column under both mappings. `distance` is how far the values lie from those of the last good run (0..1).

    It is the largest distance of the two distribution functions for numbers, and half the difference of the shares of
    the values for all others; None where there is nothing to compare.
    """

    __pydantic_config__ = STRICT
    column: str
    nulls: Share
    nulls_before: Share
    distance: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedRows:
    """Rows that went through the pass, and how many of them fit; `reasons` count why the others do not."""

    __pydantic_config__ = STRICT
    rows: Count = 0
    fit: Count = 0
    failed_rules: Count = 0
    reasons: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a mapping makes of all set-aside rows and of the last good published run, with the pass of the ingest.

    `set_aside` are the rows under the new mapping, `set_aside_before` under the one that is used now. `again` are the
    rows of the last good run as they would have come under the new names. `key_overlap` is the share of the keys of
    set-aside rows that the last good run has, too. `against` says what speaks against the mapping; passed: nothing.
    """

    __pydantic_config__ = STRICT
    pipeline: str
    base: Annotated[int, Ge(0)]
    fields: tuple[MappedField, ...]
    declined: tuple[str, ...] = ()
    contract: dict[str, str]
    good_run: str | None = None
    set_aside_before: TriedRows
    set_aside: TriedRows
    again: TriedRows
    columns: tuple[TriedColumn, ...] = ()
    key_overlap: Share | None = None
    against: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.against
