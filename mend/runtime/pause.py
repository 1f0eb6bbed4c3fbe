"""How long to wait before another try."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

SHORTEST = 1.0
LONGEST = 3600.0


def seconds_asked(header: object, now: datetime) -> float | None:
    """Return what `Retry-After` asks for, as seconds or a date, within a second and an hour; None for nonsense."""
    text = str(header or "").strip()
    try:
        seconds = float(text) if text else None
    except ValueError:
        seconds = seconds_until(text, now)
    if seconds is None or seconds != seconds:  # noqa: PLR0124 - NaN is no length of time
        return None
    return min(max(seconds, SHORTEST), LONGEST)


def seconds_until(date: str, now: datetime) -> float | None:
    """Return the seconds until an HTTP date, None where it is none."""
    try:
        at = parsedate_to_datetime(date)
    except ValueError:
        return None
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()


def back_off(failures: int, chance: random.Random, *, first: float = 5.0, longest: float = 900.0) -> timedelta:
    """Return a pause that doubles with every failure, and of which chance takes away up to half."""
    whole = min(first * 2.0 ** min(max(failures - 1, 0), 30), longest)
    return timedelta(seconds=whole * chance.uniform(0.5, 1.0))
