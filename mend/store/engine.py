"""Open the store: SQLite in WAL mode by default, PostgreSQL by its URL."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest
from mend.store.beats import Beats
from mend.store.brakes import Brakes
from mend.store.database import BEGIN, Database
from mend.store.dead_letters import DeadLetterSends
from mend.store.decisions import Decisions
from mend.store.deliveries import Deliveries
from mend.store.incidents import SqlIncidents
from mend.store.ledger import Ledger
from mend.store.losses import Losses
from mend.store.mappings import Mappings
from mend.store.measures import Measures
from mend.store.migrate import prepare
from mend.store.outbox import Outbox
from mend.store.proofs import Proofs
from mend.store.remedies import Remedies
from mend.store.runs import Runs
from mend.store.task_events import TaskEvents
from mend.store.topics import Topics
from mend.store.trials import Trials
from mend.store.undos import Undos

DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
EXPECTED = "expected sqlite:///path/to/mend.db or postgresql://user:password@host:5432/database"
LOCK_WAIT_S = 10
CONNECT_WAIT_S = 5


@dataclass(frozen=True)
class Store:
    """The open store. Each method is one transaction; inside `transaction()` all of them are one."""

    database: Database
    runs: Runs
    ledger: Ledger
    decisions: Decisions
    incidents: SqlIncidents
    dead_letters: DeadLetterSends
    mappings: Mappings
    losses: Losses
    topics: Topics
    proofs: Proofs
    outbox: Outbox
    deliveries: Deliveries
    beats: Beats
    task_events: TaskEvents
    measures: Measures
    brakes: Brakes
    undos: Undos
    trials: Trials
    remedies: Remedies

    def transaction(self) -> AbstractContextManager[Connection]:
        """Make everything inside the `with` one transaction: kept as a whole at its end, or not at all.

        It belongs to this thread. SQLite lets nobody else write until it ends: no slow work inside.
        """
        return self.database.transaction()

    def close(self) -> None:
        """Close all connections."""
        self.database.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(url: str) -> Store:
    """Open the store and bring its tables up to date. Everything that can be wrong with the place is a UserError."""
    database = Database(engine_of(parsed(url)))
    try:
        prepare(database)
    except BaseException:
        database.engine.dispose()
        raise
    return Store(
        database=database,
        runs=Runs(database),
        ledger=Ledger(database),
        decisions=Decisions(database),
        incidents=SqlIncidents(database),
        dead_letters=DeadLetterSends(database),
        mappings=Mappings(database),
        losses=Losses(database),
        topics=Topics(database),
        proofs=Proofs(database),
        outbox=Outbox(database),
        deliveries=Deliveries(database),
        beats=Beats(database),
        task_events=TaskEvents(database),
        measures=Measures(database),
        brakes=Brakes(database),
        undos=Undos(database),
        trials=Trials(database),
        remedies=Remedies(database),
    )


def parsed(url: str) -> URL:
    """Return the URL with the driver that Mend ships with. The text is not repeated: it may hold a password."""
    try:
        place = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise UserError(f"DATABASE_URL is not a database URL: {EXPECTED}. Correct it.") from error
    if place.drivername not in DRIVERS:
        hint = nearest(place.drivername, DRIVERS)
        raise UserError(f"DATABASE_URL begins with '{place.drivername}': {EXPECTED}.{hint}")
    if place.get_backend_name() == "sqlite" and place.database in {None, "", ":memory:"}:
        raise UserError("DATABASE_URL names no file, and a store in memory would be lost: expected sqlite:///path.")
    return place.set(drivername=DRIVERS[place.drivername])


def engine_of(url: URL) -> Engine:
    """Make the engine; connects to nothing yet, but makes the folder of an SQLite file."""
    arguments: dict[str, Any] = {"json_serializer": canonical, "json_deserializer": orjson.loads}
    if url.get_backend_name() == "sqlite":
        make_folder(url)
        waiting = {} if "timeout" in url.query else {"timeout": LOCK_WAIT_S}
        engine = create_engine(url, connect_args=waiting, **arguments)
        event.listen(engine, "connect", set_up_sqlite)
        event.listen(engine, "begin", begin_sqlite)
        return engine
    try:
        waiting = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_WAIT_S}
        return create_engine(url, pool_pre_ping=True, connect_args=waiting, **arguments)
    except ModuleNotFoundError as error:
        raise UserError("PostgreSQL needs the driver psycopg: pip install 'mend[postgres]'.") from error


def canonical(document: Any) -> str:
    """Encode JSON with sorted keys."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()


def make_folder(url: URL) -> None:
    """Make the folder of the database file."""
    if url.query.get("uri"):
        return
    folder = Path(str(url.database)).absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"The store's folder {folder} cannot be made: {error.strerror}. Set MEND_HOME or DATABASE_URL "
            "to a place where this user may write."
        ) from error


def set_up_sqlite(connection: Any, _record: ConnectionPoolEntry) -> None:
    """Hand transactions to SQLAlchemy, and lose nothing with the power."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    # FULL, not NORMAL: in WAL mode NORMAL may lose the last commits with the power, and a decision
    # must be on disk before its first action. A run commits about ten times: the price is milliseconds.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def begin_sqlite(connection: Connection) -> None:
    """Take the write lock at the start: a transaction that reads first and writes later would fail, not wait."""
    statement = connection.get_execution_options().get(BEGIN, "BEGIN IMMEDIATE")
    if statement:
        connection.exec_driver_sql(statement)
