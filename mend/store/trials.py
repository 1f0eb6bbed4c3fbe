"""Trials of mappings, by the hash of what was tried and what came of it."""

from datetime import datetime
from hashlib import sha256

from sqlalchemy import select

from mend.contracts.codec import dumps
from mend.contracts.trial import Trial
from mend.store.database import Database, insert_once
from mend.store.tables import trials


def hash_of(trial: Trial) -> str:
    """Return the SHA-256 over the trial's canonical bytes."""
    return sha256(dumps(trial)).hexdigest()


class Trials:
    """The trials of all pipelines."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def record(self, trial: Trial, at: datetime) -> str:
        """Keep a trial and return its hash; the same one again changes nothing."""
        name = hash_of(trial)
        with self.database.transaction() as connection:
            insert_once(connection, trials, {"hash": name, "pipeline": trial.pipeline, "at": at, "trial": trial})
        return name

    def get(self, pipeline: str, start: str) -> tuple[str, Trial] | None:
        """Return the trial whose hash begins so, with its hash; None if there is none, or more than one."""
        wanted = select(trials.c.hash, trials.c.trial).where(
            trials.c.pipeline == pipeline, trials.c.hash.startswith(start, autoescape=True)
        )
        with self.database.reading() as connection:
            found = [tuple(row) for row in connection.execute(wanted.limit(2))]
        return (found[0][0], found[0][1]) if len(found) == 1 else None
