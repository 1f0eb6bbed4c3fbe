"""The lives of a topic: one that is deleted and made again counts its offsets from zero, in a new epoch."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from mend.store.database import Database, insert_once
from mend.store.tables import topics


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic as a pipeline knows it. `topic_id` is the broker's id of it, None where the broker gave none."""

    pipeline: str
    topic: str
    epoch: int
    topic_id: str | None
    since: datetime


class Topics:
    """The topics of all pipelines."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def get(self, pipeline: str, topic: str) -> Topic | None:
        """Return what is known of the topic, None before its first check."""
        wanted = select(topics).where(topics.c.pipeline == pipeline, topics.c.topic == topic)
        with self.database.reading() as connection:
            row = connection.execute(wanted).mappings().one_or_none()
            return Topic(**row) if row else None

    def epoch(self, pipeline: str, topic: str) -> int:
        """Return the epoch that runs of now belong to."""
        known = self.get(pipeline, topic)
        return known.epoch if known else 0

    def keep(self, topic: Topic) -> None:
        """Write what is known now in place of what was."""
        values = {name: getattr(topic, name) for name in Topic.__dataclass_fields__}
        this = (topics.c.pipeline == topic.pipeline, topics.c.topic == topic.topic)
        with self.database.transaction() as connection:
            if not insert_once(connection, topics, values):
                connection.execute(update(topics).where(*this).values(values))
