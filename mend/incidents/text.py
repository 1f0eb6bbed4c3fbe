"""Text from anywhere, as an incident keeps it: bounded, one that JSON can hold, and without personal values. Pure."""

import math
import re
from collections.abc import Collection
from typing import Any

HIDDEN = "***"
LONGEST = 4_000
LONGEST_NAME = 200
MOST_ITEMS = 500
MOST_CHARACTERS = 200_000
DEEPEST = 8
CUT = "…"

PERSONAL = re.compile(r"[\w.+%-]{1,64}@[\w-]{1,63}\.[\w.-]{1,190}|(?<=://)[^\s/@:]{1,200}:[^\s/@]{1,200}(?=@)")
"""Addresses of people, and user and password of a URL."""


def bounded(text: object, longest: int = LONGEST) -> str:
    """Return the text, cut where it is too long, with U+FFFD for half characters."""
    cut = str(text)[: longest + 1]
    whole = cut if len(cut) <= longest else f"{cut[: longest - 1]}{CUT}"
    hidden = PERSONAL.sub(HIDDEN, whole) if "@" in whole else whole
    return hidden.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def name(text: object) -> str:
    """Return a short text in one line of printable characters."""
    return "".join(char if char.isprintable() else "\ufffd" for char in bounded(text, LONGEST_NAME))


class Context:
    """Cuts a context to a size in all: what is over the size is left out, and said so."""

    def __init__(self, pii: Collection[str] = ()) -> None:
        self.pii = frozenset(pii)
        self.left = MOST_CHARACTERS

    def cut(self, value: Any, depth: int = 0) -> Any:
        """Return the value as JSON can hold it; values of personal columns are hidden."""
        if self.left <= 0 or depth > DEEPEST:
            return CUT
        if isinstance(value, dict):
            return self.cut_fields(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            items = list(value)
            kept = [self.cut(one, depth + 1) for one in items[:MOST_ITEMS]]
            return kept if len(items) <= MOST_ITEMS else [*kept, f"{CUT} {len(items) - MOST_ITEMS} more"]
        return self.cut_single(value)

    def cut_fields(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        """Cut each field; of a condition on a personal column the value is hidden."""
        personal = {"value"} if str(value.get("column")) in self.pii else set()
        kept = {}
        for at, (key, one) in enumerate(value.items()):
            if at == MOST_ITEMS:
                kept[CUT] = f"{len(value) - MOST_ITEMS} more"
                break
            hidden = key in personal or (str(key) in self.pii and one is not None)
            kept[self.cut_single(str(key))] = HIDDEN if hidden else self.cut(one, depth + 1)
        return kept

    def cut_single(self, value: Any) -> Any:
        """Cut a text; a number that JSON cannot hold becomes a text."""
        if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**63):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        text = bounded(value)
        self.left -= len(text)
        return text
