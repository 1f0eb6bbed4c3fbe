"""How far a remedy may be taken alone, by how it did: earned, lost by misses, given again by a person. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

CONFIDENT = 1.96
"""Standard deviations of a 95 % interval."""
TRUSTED = 0.9
"""From this lower bound of its success rate on a remedy needs nobody to look behind it: 35 hits of 35."""
DOUBTED = 0.5
"""With two misses, and a lower bound below this, a remedy is proposed and not taken alone."""
MISSES = 2
HOPELESS = 4
"""Misses since a person allowed it, without a hit, after which it is only noted what it would have done."""


class Level(StrEnum):
    """How far a remedy may go alone, most cautious first."""

    SHADOW = "shadow"
    PROPOSE = "propose"
    AUTO_WITH_UNDO = "auto_with_undo"
    AUTO = "auto"

    @property
    def alone(self) -> bool:
        """Whether it is taken without a person."""
        return self in {Level.AUTO, Level.AUTO_WITH_UNDO}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a remedy did for a cause since a person last allowed it, and what follows."""

    cause: str
    hits: int
    misses: int
    pending: int
    lower_bound: float
    level: Level


def standing(cause: str, scores: Sequence[bool | None]) -> Standing:
    """Judge a remedy by its scores since it was last allowed: True as predicted, False not so, None not known yet."""
    hits, misses = sum(one is True for one in scores), sum(one is False for one in scores)
    bound = lower_bound(hits, hits + misses)
    return Standing(
        cause=cause,
        hits=hits,
        misses=misses,
        pending=sum(one is None for one in scores),
        lower_bound=round(bound, 4),
        level=level_of(hits, misses, bound),
    )


def level_of(hits: int, misses: int, bound: float) -> Level:
    """Return how far a remedy may go alone."""
    if misses >= HOPELESS and not hits:
        return Level.SHADOW
    if misses >= MISSES and bound < DOUBTED:
        return Level.PROPOSE
    return Level.AUTO if bound >= TRUSTED else Level.AUTO_WITH_UNDO


def lower_bound(hits: int, tries: int) -> float:
    """Return the lower end of Wilson's interval of a success rate, 0 without a try (E. B. Wilson, 1927)."""
    if not tries:
        return 0.0
    rate, square = hits / tries, CONFIDENT**2
    middle = rate + square / (2 * tries)
    spread = CONFIDENT * math.sqrt(rate * (1 - rate) / tries + square / (4 * tries**2))
    return max(0.0, (middle - spread) / (1 + square / tries))
