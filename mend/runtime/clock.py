"""The one place that asks what time it is; everything else takes the time as an argument."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)
