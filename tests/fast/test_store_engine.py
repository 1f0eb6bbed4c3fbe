"""Opening the store, and what one transaction is."""

import fcntl
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import column, inspect, table, text

from mend.runtime.errors import UserError
from mend.store.database import StoreUnavailable
from mend.store.engine import Store, open_store
from mend.store.migrate import config, downgrade, known_versions, upgrade
from mend.store.tables import REVISION, VERSION_TABLE, RunState, metadata

AT = datetime(2024, 1, 15, 10, 0, tzinfo=UTC)


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """Say where a new store can be made."""
    return f"sqlite:///{tmp_path / 'mend.db'}"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """Open a new store."""
    with open_store(store_url) as opened:
        yield opened


def sqlite_pragma(store: Store, name: str) -> object:
    """Ask SQLite about itself."""
    with store.database.reading() as connection:
        return connection.execute(text(f"PRAGMA {name}")).scalar()


def test_migrations_and_tables_agree(store: Store) -> None:
    """The migrated schema is the one the code works with: columns, types, nullability, indexes, keys."""
    with store.database.reading() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_primary_and_foreign_keys_are_migrated(store: Store) -> None:
    """Keys, which Alembic's comparison does not look at, are those of the tables, with their names."""
    with store.database.reading() as connection:
        found = inspect(connection)
        for table in metadata.sorted_tables:
            key = found.get_pk_constraint(table.name)
            assert (key["name"], key["constrained_columns"]) == (
                table.primary_key.name,
                table.primary_key.columns.keys(),
            )
            names = {one["name"] for one in found.get_foreign_keys(table.name)}
            assert names == {one.name for one in table.foreign_key_constraints}


def test_migrations_can_be_taken_back_and_applied_again(store: Store) -> None:
    """A downgrade leaves no table of ours behind, and an upgrade after it works."""
    with store.transaction() as connection:
        downgrade(connection, "base")
        assert set(inspect(connection).get_table_names()) == {VERSION_TABLE}
        upgrade(connection)
    assert store.runs.recent() == ()


def test_revision_in_code_is_the_newest_migration(store: Store) -> None:
    """The constant that the quick check compares with is Alembic's one head."""
    with store.database.reading() as connection:
        script = ScriptDirectory.from_config(config(connection))
    assert script.get_heads() == [REVISION]
    assert known_versions() == {revision.revision for revision in script.walk_revisions()}


def test_several_first_opens_at_once_are_safe(store_url: str) -> None:
    """Many openers of a new store all get it, migrated once."""
    gate = threading.Barrier(4, timeout=20)

    def opening() -> int:
        gate.wait()
        with open_store(store_url) as store:
            return len(store.runs.recent())

    with ThreadPoolExecutor(4) as pool:
        assert [one.result() for one in [pool.submit(opening) for _ in range(4)]] == [0] * 4


