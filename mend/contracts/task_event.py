"""A failed task of any source, as a webhook says it, and what was made of it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Literal

from annotated_types import Ge, Le, MaxLen, MinLen

from mend.contracts.codec import STRICT
from mend.contracts.drift import Count
from mend.contracts.incident import Severity

Name = Annotated[str, MinLen(1), MaxLen(200)]
LongText = Annotated[str, MaxLen(100_000)]


class Strategy(StrEnum):
    """What may be done about a failed task."""

    RETRY_TASK = "retry_task"
    UPDATE_SCHEMA = "update_schema"
    ADD_TRANSFORMATION = "add_transformation"
    NOTIFY_HUMAN = "notify_human"


class Safety(StrEnum):
    """Who sees to it that a strategy is taken: Mend (safe), the configuration (risky), a person (unsafe)."""

    SAFE = "safe"
    RISKY = "risky"
    UNSAFE = "unsafe"


class Effect(StrEnum):
    """Whether what was done helped; unknown until the task is heard of again."""

    PENDING = "pending"
    HELPED = "helped"
    DID_NOT_HELP = "did_not_help"
    NOTHING_DONE = "nothing_done"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """The JSON that a scheduler posts. `id` makes a second delivery of the same event known as one.

    `retry_count` are the tries that the source made by itself, of `max_retries`. `new_fields` (name → type) are
    nullable fields that the source says its data has gained. `succeeded` ends what an earlier failure began.
    """

    __pydantic_config__ = STRICT
    source: Name
    task: Name
    status: Literal["failed", "succeeded"] = "failed"
    error: LongText = ""
    log_excerpt: LongText = ""
    retry_count: Count = 0
    max_retries: Count | None = None
    dag_id: Name | None = None
    id: Name | None = None
    timestamp: Name | None = None
    new_fields: dict[Name, Literal["string", "long", "double", "boolean"]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """How grave a failure is, whether something is done about it, and why. `seen` counts earlier ones of its cause."""

    __pydantic_config__ = STRICT
    severity: Severity
    intervene: bool
    seen: Count
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What is the matter and what may be done."""

    __pydantic_config__ = STRICT
    pattern: str
    root_cause: str
    suggestions: tuple[str, ...]
    confidence: Annotated[float, Ge(0), Le(1)]
    strategy: Strategy
    safety: Safety


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of an event: the assessment, the diagnosis, the decision about it and whether it helped.

    `strategy` is None where the event is only watched. `waits` says that a person may still approve it. `mapping` is
    the version that the schema's update made, `rollback` says what was taken back because it did not help.
    """

    __pydantic_config__ = STRICT
    assessment: Assessment
    diagnosis: Diagnosis | None = None
    strategy: Strategy | None = None
    waits: bool = False
    approved_by: str | None = None
    decision: str | None = None
    reasoning: str = ""
    effect: Effect = Effect.NOTHING_DONE
    effect_at: str | None = None
    mapping: Count | None = None
    rollback: str | None = None
