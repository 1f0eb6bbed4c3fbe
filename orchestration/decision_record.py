"""Whether the log of decisions is whole: its chain by itself, and line by line against the store."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mend.contracts import codec
from mend.contracts.decision import DecisionResult
from mend.runtime.decision_log import Finding, broken_links, lines_of, parsed
from mend.store.engine import Store
from mend.store.tables import RunState

SAID = ("run_id", "timestamp", "decision", "reasoning", "escalation_required", "rules", "evidence_hash", "matrix_hash")
"""What the log repeats of a decision that the store has, too."""
UNDECIDED = {RunState.STAGED, RunState.AUDITED}
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was looked at, and what is wrong."""

    lines: int
    decisions: int
    findings: tuple[Finding, ...]


def verify(store: Store, log: Path) -> Verified:
    """Check the chain, then that log and store tell the same decisions.

    A decision that is in the store only is no finding while its run is being decided: the store is written first.
    """
    findings = list(broken_links(log))
    told, lines = told_in(log)
    broken = {one.line for one in findings}
    stored = {key_of(codec.to_dict(one.result)): one.result for one in store.decisions.all()}
    for key, number in told.items():
        if key not in stored and number not in broken:
            findings.append(Finding(line=number, run_id=key[0], what="the store has no such decision"))
    findings += missing(store, stored, told)
    return Verified(lines=lines, decisions=len(stored), findings=tuple(findings))


def missing(store: Store, stored: dict[Key, DecisionResult], told: dict[Key, int]) -> Iterator[Finding]:
    """Return the decisions of the store that the log does not tell."""
    for key, decision in stored.items():
        if key in told:
            continue
        run = store.runs.get(decision.run_id) if decision.run_id else None
        if run is None or run.state not in UNDECIDED:
            what = f"the store has a decision of {decision.timestamp} ({decision.decision}) that the log does not tell"
            yield Finding(line=None, run_id=decision.run_id, what=what)


def told_in(log: Path) -> tuple[dict[Key, int], int]:
    """Return the decisions that the log tells with their lines, and how many lines it has; notes name no rule."""
    told: dict[Key, int] = {}
    number = 0
    for number, line in lines_of(log):
        document = parsed(line) or {}
        if document.get("rules"):
            told.setdefault(key_of(document), number)
    return told, number


def key_of(document: dict[str, Any]) -> Key:
    """Return what tells one decision from another."""
    return tuple(tuple(one) if isinstance(one, list) else one for one in (document.get(name) for name in SAID))
