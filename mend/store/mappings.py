"""The versions of each pipeline's mapping. A version, once there, never changes."""

from datetime import UTC, datetime
from typing import TypedDict, Unpack

from sqlalchemy import Connection, select

from mend.contracts.mapping import MappedField, Mapping
from mend.runtime.errors import UserError
from mend.store.database import Database, insert_once
from mend.store.tables import mappings


class MappingConflict(UserError):  # noqa: N818 - it names what happened
    """Somebody else appended a version in the meantime."""


class More(TypedDict, total=False):
    """What a version may say beside its fields: what no decision shall add, and the hash of its trial."""

    declined: tuple[str, ...]
    trial: str | None


class Mappings:
    """The mappings of all pipelines."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def current(self, pipeline: str) -> Mapping | None:
        """Return the newest version, or None where the contract is used as it is."""
        with self.database.reading() as connection:
            return _newest(connection, pipeline)

    def get(self, pipeline: str, version: int) -> Mapping | None:
        """Return one version, or None."""
        wanted = select(mappings.c.recipe).where(mappings.c.pipeline == pipeline, mappings.c.version == version)
        with self.database.reading() as connection:
            found: Mapping | None = connection.scalar(wanted)
            return found

    def versions(self, pipeline: str) -> tuple[Mapping, ...]:
        """Return all versions, oldest first."""
        wanted = select(mappings.c.recipe).where(mappings.c.pipeline == pipeline).order_by(mappings.c.version)
        with self.database.reading() as connection:
            return tuple(connection.scalars(wanted))

    def made_by(self, pipeline: str, run_id: str) -> Mapping | None:
        """Return the newest version that a decision about the run made, or None."""
        wanted = select(mappings.c.recipe).where(mappings.c.pipeline == pipeline, mappings.c.decision_run == run_id)
        with self.database.reading() as connection:
            found: Mapping | None = connection.scalar(wanted.order_by(mappings.c.version.desc()).limit(1))
            return found

    def append(
        self,
        pipeline: str,
        fields: tuple[MappedField, ...],
        at: datetime,
        *,
        created_by: str,
        decision_run: str | None = None,
        base: int | None = None,
        **more: Unpack[More],
    ) -> int:
        """Append a version and return its number, one more than the one before.

        `base` is the version that the fields were derived from (0: none): if it is no longer the newest, nothing is
        written and MappingConflict raised, so that no change is lost. Without it the fields go on top of whatever is
        there. What was declined before stays so, unless it is said otherwise.
        """
        with self.database.transaction() as connection:
            newest = _newest(connection, pipeline)
            last = newest.version if newest else 0
            if base not in {None, last}:
                raise _conflict(pipeline, last, base)
            mapping = Mapping(
                pipeline=pipeline,
                version=last + 1,
                fields=fields,
                created_at=at.astimezone(UTC).isoformat(),
                created_by=created_by,
                decision_run=decision_run,
                declined=more.get("declined", newest.declined if newest else ()),
                trial=more.get("trial"),
            )
            _insert(connection, mapping, at)
            return mapping.version


def _newest(connection: Connection, pipeline: str) -> Mapping | None:
    wanted = select(mappings.c.recipe).where(mappings.c.pipeline == pipeline)
    found: Mapping | None = connection.scalar(wanted.order_by(mappings.c.version.desc()).limit(1))
    return found


def _insert(connection: Connection, mapping: Mapping, at: datetime) -> None:
    row = {
        "pipeline": mapping.pipeline,
        "version": mapping.version,
        "recipe": mapping,
        "created_at": at,
        "created_by": mapping.created_by,
        "decision_run": mapping.decision_run,
    }
    # On PostgreSQL two writers may both have read the same newest version: the key decides.
    if not insert_once(connection, mappings, row):
        raise _conflict(mapping.pipeline, mapping.version, mapping.version - 1)


def _conflict(pipeline: str, last: int, base: int | None) -> MappingConflict:
    return MappingConflict(
        f"{pipeline}: mapping version {last} is the newest, expected {base}: another change came first. "
        "Make this one again on top of it.",
        exit_code=3,
    )
