"""Undo what a decision did: its rows leave the readable set in one step and are held, the former mapping is back."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from uuid import uuid4

from mend.contracts.incident import Severity
from mend.contracts.mapping import Mapping
from mend.incidents.log import incident_log
from mend.remap.versions import Changed, changes, taken_back
from mend.runtime import clock, decision_log
from mend.runtime.errors import UserError
from mend.runtime.faults import fault_point
from mend.runtime.locks import Taken, only_one
from mend.store.engine import Store
from mend.store.runs import Run
from mend.store.tables import RunState
from mend.store.undos import Undo
from orchestration import settled_manifest
from orchestration.autonomy import score_undone
from orchestration.mapping_file import write_mapping
from orchestration.replay import found
from orchestration.settle import held_rows
from orchestration.settled_manifest import PLACES, published_files, set_aside
from orchestration.workspace import Workspace

REFUSED = 3
SETTLED = {RunState.PUBLISHED, RunState.VALIDATED, RunState.DISPUTED}
MOVED = frozenset({"published", "held"})
"""Places between which an undo moves rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an undo would do; `done` is the undo that did it already. `back`: it brings the decision's effects again."""

    decision: int
    run_id: str
    takes_back: int | None = None
    rows: int = 0
    mapping: int | None = None
    changed: tuple[Changed, ...] = ()
    done: Undo | None = None
    back: bool = False


def wish(workspace: Workspace, name: str) -> Wish:
    """Return what undoing a decision (its number, or its run) or an undo (`undo-7`) means now. Changes nothing."""
    before = undo_named(workspace, name)
    decision, run_id = (before.decision, before.run_id) if before else decision_named(workspace, name)
    known = [one for one in workspace.store.undos.of_decision(decision) if one.ended_at]
    newest = known[-1] if known else None
    if before and newest and newest.id != before.id:
        later = next(one for one in known if one.takes_back == before.id)
        return Wish(decision=decision, run_id=run_id, takes_back=before.id, done=later)
    if before is None and newest and not newest.back:
        return Wish(decision=decision, run_id=run_id, done=newest)
    asked = Wish(decision=decision, run_id=run_id)
    if before:
        asked = replace(asked, takes_back=before.id, back=not before.back)
    return with_effects(workspace, asked, before)


def undo_named(workspace: Workspace, name: str) -> Undo | None:
    """Return the undo of that name, None for the name of a decision."""
    if not name.startswith("undo-"):
        return None
    number = name.removeprefix("undo-")
    known = workspace.store.undos.get(int(number)) if number.isdecimal() else None
    if known is None or known.pipeline != workspace.pipeline.name:
        raise UserError(f"no '{name}' in {workspace.pipeline.name}. See: mend decision show RUN")
    return known


def decision_named(workspace: Workspace, name: str) -> tuple[int, str]:
    """Return number and run of a decision."""
    known = found(workspace.store, name)
    if known.run_id is None:
        raise UserError(f"decision {name} is about no run: it moved no rows and made no mapping.", exit_code=REFUSED)
    return known.id, known.run_id


def with_effects(workspace: Workspace, asked: Wish, before: Undo | None) -> Wish:
    """Add the rows that would move and the mapping that would change; refuses where that cannot be done whole."""
    store, name = workspace.store, workspace.pipeline.name
    made = store.mappings.made_by(name, asked.run_id)
    version = before.mapping_version if before else made.version if made else None
    rows = rows_that_move(workspace, asked)
    if not rows and version is None:
        raise UserError(
            f"{asked.run_id}: the decision published nothing and made no mapping, so there is nothing to undo. "
            f"Held rows are worked with: mend quarantine ls",
            exit_code=REFUSED,
        )
    return replace(asked, rows=rows, mapping=version, changed=mapping_changes(workspace, version))


def rows_that_move(workspace: Workspace, asked: Wish) -> int:
    """Count the rows in the files; refuses a run whose rows are not as it was settled."""
    run = workspace.store.runs.get(asked.run_id)
    if run is None:
        return 0
    refuse_unsettled(workspace, run)
    if not asked.back:
        return workspace.sink.count(asked.run_id).total()
    if replays := replayed_by(workspace, asked.run_id):
        raise UserError(
            f"{asked.run_id}: {replays[0]} published rows that were held meanwhile; they would be there twice. "
            f"Take that back first: mend quarantine undo {replays[0]}",
            exit_code=REFUSED,
        )
    first = workspace.store.undos.get(asked.takes_back or 0)
    there = rows_held_back(workspace, asked.run_id)
    if first and first.rows != there:
        raise UserError(
            f"{asked.run_id}: {first.name} held {first.rows} rows, {there} of them are left: others were repaired, "
            "discarded or deleted since. Publish what is left with: mend quarantine replay",
            exit_code=REFUSED,
        )
    return there


