"""What a person does with waiting rows: accept a repair, replay, release, give up, undo. Each can be pressed twice."""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy import bincount

from mend.contracts.codec import loads, to_dict
from mend.contracts.quarantine import Discard, Repair, Replay, Selection, Step, Trial
from mend.curate.plan import make_plan
from mend.quarantine.index import POSITIONS, Source, of_epoch, open_index, whole, work_folder
from mend.quarantine.replay import replay_id, rows_of, stage_replay
from mend.quarantine.rows import waiting
from mend.quarantine.trial import look_at, try_repair
from mend.quarantine.work import Bench, Remedy, read_edits
from mend.runtime import clock, decision_log
from mend.runtime.errors import UserError
from mend.runtime.files import sync_files, write_atomic, write_json
from mend.runtime.schema_registry import registry_address
from mend.store.tables import RunState
from orchestration.brakes import refuse_pause
from orchestration.certificate import Certificate, certificate_of, certified
from orchestration.replay_step import replay_of
from orchestration.settle import retire
from orchestration.steps import FINISHING, unfinished_runs
from orchestration.workspace import Workspace


def bench_of(workspace: Workspace) -> Bench:
    """Return what passes over waiting rows need: the quarantine as it is now, and today's contract."""
    name = workspace.pipeline.name
    return Bench(
        index=open_index(workspace.layout, workspace.store, name),
        plan=make_plan(workspace.pipeline, workspace.rules, workspace.store.mappings.current(name)),
        registry=registry_address(workspace.settings),
    )


def meant(bench: Bench, selection: Selection) -> Sequence[Source]:
    """Return the runs of which a selection means rows; those with missing files, or of several topics, are refused."""
    for run_id in selection.runs:
        bench.index.source(run_id)
    wanted = [one for one in bench.index.sources if not selection.runs or one.run.run_id in selection.runs]
    named = {part.source.run.run_id for part in waiting(bench.index, selection)}
    return list(of_epoch(whole([one for one in wanted if one.run.run_id in named or one.missing])))


def remedy_of(workspace: Workspace, selection: Selection, steps: Sequence[Step]) -> Remedy:
    """Return a repair ready to be used, edited events read."""
    edits: dict[int, str] = {}
    for one in steps:
        if one.kind == "edit":
            edits |= read_edits(edits_folder(workspace) / one.value)
    return Remedy(selection=selection, steps=tuple(steps), edits=edits)


def edits_folder(workspace: Workspace) -> Path:
    """Return where edited events are kept."""
    return work_folder(workspace.layout, workspace.pipeline.name, "edits")


def keep_edits(workspace: Workspace, path: Path) -> Step:
    """Keep a copy of an edited file: what is replayed is what was tried."""
    content = path.read_bytes()
    name = f"{sha256(content).hexdigest()[:16]}.jsonl"
    read_edits(path)
    write_atomic(edits_folder(workspace) / name, content)
    return Step(kind="edit", target="", value=name)


