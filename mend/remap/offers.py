"""Find renames in a run that was just read, try them, and say of each whether the machine may use it alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from mend.contracts.drift import Drift, RenameCandidate
from mend.contracts.mapping import Mapping
from mend.curate.decoders import decoder
from mend.curate.plan import Plan
from mend.remap.renames import candidates, texts_of
from mend.remap.trial import Material, try_mapping
from mend.remap.versions import Recipe, additions, fields_now, with_renames
from mend.runtime.layout import Layout
from mend.runtime.logging import get_logger
from mend.runtime.schema_registry import RegistryAddress
from mend.store.engine import Store
from mend.store.runs import Run
from mend.store.tables import Outcome, RunState

LOOK_BACK = 50
"""Runs among which the last good one is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where rows and trials are, and the plan with which the newest rows were curated."""

    plan: Plan
    layout: Layout
    store: Store
    registry: RegistryAddress | None = None

    @property
    def current(self) -> Mapping | None:
        """The newest version of the mapping."""
        return self.store.mappings.current(self.plan.pipeline.name)

    def material(self, good: Run | None, staged: Sequence[Path] = ()) -> Material:
        """Return what a mapping is tried on: all set-aside rows, and those of a good run."""
        return Material(
            pipeline=self.plan.source_pipeline,
            rules=self.plan.rules,
            current=self.current,
            set_aside=(*set_aside_files(self), *staged),
            good=published_of(self.layout, good.run_id) if good else (),
            good_run=good.run_id if good else None,
            registry=self.registry,
        )


def with_candidates(site: Site, run_id: str, drift: Drift, staged: Sequence[Path], now: datetime) -> Drift:
    """Add the rename candidates to the drift of a run; `apply` stays only on those whose mapping passed its trial.

    `staged` are the run's files in staging. A machine that cannot try says so in its log and asks a person.
    """
    try:
        return replace(drift, renamed_candidates=found_and_tried(site, run_id, drift, staged, now))
    except (duckdb.Error, pa.ArrowException, OSError, ValueError) as error:
        get_logger().error("renames_not_looked_for", run_id=run_id, error=f"{type(error).__name__}: {error}"[:300])
        return drift


def found_and_tried(
    site: Site, run_id: str, drift: Drift, staged: Sequence[Path], now: datetime
) -> tuple[RenameCandidate, ...]:
    """Compare what vanished with what is new; nothing where no good run is known."""
    good = last_good(site, run_id)
    if good is None:
        return ()
    rejected = [path for path in staged if "rejected" in path.parts]
    accepted = [path for path in staged if "accepted" in path.parts]
    plan, files = site.plan, published_of(site.layout, good.run_id)
    texts = texts_of(rejected, accepted, decoder(plan.pipeline, site.registry))
    found = best_of(candidates(drift, plan.fields, plan.sources, files, texts))
    return tried(site, site.material(good, rejected), drift, found, now) if found else ()


def best_of(found: Sequence[RenameCandidate]) -> tuple[RenameCandidate, ...]:
    """Keep the best candidate of each old field, and of each new one."""
    kept: list[RenameCandidate] = []
    for one in sorted(found, key=lambda each: (each.action != "apply", -each.score, each.old, each.new)):
        if one.old not in {each.old for each in kept} and one.new not in {each.new for each in kept}:
            kept.append(one)
    return tuple(kept)


def tried(
    site: Site, material: Material, drift: Drift, found: Sequence[RenameCandidate], now: datetime
) -> tuple[RenameCandidate, ...]:
    """Try the mapping that all candidates make together; one that does not pass is for a person."""
    recipe = recipe_of(material, drift, found)
    trial = try_mapping(material, recipe, now)
    name = site.store.trials.record(trial, now)
    get_logger().info("mapping_tried", trial=name, passed=trial.passed, against=list(trial.against))
    alone = trial.passed and all(one.action == "apply" for one in found)
    return tuple(replace(one, trial=name, action="apply" if alone else "ask") for one in found)


def recipe_of(material: Material, drift: Drift, found: Sequence[RenameCandidate]) -> Recipe:
    """Return the mapping that the candidates and the new fields of a run make."""
    current = material.current
    fields, declined = fields_now(material.pipeline, current), current.declined if current else ()
    recipe = with_renames(fields, declined, {one.new: one.old for one in found})
    added = additions(recipe.fields, recipe.declined, drift.added)
    return replace(recipe, fields=(*recipe.fields, *added))


def last_good(site: Site, run_id: str | None = None) -> Run | None:
    """Return the newest run whose published rows are whole, and whose stream had every field."""
    for one in site.store.runs.recent(site.plan.pipeline.name, LOOK_BACK):
        whole = one.state is RunState.VALIDATED and one.outcome is Outcome.PUBLISHED and one.run_id != run_id
        drift = one.report.drift if one.report else None
        if whole and not (drift and drift.removed) and published_of(site.layout, one.run_id):
            return one
    return None


def published_of(layout: Layout, run_id: str) -> tuple[Path, ...]:
    """Return the readable files of a run."""
    return tuple(sorted(layout.published(run_id).rglob("*.parquet")))


def set_aside_files(site: Site) -> tuple[Path, ...]:
    """Return the quarantined files of all runs of the pipeline; one that cannot be read is left out, and logged."""
    runs = site.store.runs.standing(site.plan.pipeline.name)
    paths = (path for one in runs for path in sorted(site.layout.quarantine(one.run_id).rglob("*.parquet")))
    return tuple(path for path in paths if is_readable(path))


def is_readable(path: Path) -> bool:
    """Whether a file is Parquet with rows of ours."""
    try:
        names = set(pq.read_schema(path).names)
    except (OSError, pa.ArrowException) as error:
        get_logger().warning("quarantine_file_unreadable", path=str(path), error=str(error)[:200])
        return False
    return bool(names & {"value", "kafka_offset"})
