"""What a person does with mappings: try one, use one that was tried, go back to an earlier one."""

from itertools import islice
from pathlib import Path

import orjson

from mend.contracts.mapping import Mapping
from mend.contracts.trial import Trial
from mend.curate.decoders import decoder
from mend.curate.plan import make_plan
from mend.quality.snapshot import versions
from mend.remap.offers import Site, last_good, set_aside_files
from mend.remap.recipe_file import read_recipe
from mend.remap.renames import texts_of
from mend.remap.trial import try_mapping
from mend.remap.versions import Recipe, contract_of, fields_now, in_order
from mend.runtime import clock, decision_log
from mend.runtime.errors import UserError
from mend.runtime.schema_registry import registry_address
from orchestration.mapping_file import write_mapping
from orchestration.workspace import Workspace

REFUSED = 3
LOOK_BACK = 50
"""Runs whose reports say what the stream carried lately."""


def site_of(workspace: Workspace) -> Site:
    """Return where the pipeline's rows and trials are."""
    current = workspace.store.mappings.current(workspace.pipeline.name)
    return Site(
        plan=make_plan(workspace.pipeline, workspace.rules, current),
        layout=workspace.layout,
        store=workspace.store,
        registry=registry_address(workspace.settings),
    )


def try_file(workspace: Workspace, path: Path) -> tuple[str, Trial]:
    """Try the mapping of a file and keep the trial under its hash; the mapping in use stays as it is."""
    current = workspace.store.mappings.current(workspace.pipeline.name)
    recipe = read_recipe(
        path,
        workspace.pipeline,
        fields_now(workspace.pipeline, current),
        version=current.version if current else 0,
        declined=current.declined if current else (),
        seen=seen_lately(workspace),
    )
    return try_recipe(workspace, recipe)


def try_recipe(workspace: Workspace, recipe: Recipe) -> tuple[str, Trial]:
    """Try a mapping on all set-aside rows and on the last good run, and keep the trial."""
    site, now = site_of(workspace), clock.now()
    trial = try_mapping(site.material(last_good(site)), recipe, now)
    return workspace.store.trials.record(trial, now), trial


def seen_lately(workspace: Workspace) -> frozenset[str]:
    """Return the names of fields that events carried lately: of the mapping, of reports, and of set-aside events."""
    site = site_of(workspace)
    names = set(site.plan.sources) | set(workspace.pipeline.schema.names)
    for run in workspace.store.runs.recent(workspace.pipeline.name, LOOK_BACK):
        if run.report and run.report.drift:
            names |= {one.name for one in run.report.drift.added}
    kept = [path for path in set_aside_files(site) if "reason=held" not in path.parts]
    texts = texts_of(kept, (), decoder(workspace.pipeline, site.registry))
    for text in islice(texts, 1_000):
        event = orjson.loads(text)
        names |= set(event) if isinstance(event, dict) else set()
    return frozenset(names)


def known_trial(workspace: Workspace, name: str) -> tuple[str, Trial]:
    """Return a trial by the beginning of its hash."""
    found = workspace.store.trials.get(workspace.pipeline.name, name)
    if found is None:
        raise UserError(f"no trial of {workspace.pipeline.name}, or more than one, begins with '{name}'.")
    return found


def use(workspace: Workspace, name: str, *, by: str, reason: str) -> Mapping:
    """Use a tried mapping from the next micro-batch on; one that is used already changes nothing.

    Refused: a trial that did not pass, and one of another mapping, contract or rules than those of now.
    """
    full, trial = known_trial(workspace, name)
    mappings, pipeline = workspace.store.mappings, workspace.pipeline
    current = mappings.current(pipeline.name)
    if current and current.trial == full:
        noted(workspace, current, reason)
        return current
    if not trial.passed:
        raise UserError(f"trial {full[:12]} did not pass: {'; '.join(trial.against)}.", exit_code=REFUSED)
    if trial.contract != versions(pipeline, workspace.rules):
        raise UserError(
            f"trial {full[:12]} is of other files of the pipeline than those of now. Try it again.", exit_code=REFUSED
        )
    recipe = Recipe(fields=trial.fields, declined=trial.declined)
    return appended(workspace, recipe, base=trial.base, trial=full, by=by, reason=reason)


def revert(workspace: Workspace, version: int, *, by: str, reason: str) -> Mapping:
    """Use the fields of an earlier version again, as a new version; it is tried, and used whatever comes of that.

    Fields that go are declined: no decision adds them again.
    """
    mappings, pipeline = workspace.store.mappings, workspace.pipeline
    wanted, current = mappings.get(pipeline.name, version), mappings.current(pipeline.name)
    if wanted is None or current is None:
        known = ", ".join(str(one.version) for one in mappings.versions(pipeline.name)) or "none"
        raise UserError(f"{pipeline.name}: no version {version} of the mapping (known: {known}).")
    if wanted.fields == current.fields:
        return current
    back = {one.source for one in wanted.fields}
    gone = sorted({one.source for one in current.fields if one.added} - back)
    recipe = Recipe(fields=wanted.fields, declined=in_order([*current.declined, *gone], back))
    full, _ = try_recipe(workspace, recipe)
    return appended(workspace, recipe, base=current.version, trial=full, by=by, reason=reason)


def appended(workspace: Workspace, recipe: Recipe, *, base: int, trial: str, by: str, reason: str) -> Mapping:
    """Append a version, and write it down in the log and as a file."""
    mappings, name, at = workspace.store.mappings, workspace.pipeline.name, clock.now()
    with workspace.store.transaction():
        if base == 0:  # the contract itself, which is version 1 as soon as there is a second one
            base = (
                1
                if mappings.current(name)
                else mappings.append(name, contract_of(workspace.pipeline), at, created_by="contract", base=0)
            )
        mappings.append(name, recipe.fields, at, created_by=by, base=base, declined=recipe.declined, trial=trial)
    made = mappings.current(name)
    if made is None:  # it was appended a moment ago
        raise UserError(f"{name}: the mapping is gone from the store.", exit_code=1)
    noted(workspace, made, reason)
    return made


def noted(workspace: Workspace, made: Mapping, reason: str) -> None:
    """Say in the log of decisions who made a version, once, and write the files."""
    text = f"mapping version {made.version} of {made.pipeline}, trial {(made.trial or 'none')[:12]}"
    line = decision_log.note("mapping", text + (f": {reason}" if reason else ""), made.created_at, by=made.created_by)
    decision_log.append(workspace.layout.ops / "decision_log.jsonl", line)
    write_mapping(workspace)


def offered(workspace: Workspace, run_id: str) -> str | None:
    """Return the hash of the mapping that a run's report offers to a person, None where there is none."""
    run = workspace.store.runs.get(run_id)
    drift = run.report.drift if run and run.report else None
    return next((one.trial for one in drift.renamed_candidates if one.trial), None) if drift else None