def accept(workspace: Workspace, selection: Selection, steps: Sequence[Step], trial: Trial, by: str) -> Repair:
    """Keep a repair that was tried, for the rows of the runs that are there now; accepting it twice changes nothing."""
    if trial.refused:
        raise UserError(f"refused by its trial: {trial.refused}. Nothing was changed.", exit_code=3)
    bench = bench_of(workspace)
    runs = tuple(sorted({part.source.run.run_id for part in waiting(bench.index, selection)}))
    selection = replace(selection, runs=runs)
    wish = [to_dict(selection), [to_dict(one) for one in steps]]
    name = sha256(orjson.dumps(wish, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
    path = work_folder(workspace.layout, workspace.pipeline.name, "repairs") / f"{name}.json"
    if path.exists():
        return loads(Repair, path.read_bytes())
    at = clock.now()
    made = Repair(
        id=name, pipeline=workspace.pipeline.name, selection=selection, steps=tuple(steps), trial=trial,
        accepted_by=by, accepted_at=at.isoformat(),
    )  # fmt: skip
    write_json(path, to_dict(made))
    told = f"{trial.passes} of {trial.rows} rows would pass: {', '.join(f'{one.kind} {one.target}' for one in steps)}"
    note(workspace, "quarantine_repair", f"{name}: {told}", by=by)
    return made


def repairs_of(workspace: Workspace) -> list[Repair]:
    """Return the repairs that were accepted, oldest first."""
    folder = work_folder(workspace.layout, workspace.pipeline.name, "repairs")
    found = [loads(Repair, path.read_bytes()) for path in folder.glob("*.json")]
    return sorted(found, key=lambda one: (one.accepted_at, one.id))


def trial_of(workspace: Workspace, selection: Selection, steps: Sequence[Step]) -> Trial:
    """Try steps on all the rows that are meant."""
    bench = bench_of(workspace)
    meant(bench, selection)
    return try_repair(bench, remedy_of(workspace, selection, steps))


def what_would_pass(workspace: Workspace, selection: Selection) -> Trial:
    """Say what a replay would publish now, with the repairs that were accepted; nothing is written for it."""
    bench = bench_of(workspace)
    meant(bench, selection)
    repairs = [one for one in repairs_of(workspace) if concerns(bench, one, selection)]
    return look_at(bench, selection, [remedy_of(workspace, one.selection, one.steps) for one in repairs])


def replay_rows(
    workspace: Workspace, selection: Selection, *, by: str, reason: str, released: bool = False
) -> Certificate | None:
    """Validate waiting rows again, repaired as was accepted, and publish those that pass; None when no row waits.

    The same press again, after a crash or not, does not publish anything twice.
    """
    refuse_pause(workspace)
    finish_begun(workspace)
    bench = bench_of(workspace)
    meant(bench, selection)
    repairs = [] if released else [one for one in repairs_of(workspace) if concerns(bench, one, selection)]
    name, many = replay_id(bench, selection, [one.id for one in repairs])
    if not many:
        return None
    plan = Replay(
        run_id=unused_id(workspace, name), pipeline=workspace.pipeline.name, selection=selection, by=by,
        reason=reason, asked_at=clock.now().isoformat(), repairs=tuple(one.id for one in repairs), released=released,
    )  # fmt: skip
    forget_half_staged(workspace, plan.run_id)
    if not repairs and (why := judged_already(bench, selection)):
        return certified(workspace, replace(plan, held=many, still=many, reasons=why), published=0, duplicates=0)
    remedies = [remedy_of(workspace, one.selection, one.steps) for one in repairs]
    with given_up(workspace, plan.run_id):
        plan = stage_replay(bench, workspace.layout, workspace.store, plan, remedies, clock.now())
    if plan.held == plan.still:
        workspace.store.runs.abandon(plan.run_id, "no row passes", clock.now())
        shutil.rmtree(workspace.layout.staged(plan.run_id), ignore_errors=True)
        return certified(workspace, plan, published=0, duplicates=0)
    return finish(workspace, plan.run_id)


def judged_already(bench: Bench, selection: Selection) -> dict[str, int]:
    """Return why rows still wait if today's words have judged all of them; nothing if some are to be judged anew."""
    reasons: Counter[str] = Counter()
    for part in waiting(bench.index, selection, bench.plan):
        if not part.judged:
            return {}
        for cause, many in zip(part.causes, bincount(part.codes, minlength=len(part.causes)).tolist(), strict=True):
            reasons[f"{cause.rule} {cause.column}".strip()] += many
    return dict(+reasons)


def concerns(bench: Bench, repair: Repair, selection: Selection) -> bool:
    """Whether a repair is for rows that are meant and wait."""
    return any(part.chosen(repair.selection).any() for part in waiting(bench.index, selection))


def unused_id(workspace: Workspace, name: str) -> str:
    """Count the attempts: the id of one that was given up, or undone, is not used again."""
    over = {RunState.FAILED, RunState.REPLACED}
    attempt = 1
    while (run := workspace.store.runs.get(f"{name}-{attempt}")) is not None and run.state in over:
        attempt += 1
    return f"{name}-{attempt}"


def forget_half_staged(workspace: Workspace, but: str) -> None:
    """Give up replays that died while they were staged, and are not what is wanted now."""
    for run in workspace.store.runs.unfinished(workspace.pipeline.name):
        if run.state is RunState.OPENED and f"{workspace.pipeline.name}-replay-" in run.run_id and run.run_id != but:
            workspace.store.runs.abandon(run.run_id, "another replay was asked for", clock.now())
            shutil.rmtree(workspace.layout.staged(run.run_id), ignore_errors=True)


@contextmanager
def given_up(workspace: Workspace, run_id: str) -> Iterator[None]:
    """Leave nothing behind of a replay that cannot be staged: a full disk keeps its room."""
    try:
        yield
    except Exception as error:
        shutil.rmtree(workspace.layout.staged(run_id), ignore_errors=True)
        run = workspace.store.runs.get(run_id)
        if run is not None and run.state is RunState.OPENED:
            workspace.store.runs.abandon(run_id, f"{type(error).__name__}: {error}"[:300], clock.now())
        raise


def finish_begun(workspace: Workspace) -> None:
    """Take to its end what an earlier command left unfinished."""
    for run_id in unfinished_runs(workspace):
        finish(workspace, run_id)


def finish(workspace: Workspace, run_id: str) -> Certificate | None:
    """Audit, publish, recount; certify if it is a replay."""
    for step in FINISHING:
        result = step(workspace, run_id)
        if result.outcome == "failed":
            raise UserError(f"{run_id}: {result.message}", exit_code=1)
        if result.outcome == "paused":
            raise UserError(result.message, exit_code=result.exit_code)
    plan = replay_of(workspace, run_id)
    return certificate_of(workspace, plan) if plan else None


def discard(workspace: Workspace, selection: Selection, *, by: str, reason: str) -> Discard:
    """Give rows up: they wait no more, and their bytes stay where they are until retention ends."""
    if not by.strip() or not reason.strip():
        raise UserError("a discard needs a name and a reason: --by NAME --reason TEXT.")
    bench = bench_of(workspace)
    meant(bench, selection)
    rows = [rows_of(part) for part in waiting(bench.index, selection)]
    table = pa.concat_tables(rows) if rows else POSITIONS.empty_table()
    at = clock.now()
    wish = [to_dict(selection), at.isoformat(), table.num_rows]
    name = sha256(orjson.dumps(wish, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
    made = Discard(
        id=name, pipeline=workspace.pipeline.name, selection=selection, rows=table.num_rows, by=by, reason=reason,
        at=at.isoformat(),
    )  # fmt: skip
    if not table.num_rows:
        return made
    path = work_folder(workspace.layout, workspace.pipeline.name, "discards") / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    sync_files([path])
    write_json(path.with_suffix(".json"), to_dict(made))
    note(workspace, "quarantine_discard", f"{table.num_rows} rows: {reason}", by=by)
    return made


def release(workspace: Workspace, run_id: str, *, by: str, reason: str) -> Certificate | None:
    """Publish the held rows of a run after a person's look: the audit's gate is that person's word."""
    selection = held_of(workspace, run_id, by, reason)
    made = replay_rows(workspace, selection, by=by, reason=reason, released=True)
    if made is not None:
        workspace.store.brakes.approve(run_id, clock.now(), approved=True, by=by, reason=reason)
    return made


def reject(workspace: Workspace, run_id: str, *, by: str, reason: str) -> Discard:
    """Give up the held rows of a run after a person's look."""
    made = discard(workspace, held_of(workspace, run_id, by, reason), by=by, reason=reason)
    if made.rows:
        workspace.store.brakes.approve(run_id, clock.now(), approved=False, by=by, reason=reason)
    return made


def held_of(workspace: Workspace, run_id: str, by: str, reason: str) -> Selection:
    """Return the held rows of a run; a run without any is refused."""
    if not by.strip() or not reason.strip():
        raise UserError("it needs a name and a reason: --by NAME --reason TEXT.")
    source = bench_of(workspace).index.source(run_id)
    if not any(one.place == "held" for one in (*source.files,)) and not source.missing:
        raise UserError(f"{run_id}: its decision held no rows. See: mend quarantine ls", exit_code=3)
    return Selection(runs=(run_id,), places=("held",))


def undo_replay(workspace: Workspace, run_id: str, *, by: str, reason: str) -> None:
    """Take a replay's rows out of the readable set in one step; they wait again, since their originals never left.

    Killed on its way, it is to be asked for again: until then the rows are neither readable nor waiting.
    """
    if replay_of(workspace, run_id) is None:
        raise UserError(f"{run_id} is no replay. See: mend quarantine ls")
    run = workspace.store.runs.get(run_id)
    if run is None or run.state is RunState.REPLACED:
        return
    if run.state not in {RunState.PUBLISHED, RunState.VALIDATED}:
        raise UserError(f"{run_id} is {run.state.value}, not validated. See: mend prove --run {run_id}", exit_code=3)
    retire(workspace.layout, workspace.sink, run_id)
    workspace.store.runs.advance(run_id, RunState.REPLACED, clock.now())
    note(workspace, "quarantine_undo", reason, by=by, run_id=run_id)


def note(workspace: Workspace, act: str, reason: str, *, by: str, run_id: str | None = None) -> None:
    """Note a person's act in the log of decisions."""
    line = decision_log.note(act, reason, clock.now().isoformat(), by=by, run_id=run_id)
    decision_log.append(workspace.layout.ops / "decision_log.jsonl", line)
