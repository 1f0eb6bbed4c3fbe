"""What must never be shown: the secrets of the settings, as they are and as they look in a URL, in JSON, in base64.

The list belongs to the process: whoever reads a secret adds it, and everything that people read goes through `masked`.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

import orjson

MASK = "***"
SHORTEST = 4
"""A shorter secret would blacken innocent words; nothing that short is one."""

_known: dict[str, re.Pattern[str] | None] = {"": None}
_secrets: set[str] = set()


def hide(secrets: Iterable[str]) -> None:
    """Mask these from now on, in this process."""
    new = {one for one in secrets if len(one) >= SHORTEST} - _secrets
    if new:
        _secrets.update(new)
        looks = {look for one in _secrets for look in looks_of(one)}
        words = sorted(looks, key=len, reverse=True)
        _known[""] = re.compile("|".join(re.escape(word) for word in words))


def masked(text: str) -> str:
    """Return the text without the secrets."""
    pattern = _known[""]
    return pattern.sub(MASK, text) if pattern else text


def looks_of(secret: str) -> Iterator[str]:
    """Yield the secret in every writing in which it may turn up."""
    yield secret
    yield quote(secret, safe="", errors="replace")
    yield quote(secret, errors="replace")
    yield quote_plus(secret, errors="replace")
    yield orjson.dumps(secret.encode("utf-8", "replace").decode()).decode()[1:-1]
    yield from in_base64(secret.encode("utf-8", "replace"))


def in_base64(secret: bytes) -> Iterator[str]:
    """Yield what of the secret's base64 is the same whatever stands before and after it."""
    for before in range(3):
        padded = bytes(before) + secret
        first, last = -(-before * 8 // 6), len(padded) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            look = encode(padded + bytes(-len(padded) % 3)).decode()[first:last]
            if len(look) >= SHORTEST:
                yield look
                yield quote(look, safe="")
