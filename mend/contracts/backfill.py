"""What a backfill reads again, and which runs it takes the place of."""

from dataclasses import dataclass

from mend.contracts.codec import STRICT
from mend.contracts.drift import Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Offsets [from_offset, until_offset) of one partition."""

    __pydantic_config__ = STRICT
    partition: Count
    from_offset: Count
    until_offset: Count

    @property
    def count(self) -> int:
        """How many offsets."""
        return self.until_offset - self.from_offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Spans whose events came at about the same time; `at` is that time, by which their lateness is judged."""

    __pydantic_config__ = STRICT
    at: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """The plan of a backfill; `covers` is what the run holds in the end: what is read again and what is carried over.

    Spans of the pieces do not overlap. `replaces` are whole runs: their other events are carried over unchanged.
    """

    __pydantic_config__ = STRICT
    run_id: str
    pipeline: str
    topic: str
    epoch: Count
    pieces: tuple[Piece, ...]
    covers: tuple[Span, ...]
    replaces: tuple[str, ...]

    @property
    def spans(self) -> tuple[Span, ...]:
        """Everything that is read again."""
        return tuple(span for piece in self.pieces for span in piece.spans)

    def holds(self, partition: int, offset: int) -> bool:
        """Whether an event is read again."""
        return any(one.partition == partition and one.from_offset <= offset < one.until_offset for one in self.spans)
