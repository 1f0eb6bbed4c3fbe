"""`mend prove`: bring store, broker and pipeline files to the proof, and keep how far each partition is proven."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from mend.proof.evidence import manifests
from mend.proof.facts import Interval, Statement, in_life
from mend.proof.prove import Known, Place, Proof, Proven, Scope, prove
from mend.runtime.errors import UserError
from mend.runtime.files import write_json
from mend.runtime.pipeline_file import Pipeline, load_pipeline
from mend.runtime.settings import Settings, SinkMode
from mend.store.engine import Store
from mend.store.ledger import LedgerRange
from mend.store.proofs import Verified
from orchestration.kafka_lag import watermarks

PATIENCE_S = 3.0
ATTEMPTS = 3
MOST_FINDINGS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A proof with its time, and what could not be asked."""

    checked_at: datetime
    proof: Proof
    notes: tuple[str, ...]


def certify(
    settings: Settings,
    store: Store,
    scope: Scope,
    *,
    now: datetime,
    pipelines: Iterable[Pipeline] = (),
) -> Certificate:
    """Prove the scope from the files, and keep how far each partition is proven."""
    if not isinstance(settings.sink_mode, SinkMode):
        raise UserError(f"SINK_MODE={settings.sink_mode}: only published Parquet can be proven.", exit_code=3)
    marks, notes = asked_broker(settings, store, scope)
    sparse = frozenset(one.name for one in (*known_pipelines(settings), *pipelines) if one.sparse)
    known = Known(watermarks=marks, sparse=sparse)
    proof = steady_proof(settings, store, scope, known)
    store.proofs.record(verified(one, now) for one in proof.partitions)
    certificate = Certificate(checked_at=now, proof=proof, notes=notes)
    if scope == Scope():
        write_json(settings.home / "ops" / "proof.json", as_document(certificate))
    return certificate


def steady_proof(settings: Settings, store: Store, scope: Scope, known: Known) -> Proof:
    """Prove; a finding counts only if no run went on and nothing was retired while the files were read."""

    def ask() -> Known:
        return with_store(known, store)

    for _ in range(ATTEMPTS):
        before = fingerprint(settings, store)
        proof = prove(settings.home, settings.published, ask, scope)
        if proof.holds or fingerprint(settings, store) == before:
            break
    return proof


def fingerprint(settings: Settings, store: Store) -> object:
    """Return what changes when a run goes on or retention is at work."""
    states = {one.run_id: one.state for one in store.runs.standing()}
    return states, {run_id: path.stat().st_mtime_ns for run_id, path in manifests(settings.home).items()}


def with_store(known: Known, store: Store) -> Known:
    """Add what the store says now; states first, so that a run that is settled in between counts as open."""
    standing = store.runs.standing()
    states = {one.run_id: (one.pipeline, one.state.value) for one in standing}
    lost: dict[Place, list[Interval]] = defaultdict(list)
    for loss in (one for name in {run.pipeline for run in standing} for one in store.losses.of(name)):
        where = in_life((loss.topic, loss.partition), loss.epoch)
        lost[loss.pipeline, *where].append((loss.from_offset, loss.until_offset))
    ledger: dict[str, list[Statement]] = defaultdict(list)
    for part in store.ledger.every_range():
        ledger[part.run_id].append(statement(part))
    before = {(one.pipeline, one.topic, one.partition): one.verified_through for one in store.proofs.all()}
    lives = {one.run_id: one.epoch for one in standing}
    return replace(known, states=states, ledger=ledger, lives=lives, lost=lost, verified=before)


def statement(part: LedgerRange) -> Statement:
    """Return what the ledger says of a range; what is not settled yet is not said."""
    settled = {"published": part.published, "held": part.held}
    return Statement(
        source="ledger",
        where=(part.read.topic, part.read.partition),
        start=part.read.from_offset,
        end=part.read.until_offset,
        records=part.read.records,
        places=asdict(part.read.places) | {name: rows for name, rows in settled.items() if rows is not None},
    )


def asked_broker(settings: Settings, store: Store, scope: Scope) -> tuple[dict[Place, Interval], tuple[str, ...]]:
    """Ask the broker for the first and last offsets of the topics; that it is away, or a topic, is a note."""
    if not scope.whole:
        return {}, ()
    pipelines = {one.run_id: one.pipeline for one in store.runs.standing(scope.pipeline)}
    topics = {(pipelines[one.run_id], one.read.topic) for one in store.ledger.every_range(scope.pipeline)}
    found: dict[Place, Interval] = {}
    notes = []
    for pipeline, topic in sorted(topics):
        try:
            marks = watermarks(settings.kafka, topic, PATIENCE_S)
        except UserError as error:
            notes.append(f"the broker's offsets of {topic} are not known: {error}")
            if "no Kafka broker" in str(error):
                break
            continue
        life = store.topics.epoch(pipeline, topic)
        found |= {(pipeline, *in_life((topic, partition), life)): (low, high) for partition, low, high in marks}
    return found, tuple(notes)


def known_pipelines(settings: Settings) -> list[Pipeline]:
    """Read the pipeline files; one that cannot be used says nothing here, and its runs are judged as they were."""
    found = []
    for path in sorted(Path(settings.pipelines).glob("*.yml")):
        try:
            found.append(load_pipeline(path))
        except UserError:
            continue
    return found


def verified(one: Proven, now: datetime) -> Verified:
    """Return what the store keeps of a proven partition."""
    return Verified(
        pipeline=one.pipeline,
        topic=one.topic,
        partition=one.partition,
        from_offset=one.from_offset,
        verified_through=one.verified_through,
        verified_at=now,
    )


def as_document(certificate: Certificate) -> dict[str, Any]:
    """Return the certificate for scripts."""
    proof = certificate.proof
    return {
        "holds": proof.holds,
        "checked_at": certificate.checked_at.isoformat(),
        "runs": proof.runs,
        "offsets": proof.offsets,
        "partitions": [asdict(one) for one in proof.partitions],
        "finding": str(proof.findings[0]) if proof.findings else None,
        "findings": [asdict(one) for one in proof.findings[:MOST_FINDINGS]],
        "not_settled": [{"run_id": run_id, "state": state} for run_id, state in proof.not_settled],
        "notes": list(certificate.notes),
    }


def known_run(store: Store, run_id: str) -> None:
    """Refuse the id of a run that the store does not have."""
    if store.runs.get(run_id) is None:
        known = ", ".join(one.run_id for one in store.runs.recent(limit=5)) or "none"
        raise UserError(f"no run '{run_id}' (last ones: {known}).")
