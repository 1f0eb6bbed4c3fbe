"""Derive a decision again, offline, from its evidence and the table of its time; or ask what another table would do."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from agent.context import DecisionContext
from agent.decide import Judgement, foreseen, judge, settled
from agent.envelope import settle
from agent.explain import Explanation, explain
from agent.matrix import Matrix
from agent.matrix_file import load_matrix
from mend.contracts.codec import dumps, loads
from mend.contracts.decision import DecisionResult, Rows
from mend.contracts.report import RunReport
from mend.runtime.errors import UserError
from mend.runtime.layout import Layout
from mend.store.decisions import RecordedDecision
from mend.store.engine import Store

FAILED_ACT = "act_failed"
NO_TABLE = "decision_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A decision as it was recorded, and as it comes from its evidence now."""

    recorded: DecisionResult
    again: DecisionResult
    judgement: Judgement

    @property
    def same(self) -> bool:
        """Whether both are the same bytes."""
        return dumps(self.recorded) == dumps(self.again)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A past decision that another table would have made otherwise; rows are those that readers would see or not."""

    id: int
    run_id: str | None
    decided_at: datetime
    before: str
    after: str
    rules_before: tuple[str, ...]
    rules_after: tuple[str, ...]
    rows_before: Rows
    rows_after: Rows
    published: int
    alerts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What another table would have changed; `missing` are decisions whose evidence is not kept any more."""

    decisions: int
    missing: int
    differences: tuple[Difference, ...]


def found(store: Store, name: str) -> RecordedDecision:
    """Return a decision by its number, or the newest one about a run."""
    known = store.decisions.by_id(int(name)) if name.isdecimal() else store.decisions.get(name)
    if known is None:
        raise UserError(
            f"no decision '{name}': neither a run that was decided about, nor a number. See: mend decision list"
        )
    return known


def replay(layout: Layout, decision: RecordedDecision) -> Replayed:
    """Derive a decision again from what is kept; what is gone or was changed is a UserError."""
    recorded = decision.result
    if recorded.matrix_hash is None:
        raise UserError(f"{name_of(decision)}: no table decided ({recorded.reasoning}), so none can be asked again.")
    again = rejudged(evidence_of(layout, recorded), matrix_of(layout, recorded), recorded)
    return Replayed(recorded=recorded, again=as_recorded(again.decision, recorded), judgement=again)


def explained(layout: Layout, decision: RecordedDecision) -> Explanation | None:
    """Explain a decision from what it was made from, with what would have flipped it; None where that is gone."""
    recorded = decision.result
    try:
        judgement = replay(layout, decision).judgement
        return explain(replace(judgement, decision=recorded), matrix_of(layout, recorded))
    except UserError:
        return None


def rejudged(content: bytes, matrix: Matrix, recorded: DecisionResult) -> Judgement:
    """Judge evidence by a table. The hash is of the bytes that were kept, whatever fields evidence has got since."""
    again = judge(loads(DecisionContext, content), matrix)
    if recorded.proposal or recorded.fallback:
        why_not = None if recorded.proposal else recorded.fallback
        again = settle(again, recorded.proposal, why_not, recorded.model_seconds)
    again = foreseen(again)
    return replace(again, decision=replace(again.decision, evidence_hash=recorded.evidence_hash))


def as_recorded(again: DecisionResult, recorded: DecisionResult) -> DecisionResult:
    """Add what the world did: an act that failed made the decision an escalation."""
    return settled(again, recorded.actions_taken) if FAILED_ACT in recorded.rules else again


def evidence_of(layout: Layout, recorded: DecisionResult) -> bytes:
    """Return the evidence of a decision, which is refused if a byte of it was changed."""
    content = kept_bytes(evidence_files(layout, recorded), recorded.evidence_hash)
    if content is None:
        raise UserError(
            f"{recorded.run_id or 'the decision'}: its evidence {str(recorded.evidence_hash)[:12]} is not kept, "
            f"or was changed. Restore {evidence_files(layout, recorded)[0]} from a backup.",
            exit_code=1,
        )
    return content


def evidence_files(layout: Layout, recorded: DecisionResult) -> list[Path]:
    """Return where the evidence may lie: beside its run, also when another decision came after it, or by itself."""
    of_run = layout.run_file(recorded.run_id, "evidence") if recorded.run_id else None
    kept = [of_run, of_run.with_name(f"evidence-{recorded.evidence_hash}.json")] if of_run else []
    return [*kept, layout.failure(str(recorded.evidence_hash))]


def kept_bytes(files: list[Path], digest: str | None) -> bytes | None:
    """Return the content of the first file that has this hash."""
    contents = (path.read_bytes() for path in files if path.exists())
    return next((one for one in contents if sha256(one).hexdigest() == digest), None)


def matrix_of(layout: Layout, recorded: DecisionResult) -> Matrix:
    """Return the table as it was when it decided."""
    path = layout.ops / "matrices" / f"{recorded.matrix_hash}.yml"
    if kept_bytes([path], recorded.matrix_hash) is None:
        raise UserError(
            f"the matrix {str(recorded.matrix_hash)[:12]} of that time is not kept, or was changed. "
            f"Restore {path} from a backup.",
            exit_code=1,
        )
    return load_matrix(path)


def what_if(layout: Layout, store: Store, matrix: Matrix, since: datetime) -> Comparison:
    """Judge all decisions since a moment by another table, and return those that would have been others."""
    decisions = missing = 0
    differences: list[Difference] = []
    for one in store.decisions.since(since):
        decisions += 1
        content = kept_bytes(evidence_files(layout, one.result), one.result.evidence_hash)
        if content is None or one.result.matrix_hash is None:
            missing += 1
            continue
        differences += difference(one, rejudged(content, matrix, one.result))
    return Comparison(decisions=decisions, missing=missing, differences=tuple(differences))


def difference(recorded: RecordedDecision, other: Judgement) -> Iterator[Difference]:
    """Return how another table's decision differs, nothing where it does the same."""
    was, would = recorded.result, as_recorded(other.decision, recorded.result)
    said = (was.actions, was.rows, was.hold, was.paused)
    if said == (would.actions, would.rows, would.hold, would.paused):
        return
    report = other.context.run_report
    yield Difference(
        id=recorded.id,
        run_id=recorded.run_id,
        decided_at=recorded.decided_at,
        before=was.decision,
        after=would.decision,
        rules_before=was.rules,
        rules_after=would.rules,
        rows_before=was.rows,
        rows_after=would.rows,
        published=readable(would, report) - readable(was, report) if isinstance(report, RunReport) else 0,
        alerts=int(would.escalation_required) - int(was.escalation_required),
    )


def readable(decision: DecisionResult, report: RunReport) -> int:
    """Count the rows that a decision lets readers see; those of a segment are at most its failing ones."""
    if decision.rows in {Rows.HOLD, Rows.NOTHING} or report.places is None:
        return 0
    held = {(one.column, one.value) for one in decision.hold if not one.also}
    pairs = {((one.column, one.also.column), (one.value, one.also.value)) for one in decision.hold if one.also}
    paused = {(one.topic, one.partition) for one in decision.paused}
    aside = sum(one.failures for one in report.segments if (one.column, one.value) in held)
    aside += sum(one.failures for one in report.segment_pairs if (one.columns, one.values) in pairs)
    aside += sum(one.places.accepted for one in report.partitions if (one.topic, one.partition) in paused)
    return max(report.places.accepted - aside, 0)


def name_of(decision: RecordedDecision) -> str:
    """Return how people call a decision."""
    return f"decision {decision.id}" + (f" about {decision.run_id}" if decision.run_id else "")
