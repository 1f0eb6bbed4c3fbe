"""Signs of life: when a pipeline last had everything of its topic settled."""

from datetime import datetime

from sqlalchemy import select, update

from mend.store.database import Database, insert_once
from mend.store.tables import beats


class Beats:
    """One sign of life a pipeline."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def beat(self, pipeline: str, at: datetime) -> None:
        """Note that the pipeline is alive and nothing waits."""
        row = {"pipeline": pipeline, "at": at}
        with self.database.transaction() as connection:
            if not insert_once(connection, beats, row):
                connection.execute(update(beats).where(beats.c.pipeline == pipeline).values(at=at))

    def last(self) -> dict[str, datetime]:
        """Return the last sign of life of each pipeline."""
        with self.database.reading() as connection:
            return {row.pipeline: row.at for row in connection.execute(select(beats).order_by(beats.c.pipeline))}