def replayed_by(workspace: Workspace, run_id: str) -> list[str]:
    """Return the replays that took rows which this run holds; their manifests say so."""
    found = []
    for one in workspace.store.runs.standing(workspace.pipeline.name):
        if one.state in SETTLED and workspace.layout.run_file(one.run_id, "manifest").exists():
            takes = settled_manifest.read(workspace.layout, one.run_id).takes
            found += [one.run_id for each in takes if (each.run_id, each.place) == (run_id, "held")][:1]
    return found


def rows_held_back(workspace: Workspace, run_id: str) -> int:
    """Count the rows that an undo holds."""
    from orchestration.load_check import count_files

    return count_files(workspace.layout.undone(run_id))


def refuse_unsettled(workspace: Workspace, run: Run) -> None:
    """Refuse a run that is at work, disputed, replaced, or has taken the place of others."""
    advice = {
        RunState.DISPUTED: "restore its files first",
        RunState.REPLACED: "another run took its place: undo that one",
        RunState.FAILED: "it published nothing",
    }.get(run.state, "wait until it is validated")
    if run.state is not RunState.VALIDATED:
        raise UserError(f"{run.run_id} is {run.state.value}: {advice}. Nothing was changed.", exit_code=REFUSED)
    if not workspace.store.ledger.ranges(run.run_id):
        raise UserError(
            f"{run.run_id} read no offsets: its rows are those of other runs. Take a replay back with: "
            f"mend quarantine undo {run.run_id}",
            exit_code=REFUSED,
        )
    taken = workspace.store.runs.replaces(run.run_id)
    if taken:
        raise UserError(
            f"{run.run_id} took the place of {', '.join(taken)}: without it their offsets would be nowhere. "
            "Read them again instead: mend backfill",
            exit_code=REFUSED,
        )


def mapping_changes(workspace: Workspace, version: int | None) -> tuple[Changed, ...]:
    """Return what the mapping of now loses and gets, nothing where no version is taken back."""
    if version is None:
        return ()
    before, after, current = versions_around(workspace, version)
    recipe = taken_back(current, before, after)
    return changes(current, replace(current, fields=recipe.fields))


def versions_around(workspace: Workspace, version: int) -> tuple[Mapping, Mapping, Mapping]:
    """Return the version before one, that one, and the newest."""
    mappings, name = workspace.store.mappings, workspace.pipeline.name
    found_ = mappings.get(name, version - 1), mappings.get(name, version), mappings.current(name)
    before, after, current = found_
    if before is None or after is None or current is None:
        raise UserError(f"{name}: mapping version {version} has none before it that could be taken.", exit_code=REFUSED)
    return before, after, current


def undo(workspace: Workspace, name: str, *, by: str, reason: str) -> Wish:
    """Do it, once: undoing what is undone changes nothing. Killed at any line, the next command ends it.

    Readers see all of the run's rows or none. Runs go on meanwhile.
    """
    with settled_rows(workspace):
        asked = wish(workspace, name)
        if asked.done:
            return asked
        begun = begin(workspace, asked, by, reason)
        fault_point("undo_begun")
        return replace(asked, done=end(workspace, begun))


@contextmanager
def settled_rows(workspace: Workspace) -> Iterator[None]:
    """Lock the rows of settled runs, and first end the undos that somebody began."""
    name = workspace.pipeline.name
    with only_one(workspace.layout.settled_lock(name), f"{name} (rows of settled runs)"):
        end_begun(workspace)
        yield


def end_what_died(workspace: Workspace) -> None:
    """End the undos that somebody began, unless they are at work."""
    if workspace.store.undos.begun(workspace.pipeline.name):
        with suppress(Taken), settled_rows(workspace):
            pass


def end_begun(workspace: Workspace) -> None:
    """End the undos at which a process died."""
    for one in workspace.store.undos.begun(workspace.pipeline.name):
        end(workspace, one)


def begin(workspace: Workspace, asked: Wish, by: str, reason: str) -> Undo:
    """Write it down, with the mapping that is used from the next micro-batch on, in one transaction."""
    store, name, at = workspace.store, workspace.pipeline.name, clock.now()
    with store.transaction():
        version = take_mapping_back(workspace, asked, by) if asked.mapping else None
        if store.runs.get(asked.run_id):
            store.runs.advance(asked.run_id, RunState.UNDOING, at)
        return store.undos.begin(
            pipeline=name,
            run_id=asked.run_id,
            decision=asked.decision,
            takes_back=asked.takes_back,
            back=asked.back,
            mapping_version=version,
            at=at,
            by=by,
            reason=reason,
        )


