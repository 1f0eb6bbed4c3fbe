"""What a column's name says: its words, written out, and how the names of two columns relate. Pure."""

import re
import unicodedata
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache

from mend.remap import vocabulary as v

CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
BREAKS = re.compile(r"[\W_]+")
RUNS = re.compile(r"\d+|\D+")
SHORTEST_PLURAL = 4
SHORT_PARTS = {"id", "no", "nr", "dt", "ts", "cd", "nm", "at", "on"}
SHORTEST_PART = 3


def stem(word: str) -> str:
    """Take the plural's s away."""
    plural = len(word) >= SHORTEST_PLURAL and word.endswith("s") and not word.endswith(("ss", "us", "is", "as", "os"))
    return word[:-1] if plural else word


def stems(words: Iterable[str]) -> frozenset[str]:
    """Take the plural of every word away."""
    return frozenset(stem(one) for one in words)


FILLERS = {"of", "the", "a", "an", "and", "for"}
SHORT = v.pairs(v.ABBREVIATIONS)
PHRASES = v.phrases(v.PHRASES)
LONGEST_PHRASE = max(map(len, PHRASES))
SYNONYMS = {stem(word): found for word, found in v.groups(v.SYNONYMS).items()}
KIN = {stem(word): found for word, found in v.groups(v.KIN).items()}
SURE_ZONES, MOMENT = {"utc", "gmt", "zulu"}, "when"
LASTING, QUALIFIERS, TRANSFORMS, ZONES = (
    v.words(v.LASTING),
    v.words(v.QUALIFIERS),
    v.words(v.TRANSFORMS),
    v.words(v.ZONES),
)
UNITS, CURRENCIES = v.units(v.UNITS), v.words(v.CURRENCIES)
NEUTRAL, GENERIC, MONEY = v.words(v.NEUTRAL), v.words(v.GENERIC), v.words(v.MONEY)
LONG = stems({*SHORT.values(), *SYNONYMS, *KIN, *QUALIFIERS, *GENERIC, *(one for way in PHRASES for one in way)})
KNOWN = LONG | SHORT.keys() | {one for one in UNITS if len(one) > 1} | TRANSFORMS | SURE_ZONES | CURRENCIES
WHOLE = {"md5", "sha1", "sha256", "sha512", "b64", "base64", "last4", "co2", "pm25", "pm10", "ipv4", "ipv6"}


@dataclass(frozen=True, slots=True)
class Name:
    """`tokens` as they stand, `words` written out; `marks` are units, currency, zone and encoding, by dimension."""

    tokens: tuple[str, ...]
    words: tuple[str, ...]
    marks: tuple[tuple[str, str], ...]
    marking: frozenset[str] = frozenset()
    """The words that the marks were read from."""

    @property
    def compact(self) -> str:
        """The words as one text."""
        return "".join(self.words)

    @property
    def money(self) -> bool:
        """Whether it may count money."""
        return not MONEY.isdisjoint(self.words)


@cache
def read_name(path: str) -> Name:
    """Read a path: the words of the records around come first, none twice."""
    tokens = tuple(split(path))
    words: list[str] = []
    for token in tokens:
        words += written_out(token)
    unique = dict.fromkeys(in_phrases([one for one in words if one not in FILLERS]))
    marks = {token: mark for at, token in enumerate(tokens) if (mark := mark_of(token, at, tokens))}
    marking = frozenset(word for token in marks for word in written_out(token))
    return Name(tokens, tuple(unique), tuple(sorted(set(marks.values()))), marking)


def split(path: str) -> Iterable[str]:
    """Split at breaks, at a capital in the word, and between letters and digits."""
    plain = unicodedata.normalize("NFKD", path)
    plain = "".join(one for one in plain if not unicodedata.combining(one))
    for part in BREAKS.split(CAMEL.sub("_", plain)):
        lower = part.lower()
        yield from [lower] if lower in WHOLE else RUNS.findall(lower)


def written_out(token: str) -> list[str]:
    """Write a token out: an abbreviation, or known words without a break between them."""
    if token.isdigit():
        return [token.lstrip("0") or "0"]
    if token in SHORT:
        return [stem(SHORT[token])]
    if stem(token) in KNOWN or token in KNOWN:
        return [stem(token)]
    return [stem(SHORT.get(one, one)) for one in parted(token)] or [stem(token)]


def parted(token: str) -> list[str]:
    """Return the two known words that a token consists of, or nothing."""
    for at in range(len(token) - 2, SHORTEST_PART - 1, -1):
        head, tail = token[:at], token[at:]
        if (len(tail) >= SHORTEST_PART or tail in SHORT_PARTS) and is_word(head) and is_word(tail):
            return [head, tail]
    return []


def is_word(text: str) -> bool:
    """Whether a part of a token stands for something by itself."""
    return text in SHORT_PARTS or stem(text) in LONG or text in SHORT


def in_phrases(words: list[str]) -> Iterable[str]:
    """Replace every way to say a thing by its word, the longest first."""
    at = 0
    while at < len(words):
        for many in range(min(LONGEST_PHRASE, len(words) - at), 0, -1):
            way = tuple(words[at : at + many])
            if way in PHRASES:
                yield from PHRASES[way]
                at += many
                break
        else:
            yield words[at]
            at += 1


def mark_of(token: str, at: int, tokens: tuple[str, ...]) -> tuple[str, str] | None:
    """Return what a token says of how values are written: a unit only behind something that is measured."""
    if token in TRANSFORMS:
        return "encoding", "encoded"
    if token in CURRENCIES:
        return "currency", token
    if token in ZONES and (token in SURE_ZONES or any(MOMENT in written_out(one) for one in tokens)):
        return "zone", "local" if token.startswith("local") else "utc" if token in SURE_ZONES else token
    if token in UNITS and at and is_measured(token, tokens[at + 1 :]):
        lasting = token != "min" or not LASTING.isdisjoint(written_out(tokens[at - 1]))
        return UNITS[token] if lasting else None
    return None


def is_measured(token: str, behind: tuple[str, ...]) -> bool:
    """Whether a token can be a unit: at the end of a name, or a longer one before what is no name or number of it."""
    return not behind or (len(token) > 1 and GENERIC.isdisjoint(written_out(behind[0])))


def common_words(names: Iterable[Name]) -> AbstractSet[str]:
    """Return the words that (nearly) every one of several names carries: they tell columns from nothing."""
    read = [set(one.words) for one in names]
    if len(read) < FEWEST_NAMES:
        return frozenset()
    return {word for word in set.union(*read) if sum(word in one for one in read) >= MOST_NAMES * len(read)}


FEWEST_NAMES, MOST_NAMES = 3, 0.6
