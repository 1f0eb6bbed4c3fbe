"""How far each partition is proven."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, select, true

from mend.store.database import Database
from mend.store.tables import proofs


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Every offset from the first one read up to, and without, `verified_through` was found in exactly one place."""

    pipeline: str
    topic: str
    partition: int
    from_offset: int
    verified_through: int
    verified_at: datetime


class Proofs:
    """The last proof of each partition."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def record(self, verified: Iterable[Verified]) -> None:
        """Replace what was known of these partitions; it goes back where a proof found less."""
        with self.database.transaction() as connection:
            for one in verified:
                where = (proofs.c.pipeline == one.pipeline, proofs.c.topic == one.topic)
                connection.execute(delete(proofs).where(*where, proofs.c.partition == one.partition))
                connection.execute(proofs.insert().values(asdict(one)))

    def all(self, pipeline: str | None = None) -> tuple[Verified, ...]:
        """Return the partitions of one pipeline or of all, in order."""
        wanted = select(proofs).where(proofs.c.pipeline == pipeline if pipeline else true())
        ordered = wanted.order_by(proofs.c.pipeline, proofs.c.topic, proofs.c.partition)
        with self.database.reading() as connection:
            return tuple(Verified(**row) for row in connection.execute(ordered).mappings())
