"""One connection at a time for each thread: a store method joins the transaction that is open, or makes its own."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import URL, Connection, CursorResult, Engine, Table
from sqlalchemy.exc import DatabaseError, DataError, DBAPIError, IntegrityError, InterfaceError

from mend.runtime.errors import UserError

BEGIN = "mend_begin"
"""Execution option: with which statement SQLite begins a transaction ("" for none)."""

ADVICE = {
    "unable to open database file": "Check that its folder exists and is writable, or set DATABASE_URL.",
    "readonly database": "Make the file and its folder writable for this user, or set DATABASE_URL.",
    "read-only transaction": "Point DATABASE_URL to the primary server.",
    "database is locked": "Another process keeps it locked: wait for it to end and try again.",
    "disk is full": "Free some space and try again.",
    "file is not a database": "Move the file away, or point DATABASE_URL to another one.",
    "malformed": "The file is damaged: restore it from a backup.",
    "authentication failed": "Correct user and password in DATABASE_URL.",
    "permission denied": "Grant this user CREATE and USAGE on the schema.",
    "does not exist": "Create what is missing, or correct DATABASE_URL.",
}
ELSE = "Check that the database is up and that DATABASE_URL is right."


class StoreUnavailable(UserError):  # noqa: N818 - the condition, not the exception, is what people read
    """The database cannot be reached, read or written; nothing of the open transaction was kept."""

    def __init__(self, url: URL, error: DBAPIError) -> None:
        reason = next(iter(str(error.orig).strip().splitlines()), type(error.orig).__name__)
        advice = next((advice for words, advice in ADVICE.items() if words in str(error.orig)), ELSE)
        place = url.render_as_string(hide_password=True)
        super().__init__(f"The store {place} cannot be used: {reason.rstrip('.')}. {advice}", exit_code=1)


@contextmanager
def unavailable_said(url: URL) -> Iterator[None]:
    """Turn a failure of the database into one line; what is wrong with a statement's values stays as it is."""
    try:
        yield
    except (IntegrityError, DataError):
        raise
    except (DatabaseError, InterfaceError) as error:
        raise StoreUnavailable(url, error) from error


class Database:
    """An engine and the transaction that the current thread has open. Safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._readers = engine.execution_options(**{BEGIN: "BEGIN DEFERRED"})
        self._thread = threading.local()

    def transaction(self) -> AbstractContextManager[Connection]:
        """Open a transaction that may write, or join the thread's open one. Commits at the end, rolls back on error."""
        return self._joined_or_begun(self.engine)

    def reading(self) -> AbstractContextManager[Connection]:
        """Open a transaction that only reads (it never waits for a writer), or join the thread's open one."""
        return self._joined_or_begun(self._readers)

    @property
    def joined(self) -> bool:
        """Whether this thread has a transaction open, which what is asked now would join."""
        return getattr(self._thread, "connection", None) is not None

    @contextmanager
    def _joined_or_begun(self, engine: Engine) -> Iterator[Connection]:
        joined: Connection | None = getattr(self._thread, "connection", None)
        if joined is not None:
            yield joined
            return
        with unavailable_said(engine.url), engine.begin() as connection:
            self._thread.connection = connection
            try:
                yield connection
            finally:
                self._thread.connection = None


def insert_once(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Insert the row unless a unique key of it exists already; return whether it was inserted."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    # Without the option SQLAlchemy does not ask the driver how many rows an INSERT made.
    once = insert(table).values(**values).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    result: CursorResult[Any] = connection.execute(once)
    return result.rowcount == 1
