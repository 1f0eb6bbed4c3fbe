"""The trial of a mapping: the pass of the ingest over rows that are there, with the mapping of now and the new one."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from mend.contracts.mapping import Mapping
from mend.contracts.rules import RuleSet
from mend.contracts.schema import Field
from mend.contracts.trial import Trial, TriedColumn, TriedRows
from mend.curate.curator import Curator
from mend.curate.decoders import decoder
from mend.curate.plan import Plan, make_plan
from mend.quality.snapshot import versions
from mend.remap.distance import distance, is_far
from mend.remap.past_rows import kept_records, rewritten_records
from mend.remap.versions import Recipe
from mend.runtime.pipeline_file import Pipeline
from mend.runtime.schema_registry import RegistryAddress

SAMPLE = 20_000
"""Rows by which columns are compared; counts are of all rows."""
MOST_REASONS = 10
FAR = 0.25
"""Values of a field that is read from elsewhere, or is new to a column, may lie this far from those it had."""
MANY_FAILURES = 0.05
"""Rows more, of those that fit, may fail a quality rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a mapping is tried on: files of set-aside rows, and those of the last good published run."""

    pipeline: Pipeline
    rules: RuleSet
    current: Mapping | None
    set_aside: Sequence[Path]
    good: Sequence[Path] = ()
    good_run: str | None = None
    registry: RegistryAddress | None = None


@dataclass(slots=True)
class Came:
    """What came of some rows."""

    rows: int = 0
    fit: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    sample: list[pa.Table] = field(default_factory=list)
    sampled: int = 0

    def add(self, rows: int, accepted: pa.Table, fit: int, failed: int, rejected: pa.Table) -> None:
        """Count a part, and keep some of it to compare columns."""
        self.rows += rows
        self.fit += fit
        self.failed += failed
        self.reasons.update(f"{one[0]['rule']} {one[0]['column']}" for one in rejected["reasons"].to_pylist() if one)
        if self.sampled < SAMPLE:
            self.sample.append(accepted.slice(0, SAMPLE - self.sampled))
            self.sampled += self.sample[-1].num_rows

    @property
    def table(self) -> pa.Table:
        """The rows that are compared."""
        return pa.concat_tables(self.sample, promote_options="default") if self.sample else pa.table({})

    @property
    def counted(self) -> TriedRows:
        """The counts."""
        some = tuple(self.reasons.most_common(MOST_REASONS))
        return TriedRows(rows=self.rows, fit=self.fit, failed_rules=self.failed, reasons=some)


def try_mapping(material: Material, recipe: Recipe, now: datetime) -> Trial:
    """Run the trial. Nothing is written, and no row leaves its place; the same rows and `now` give the same answer."""
    pipeline, current = material.pipeline, material.current
    wanted = candidate(pipeline.name, current, recipe, now)
    before, after = (make_plan(pipeline, material.rules, one) for one in (current, wanted))
    was, came = (set_aside(material, plan, mapping, now) for plan, mapping in ((before, current), (after, wanted)))
    again = Came()
    rewritten(again, material, wanted, material.good, now)
    trial = Trial(
        pipeline=pipeline.name,
        base=current.version if current else 0,
        fields=recipe.fields,
        declined=recipe.declined,
        contract=versions(pipeline, material.rules),
        good_run=material.good_run,
        set_aside_before=was.counted,
        set_aside=came.counted,
        again=again.counted,
        columns=compared(after, came.table, again.table),
        key_overlap=key_overlap(pipeline, came.table, again.table),
    )
    return replace(trial, against=tuple(what_speaks_against(trial, before, after, came, again)))


def candidate(pipeline: str, current: Mapping | None, recipe: Recipe, now: datetime) -> Mapping:
    """Return the version that the recipe would be."""
    return Mapping(
        pipeline=pipeline,
        version=current.version + 1 if current else 1,
        fields=recipe.fields,
        created_at=now.isoformat(),
        created_by="trial",
        declined=recipe.declined,
    )


def set_aside(material: Material, plan: Plan, mapping: Mapping | None, now: datetime) -> Came:
    """Take all set-aside rows through the pass: rejected ones as they came, held ones as they would come again."""
    found = Came()
    run(found, plan, kept_records(material.set_aside), material.registry, now)
    rewritten(found, material, mapping, material.set_aside, now)
    return found


def rewritten(found: Came, material: Material, mapping: Mapping | None, files: Sequence[Path], now: datetime) -> None:
    """Take rows that are known by their columns through the pass, as events under the names of a mapping."""
    plan = make_plan(replace(material.pipeline, format="json"), material.rules, mapping)
    sources = dict(zip(names(plan.fields), plan.sources, strict=True))
    run(found, plan, rewritten_records(files, plan.fields, sources), None, now)


def run(found: Came, plan: Plan, records: Iterable[pa.Table], registry: RegistryAddress | None, now: datetime) -> None:
    """Take records through the pass. A key that comes again fits as well: it is no news of the mapping."""
    curator = None
    for one in records:
        curator = curator or Curator(plan, decoder(plan.pipeline, registry, plan.direct), run_id="trial", now=now)
        curated = curator.curate(one)
        places = curated.tally.places
        fit = places.accepted + places.duplicate
        found.add(one.num_rows, curated.accepted, fit, curated.tally.failed - places.rejected, curated.rejected)


def names(fields: Sequence[Field]) -> tuple[str, ...]:
    """Return the names of fields."""
    return tuple(one.name for one in fields)


def compared(plan: Plan, came: pa.Table, good: pa.Table) -> tuple[TriedColumn, ...]:
    """Compare every field of the set-aside rows that fit with those of the last good run."""
    if not came.num_rows or not good.num_rows:
        return ()
    return tuple(
        TriedColumn(
            column=name,
            nulls=came[name].null_count / came.num_rows,
            nulls_before=good[name].null_count / good.num_rows,
            distance=rounded(distance(came[name], good[name])),
        )
        for name in names(plan.fields)
    )


def rounded(found: float | None) -> float | None:
    """Return a share with as many digits as say something."""
    return None if found is None else round(found, 4)


def key_overlap(pipeline: Pipeline, came: pa.Table, good: pa.Table) -> float | None:
    """Return the share of the keys of rows that fit which the last good run has; an event time is no part of it."""
    key = [one for one in pipeline.key if one != pipeline.event_time]
    if not key or not came.num_rows or not good.num_rows:
        return None
    mine, others = (set(zip(*(table[one].to_pylist() for one in key), strict=True)) for table in (came, good))
    return round(len(mine & others) / len(mine), 4)


def what_speaks_against(trial: Trial, before: Plan, after: Plan, came: Came, again: Came) -> Iterable[str]:
    """Say why the mapping should not be used."""
    was, now = trial.set_aside_before, trial.set_aside
    if not now.rows and not trial.again.rows:
        yield "there are no rows to try it on"
    if now.fit < was.fit:
        yield f"of {now.rows} set-aside rows {now.fit} would fit, {was.fit} do now"
    if trial.again.fit < trial.again.rows:
        yield f"of {trial.again.rows} rows of {trial.good_run} only {trial.again.fit} would fit"
    # Rows that a decision held fit already, and fail whatever the mapping is: only what it brings is counted.
    failing, brought = now.failed_rules - was.failed_rules, now.fit - was.fit or now.fit
    if share(failing, brought) - share(trial.again.failed_rules, trial.again.fit) > MANY_FAILURES:
        yield f"{failing} more of the {now.fit} rows that fit fail a quality rule"
    moved = {
        name for name, source in zip(names(after.fields), after.sources, strict=True)
        if dict(zip(names(before.fields), before.sources, strict=True)).get(name, source) != source
    }  # fmt: skip
    if moved and now.rows and now.fit == was.fit:
        yield f"no set-aside row fits by reading {', '.join(sorted(moved))} from elsewhere"
    for one in trial.columns:
        if one.column in moved and is_far(one.distance, came.sampled, again.sampled, FAR):
            yield f"the values of {one.column} are others than those of {trial.good_run} (distance {one.distance})"


def share(part: int, whole: int) -> float:
    """Return a share, 0 of nothing."""
    return part / whole if whole else 0.0
