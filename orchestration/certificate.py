"""The certificate of a replay: what became of every row that waited, in the words of the proof."""

from dataclasses import dataclass
from typing import Any

from mend.contracts.quarantine import Replay
from mend.proof.prove import Known, Scope
from mend.quarantine.replay import takes
from mend.runtime.files import write_json
from mend.runtime.settings import SinkMode
from orchestration.prove import steady_proof
from orchestration.replay_step import rows_into
from orchestration.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What became of the rows of a replay: so many waited, each is now published, a duplicate, or still waiting."""

    run_id: str
    held: int
    published: int
    duplicates: int
    still_held: int
    lost: int
    twice: int
    still_because: dict[str, int]
    repairs: tuple[str, ...]
    proven: bool
    finding: str | None


def certificate_of(workspace: Workspace, plan: Replay) -> Certificate:
    """Certify a replay that was published."""
    taken = takes(workspace.layout, plan.pipeline, plan.run_id)
    return certified(workspace, plan, published=rows_into(taken, "published"), duplicates=rows_into(taken, "duplicate"))


def certified(workspace: Workspace, plan: Replay, *, published: int, duplicates: int) -> Certificate:
    """Let the proof say whether every event is in one place, and write the certificate beside the run's reports."""
    known = Known(sparse=frozenset({plan.pipeline} if workspace.pipeline.sparse else ()))
    scope = Scope(pipeline=plan.pipeline)
    provable = isinstance(workspace.settings.sink_mode, SinkMode)
    findings = steady_proof(workspace.settings, workspace.store, scope, known).findings if provable else ()
    unproven = None if provable else f"SINK_MODE={workspace.settings.sink_mode}: only published Parquet can be proven"
    kinds = [one.kind for one in findings]
    made = Certificate(
        run_id=plan.run_id, held=plan.held, published=published, duplicates=duplicates, still_held=plan.still,
        lost=plan.held - published - duplicates - plan.still, twice=kinds.count("double"),
        still_because=plan.reasons, repairs=plan.repairs, proven=provable and not findings,
        finding=str(findings[0]) if findings else unproven,
    )  # fmt: skip
    write_json(workspace.layout.run_file(plan.run_id, "certificate"), as_document(made))
    return made


def as_document(made: Certificate) -> dict[str, Any]:
    """Return a certificate for scripts."""
    return {name: getattr(made, name) for name in Certificate.__dataclass_fields__}
