"""Offsets that are gone at the source: ranges that no run will ever read."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from mend.store.database import Database, insert_once
from mend.store.tables import losses


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Offsets [from_offset, until_offset) that Kafka deleted before they were read; `epoch` is the topic's life."""

    pipeline: str
    topic: str
    partition: int
    from_offset: int
    until_offset: int
    cause: str
    found_at: datetime
    epoch: int = 0

    @property
    def count(self) -> int:
        """How many offsets."""
        return self.until_offset - self.from_offset


class Losses:
    """The losses that were accepted, of all pipelines."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def record(self, loss: Loss) -> bool:
        """Keep a loss; returns whether it is new. The same range again changes nothing."""
        values = {name: getattr(loss, name) for name in Loss.__dataclass_fields__}
        with self.database.transaction() as connection:
            return insert_once(connection, losses, values)

    def of(self, pipeline: str) -> tuple[Loss, ...]:
        """Return the pipeline's losses in the order of topic, epoch, partition and offset."""
        order = (losses.c.topic, losses.c.epoch, losses.c.partition, losses.c.from_offset)
        wanted = select(losses).where(losses.c.pipeline == pipeline).order_by(*order)
        with self.database.reading() as connection:
            return tuple(Loss(**row) for row in connection.execute(wanted).mappings())


def uncovered(begin: int, end: int, found: Iterable[Loss]) -> int:
    """Count the offsets of [begin, end) that are in none of the losses, which may overlap."""
    left, at = end - begin, begin
    for loss in sorted(found, key=lambda one: one.from_offset):
        start, stop = max(loss.from_offset, at), min(loss.until_offset, end)
        if start < stop:
            left -= stop - start
            at = stop
    return left
