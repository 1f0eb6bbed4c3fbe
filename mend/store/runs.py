"""Runs and where they stand, so that whatever died is picked up there."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict, Unpack

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, or_, select, true, update

from mend.contracts.quality import QualityResults
from mend.contracts.report import RunReport
from mend.runtime.errors import UserError
from mend.store.database import Database, insert_once
from mend.store.tables import Outcome, RunState, failures, replacements, run_ranges, runs

REPEATABLE = (RunState.OPENED, RunState.STAGED, RunState.AUDITED, RunState.FAILED)
"""A batch in one of these may be staged again: nothing was decided about it."""

BEFORE = {
    RunState.STAGED: (RunState.OPENED,),
    RunState.AUDITED: (RunState.STAGED,),
    RunState.DECIDED: (RunState.AUDITED,),
    RunState.PUBLISHED: (RunState.DECIDED,),
    RunState.HELD: (RunState.DECIDED,),
    RunState.VALIDATED: (RunState.PUBLISHED, RunState.HELD, RunState.DISPUTED),
    RunState.DISPUTED: (RunState.PUBLISHED, RunState.HELD, RunState.VALIDATED, RunState.DISPUTED),
    RunState.FAILED: (RunState.OPENED, RunState.STAGED, RunState.AUDITED, RunState.DECIDED),
    RunState.REPLACED: (RunState.PUBLISHED, RunState.HELD, RunState.VALIDATED),
}
"""From where a state can be reached."""

OUTCOMES = {
    RunState.PUBLISHED: Outcome.PUBLISHED,
    RunState.HELD: Outcome.HELD,
    RunState.FAILED: Outcome.FAILED,
}
ENDED = {RunState.VALIDATED, RunState.DISPUTED, RunState.FAILED, RunState.REPLACED}
UNFINISHED = tuple(state for state in RunState if state not in ENDED)


class IllegalTransition(UserError):  # noqa: N818 - it names what happened
    """The run is not where the step expects it; somebody else may have moved it."""


class Changes(TypedDict, total=False):
    """What may be written together with a new state."""

    job_status: str | None
    mapping_version: int | None
    rules_version: str | None
    published_rows: int | None
    report: RunReport | None
    quality: QualityResults | None
    error: str | None
    cause: str | None
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run. `attempts` counts how often its batch was opened; `ended_at` and `outcome` are of the last end.

    `verdict` is the audit's.
    """

    run_id: str
    pipeline: str
    query_id: str | None
    batch_id: int | None
    state: RunState
    outcome: Outcome | None
    attempts: int
    opened_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    job_status: str | None
    mapping_version: int | None
    rules_version: str | None
    published_rows: int | None
    report: RunReport | None
    quality: QualityResults | None
    error: str | None
    cause: str | None
    epoch: int
    verdict: str | None = None

    @property
    def may_be_staged(self) -> bool:
        """Whether its batch may be written (again); False once a decision about it was made."""
        return self.state in REPEATABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a run stands, without what it reported."""

    run_id: str
    pipeline: str
    state: RunState
    epoch: int
    opened_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A job that failed, with the run it was working on, if it had come that far."""

    pipeline: str
    run_id: str | None
    error: str
    cause: str | None
    at: datetime
    decided_at: datetime | None = None


