"""What texts look like: their shapes, letters and lengths, and whether they are numbers, moments or marks of a person."""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
MOST = 0.9
SOURCES = {
    "email": r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$",
    "uuid": r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
    "hash": r"^(0x|sha\d*:|md5:)?(([0-9a-fA-F]{4}){4,}|[0-9a-fA-F]{10,})$|^\$2[aby]?\$.{50,60}$",
    "url": r"^[a-z][a-z0-9+]*://\S+$",
    "ip": r"^(\d{1,3}\.){3}\d{1,3}$|^[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F]*$",
    "iban": r"^[A-Z]{2}\d{2} ?([A-Z0-9]{4} ?){2,7}[A-Z0-9]{0,4}$",
    "card": r"^(\d{4}[ -]?){3}\d{3,4}$",
    "social": r"^\d{3}-\d{2}-\d{4}$",
    "phone": r"^(\+|00)\d[\d ()./-]{6,}$|^\(?\d{3,5}\)?[ ./-]\d{3,4}[ ./-]?\d{3,5}$",
    "masked": r"^.*[*•#]{2,}.*$|^.*[xX]{4,}.*$",
    "json": r"^[\[{].*[\]}]$",
    "base64": r"^(?=.*[A-Z0-9][a-z]+[A-Z0-9])(?=.*[a-z][A-Z0-9]+[a-z])([A-Za-z0-9+/_-]{4}){2,}([A-Za-z0-9+/_-]{2}==|[A-Za-z0-9+/_-]{3}=)?$",
}
"""A mark by which nearly all values of a column can be told, the surest first."""
PATTERNS = {name: re.compile(source) for name, source in SOURCES.items()}
PERSONAL = {"email", "ip", "iban", "card", "social", "phone"}
ENCODED = {"hash", "masked", "base64", "uuid"}
NUMBER = r"^-?(0|[1-9]\d{0,14})(\.\d{1,15})?([eE][+-]?\d+)?$"
MOMENT = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?\s?(Z|[+-]\d{2}:?\d{2})?)?$"
OFFSET = re.compile(r"(Z|[+-]\d{2}:?\d{2})$")
WORD = re.compile(r"[^\s,;|]+")
SMALL, LARGE, DIGITS = re.compile("[a-zß-öø-ÿ]+"), re.compile("[A-ZÀ-ÖØ-Þ]+"), re.compile("[0-9]+")
LOOKED_AT = 200
"""Values that a pattern is tried on."""


@dataclass(frozen=True, slots=True)
class Shape:
    """`forms` are the commonest shapes (runs of letters and digits as one sign) and their shares; lengths in characters.

    `letters` are shares of digits, small, large, blanks, signs and others; `words` the mean number of words.
    """

    pattern: str
    forms: dict[str, float]
    lengths: Floats
    letters: Floats
    words: float
    case: str


def shape_of(there: pa.Array) -> Shape:
    """Describe texts; `there` has no nulls."""
    few: list[str] = there.slice(0, LOOKED_AT).to_pylist()
    text = np.frombuffer("".join(few).encode(errors="replace"), np.uint8)
    lengths = pc.utf8_length(there).to_numpy(zero_copy_only=False).astype(np.float64)
    return Shape(
        pattern=pattern_of(few),
        forms=forms_of(few),
        lengths=np.sort(lengths),
        letters=letters_of(text),
        words=sum(len(WORD.findall(one)) for one in few) / len(few),
        case=case_of(few),
    )


def pattern_of(few: list[str]) -> str:
    """Return the mark of nearly all texts; base64 only where capitals, small letters and digits are mixed."""
    return next((name for name, pattern in PATTERNS.items() if most_match(few, pattern)), "")


def most_match(few: list[str], pattern: re.Pattern[str]) -> bool:
    """Whether nearly all texts match; ends with the first too many that do not."""
    misses = (1 - MOST) * len(few)
    for one in few:
        misses -= not pattern.search(one)
        if misses < 0:
            return False
    return True


def forms_of(few: list[str]) -> dict[str, float]:
    """Return the shares of shapes: `a` for small letters, `A` for large ones, `9` for digits."""
    shapes = Counter(LARGE.sub("A", DIGITS.sub("9", SMALL.sub("a", one))) for one in few)
    return {form: many / len(few) for form, many in shapes.items()}


def letters_of(text: npt.NDArray[np.uint8]) -> Floats:
    """Return the shares of kinds of signs."""
    many = np.bincount(text, minlength=256)
    kinds = [many[48:58].sum(), many[97:123].sum(), many[65:91].sum(), many[32], 0, many[128:].sum()]
    kinds[4] = many.sum() - sum(kinds)
    return np.array(kinds, np.float64) / max(many.sum(), 1)


def case_of(few: list[str]) -> str:
    """Say whether letters are small, large or mixed."""
    text = "".join(few)
    return (
        "lower"
        if text.islower()
        else "upper"
        if text.isupper()
        else "none"
        if text.lower() == text.upper()
        else "mixed"
    )


def all_match(texts: pa.Array, pattern: str) -> bool:
    """Whether all texts match."""
    return bool(pc.all(pc.match_substring_regex(texts, pattern)).as_py())


def read_as_number(values: pa.Array, there: pa.Array) -> pa.Array | None:
    """Read texts as numbers if all are: a leading zero makes a text."""
    if not re.match(NUMBER, there[0].as_py()) or not all_match(there, NUMBER):
        return None
    return pc.cast(values, pa.float64())


def read_as_time(values: pa.Array, there: pa.Array) -> tuple[pa.Array, str] | None:
    """Read texts as moments of ISO 8601 if all are, with the zone they name: an offset, UTC, or none."""
    if not re.match(MOMENT, there[0].as_py()) or not all_match(there, MOMENT):
        return None
    few = there.slice(0, LOOKED_AT).to_pylist()
    zones = {found[0] if len(one) > DATE and (found := OFFSET.search(one)) else "" for one in few}
    zone = "" if zones == {""} else "UTC" if zones <= {"Z", "+00:00", "+0000"} else "offset"
    try:
        return pc.cast(values, pa.timestamp("us", "UTC" if zone else None)), zone
    except pa.ArrowInvalid:
        return None


DATE = 10
