"""What the demo shows of its acts: figures of each and of all, the same for the terminal, the pages and scripts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import run_facts

if TYPE_CHECKING:
    from cli.run_facts import RunFacts
    from orchestration.prove import Certificate as Proof
    from orchestration.story import Healing, Played

PLACES = {"published": "published", "quarantined": "quarantined", "dead": "dead letters", "duplicate": "duplicates"}
"""Places by their labels; rejected and held rows are both in the quarantine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRun:
    """A run and where its page is."""

    facts: "RunFacts"
    page: Path

    @property
    def run_id(self) -> str:
        """Return its id."""
        return self.facts.report.run_id or "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAct:
    """An act that was played, with its runs."""

    played: "Played"
    runs: tuple[ShownRun, ...]
    replay: ShownRun | None = None

    @property
    def places(self) -> Counter[str]:
        """Count where the events of the act are now: what was replayed has left the quarantine."""
        found: Counter[str] = Counter(dict.fromkeys(PLACES, 0))
        for one in self.runs:
            for place in run_facts.destinations(one.facts):
                found["quarantined" if place.key in {"rejected", "held"} else place.key] += place.events
        made = self.played.healing.certificate if self.played.healing else None
        if made is not None:
            gone = -made.published - made.duplicates
            found.update(published=made.published, duplicate=made.duplicates, quarantined=gone)
        return found

    @property
    def decisions(self) -> str:
        """Return what was decided, each once."""
        said = (" + ".join(one.facts.decision.actions) or one.facts.decision.decision for one in self.runs)
        return ", ".join(dict.fromkeys(said))


def totals(acts: Sequence[ShownAct]) -> Counter[str]:
    """Count where the events of all acts are."""
    found: Counter[str] = Counter(dict.fromkeys(PLACES, 0))
    for one in acts:
        found.update(one.places)
    return found


def as_document(acts: Sequence[ShownAct], proof: "Proof", page: Path) -> dict[str, Any]:
    """Return the demo for scripts."""
    return {
        "acts": [act_document(one) for one in acts],
        "events": sum(one.played.events for one in acts),
        "places": dict(totals(acts)),
        "proven": proof.proof.holds,
        "page": str(page),
    }


def act_document(one: ShownAct) -> dict[str, Any]:
    """Return an act for scripts."""
    return {
        "act": one.played.act.number,
        "title": one.played.title,
        "sent": [{"scenario": each.name, "events": many} for each, many in one.played.sent],
        "places": dict(one.places),
        "runs": [
            {"run_id": each.run_id, "decision": each.facts.decision.decision, "rules": each.facts.decision.rules,
             "page": str(each.page)}
            for each in one.runs
        ],
        "healing": healing_document(one.played.healing) if one.played.healing else None,
    }  # fmt: skip


def healing_document(one: "Healing") -> dict[str, Any]:
    """Return what was approved for scripts."""
    from orchestration.certificate import as_document as certificate_document

    return {
        "approved_by": one.by,
        "trial": one.trial_name,
        "mapping_version": one.mapping.version,
        "certificate": certificate_document(one.certificate) if one.certificate else None,
    }
