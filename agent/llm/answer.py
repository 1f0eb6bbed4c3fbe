"""Answers that come as text and not by the answering tool: JSON, or the format with sections. Pure."""

import re
from typing import Any

import orjson

from mend.contracts.decision import Action

LONGEST = 8_000
FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)
SECTION = re.compile(r"^[#*\s]*(ANALYSIS|DECISION|REASONING|ACTIONS|CONFIDENCE|ESCALATION)[*\s]*:[*\s]*", re.MULTILINE)
YES = ("true", "yes")


def read_text(text: str, run: str) -> Any:
    """Return the proposal's document that a text holds, None if it holds none. A text names no run: it is `run`."""
    if len(text) > LONGEST:
        return None
    fenced = FENCE.search(text)
    try:
        return orjson.loads(fenced[1] if fenced else text)
    except orjson.JSONDecodeError:
        return from_sections(text, run)


def from_sections(text: str, run: str) -> dict[str, Any] | None:
    """Read ANALYSIS, DECISION, REASONING, ACTIONS, CONFIDENCE, ESCALATION; an escalation goes before the decision."""
    parts = SECTION.split(text)
    found = {name: words.strip() for name, words in zip(parts[1::2], parts[2::2], strict=True)}
    if not {"DECISION", "CONFIDENCE", "REASONING"} <= found.keys():
        return None
    calls = found.get("ESCALATION", "").lower().startswith(YES)
    action = Action.ESCALATE.value if calls else found["DECISION"].lower().strip(" .*`\"'")
    try:
        confidence = float(found["CONFIDENCE"])
    except ValueError:
        return None
    return {"run_id": run, "action": action, "confidence": confidence, "reason": found["REASONING"]}
