"""From an error to a root cause, what may be done about it, and how safe that is: by patterns, which are data. Pure."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mend.contracts import codec
from mend.contracts.codec import STRICT, ContractError
from mend.contracts.incident import Severity
from mend.contracts.task_event import Diagnosis, Safety, Strategy, TaskEvent
from mend.runtime.errors import UserError
from mend.runtime.yaml_file import YamlFile, load_yaml

PATTERNS = Path(__file__).with_name("diagnosis.yml")
IN_THE_LOG = 0.8
"""A pattern that only the log's excerpt shows is less sure: another line may be the cause."""
Intervention = Literal["always", "usually", "by_pattern", "never"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A kind of failure."""

    __pydantic_config__ = STRICT
    id: str
    severity: Severity
    root_cause: str
    suggestions: tuple[str, ...]
    strategy: Strategy
    safety: Safety
    confidence: float
    match: tuple[str, ...] = ()

    def found_in(self, text: str) -> bool:
        """Whether the text shows this kind of failure."""
        return any(re.search(one, text, re.IGNORECASE) for one in self.match)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All that `diagnosis.yml` says."""

    __pydantic_config__ = STRICT
    retries_raise: int
    recurrences_raise: int
    window_hours: int
    risky: Literal["apply", "ask"]
    intervention: dict[Severity, Intervention]
    unknown: Pattern
    patterns: tuple[Pattern, ...]


def load_policy(path: Path = PATTERNS) -> Policy:
    """Read the file; what is wrong in it is a UserError with file and line."""
    file = load_yaml(path)
    document: Any = file.document
    try:
        policy = codec.parse(Policy, document)
    except ContractError as error:
        raise UserError(f"{path}: {error}") from error
    missing = [one.value for one in Severity if one not in policy.intervention]
    if missing:
        raise file.error(("intervention",), f"'{missing[0]}' is missing. Say what happens at each severity.")
    for at, one in enumerate(policy.patterns):
        check(file, at, one)
    return policy


def check(file: YamlFile, at: int, pattern: Pattern) -> None:
    """Refuse a pattern that can match nothing, or is no regular expression."""
    if not pattern.match:
        raise file.error(("patterns", at), f"'{pattern.id}' has nothing to match. Add a regular expression.")
    for number, one in enumerate(pattern.match):
        try:
            re.compile(one)
        except re.error as error:
            raise file.error(("patterns", at, "match", number), f"is no regular expression: {error}.") from error


def diagnose(event: TaskEvent, policy: Policy) -> Diagnosis:
    """Find the pattern of a failure: in its error, else in its log."""
    for text, sureness in ((event.error, 1.0), (event.log_excerpt, IN_THE_LOG)):
        for pattern in policy.patterns:
            if pattern.found_in(text):
                return diagnosis(pattern, pattern.confidence * sureness)
    return diagnosis(policy.unknown, policy.unknown.confidence)


def diagnosis(pattern: Pattern, confidence: float) -> Diagnosis:
    """Return what a pattern says."""
    return Diagnosis(
        pattern=pattern.id,
        root_cause=pattern.root_cause,
        suggestions=pattern.suggestions,
        confidence=confidence,
        strategy=pattern.strategy,
        safety=pattern.safety,
    )


def pattern_named(name: str, policy: Policy) -> Pattern:
    """Return a pattern of the file; one that is gone from it counts as unknown."""
    return next((one for one in policy.patterns if one.id == name), policy.unknown)