def take_mapping_back(workspace: Workspace, asked: Wish, by: str) -> int:
    """Append the version without the change; versions never go."""
    before, after, current = versions_around(workspace, asked.mapping or 0)
    recipe = taken_back(current, before, after)
    return workspace.store.mappings.append(
        workspace.pipeline.name,
        recipe.fields,
        clock.now(),
        created_by=by,
        base=current.version,
        declined=recipe.declined,
    )


def end(workspace: Workspace, begun: Undo) -> Undo:
    """Move the rows, vouch for where they are, count them there, and say so; each part can be repeated."""
    run_id, store = begun.run_id, workspace.store
    settled = store.runs.get(run_id) is not None
    if settled:
        move_rows(workspace, begun)
    fault_point("undo_moved")
    note_down(workspace, begun)
    published, held = workspace.sink.count(run_id), held_rows(workspace.layout, run_id)
    with store.transaction():
        if settled:
            wrong = store.ledger.settle(run_id, published, held)
            if wrong:
                dispute(workspace, begun, str(wrong[0]))
            store.runs.advance(run_id, RunState.DISPUTED if wrong else RunState.VALIDATED, clock.now())
        moved = published.total() if begun.back else rows_held_back(workspace, run_id)
        store.undos.end(begun.id, clock.now(), moved)
    score_undone(workspace, run_id, back=begun.back)
    write_mapping(workspace)
    return next(one for one in store.undos.of_decision(begun.decision) if one.id == begun.id)


def dispute(workspace: Workspace, begun: Undo, what: str) -> None:
    """Call a person: rows are not where they were; the incident ends when a recount agrees again."""
    summary = (
        f"{begun.run_id}: {begun.name} found other rows than the ledger says ({what}). Restore the files from a "
        f"backup, then: mend step validate_load --run-id {begun.run_id}"
    )
    log = incident_log(workspace.store, workspace.layout.ops)
    context = {"run_id": begun.run_id, "pipeline": begun.pipeline}
    log.log_incident(str(uuid4()), "load_validation", summary, Severity.CRITICAL, clock.now(), context=context)


def move_rows(workspace: Workspace, begun: Undo) -> None:
    """Hold the published rows, or publish those that are held."""
    sink, run_id = workspace.sink, begun.run_id
    aside = workspace.layout.undone(run_id)
    if not begun.back:
        sink.retract(run_id, aside)
        fault_point("rows_back")
        vouch(workspace, run_id, coming=False)
        return
    vouch(workspace, run_id, coming=True)
    sink.publish(run_id, aside)
    shutil.rmtree(aside, ignore_errors=True)
    for folder in (aside.parent, aside.parent.parent):
        with suppress(OSError):  # other rows are held there
            folder.rmdir()


def vouch(workspace: Workspace, run_id: str, *, coming: bool) -> None:
    """Name the files where they are, or (`coming`) where they will be in a moment; other places stay as they are."""
    layout = workspace.layout
    manifest = settled_manifest.read(layout, run_id)
    aside = layout.undone(run_id)
    away = aside.relative_to(layout.settings.home).as_posix() + "/"
    held = [
        one for one in set_aside(layout, run_id) if one.place == "held" and not (coming and one.path.startswith(away))
    ]
    published = published_files(layout, run_id, aside if coming and aside.exists() else None)
    others = [one for one in manifest.files if one.place not in MOVED]
    files = sorted((*held, *others, *published), key=lambda one: (PLACES.index(one.place), one.path))
    settled_manifest.write(layout, replace(manifest, files=tuple(files)))


def note_down(workspace: Workspace, begun: Undo) -> None:
    """Say it in the log of decisions; a line that is there is not written again."""
    what = f"undo-{begun.takes_back}" if begun.takes_back else f"decision {begun.decision}"
    text = f"{what} is undone" + (f": {begun.reason}" if begun.reason else "")
    line = decision_log.note("undone", text, begun.at.isoformat(), by=begun.by, run_id=begun.run_id)
    decision_log.append(workspace.layout.ops / "decision_log.jsonl", line)


def pipeline_of(store: Store, name: str) -> str:
    """Return the pipeline of a decision or an undo."""
    if name.startswith("undo-"):
        number = name.removeprefix("undo-")
        known = store.undos.get(int(number)) if number.isdecimal() else None
        if known is None:
            raise UserError(f"no '{name}'. See: mend decision list")
        return known.pipeline
    run_id = found(store, name).run_id or ""
    known_run, event = store.runs.get(run_id), store.task_events.get(run_id)
    if known_run is None and event is None:
        raise UserError(f"decision {name} is about no run of this store, so nothing can be undone.", exit_code=REFUSED)
    return known_run.pipeline if known_run else event.pipeline if event else ""
