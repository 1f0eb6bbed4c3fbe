"""What the producer asks of an event, whichever kind it is; the kinds that there are stand in `producer.kinds`."""

from random import Random
from typing import Any, Protocol, Self


class Event(Protocol):
    """Something that happened, and what was done to it on purpose."""

    @property
    def event_ts(self) -> int:
        """When it happened, in epoch ms."""

    @property
    def version(self) -> int:
        """Version of its schema."""

    @property
    def marks(self) -> tuple[str, ...]:
        """Counters that it adds to."""

    @property
    def owner(self) -> str:
        """Whose events must not share a time."""

    @property
    def key(self) -> str:
        """Key of its message."""

    def fields(self) -> dict[str, Any]:
        """Return the fields of the event in the order of its schema, without a missing one."""

    def complete_fields(self) -> dict[str, Any]:
        """Return all fields, as Avro needs them: an empty text in the place of a missing one."""

    def at(self, event_ts: int) -> Self:
        """Return the event as it would have been at another time."""

    def marked(self, mark: str) -> Self:
        """Return the event with one more mark."""

    def incomplete(self, chance: Random) -> Self:
        """Return the event without one of its fields."""

    def evolved(self, chance: Random) -> Self:
        """Return the event in a later version of its schema."""

    def spoiled(self) -> Self:
        """Return the event with a value that breaks a rule of the quality of its pipeline; it keeps to its schema."""
