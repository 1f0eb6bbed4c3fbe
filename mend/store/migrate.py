"""Bring a store's tables to the version of this code, once, however many processes open it at the same time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from sqlalchemy import Connection, Engine, text

from mend.runtime.errors import UserError
from mend.runtime.faults import fault_point
from mend.store.database import BEGIN, Database, unavailable_said
from mend.store.tables import REVISION, VERSION_TABLE

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 0x4D454E44  # "MEND"


def prepare(database: Database) -> None:
    """Check version and writability; migrate when the version is older. An up-to-date store costs three queries."""
    with file_lock(database.engine, fcntl.LOCK_SH):
        if is_current(database):
            return
    with file_lock(database.engine, fcntl.LOCK_EX):
        if is_current(database):
            return
        if database.engine.dialect.name == "sqlite":
            use_wal(database.engine)
        with database.transaction() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            upgrade(connection)
            fault_point("migrating")


def is_current(database: Database) -> bool:
    """Return whether nothing has to be done; a database newer than the code is a UserError."""
    with database.transaction() as connection:
        versions = stored_versions(connection)
        unknown = versions - known_versions()
        if unknown:
            place = connection.engine.url.render_as_string(hide_password=True)
            raise UserError(
                f"The store {place} has schema version {', '.join(sorted(unknown))}, this Mend knows up to {REVISION}. "
                "Install the newer Mend, or point DATABASE_URL to another store."
            )
        return versions == {REVISION} and in_wal(connection)


def stored_versions(connection: Connection) -> set[str]:
    """Return the versions that the database says it has; none for a new one. Fails where nothing can be written."""
    if not connection.dialect.has_table(connection, VERSION_TABLE):
        return set()
    # Changes no row, but a read-only file or server refuses it: found out here and not in the middle of a run.
    connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = version_num WHERE version_num IS NULL"))  # noqa: S608
    return set(connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars())  # noqa: S608


def known_versions() -> set[str]:
    """Return the versions that have a migration file."""
    return {path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py")}


def in_wal(connection: Connection) -> bool:
    """Return whether readers and a writer can work at once (always true for a server)."""
    if connection.dialect.name != "sqlite":
        return True
    return connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"


def use_wal(engine: Engine) -> None:
    """Switch an SQLite file to write-ahead logging; it stays so. Where the file system cannot, SQLite keeps its way."""
    with unavailable_said(engine.url), engine.execution_options(**{BEGIN: ""}).connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")


@contextmanager
def file_lock(engine: Engine, kind: int) -> Iterator[None]:
    """Let nobody look at an SQLite file while it is prepared: the switch to WAL fails, and does not wait, if one does.

    For a server its advisory lock does that.
    """
    if engine.dialect.name != "sqlite" or engine.url.query.get("uri"):
        yield
        return
    with lock_file(Path(f"{engine.url.database}.lock")) as lock:
        fcntl.flock(lock, kind)
        yield


def lock_file(path: Path) -> BinaryIO:
    """Open the lock file; a folder that cannot be written is found here."""
    try:
        return path.open("ab")
    except OSError as error:
        raise UserError(
            f"The store's folder {path.absolute().parent} cannot be written: {error.strerror}. "
            "Make it writable for this user, or set MEND_HOME or DATABASE_URL."
        ) from error


def upgrade(connection: Connection) -> None:
    """Apply the missing migrations inside the connection's transaction."""
    from alembic import command

    command.upgrade(config(connection), "head")


def downgrade(connection: Connection, revision: str) -> None:
    """Take migrations back, down to the revision ("base": all of them, and the rows with them)."""
    from alembic import command

    command.downgrade(config(connection), revision)


def config(connection: Connection) -> "Config":
    """Return Alembic's configuration; there is no alembic.ini."""
    from alembic.config import Config

    settings = Config(attributes={"connection": connection})
    settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    return settings
