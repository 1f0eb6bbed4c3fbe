"""How bad a failure is and who steps in, as tables. Pure."""

from enum import StrEnum

from mend.contracts.incident import Severity
from mend.incidents.classes import ErrorClass, ErrorKind
from mend.incidents.lifecycle import GRAVITY


class Intervention(StrEnum):
    """Whether something is done about a failure, or it is only watched."""

    ACT = "act"
    MONITOR = "monitor"


SEVERITIES = {
    ErrorKind.SCHEMA_DRIFT: Severity.HIGH,
    ErrorKind.DB_CONNECTION: Severity.HIGH,
    ErrorKind.DATA_QUALITY: Severity.HIGH,
    ErrorKind.TYPE_MISMATCH: Severity.MEDIUM,
    ErrorKind.MISSING_DEPENDENCY: Severity.HIGH,
    ErrorKind.SYNTAX_ERROR: Severity.HIGH,
    ErrorKind.API_ERROR: Severity.MEDIUM,
    ErrorKind.FILE_IO: Severity.MEDIUM,
    ErrorKind.UNKNOWN: Severity.MEDIUM,
}
"""Of a first failure of the kind."""

RETRIES = ((5, 2), (3, 1))
RECENT = ((10, 2), (3, 1))
"""From so many on → so many degrees graver; the first that fits counts."""
MILDER = 1
"""Degrees that a transient error is milder while nothing was tried again and nothing else failed."""

INTERVENTION = {
    Severity.CRITICAL: (Intervention.ACT, Intervention.ACT),
    Severity.HIGH: (Intervention.ACT, Intervention.MONITOR),
    Severity.MEDIUM: (Intervention.ACT, Intervention.MONITOR),
    Severity.LOW: (Intervention.MONITOR, Intervention.MONITOR),
}
"""Severity → what is done where the policy's pattern holds, and where it does not."""
PATTERN = frozenset({ErrorKind.SCHEMA_DRIFT, ErrorKind.TYPE_MISMATCH, ErrorKind.DB_CONNECTION, ErrorKind.DATA_QUALITY})
"""Kinds with a known remedy: medium failures of these are acted on."""


def severity_of(error: ErrorClass, *, retries: int = 0, recent_failures: int = 0) -> Severity:
    """Return how bad a failure is by its kind, how often it was tried again, and what else failed of late."""
    degree = GRAVITY[SEVERITIES[error.kind]] + graver(retries, RETRIES) + graver(recent_failures, RECENT)
    if error.retriable and not retries and recent_failures <= 1:
        degree -= MILDER
    severities = tuple(Severity)
    return severities[max(0, min(degree, len(severities) - 1))]


def graver(count: int, table: tuple[tuple[int, int], ...]) -> int:
    """Return the degrees of a table."""
    return next((degrees for least, degrees in table if count >= least), 0)


def intervention(severity: Severity, error: ErrorClass, *, seen_before: bool = False) -> Intervention:
    """Say who steps in: critical always; high unless it passes by itself and is new; medium by pattern; low never."""
    by_pattern = {
        Severity.HIGH: seen_before or not error.retriable,
        Severity.MEDIUM: seen_before or error.kind in PATTERN,
    }
    holds, else_ = INTERVENTION[severity]
    return holds if by_pattern.get(severity, True) else else_
