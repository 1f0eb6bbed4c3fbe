"""How the stream differs from the contract, measured on what arrived."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le
from pydantic import Field

from mend.contracts.codec import STRICT

Count = Annotated[int, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedField:
    """A field that the contract does not know, with the one JSON type seen (`mixed` where there were several)."""

    __pydantic_config__ = STRICT
    name: str
    type: str
    nullable: bool = True
    count: Count = 0
    first_offset: int | None = None
    last_offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedField:
    """A field of the contract that the stream no longer carries."""

    __pydantic_config__ = STRICT
    name: str
    type: str = "unknown"
    required: bool = True
    count: Count = 0
    first_offset: int | None = None
    last_offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetypedField:
    """A field that arrives with another type than the contract's."""

    __pydantic_config__ = STRICT
    name: str
    from_type: Annotated[str, Field(alias="from")]
    to_type: Annotated[str, Field(alias="to")]
    count: Count = 0
    first_offset: int | None = None
    last_offset: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameCandidate:
    """A field that vanished and a new one that may be the same. `trial` is the hash of the trial of that mapping."""

    __pydantic_config__ = STRICT
    old: str
    new: str
    score: Share
    action: Literal["apply", "ask", "none"]
    trial: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A change of the stream (a bad row is not drift: see the shares in the pipeline file).

    `more` is how many unknown fields came, at least, beyond the thousand most frequent ones, which alone are counted.
    """

    __pydantic_config__ = STRICT
    added: tuple[AddedField, ...] = ()
    removed: tuple[RemovedField, ...] = ()
    type_changed: tuple[RetypedField, ...] = ()
    renamed_candidates: tuple[RenameCandidate, ...] = ()
    more: Count = 0

    @property
    def detected(self) -> bool:
        """Whether anything changed."""
        return bool(self.added or self.removed or self.type_changed or self.renamed_candidates)
