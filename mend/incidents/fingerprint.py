"""What makes two messages the same problem: what changes from run to run is masked. Pure, in linear time."""

import re
from functools import lru_cache
from hashlib import blake2b

MASK = "#"

KEPT = (
    r"u?int(?:8|16|32|64)|float(?:16|32|64)|decimal(?:32|64|128|256)|utf-?(?:8|16|32)|latin-?1|sha-?(?:1|256|512)"
    r"|md5|base64|s3a?|log4j2?|py4j|x509|https?/[123](?:\.[01])?|v[0-9]{1,2}"
)
"""Words with digits that say what, not which one."""

CHANGING = re.compile(
    rf"""
      (?P<keep>\b(?:(?:http|status|code|errno|sqlstate)[:=/]{{1,2}}+[0-9a-z]{{2,6}}|{KEPT})\b(?!-))
    | \b[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:[t_]?[0-9]{{2}}:[0-9:.,]{{1,20}}+(?:z|[+-][0-9:]{{4,6}})?)?
    | \b[0-9a-f]{{8}}-(?:[0-9a-f]{{4}}-){{3}}[0-9a-f]{{12}}\b
    | \b(?:run|batch|part|attempt|application|stage|task)[=_-](?=[^/]{{0,60}}[0-9])[\w.=-]++
    | (?<=/)tmp(?:/[^,;'"]++|\w{{4,40}})
    | \b0x[0-9a-f]++
    | \b(?=[a-f]{{0,40}}[0-9])[0-9a-f]{{8,}}+\b | \b[0-9a-f]{{16,}}+\b
    | (?<![\w)\].#-])-[0-9]++(?:[.,:][0-9]++)*+
    | [0-9]++(?:[.,:][0-9]++)*+
    """,
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)
LISTS = re.compile(r"#(?:[-.,:/_+ ]{1,2}+#)++")
"""A mask after a mask: how many there are changes, too."""

ADDRESS = re.compile(r"[\w.+%-]{1,64}@[\w.-]{1,255}")
CODES = frozenset({"HTTP", "http", "status", "status:", "code", "code:", "Errno", "[Errno", "SQLSTATE"})
"""The word after one of these says what went wrong."""
KEPT_WORD = 64
LONG = 16
"""Letters only may be a digest from here on."""


def masked(text: str) -> str:
    """Return the text without ids, numbers, offsets, times, addresses and the parts of paths that belong to a run."""
    words = text.split()
    plain = [word if word.isalpha() and len(word) < LONG else masked_word(word) for word in words]
    if not CODES.isdisjoint(words):
        after = [at for at, word in enumerate(words[:-1], start=1) if word in CODES]
        for at in after:
            plain[at] = words[at]
    return LISTS.sub(MASK, " ".join(plain))


def masked_word(word: str) -> str:
    """Return a word masked; short ones come back, so they are remembered."""
    return remembered(word) if len(word) <= KEPT_WORD else worked_out(word)


def worked_out(word: str) -> str:
    """Mask a word."""
    if "@" in word:
        word = ADDRESS.sub(MASK, word)
    return CHANGING.sub(kept_or_mask, word)


remembered = lru_cache(maxsize=8192)(worked_out)


def kept_or_mask(found: re.Match[str]) -> str:
    """Return what stays as it is, or the mask."""
    return found["keep"] or MASK


def fingerprint(cause_text: str) -> str:
    """Return the same 32 hexadecimal digits for messages that differ only in what `masked` takes out."""
    return blake2b(masked(cause_text).encode(errors="replace"), digest_size=16).hexdigest()


def cause_of(incident_type: str, pipeline: str | None, text: str) -> str:
    """Return what an incident is about whatever run finds it, where its finder has no better name for it."""
    return f"{incident_type}:{pipeline or 'unknown'}:{fingerprint(text)}"
