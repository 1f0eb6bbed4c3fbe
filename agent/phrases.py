"""How facts are worded in a reason: foreign text is quoted, shortened and cannot move a cursor. Pure."""

from collections.abc import Iterable
from enum import Enum
from fractions import Fraction
from typing import Any

LONGEST = 80
MOST_NAMES = 5


def clean(text: object, longest: int = LONGEST) -> str:
    """Return foreign text as one printable line of at most `longest` characters."""
    shown = " ".join(str(text).split())
    if not shown.isprintable():
        shown = "".join(char if char.isprintable() else "\ufffd" for char in shown)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def quoted(name: object) -> str:
    """Return a foreign name in quotes, so that nothing in it reads as our words."""
    return f"'{clean(name).replace(chr(39), chr(8217))}'"


def percent(share: Fraction) -> str:
    """Return a share as `14.2 %`; enough digits that a share beside a limit does not look like it."""
    return f"{100 * share.numerator / share.denominator:.6g} %"


def listed(names: Iterable[object]) -> str:
    """Return the first names and how many more there are."""
    shown = [str(name) for name in names]
    more = len(shown) - MOST_NAMES
    return ", ".join(shown[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def worded(value: Any) -> str:
    """Return any fact in words; None is `unknown`."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return listed(value) or "none"
    return single(value)


def single(value: Any) -> str:
    """Return one share, word, text or number in words."""
    if isinstance(value, Fraction):
        return percent(value)
    if isinstance(value, Enum):
        return str(value.value)
    return quoted(value) if isinstance(value, str) else clean(value, 240)
