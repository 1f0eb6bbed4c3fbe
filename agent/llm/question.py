"""What the process of the model is asked, and what it answers: one line of JSON each way."""

from dataclasses import dataclass, field
from typing import Any, Literal

from mend.contracts.codec import STRICT
from mend.contracts.decision import Fallback, Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Where a model answers. The key is in no representation."""

    __pydantic_config__ = STRICT
    name: Literal["ollama", "openai"]
    model: str
    base_url: str
    api_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """An evidence pack, and who is asked about it for at most `seconds`."""

    __pydantic_config__ = STRICT
    provider: Provider
    pack: dict[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A proposal, or why there is none."""

    __pydantic_config__ = STRICT
    proposal: Proposal | None = None
    why_not: Fallback | None = None
