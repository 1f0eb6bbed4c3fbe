"""What texts look like: their shapes, letters and lengths, and whether they are numbers, moments or marks of a person."""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
NEARLY_ALL, MOST = 0.98, 0.9
PATTERNS = {
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
    "base64": r"^([A-Za-z0-9+/_-]{4}){2,}([A-Za-z0-9+/_-]{2}==|[A-Za-z0-9+/_-]{3}=)?$",
}
"""A mark by which nearly all values of a column can be told, the surest first."""
PERSONAL = {"email", "ip", "iban", "card", "social", "phone"}
ENCODED = {"hash", "masked", "base64", "uuid"}
NUMBER = r"^-?(0|[1-9]\d{0,14})(\.\d{1,15})?([eE][+-]?\d+)?$"
MOMENT = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?\s?(Z|[+-]\d{2}:?\d{2})?)?$"
OFFSET = re.compile(r"(Z|[+-]\d{2}:?\d{2})$")
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
    alphabet: int


def shape_of(there: pa.Array) -> Shape:
    """Describe texts; `there` has no nulls."""
    few = there.slice(0, LOOKED_AT)
    text = np.frombuffer("".join(few.to_pylist()).encode(), np.uint8)
    lengths = pc.utf8_length(there).to_numpy(zero_copy_only=False).astype(np.float64)
    return Shape(
        pattern=pattern_of(few),
        forms=forms_of(few),
        lengths=np.sort(lengths),
        letters=letters_of(text),
        words=float(pc.mean(pc.count_substring_regex(few, r"[^\s,;|]+")).as_py()),
        case=case_of(few),
        alphabet=len(np.unique(text)),
    )


def pattern_of(few: pa.Array) -> str:
    """Return the mark of nearly all texts; base64 only where capitals, small letters and digits are mixed."""
    for name, pattern in PATTERNS.items():
        if share(few, pattern) >= MOST and (name != "base64" or mixed(few)):
            return name
    return ""


def mixed(few: pa.Array) -> bool:
    """Whether texts have no blanks and mix small and large letters inside words, as encoded bytes do."""
    return share(few, r"[a-z][A-Z0-9]+[a-z]|[A-Z0-9][a-z]+[A-Z0-9]") >= MOST and share(few, r"^.{8,}$") >= MOST


def share(texts: pa.Array, pattern: str) -> float:
    """Return the share of texts that match."""
    found = pc.sum(pc.match_substring_regex(texts, pattern)).as_py() or 0
    return float(found) / len(texts)


def forms_of(few: pa.Array) -> dict[str, float]:
    """Return the shares of shapes: `a` for small letters, `A` for large ones, `9` for digits."""
    shapes = few
    for pattern, sign in ((r"\p{Ll}+", "a"), (r"\p{Lu}+", "A"), (r"[0-9]+", "9")):
        shapes = pc.replace_substring_regex(shapes, pattern, sign)
    counted = shapes.value_counts()
    return {one["values"]: one["counts"] / len(few) for one in counted.to_pylist()}


def letters_of(text: npt.NDArray[np.uint8]) -> Floats:
    """Return the shares of kinds of signs."""
    many = np.bincount(text, minlength=256)
    kinds = [many[48:58].sum(), many[97:123].sum(), many[65:91].sum(), many[32], 0, many[128:].sum()]
    kinds[4] = many.sum() - sum(kinds)
    return np.array(kinds, np.float64) / max(many.sum(), 1)


def case_of(few: pa.Array) -> str:
    """Say whether letters are small, large or mixed."""
    lower, upper = share(few, r"\p{Ll}"), share(few, r"\p{Lu}")
    return "none" if not lower and not upper else "lower" if not upper else "upper" if not lower else "mixed"


def read_as_number(values: pa.Array, there: pa.Array) -> pa.Array | None:
    """Read texts as numbers if all are: a leading zero makes a text."""
    if share(there.slice(0, LOOKED_AT), NUMBER) < 1 or share(there, NUMBER) < 1:
        return None
    return pc.cast(values, pa.float64())


def read_as_time(values: pa.Array, there: pa.Array) -> tuple[pa.Array, str] | None:
    """Read texts as moments of ISO 8601 if all are, with the zone they name: an offset, UTC, or none."""
    if share(there.slice(0, LOOKED_AT), MOMENT) < 1 or share(there, MOMENT) < 1:
        return None
    few = there.slice(0, LOOKED_AT).to_pylist()
    zones = {found[0] if len(one) > DATE and (found := OFFSET.search(one)) else "" for one in few}
    zone = "" if zones == {""} else "UTC" if zones <= {"Z", "+00:00", "+0000"} else "offset"
    try:
        return pc.cast(values, pa.timestamp("us", "UTC" if zone else None)), zone
    except pa.ArrowInvalid:
        return None


DATE = 10
