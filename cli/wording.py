"""Figures and foreign text as people read them, the same on a page and in a terminal."""

import math
import re
from datetime import UTC, datetime, timedelta

NOT_KNOWN = "\u2013"
"""Stands wherever a figure was not recorded."""

UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls, text-direction overrides and half characters: they move a cursor, turn text round or cannot be written."""

SIGNS = str.maketrans("✓✗·…→≠━\u2013\ufffd", "+x-.>!=-?")
"""What stands for each sign where a terminal knows only ASCII: as wide, so that columns stay straight."""

KILO = 1000
MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def clean(text: object) -> str:
    """Return foreign text in one line in which every character stands for itself."""
    return UNSHOWABLE.sub("\ufffd", " ".join(str(text).split()))


def in_ascii(text: str) -> str:
    """Return the text with a sign of the same width for each that ASCII lacks."""
    return text.translate(SIGNS).encode("ascii", "replace").decode()


def clip(text: object, width: int) -> str:
    """Return clean text of at most `width` characters; a cut one ends in an ellipsis."""
    shown = clean(text)
    return shown if len(shown) <= width else shown[: width - 1].rstrip() + "…"


def known(value: float | None) -> bool:
    """Whether a figure was recorded and is a number."""
    return value is not None and math.isfinite(value)


def count(value: float | None) -> str:
    """Return a whole figure with its thousands apart: 18,900."""
    return f"{round(value):,}" if value is not None and known(value) else NOT_KNOWN


def plural(value: int, one: str, many: str = "") -> str:
    """Return a figure with its noun: `1 row`, `2 rows`."""
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def number(value: float | None) -> str:
    """Return a measured figure with the digits that matter: 1,705,312,800,000 · 1,999.99 · 12.5 · 0.00042."""
    if value is None or not known(value):
        return NOT_KNOWN
    if value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.2f}".rstrip("0").rstrip(".") if abs(value) >= 1 else f"{value:.3g}"


def share(part: float | None, whole: float | None = 1) -> str:
    """Return a share in percent with sensible digits; only nothing is 0 % and only all is 100 %."""
    if part is None or whole is None or not (known(part) and known(whole)) or whole <= 0:
        return NOT_KNOWN
    percent = 100 * part / whole
    if percent == round(percent):
        return f"{percent:.0f} %"
    if percent < 0.01:  # noqa: PLR2004
        return "< 0.01 %"
    if 99.9 < percent < 100:  # noqa: PLR2004
        return "> 99.9 %"
    return f"{percent:.2f} %" if percent < 1 else f"{percent:.1f} %"


def duration(seconds: float | None) -> str:
    """Return a span of time: 340 ms · 12.3 s · 2 min 05 s · 1 h 02 min · 3 d 4 h."""
    if seconds is None or not known(seconds):
        return NOT_KNOWN
    if round(seconds, 3) < 1:
        return f"{max(seconds, 0) * KILO:.0f} ms"
    if round(seconds, 1) < MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE:02d} s"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE:02d} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def age(span: timedelta | None) -> str:
    """Return how long ago something was, to its largest unit."""
    if span is None:
        return NOT_KNOWN
    seconds = max(0, int(span.total_seconds()))
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def moment(text: str | None) -> str:
    """Return an ISO 8601 time as 15 Jan 2024, 10:05:00 UTC; what is no time is shown as it came."""
    if not text:
        return NOT_KNOWN
    try:
        time = datetime.fromisoformat(text)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return clip(text, 40)
    return f"{time.day} {time:%b %Y, %H:%M:%S} UTC"


def first_sentence(text: str) -> str:
    """Return the first sentence of a text; neither `5.2 %` nor `e.g. 5` ends one."""
    return re.split(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)\s+(?=[A-Z0-9])", clean(text), maxsplit=1)[0]
