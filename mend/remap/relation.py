"""How the names of two columns relate. Pure."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

from rapidfuzz.distance import OSA, JaroWinkler

from mend.contracts.matching import Kind
from mend.remap.names import GENERIC, KIN, KNOWN, NEUTRAL, QUALIFIERS, SYNONYMS, Name


class Tier(IntEnum):
    """How much a name says for another one, from nothing to all."""

    UNRELATED = 0
    OTHER = 1
    """Both have a word of their own, or one has a word that makes another thing of it."""
    NEAR = 2
    EXTENDED = 3
    SYNONYM = 4
    SAME = 5


@dataclass(frozen=True, slots=True)
class Relation:
    """`changed` names what the new name says of its values and the old one did not, or said otherwise."""

    tier: Tier
    similarity: float
    why: str
    changed: tuple[tuple[Kind, str], ...] = ()
    contrary: bool = False
    """Whether each has a word of its own."""
    opposed: bool = False
    """Whether each has a word of its own, and one that makes another thing of what it is added to."""


EXACT, SYNONYM, SHORTENED, INITIAL, NEAR = 1.0, 0.95, 0.9, 0.7, 0.5
"""What a pair of words counts."""
SAME_WORD, SHORT_WORD = 0.8, 5


def relate(old: Name, new: Name, common: AbstractSet[str] = frozenset()) -> Relation:
    """Compare two names word by word; `common` words are those of (nearly) every column of one of the schemas."""
    changed = changed_marks(old, new)
    said = NEUTRAL | common | (frozenset() if changed else old.marking | new.marking)
    matched, left, right = paired(old, new)
    left, right = ([one for one in rest if one not in said] for rest in (left, right))
    tier, why = tier_of(matched, left, right)
    if changed and tier > Tier.OTHER:
        tier, why = Tier.OTHER, changed[0][1]
    before, after = (dict(one.marks) for one in (old, new))
    opposed = bool(left and right and not QUALIFIERS.isdisjoint(left + right)) or bool(
        before.keys() & after.keys() and changed
    )
    return Relation(tier, similarity(old, new, matched, left + right), why, changed, bool(left and right), opposed)


def tier_of(matched: list[tuple[str, str, float]], left: list[str], right: list[str]) -> tuple[Tier, str]:
    """Say what the words in common and the words left over mean."""
    if not matched:
        return Tier.UNRELATED, "the names have no word in common"
    rest = left + right
    if left and right:
        return Tier.OTHER, f"the names differ: '{' '.join(left)}' and '{' '.join(right)}'"
    if odd := [one for one in rest if one in QUALIFIERS or one.isdigit()]:
        return Tier.OTHER, f"'{odd[0]}' makes another thing of the name"
    weakest = min(quality for _, _, quality in matched)
    if weakest <= NEAR:
        return Tier.NEAR, "the names are near in meaning"
    bare = rest and all(one in GENERIC for one, _, _ in matched)
    if bare:
        return Tier.NEAR, f"the names share '{matched[0][0]}' only"
    if rest or weakest <= INITIAL:
        return (
            Tier.EXTENDED,
            f"the name is the same but for '{' '.join(rest)}'" if rest else "an initial stands for a word",
        )
    if weakest == SYNONYM:
        return Tier.SYNONYM, "the names mean the same"
    return Tier.SAME, "the names have the same words"


def similarity(old: Name, new: Name, matched: list[tuple[str, str, float]], rest: list[str]) -> float:
    """Return 0 to 1: words in common by weight, and a little for the letters."""
    common = sum(quality * (weight(one) + weight(other)) for one, other, quality in matched)
    whole = sum(weight(one) + weight(other) for one, other, _ in matched) + sum(map(weight, rest))
    letters = JaroWinkler.normalized_similarity(old.compact, new.compact)
    return (LETTERS * letters) + (1 - LETTERS) * (common / whole if whole else letters)


LETTERS = 0.2


def weight(word: str) -> float:
    """Return how much a word says."""
    return 0.5 if word in GENERIC else 1.0


def paired(old: Name, new: Name) -> tuple[list[tuple[str, str, float]], list[str], list[str]]:
    """Pair the words of two names, the surest first, and return what is left of each."""
    if initials(old, new) or initials(new, old):
        return [(old.compact, new.compact, SHORTENED)], [], []
    possible = sorted(
        ((quality(one, other), one, other) for one in old.words for other in new.words), key=lambda one: -one[0]
    )
    matched: list[tuple[str, str, float]] = []
    left, right = list(old.words), list(new.words)
    for found, one, other in possible:
        if found and one in left and other in right:
            matched.append((one, other, found))
            left.remove(one)
            right.remove(other)
    return matched, left, right


def initials(short: Name, long: Name) -> bool:
    """Whether a name is one word of the first letters of the other's."""
    (one, digits), (others, same) = (
        ([token for token in name.tokens if not token.isdigit()], [token for token in name.tokens if token.isdigit()])
        for name in (short, long)
    )
    if len(one) != 1 or len(others) < 2 or one[0] in GENERIC or digits != same:  # noqa: PLR2004 - several words
        return False
    return one[0] == "".join(word[0] for word in others)


@cache
def quality(one: str, other: str) -> float:  # noqa: PLR0911 - a way words can be alike each
    """Return how sure it is that two words are one."""
    if one == other:
        return EXACT
    if one.isdigit() or other.isdigit():
        return 0.0
    if SYNONYMS.get(one, frozenset()) & SYNONYMS.get(other, frozenset()):
        return SYNONYM
    short, long = sorted((one, other), key=len)
    if short not in KNOWN and abbreviates(short, long):
        return SHORTENED if len(short) > 1 else INITIAL
    if len(short) >= SHORT_WORD and OSA.normalized_similarity(one, other) >= SAME_WORD:
        return SHORTENED if not (one in KNOWN and other in KNOWN) else 0.0
    return NEAR if KIN.get(one, frozenset()) & KIN.get(other, frozenset()) else 0.0


def abbreviates(short: str, long: str) -> bool:
    """Whether the letters of a short word are some of a long one's, in order, from the first on."""
    if not short or not long.startswith(short[0]) or len(short) >= len(long):
        return False
    rest = iter(long)
    return all(letter in rest for letter in short)


MARKS: dict[str, Kind] = {"encoding": "encoding", "currency": "currency", "zone": "time_zone"}


def changed_marks(old: Name, new: Name) -> tuple[tuple[Kind, str], ...]:
    """Return what the names say differently of how the values are written."""
    before, after = dict(old.marks), dict(new.marks)
    return tuple(
        (MARKS.get(one, "unit"), f"the names say another {one}: {before.get(one, 'none')} and {after.get(one, 'none')}")
        for one in sorted({*before, *after})
        if before.get(one) != after.get(one)
    )
