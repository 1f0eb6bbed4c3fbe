"""Decisions, written down before their first action, and actions, done once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from itertools import islice
from typing import Any

import orjson
from sqlalchemy import Select, Text, cast, select, update

from mend.contracts.decision import Check, DecisionResult, ToolResult
from mend.store.database import Database, insert_once
from mend.store.tables import actions, decisions


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDecision:
    """A decision as it was recorded; `id` counts up."""

    id: int
    run_id: str | None
    decided_at: datetime
    result: DecisionResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAction:
    """An action that was done and what came of it."""

    key: str
    run_id: str | None
    action: str
    target: str | None
    result: ToolResult
    at: datetime


def action_key(run_id: str, action: str, target: str) -> str:
    """Return the idempotency key of an action."""
    return sha256(orjson.dumps([run_id, action, target])).hexdigest()


_COLUMNS = [decisions.c[name] for name in RecordedDecision.__dataclass_fields__]


class Decisions:
    """What was decided, and what was done for it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def record(
        self, run_id: str | None, decision: DecisionResult, at: datetime, recorded_at: datetime | None = None
    ) -> int:
        """Write the decision down and return its id. Durable on return (or at the end of the open transaction).

        `at` is the moment of its evidence, `recorded_at` when it had been made.
        """
        row = {
            "run_id": run_id,
            "name": decision.decision,
            "decided_at": at,
            "recorded_at": recorded_at,
            "evidence_hash": decision.evidence_hash,
            "matrix_hash": decision.matrix_hash,
            "result": decision,
        }
        with self.database.transaction() as connection:
            key: Any = connection.execute(decisions.insert().values(row)).inserted_primary_key
            return int(key[0])

    def get(self, run_id: str) -> RecordedDecision | None:
        """Return the newest decision about the run, or None."""
        found = self._newest(select(*_COLUMNS).where(decisions.c.run_id == run_id), 1)
        return found[0] if found else None

    def known(self, run_id: str | None, decision: DecisionResult) -> bool:
        """Return whether this very decision about the run was recorded, whatever was done for it."""
        made = select(decisions.c.result).where(decisions.c.run_id == run_id)
        with self.database.reading() as connection:
            return replace(decision, actions_taken=()) in [
                replace(one, actions_taken=()) for one in connection.scalars(made)
            ]

    def history(self, limit: int = 20) -> tuple[RecordedDecision, ...]:
        """Return the newest decisions, newest first."""
        return self._newest(select(*_COLUMNS), limit)

    def by_id(self, number: int) -> RecordedDecision | None:
        """Return the decision of that number, or None."""
        found = self._newest(select(*_COLUMNS).where(decisions.c.id == number), 1)
        return found[0] if found else None

    def listed(self, limit: int, *, since: datetime | None = None, rule: str | None = None) -> list[RecordedDecision]:
        """Return the newest decisions, newest first; of those since a moment, and of those that a rule made."""
        wanted = select(*_COLUMNS).order_by(decisions.c.id.desc())
        if since:
            wanted = wanted.where(decisions.c.decided_at >= since)
        if rule:  # the database looks for the word, so that few documents are read; the reading decides
            wanted = wanted.where(cast(decisions.c.result, Text).contains(f'"{rule}"', autoescape=True))
        found = (one for one in self._each(wanted) if rule is None or rule in one.result.rules)
        return list(islice(found, limit))

    def since(self, moment: datetime) -> Iterator[RecordedDecision]:
        """Return the decisions since a moment, oldest first; nothing is written meanwhile by this thread."""
        return self._each(select(*_COLUMNS).where(decisions.c.decided_at >= moment).order_by(decisions.c.id))

    def all(self) -> Iterator[RecordedDecision]:
        """Return all decisions, oldest first."""
        return self._each(select(*_COLUMNS).order_by(decisions.c.id))

    def _each(self, wanted: Select[Any]) -> Iterator[RecordedDecision]:
        with self.database.reading() as connection:
            rows = connection.execution_options(yield_per=100).execute(wanted).mappings()
            yield from (RecordedDecision(**row) for row in rows)

    def first_result(self, key: str) -> ToolResult | None:
        """Return what came of the action when it was done, or None: ask before acting."""
        with self.database.reading() as connection:
            result: ToolResult | None = connection.scalar(select(actions.c.result).where(actions.c.key == key))
            return result

    def record_action(
        self, key: str, run_id: str | None, action: str, target: str | None, result: ToolResult, at: datetime
    ) -> ToolResult:
        """Write what came of an action, once: if the key is there already, its first result is kept and returned."""
        row = {"key": key, "run_id": run_id, "action": action, "target": target, "result": result, "at": at}
        with self.database.transaction() as connection:
            insert_once(connection, actions, row)
            first: ToolResult = connection.execute(select(actions.c.result).where(actions.c.key == key)).scalar_one()
            return first

    def add_check(self, key: str, check: Check) -> None:
        """Add to an action what was found after it; nothing where it was never done."""
        with self.database.transaction() as connection:
            known = connection.scalar(select(actions.c.result).where(actions.c.key == key))
            if known is not None:
                values = {"result": replace(known, check=check)}
                connection.execute(update(actions).where(actions.c.key == key).values(values))

    def actions(self, run_id: str) -> tuple[RecordedAction, ...]:
        """Return the actions done for a run, in the order of their time."""
        wanted = select(actions).where(actions.c.run_id == run_id).order_by(actions.c.at, actions.c.key)
        with self.database.reading() as connection:
            return tuple(RecordedAction(**row) for row in connection.execute(wanted).mappings())

    def _newest(self, wanted: Any, limit: int) -> tuple[RecordedDecision, ...]:
        with self.database.reading() as connection:
            rows = connection.execute(wanted.order_by(decisions.c.id.desc()).limit(limit)).mappings()
            return tuple(RecordedDecision(**row) for row in rows)