class Runs:
    """The runs of all pipelines."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def open_run(
        self,
        run_id: str,
        pipeline: str,
        query_id: str | None,
        batch_id: int | None,
        at: datetime,
        *,
        mapping_version: int | None = None,
        rules_version: str | None = None,
    ) -> Run:
        """Open the run of a batch. Idempotent: a replayed batch starts its run again, with report and ranges emptied.

        A run about which a decision was made stays as it is: look at `may_be_staged` of what comes back, and skip.
        """
        identity = {"pipeline": pipeline, "query_id": query_id, "batch_id": batch_id}
        fresh = {
            "state": RunState.OPENED,
            "updated_at": at,
            "mapping_version": mapping_version,
            "rules_version": rules_version,
        }
        with self.database.transaction() as connection:
            opened = {"run_id": run_id, "opened_at": at, "attempts": 1, **identity, **fresh}
            if not insert_once(connection, runs, opened):
                refuse_other(_get(connection, run_id), run_id, identity)
                _reopen(connection, run_id, fresh)
            return _existing(connection, run_id)

    def advance(
        self, run_id: str, to: RunState, at: datetime, *, attempt: int | None = None, **changes: Unpack[Changes]
    ) -> Run:
        """Move the run on and write the changes with it; of two processes that try, one gets IllegalTransition.

        With `attempt` (a Run's `attempts`) it is also refused when the batch was replayed in the meantime.
        `published_rows=0` says that a run with events published nothing: it counts as a failure of the pipeline.
        """
        if to is RunState.FAILED:
            raise ValueError("a failure has a text: use record_failure")
        with self.database.transaction() as connection:
            _move(connection, run_id, to, at, attempt, dict(changes))
            return _existing(connection, run_id)

    def record_failure(self, pipeline: str, run_id: str | None, error: str, cause: str | None, at: datetime) -> None:
        """Count a failed job; its run, if it has one, becomes failed. Saying it twice about one attempt counts once."""
        with self.database.transaction() as connection:
            if run_id is not None:
                if _existing(connection, run_id).state is RunState.FAILED:
                    return
                changes = {"error": error, "cause": cause, "job_status": "failed"}
                _move(connection, run_id, RunState.FAILED, at, None, changes)
            failure = {"pipeline": pipeline, "run_id": run_id, "error": error, "cause": cause, "at": at}
            connection.execute(failures.insert().values(failure))

    def failures_decided(self, pipeline: str, at: datetime) -> None:
        """Note that a decision has seen the pipeline's failures; those that one has seen before stay as they are."""
        seen = update(failures).where(failures.c.pipeline == pipeline, failures.c.decided_at.is_(None))
        with self.database.transaction() as connection:
            connection.execute(seen.values(decided_at=at))

    def plan_replacement(self, run_id: str, replaced: Iterable[str]) -> None:
        """Say which runs the run will take the place of when it is settled; saying it again replaces the list."""
        rows = [{"run_id": run_id, "replaced": one} for one in sorted(replaced)]
        with self.database.transaction() as connection:
            connection.execute(delete(replacements).where(replacements.c.run_id == run_id))
            if rows:
                connection.execute(replacements.insert(), rows)

    def replaces(self, run_id: str) -> tuple[str, ...]:
        """Return the runs whose place the run takes; none for a run that only reads what is new."""
        wanted = select(replacements.c.replaced).where(replacements.c.run_id == run_id)
        with self.database.reading() as connection:
            return tuple(connection.scalars(wanted.order_by(replacements.c.replaced)))

    def replace(self, run_id: str, at: datetime) -> None:
        """Mark the runs whose place the run took as replaced; those that are already stay so."""
        with self.database.transaction() as connection:
            for one in self.replaces(run_id):
                if _existing(connection, one).state is not RunState.REPLACED:
                    _move(connection, one, RunState.REPLACED, at, None, {})

    def abandon(self, run_id: str, why: str, at: datetime) -> None:
        """Give up a run that changed nothing: its ranges are nobody's, and it is no failure of the pipeline."""
        with self.database.transaction() as connection:
            _move(connection, run_id, RunState.FAILED, at, None, {"error": why})
            connection.execute(update(runs).where(runs.c.run_id == run_id).values(outcome=None))
            connection.execute(delete(run_ranges).where(run_ranges.c.run_id == run_id))

    def get(self, run_id: str) -> Run | None:
        """Return the run, or None for an unknown one."""
        with self.database.reading() as connection:
            return _get(connection, run_id)

    def unfinished(self, pipeline: str) -> tuple[Run, ...]:
        """Return the runs that are neither validated, disputed nor failed, oldest first."""
        wanted = select(runs).where(runs.c.pipeline == pipeline, runs.c.state.in_(UNFINISHED))
        return self._all(wanted.order_by(runs.c.opened_at, runs.c.batch_id, runs.c.run_id))

    def recent(self, pipeline: str | None = None, limit: int = 20) -> tuple[Run, ...]:
        """Return the newest runs, of one pipeline or of all, newest first."""
        wanted = select(runs).order_by(runs.c.opened_at.desc(), runs.c.batch_id.desc(), runs.c.run_id.desc())
        return self._all(wanted.where(runs.c.pipeline == pipeline if pipeline else true()).limit(limit))

    def standing(self, pipeline: str | None = None) -> tuple[Standing, ...]:
        """Return every run, oldest first, of one pipeline or of all; cheap, however many there are."""
        return self._standing(runs.c.pipeline == pipeline if pipeline else true())

    def volumes(self, run: Run, limit: int) -> tuple[int, ...]:
        """Return the accepted rows of the pipeline's published runs before this one, newest first."""
        rows = func.sum(run_ranges.c.accepted)
        wanted = (
            select(rows)
            .join_from(runs, run_ranges)
            .where(runs.c.pipeline == run.pipeline, runs.c.run_id != run.run_id, runs.c.opened_at <= run.opened_at)
            .where(runs.c.outcome == Outcome.PUBLISHED)
            .group_by(runs.c.run_id, runs.c.opened_at, runs.c.batch_id)
            .order_by(runs.c.opened_at.desc(), runs.c.batch_id.desc())
        )
        with self.database.reading() as connection:
            return tuple(int(one) for one in connection.execute(wanted.limit(limit)).scalars())

    def opened_since(self, pipeline: str, since: datetime) -> tuple[Standing, ...]:
        """Return the pipeline's runs opened at or after a time, oldest first; cheap, however many there are."""
        return self._standing(and_(runs.c.pipeline == pipeline, runs.c.opened_at >= since))

    def failures(self, pipeline: str | None = None, limit: int = 20) -> tuple[Failure, ...]:
        """Return the newest failures, newest first, those without a run among them."""
        columns = [failures.c[name] for name in Failure.__dataclass_fields__]
        wanted = select(*columns).where(failures.c.pipeline == pipeline if pipeline else true())
        with self.database.reading() as connection:
            rows = connection.execute(wanted.order_by(failures.c.at.desc(), failures.c.id.desc()).limit(limit))
            return tuple(Failure(**row) for row in rows.mappings())

    def consecutive_failures(self, pipeline: str, since: datetime | None = None) -> int:
        """Count failed jobs and runs that published nothing since the pipeline last published, and not before `since`.

        Every attempt at one batch counts: a batch that fails three times is three failures.
        """
        with self.database.reading() as connection:
            ended = and_(runs.c.pipeline == pipeline, _since(connection, runs.c.ended_at, pipeline, since))
            failed = and_(failures.c.pipeline == pipeline, _since(connection, failures.c.at, pipeline, since))
            empty = connection.scalar(select(func.count()).select_from(runs).where(ended, _PUBLISHED_NOTHING)) or 0
            return empty + (connection.scalar(select(func.count()).select_from(failures).where(failed)) or 0)

    def _standing(self, condition: ColumnElement[bool]) -> tuple[Standing, ...]:
        columns = [runs.c[name] for name in Standing.__dataclass_fields__]
        wanted = select(*columns).where(condition).order_by(runs.c.opened_at, runs.c.run_id)
        with self.database.reading() as connection:
            return tuple(Standing(**row) for row in connection.execute(wanted).mappings())

    def _all(self, wanted: Select[Any]) -> tuple[Run, ...]:
        with self.database.reading() as connection:
            return tuple(Run(**row) for row in connection.execute(wanted).mappings())


_PUBLISHED_NOTHING = or_(
    runs.c.outcome == Outcome.HELD, and_(runs.c.outcome == Outcome.PUBLISHED, runs.c.published_rows == 0)
)
_PUBLISHED = and_(runs.c.outcome == Outcome.PUBLISHED, func.coalesce(runs.c.published_rows, 1) > 0)


def _since(connection: Connection, when: Any, pipeline: str, since: datetime | None) -> Any:
    """Return the condition that it happened after the pipeline last published, and after a moment."""
    last = connection.scalar(select(func.max(runs.c.ended_at)).where(runs.c.pipeline == pipeline, _PUBLISHED))
    after = max((one for one in (last, since) if one), default=None)
    return when > after if after else when.is_not(None)


def _get(connection: Connection, run_id: str) -> Run | None:
    row = connection.execute(select(runs).where(runs.c.run_id == run_id)).mappings().one_or_none()
    return Run(**row) if row else None


def _existing(connection: Connection, run_id: str) -> Run:
    run = _get(connection, run_id)
    if run is None:
        raise UserError(f"{run_id}: no such run in the store. See the known ones with: mend status")
    return run


def refuse_other(stored: Run | None, run_id: str, identity: dict[str, Any]) -> None:
    """Refuse a second run id for a batch, and a second batch for a run id."""
    batch = f"batch {identity['batch_id']} of query {identity['query_id']}"
    if stored is None:
        raise UserError(f"{run_id}: {batch} belongs to another run already. A run id is a function of query and batch.")
    if any(getattr(stored, name) != value for name, value in identity.items()):
        known = f"batch {stored.batch_id} of query {stored.query_id} ({stored.pipeline})"
        raise UserError(
            f"{run_id}: is the run of {known}, not of {batch} ({identity['pipeline']}). Use another run id."
        )


def _reopen(connection: Connection, run_id: str, fresh: dict[str, Any]) -> None:
    """Start the run again if nothing was decided about it; its former end stays for the count of failures."""
    emptied = dict.fromkeys(
        ("outcome", "job_status", "published_rows", "report", "quality", "error", "cause", "verdict")
    )
    wanted = update(runs).where(runs.c.run_id == run_id, runs.c.state.in_(REPEATABLE))
    reopened = connection.execute(wanted.values({**emptied, **fresh, "attempts": runs.c.attempts + 1}))
    if reopened.rowcount:
        connection.execute(delete(run_ranges).where(run_ranges.c.run_id == run_id))


def _move(
    connection: Connection, run_id: str, to: RunState, at: datetime, attempt: int | None, changes: dict[str, Any]
) -> None:
    """Compare and set in one statement, so that of two processes one loses."""
    values: dict[str, Any] = {**changes, "state": to, "updated_at": at}
    if quality := changes.get("quality"):
        values["verdict"] = quality.verdict
    if to in OUTCOMES:
        values |= {"outcome": OUTCOMES[to], "ended_at": at}
    wanted = update(runs).where(runs.c.run_id == run_id, runs.c.state.in_(BEFORE.get(to, ())))
    if attempt is not None:
        wanted = wanted.where(runs.c.attempts == attempt)
    if connection.execute(wanted.values(values)).rowcount == 0:
        raise _refusal(_existing(connection, run_id), to, attempt)


def _refusal(run: Run, to: RunState, attempt: int | None) -> IllegalTransition:
    if attempt not in {None, run.attempts}:
        what = f"was replayed (attempt {run.attempts}, expected {attempt})"
    else:
        what = f"is {run.state}, expected {' or '.join(BEFORE.get(to, ())) or 'no change back'}"
    return IllegalTransition(
        f"{run.run_id}: cannot become {to}: it {what}. Another process may have moved it; see: mend status",
        exit_code=3,
    )
