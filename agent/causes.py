"""Whether a failed job is worth another try, by what its error says. Pure."""

from enum import StrEnum

from mend.incidents import classes
from mend.incidents.classes import Lasting


class Cause(StrEnum):
    """What is known about why a job failed, mildest first."""

    RETRIABLE = "retriable"
    UNKNOWN = "unknown"
    NOT_RETRIABLE = "not_retriable"


CAUSES = {
    Lasting.TRANSIENT: Cause.RETRIABLE,
    Lasting.DETERMINISTIC: Cause.NOT_RETRIABLE,
    Lasting.UNKNOWN: Cause.UNKNOWN,
}


def classify(error: str) -> Cause:
    """Name the cause; an error that shows both kinds of signs is not retriable, one that shows none is unknown."""
    return CAUSES[classes.classify(error).lasting]
