"""Whether a failed job is worth another try, by what its error says. Pure."""

import re
from enum import StrEnum


class Cause(StrEnum):
    """What is known about why a job failed, mildest first."""

    RETRIABLE = "retriable"
    UNKNOWN = "unknown"
    NOT_RETRIABLE = "not_retriable"


NOT_RETRIABLE = {
    "refused access": r"permission denied|access denied|not authori[sz]ed|authori[sz]ation ?failed"
    r"|authentication ?failed|invalid credentials|\b40[13]\b",
    "wrong query or schema": r"AnalysisException|ParseException|BinderException|CatalogException"
    r"|ContractError|SchemaError|incompatible schema",
    "wrong code or setup": r"ModuleNotFoundError|ImportError|SyntaxError|ClassNotFoundException|NoSuchMethodError"
    r"|UserError|no such file or directory",
    "lost offsets": r"OffsetOutOfRange|data loss|some data may have been lost",
}
"""A second try meets the same wall."""

RETRIABLE = {
    "connection": r"connection (?:was )?(?:refused|reset|aborted|closed|lost)|ECONN(?:REFUSED|RESET)"
    r"|broken pipe|unreachable|temporary failure in name resolution",
    "time-out": r"timed?[ -]?out|timeout|deadline exceeded",
    "broker away": r"no ?brokers? ?available|all brokers (?:are )?down|broker transport failure|leader not available"
    r"|not leader for partition|node -?\d+ disconnected|coordinator not available",
    "registry away": r"RegistryAwayError",
    "busy": r"database is locked|deadlock|too many requests|throttl|service unavailable|\b(?:429|502|503|504)\b",
    "disk full": r"no space left on device|disk (?:is )?full|disk quota exceeded",
    "worker lost": r"executor ?lost|lost executor|lost task|SIGTERM",
}
"""It may be over at the next try; a full disk after the clean-up."""


def classify(error: str) -> Cause:
    """Name the cause; an error that matches both kinds is not retriable, one that matches none is unknown."""
    if matches(error, NOT_RETRIABLE):
        return Cause.NOT_RETRIABLE
    return Cause.RETRIABLE if matches(error, RETRIABLE) else Cause.UNKNOWN


def matches(error: str, patterns: dict[str, str]) -> bool:
    """Whether the error matches one of the patterns."""
    return any(re.search(pattern, error, re.IGNORECASE) for pattern in patterns.values())
