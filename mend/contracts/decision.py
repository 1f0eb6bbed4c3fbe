"""A decision: what was chosen for a run, by which rows of the table, why, and what was done."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from mend.contracts.codec import STRICT
from mend.contracts.drift import Count

Decider = Literal["rules", "model", "person"]


class Action(StrEnum):
    """What a decision may do, mildest first."""

    CONTINUE = "continue"
    REMAP = "remap"
    RETRIGGER = "retrigger"
    QUARANTINE = "quarantine"
    ESCALATE = "escalate"


class Rows(StrEnum):
    """What happens to the run's accepted rows, mildest first."""

    PUBLISH = "publish"
    PUBLISH_EXCEPT_SEGMENT = "publish_except_segment"
    PUBLISH_EXCEPT_PARTITION = "publish_except_partition"
    HOLD = "hold"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentValue:
    """A value of a segment column."""

    __pydantic_config__ = STRICT
    column: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFilter:
    """A typed condition: rows of this segment value, with `also` of both values, that fail a quality rule."""

    __pydantic_config__ = STRICT
    column: str
    value: str
    also: SegmentValue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionFilter:
    """A typed condition: all rows of this partition."""

    __pydantic_config__ = STRICT
    topic: str
    partition: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was found after an act, in the world and not in the tool's own words, beside what was predicted."""

    __pydantic_config__ = STRICT
    predicted: str
    found: str
    ok: bool
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool did; `timestamp` is ISO 8601 in UTC."""

    __pydantic_config__ = STRICT
    success: bool
    message: str
    timestamp: str
    data: dict[str, Any] | None = None
    check: Check | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What an act will have brought about; `rows` and their `place` where it moves rows, `by` where not at once."""

    __pydantic_config__ = STRICT
    tool: str
    target: str
    effect: str
    rows: Count | None = None
    place: Literal["held", "rejected"] | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionTaken:
    """One call of a tool, and its result. `paused`: not done, because a person paused the machine."""

    __pydantic_config__ = STRICT
    tool: str
    result: ToolResult
    timestamp: str
    params: dict[str, Any] = field(default_factory=dict)
    target: str | None = None
    paused: bool = False


class Fallback(StrEnum):
    """Why the table decided alone although a model is configured."""

    NOT_ASKED = "not_asked"
    NOT_CONFIGURED = "not_configured"
    TIME_OUT = "time_out"
    UNREACHABLE = "unreachable"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    REFUSED = "refused"
    REDIRECTED = "redirected"
    TOO_LARGE = "too_large"
    TOO_MANY_CALLS = "too_many_calls"
    NOT_AN_ANSWER = "not_an_answer"
    OTHER_RUN = "other_run"
    LOW_CONFIDENCE = "low_confidence"
    OUTSIDE = "outside"
    MILDER = "milder"
    FAILED = "failed"


NO_ANSWER = frozenset({
    Fallback.TIME_OUT, Fallback.UNREACHABLE, Fallback.RATE_LIMITED, Fallback.SERVER_ERROR, Fallback.REFUSED,
    Fallback.REDIRECTED, Fallback.NOT_CONFIGURED, Fallback.FAILED,
})  # fmt: skip
"""What is no answer of a model, not even a bad one."""


def model_answered(fallback: Fallback | None, *, proposed: bool) -> bool | None:
    """Whether the model answered when it was asked about a decision, None if nobody asked it."""
    if fallback in NO_ANSWER:
        return False
    return True if proposed or fallback not in {None, Fallback.NOT_ASKED} else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a model proposes. `offer` numbers the rename that a person shall be offered, from 1."""

    __pydantic_config__ = STRICT
    run_id: str
    action: Action
    confidence: Annotated[float, Ge(0), Le(1)]
    reason: str
    offer: Annotated[int, Ge(1)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionResult:
    """The content of `agent_decision.json`. `hold` and `paused` name the rows that are not published with the rest.

    `proposal` is what a model said, `fallback` why the rules decided nevertheless, `model_seconds` the time that took.
    """

    __pydantic_config__ = STRICT
    decision: str
    actions: tuple[Action, ...]
    rows: Rows
    rules: tuple[str, ...]
    reasoning: str
    confidence: Annotated[float, Ge(0), Le(1)]
    escalation_required: bool
    timestamp: str
    run_id: str | None = None
    allowed: tuple[Action, ...] = ()
    hold: tuple[SegmentFilter, ...] = ()
    paused: tuple[PartitionFilter, ...] = ()
    evidence_hash: str | None = None
    matrix_hash: str | None = None
    decided_by: Decider = "rules"
    proposal: Proposal | None = None
    fallback: Fallback | None = None
    model_seconds: Annotated[float, Ge(0)] | None = None
    predictions: tuple[Prediction, ...] = ()
    actions_taken: tuple[ActionTaken, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSummary:
    """The figures of a decision that its log line repeats; None where the report was unreadable."""

    __pydantic_config__ = STRICT
    total_records: Count | None
    late_records: Count | None
    dq_failures: Count | None
    schema_drift: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionLogLine:
    """One line of `decision_log.jsonl`, append-only; `by` is the person whose act it notes."""

    __pydantic_config__ = STRICT
    timestamp: str
    decision: str
    reasoning: str
    confidence: float
    escalation_required: bool
    actions_count: Count
    context_summary: ContextSummary
    run_id: str | None = None
    rules: tuple[str, ...] = ()
    evidence_hash: str | None = None
    matrix_hash: str | None = None
    decided_by: Decider = "rules"
    proposal: Proposal | None = None
    fallback: Fallback | None = None
    model_seconds: Annotated[float, Ge(0)] | None = None
    by: str | None = None
    prev_hash: str | None = None
    hash: str | None = None
