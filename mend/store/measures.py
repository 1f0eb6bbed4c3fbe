"""What metrics are counted from. Everything here only reads; totals never fall, because what they count only grows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ColumnElement, Connection, Float, and_, case, cast, distinct, extract, func, select
from sqlalchemy import type_coerce as as_type

from mend.contracts.decision import DecisionResult, Fallback, model_answered
from mend.store.database import Database
from mend.store.tables import (
    ALIVE,
    DeliveryState,
    Outcome,
    actions,
    decisions,
    deliveries,
    failures,
    incidents,
    run_ranges,
    runs,
    task_events,
    undos,
)

LATELY = 500
"""Decisions among which the last that a model was asked about is looked for."""
SETTLED = (Outcome.PUBLISHED, Outcome.HELD)
"""A run with one of these outcomes keeps it; that of a failed job is taken back when its batch is tried again."""

PLACES = ("published", "held", "rejected", "dead_letter", "duplicate")


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledRuns:
    """Runs with the same pipeline, outcome and verdict; `within` counts those that took at most each bound."""

    pipeline: str
    outcome: Outcome
    verdict: str
    count: int
    last_end: datetime
    seconds: float
    within: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """A run whose rows were settled."""

    run_id: str
    pipeline: str
    outcome: Outcome
    attempts: int
    opened_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeDecision:
    """A decision; `recorded_at` is when it had been made, None for those of before that was recorded."""

    id: int
    run_id: str | None
    decided_at: datetime
    recorded_at: datetime | None
    result: DecisionResult


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionFacts:
    """The part of a decision that is counted for ever."""

    id: int
    rules: tuple[str, ...]
    decided_by: str
    escalated: bool
    model_asked: bool
    model_answered: bool | None


class Measures:
    """Counts over the whole store, and what happened since a time."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def settled(self, bounds: tuple[float, ...]) -> list[SettledRuns]:
        """Count the settled runs by pipeline, outcome and audit's verdict; one pass over an index alone."""
        key = (runs.c.pipeline, runs.c.outcome, runs.c.verdict)
        with self.database.reading() as connection:
            took = seconds_between(connection, runs.c.opened_at, runs.c.ended_at)
            within = [func.sum(case((took <= bound, 1), else_=0)) for bound in bounds]
            figures = (func.count(), func.max(runs.c.ended_at), func.sum(took), *within)
            wanted = select(*key, *figures).where(runs.c.outcome.in_(SETTLED)).group_by(*key)
            return [
                SettledRuns(
                    pipeline=pipeline,
                    outcome=outcome,
                    verdict=verdict or "unknown",
                    count=count,
                    last_end=last,
                    seconds=float(total),
                    within=tuple(counts),
                )
                for pipeline, outcome, verdict, count, last, total, *counts in connection.execute(wanted)
            ]

    def last_end(self, pipeline: str) -> datetime | None:
        """Return when the pipeline's newest settled run ended."""
        about = (runs.c.pipeline == pipeline, runs.c.outcome.in_(SETTLED))
        with self.database.reading() as connection:
            found: datetime | None = connection.scalar(select(func.max(runs.c.ended_at)).where(*about))
            return found

    def events(self) -> dict[str, int]:
        """Return how many events of settled runs went to each place; one that an undo moved went to both."""
        places = [func.sum(run_ranges.c[place]) for place in PLACES]
        found = self._rows(select(*places).where(run_ranges.c.published.is_not(None)))[0]
        moved = dict(self._rows(select(undos.c.back, func.sum(undos.c.rows)).group_by(undos.c.back)))
        left = {"published": moved.get(False, 0), "held": moved.get(True, 0)}
        return {place: int(many or 0) + int(left.get(place) or 0) for place, many in zip(PLACES, found, strict=True)}

    def failures(self) -> list[tuple[str, str | None, int]]:
        """Return pipeline, cause and count of all failed jobs."""
        key = (failures.c.pipeline, failures.c.cause)
        return self._rows(select(*key, func.count()).group_by(*key))

    def task_failures(self) -> list[tuple[str | None, int]]:
        """Return cause and count of the failed tasks that were reported from outside."""
        failed = as_type(task_events.c.event, JSON)["status"].as_string() == "failed"
        cause = task_events.c.cause
        return self._rows(select(cause, func.count()).where(failed).group_by(cause))

    def actions(self) -> list[tuple[str, int]]:
        """Return tool and count of all acts that were done."""
        return self._rows(select(actions.c.action, func.count()).group_by(actions.c.action))

    def open_incidents(self) -> list[tuple[str, int]]:
        """Return severity and count of the incidents that have not ended."""
        return self._rows(select(incidents.c.severity, func.count()).where(ALIVE).group_by(incidents.c.severity))

    def alerts_waiting(self) -> list[tuple[str, str, int, datetime]]:
        """Return channel, state, count and oldest of the messages that were not sent."""
        key, unsent = (deliveries.c.channel, deliveries.c.state), deliveries.c.state != DeliveryState.SENT
        figures = (func.count(), func.min(deliveries.c.created_at))
        return self._rows(select(*key, *figures).where(unsent).group_by(*key))

    def decisions_after(self, last: int, limit: int = 5_000) -> list[DecisionFacts]:
        """Return the next decisions after an id, in the order of their ids, without reading the rest of them."""
        document = as_type(decisions.c.result, JSON)
        facts = (
            document["rules"],
            document["decided_by"].as_string(),
            document["escalation_required"].as_boolean(),
            document["model_seconds"].as_float(),
            document["fallback"].as_string(),
            document["proposal"]["run_id"].as_string(),
        )
        wanted = select(decisions.c.id, *facts).where(decisions.c.id > last).order_by(decisions.c.id).limit(limit)
        return [
            DecisionFacts(
                id=number,
                rules=tuple(rules or ()),
                decided_by=who or "rules",
                escalated=bool(escalated),
                model_asked=thought is not None,
                model_answered=model_answered(Fallback(why) if why else None, proposed=proposed is not None),
            )
            for number, rules, who, escalated, thought, why, proposed in self._rows(wanted)
        ]

    def model_answers(self) -> bool | None:
        """Return whether the model answered when it was last asked; None if it never was, in the last decisions."""
        newest = self._rows(select(func.max(decisions.c.id)))[0][0] or 0
        told = (one.model_answered for one in reversed(self.decisions_after(newest - LATELY)))
        return next((one for one in told if one is not None), None)

    def decisions_since(self, since: datetime) -> tuple[MadeDecision, ...]:
        """Return the decisions made since a time, oldest first."""
        columns = [decisions.c[name] for name in MadeDecision.__dataclass_fields__]
        wanted = select(*columns).where(decisions.c.decided_at >= since).order_by(decisions.c.id)
        return tuple(MadeDecision(**row) for row in self._mappings(wanted))

    def ends_since(self, since: datetime) -> tuple[RunEnd, ...]:
        """Return the runs that were settled since a time, oldest first."""
        columns = [runs.c[name] for name in RunEnd.__dataclass_fields__]
        wanted = select(*columns).where(runs.c.outcome.in_(SETTLED), runs.c.ended_at >= since)
        return tuple(RunEnd(**row) for row in self._mappings(wanted.order_by(runs.c.ended_at, runs.c.run_id)))

    def failures_since(self, since: datetime) -> list[tuple[str, datetime]]:
        """Return pipeline and time of the jobs that failed since a time, oldest first."""
        wanted = select(failures.c.pipeline, failures.c.at).where(failures.c.at >= since)
        return self._rows(wanted.order_by(failures.c.at, failures.c.id))

    def quarantined_since(self, since: datetime) -> int:
        """Count the settled runs since a time of which events were set aside: rejected or held."""
        aside = and_(run_ranges.c.rejected + func.coalesce(run_ranges.c.held, 0) > 0, runs.c.ended_at >= since)
        wanted = select(func.count(distinct(run_ranges.c.run_id))).join(runs, runs.c.run_id == run_ranges.c.run_id)
        return int(self._rows(wanted.where(runs.c.outcome.in_(SETTLED), aside))[0][0])

    def _rows(self, wanted: Any) -> list[Any]:
        with self.database.reading() as connection:
            return [tuple(row) for row in connection.execute(wanted)]

    def _mappings(self, wanted: Any) -> list[Any]:
        with self.database.reading() as connection:
            return list(connection.execute(wanted).mappings())


def seconds_between(connection: Connection, start: Any, end: Any) -> ColumnElement[float]:
    """Return the seconds between two columns, in the words of the database."""
    if connection.dialect.name == "sqlite":
        day = 86_400.0
        return (func.julianday(end, type_=Float) - func.julianday(start, type_=Float)) * day
    return cast(extract("epoch", end - start), Float)
