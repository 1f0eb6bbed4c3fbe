"""A mapping: the versioned recipe from the fields observed in the stream to the contract's fields."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from mend.contracts.codec import STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedField:
    """One output column: where it is read from, and as what. `added` says it came by a remap, not by the contract.

    `renamed_from` is where a field of the contract was read from before it was renamed in the stream.
    """

    __pydantic_config__ = STRICT
    name: str
    source: str
    type: str
    nullable: bool = True
    added: bool = False
    renamed_from: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """One version of a pipeline's mapping; versions count up from 1 and never change. `created_at` is ISO 8601 in UTC.

    `decision_run` is the run whose decision made it; None for a person's. `declined` are fields of the stream that a
    person took out again: they stay among the rescued, and no decision adds them. `trial` is the hash of its trial.
    """

    __pydantic_config__ = STRICT
    pipeline: str
    version: Annotated[int, Ge(1)]
    fields: tuple[MappedField, ...]
    created_at: str
    created_by: str
    decision_run: str | None = None
    declined: tuple[str, ...] = ()
    trial: str | None = None

    def field(self, name: str) -> MappedField | None:
        """Return the field of a name, None if there is none."""
        return next((one for one in self.fields if one.name == name), None)
