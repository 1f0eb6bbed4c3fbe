"""Try a repair on all the rows that it is meant for: nothing is written, and what makes rows worse is refused."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import duckdb
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from mend.contracts.quarantine import Selection, Step, Trial
from mend.curate.plan import Plan
from mend.quarantine.rows import waiting
from mend.quarantine.work import Bench, Pass, Remedy, all_positions, curated_parts, event_fields, event_texts
from mend.runtime.errors import UserError

NO_RUN = "trial"
SHOWN = 3
LOOKED_AT = 1_000
MOST_REASONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """An event before and after."""

    partition: int
    offset: int
    before: str | None
    after: str | None


@dataclass(slots=True)
class Seen:
    """What a pass over waiting rows found."""

    rows: int = 0
    passes: int = 0
    repeats: int = 0
    failing: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    at: list["np.ndarray[tuple[int], np.dtype[np.int64]]"] = field(default_factory=list)

    def add(self, one: Pass) -> None:
        """Count a part."""
        curated = one.curated
        self.rows += one.part.records.num_rows
        self.passes += curated.accepted.num_rows
        self.repeats += curated.duplicates.num_rows
        self.failing += curated.accepted.num_rows - (pc.sum(curated.accepted["dq_passed"]).as_py() or 0)
        self.reasons.update(reasons_of(one))
        self.at.append(all_positions(curated))

    @property
    def positions(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """All events that pass, or repeat one that does."""
        return np.concatenate([np.empty(0, np.int64), *self.at])


def reasons_of(one: Pass) -> Counter[str]:
    """Count why rows still fail: rule and column of their first reasons."""
    found: Counter[str] = Counter()
    for table in (one.curated.rejected, one.curated.dead_letters):
        if table.num_rows:
            first = pc.list_element(table["reasons"].combine_chunks(), 0)
            named = pc.binary_join_element_wise(first.field("rule"), first.field("column"), " ")
            found.update({one["values"].strip(): one["counts"] for one in pc.value_counts(named).to_pylist()})
    if one.undecoded:
        found["not decoded"] += one.undecoded
    return found


def try_repair(bench: Bench, remedy: Remedy) -> Trial:
    """Try a repair, beside what the same rows are without it."""
    trial, before = beside(bench, remedy.selection, [remedy])
    return replace(trial, refused=refusal(bench.plan, remedy.steps, trial, before))


def look_at(bench: Bench, selection: Selection, remedies: Sequence[Remedy]) -> Trial:
    """Say what rows are with several repairs, each for its own of them; nothing is refused here."""
    return beside(bench, selection, remedies)[0]


def beside(bench: Bench, selection: Selection, remedies: Sequence[Remedy]) -> tuple[Trial, Seen]:
    """Curate the rows with and without repairs; without, only those that today's words have not judged yet."""
    after, before = Seen(), Seen()
    for one in curated_parts(bench, selection, remedies, NO_RUN):
        after.add(one)
    if not after.rows:
        raise UserError("no row waits that is meant. See: mend quarantine group", exit_code=1)
    for one in curated_parts(bench, selection, [], NO_RUN, judged=False):
        before.add(one)
    trial = Trial(
        rows=after.rows,
        before=before.passes,
        passes=after.passes,
        still=after.rows - after.passes - after.repeats,
        worse=int(np.isin(before.positions, after.positions, invert=True).sum()),
        repeats=after.repeats,
        failing_quality=after.failing,
        reasons=dict(after.reasons.most_common(MOST_REASONS)),
    )
    return trial, before


def refusal(plan: Plan, steps: Sequence[Step], trial: Trial, before: Seen) -> str | None:
    """Return why a repair must not be used."""
    keys = {plan.pipeline.source(one) for one in plan.pipeline.key}
    newly = trial.passes - trial.before
    if trial.worse:
        return f"{trial.worse} rows that pass as they are would not pass any more"
    if trial.repeats > before.repeats and any(one.target in keys for one in steps):
        return f"{trial.repeats} rows would get the key of another row, and be lost as its duplicates"
    if newly <= 0:
        return "no row would pass that does not pass as it is"
    share = (trial.failing_quality - before.failing) / newly
    if share > plan.rules.thresholds.acceptable_failures:
        return f"{share:.0%} of the rows that would pass fail a quality rule"
    return None


def samples(bench: Bench, remedy: Remedy, many: int = SHOWN) -> list[Sample]:
    """Return some events before and after; nothing is masked."""
    found: list[Sample] = []
    with duckdb.connect(config={"threads": 1, "enable_external_access": False}) as db:
        db.execute("SET TimeZone = 'UTC'").fetchall()
        for part in waiting(bench.index, remedy.selection, bench.plan):
            some = replace(part, records=part.records.slice(0, many), codes=part.codes[:many])
            old = event_texts(db, bench.decode, some, []).to_pylist()
            new = event_texts(db, bench.decode, some, [remedy]).to_pylist()
            where = some.records.select(["partition", "offset"]).to_pylist()
            found += [
                Sample(partition=at["partition"], offset=at["offset"], before=was, after=now)
                for at, was, now in zip(where, old, new, strict=True)
            ]
            if len(found) >= many:
                break
    return found[:many]


def seen_fields(bench: Bench, selection: Selection) -> frozenset[str]:
    """Return the keys of some of the events that are meant."""
    found = samples(bench, Remedy(selection=selection, steps=()), LOOKED_AT)
    texts = pa.array([one.before for one in found], pa.string())
    return frozenset(event_fields(texts))


def masked(text: str | None, shown: frozenset[str]) -> str | None:
    """Hide the values of an event but for those of fields that are known to be nobody's."""
    if text is None:
        return None
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return f"({len(text)} characters, no JSON)"
    if not isinstance(document, dict):
        return f"({type(document).__name__})"
    return orjson.dumps({name: value if name in shown else hidden(value) for name, value in document.items()}).decode()


def hidden(value: object) -> object:
    """Say of a value only what it is."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return f"<text of {len(value)}>"
    return "<number>" if isinstance(value, int | float) else "<nested>"


def shown_fields(plan: Plan) -> frozenset[str]:
    """Return the keys whose values may be shown: those of the contract that are no personal data."""
    pairs = zip(plan.fields, plan.sources, strict=True)
    contract = set(plan.pipeline.schema.names)
    return frozenset(source for one, source in pairs if one.name in contract and one.name not in plan.pipeline.pii)