def test_an_opener_waits_while_another_prepares_the_file(tmp_path: Path) -> None:
    """Nobody looks into a new SQLite file before its journal mode and its tables are there."""
    with ThreadPoolExecutor(1) as pool, (tmp_path / "mend.db.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        opening = pool.submit(open_store, f"sqlite:///{tmp_path}/mend.db")
        assert not wait([opening], timeout=0.1).done
        assert not (tmp_path / "mend.db").exists()
        fcntl.flock(lock, fcntl.LOCK_UN)
        opening.result(timeout=20).close()


def test_a_database_newer_than_the_code_is_refused(store: Store, store_url: str) -> None:
    """A store that a newer Mend migrated is left alone, with what to do."""
    with store.transaction() as connection:
        connection.execute(table(VERSION_TABLE, column("version_num")).update().values(version_num="9999"))
    with pytest.raises(UserError, match=rf"schema version 9999, this Mend knows up to {REVISION}.*newer Mend"):
        open_store(store_url)


def test_a_second_open_keeps_what_is_there(store: Store, store_url: str) -> None:
    """Rows outlive the store object."""
    store.runs.open_run("run-1", "orders", "q", 1, AT)
    with open_store(store_url) as again:
        assert [run.run_id for run in again.runs.recent()] == ["run-1"]


def test_a_transaction_is_kept_as_a_whole_or_not_at_all(store: Store) -> None:
    """An error inside takes back everything that any store wrote in it."""

    class PowerCutError(Exception):
        pass

    def interrupted() -> None:
        with store.transaction():
            store.runs.open_run("run-1", "orders", "q", 1, AT)
            store.mappings.append("orders", (), AT, created_by="test")
            raise PowerCutError

    with pytest.raises(PowerCutError):
        interrupted()
    assert (store.runs.recent(), store.mappings.current("orders")) == ((), None)
    with store.transaction():
        store.runs.open_run("run-1", "orders", "q", 1, AT)
        assert store.runs.get("run-1") is not None
    assert len(store.runs.recent()) == 1


def test_readers_do_not_wait_for_a_writer_and_see_only_what_is_kept(store: Store, store_url: str) -> None:
    """While one process writes, another reads the state before, at once."""
    with open_store(store_url) as other, store.transaction():
        store.runs.open_run("run-1", "orders", "q", 1, AT)
        assert other.runs.recent() == ()
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(store.runs.recent).result() == (), "another thread is not in this thread's transaction"


def test_times_come_back_aware_in_utc(store: Store) -> None:
    """A time of any zone is the same instant when it is read; a naive one is refused."""
    elsewhere = datetime.fromisoformat("2024-01-15T15:30:00.123456+05:30")
    run = store.runs.open_run("run-1", "orders", "q", 1, elsewhere)
    assert run.opened_at == elsewhere
    assert run.opened_at.tzinfo is UTC
    with pytest.raises(Exception, match="a time needs a zone"):
        store.runs.open_run("run-2", "orders", "q", 2, elsewhere.replace(tzinfo=None))


def test_any_error_text_can_be_stored(store: Store) -> None:
    """NUL bytes and broken characters in a text never make its recording fail."""
    store.runs.record_failure("orders", None, "bad \x00 byte and \ud800 half and 😀", "decode", AT)
    assert [failure.error for failure in store.runs.failures()] == ["bad \ufffd byte and \ufffd half and 😀"]


def test_sqlite_is_durable_and_lets_readers_read(tmp_path: Path) -> None:
    """WAL, every commit synced (FULL), foreign keys on, and writers wait for each other."""
    with open_store(f"sqlite:///{tmp_path}/a/new/folder/mend.db") as store:
        pragmas = {name: sqlite_pragma(store, name) for name in ("journal_mode", "synchronous", "foreign_keys")}
        assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
        assert sqlite_pragma(store, "busy_timeout") == 10_000


def test_a_file_that_lost_its_wal_mode_gets_it_back(tmp_path: Path) -> None:
    """A restored copy in another journal mode is switched when it is opened."""
    url = f"sqlite:///{tmp_path}/mend.db"
    with open_store(url) as store:
        raw = store.database.engine.raw_connection()
        raw.cursor().execute("PRAGMA journal_mode=DELETE")
        raw.close()
    with open_store(url) as store:
        assert sqlite_pragma(store, "journal_mode") == "wal"


def test_a_writer_that_waits_too_long_is_told_why(tmp_path: Path) -> None:
    """A lock held by somebody else becomes one line, and nothing is half written."""
    url = f"sqlite:///{tmp_path}/mend.db"
    with open_store(url) as store, open_store(f"{url}?timeout=0.05") as other:
        with store.transaction(), pytest.raises(StoreUnavailable, match=r"locked.*wait for it to end"):
            other.runs.open_run("run-1", "orders", "q", 1, AT)
        assert other.runs.open_run("run-1", "orders", "q", 1, AT).state is RunState.OPENED


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "not a database URL: expected sqlite:///path"),
        ("no url with secret", "not a database URL"),
        ("postgresql://me:secret@host:port/db", "not a database URL"),
        ("mysql://me:secret@host/db", "begins with 'mysql': expected sqlite"),
        ("postgress://me:secret@host/db", "Did you mean 'postgres'"),
        ("sqlite://", "would be lost"),
        ("sqlite:///:memory:", "would be lost"),
    ],
)
def test_a_wrong_url_is_said_without_repeating_it(url: str, told: str) -> None:
    """A URL that names no usable database is wrong use; a password in it is not shown."""
    with pytest.raises(UserError, match=told) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A file in the folder's place, or no permission: which folder, and what to set."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/data cannot be made.*Set MEND_HOME or DATABASE_URL"):
        open_store(f"sqlite:///{tmp_path}/file/data/mend.db")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that nobody can write")
def test_a_folder_that_cannot_be_written_is_said() -> None:
    """Not even the administrator can make a file there: which folder, and what to set."""
    with pytest.raises(UserError, match=r"folder /proc cannot be written.*set MEND_HOME or DATABASE_URL"):
        open_store("sqlite:////proc/mend.db")


def test_a_folder_in_the_place_of_the_file_is_said(tmp_path: Path) -> None:
    """A folder cannot be opened as a database."""
    with pytest.raises(UserError, match=r"cannot be used: unable to open.*folder exists and is writable"):
        open_store(f"sqlite:///{tmp_path}")


def test_a_read_only_file_is_said_at_once(tmp_path: Path) -> None:
    """A store that cannot be written is refused when it is opened, not in the middle of a run."""
    open_store(f"sqlite:///{tmp_path}/mend.db").close()
    with pytest.raises(UserError, match=r"readonly.*Make the file and its folder writable"):
        open_store(f"sqlite:///file:{tmp_path}/mend.db?mode=ro&uri=true")


def test_a_file_of_something_else_is_said(tmp_path: Path) -> None:
    """A file that is not SQLite's is left as it is."""
    path = tmp_path / "mend.db"
    path.write_bytes(b"these are my notes, not a database" * 40)
    with pytest.raises(UserError, match=r"file is not a database.*Move the file away"):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes().startswith(b"these are my notes")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_server_that_is_away_is_said(scheme: str) -> None:
    """An unreachable PostgreSQL is one line with the place, without the password."""
    with pytest.raises(
        UserError, match=r"mend:\*\*\*@127.0.0.1:1/mend cannot be used.*DATABASE_URL is right"
    ) as caught:
        open_store(f"{scheme}://mend:secret@127.0.0.1:1/mend")
    assert "secret" not in str(caught.value)
