"""The store's whole suite again, on a real PostgreSQL, and what only a server can do wrong."""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from mend.contracts.incident import Severity
from mend.incidents.log import incident_log
from mend.runtime.errors import UserError
from mend.runtime.retries import retrying
from mend.store.database import StoreUnavailable
from mend.store.engine import Store, open_store
from mend.store.tables import RunState

AT = datetime(2024, 1, 15, 10, 0, tzinfo=UTC)
PASSWORD = "not-to-be-shown"
HOW_TO_GET_IT = "no PostgreSQL on this machine: apt-get install postgresql (it need not run: the test starts its own)"
SUITE = ("engine", "runs", "ledger", "decisions", "mappings", "incidents")
ONLY_SQLITE = ("sqlite", "wal_mode", "waits_too_long", "takes_over", "folder", "file")


def suite_of(name: str) -> ModuleType:
    """Load one file of the fast suite."""
    path = Path(__file__).parents[1] / "fast" / f"test_store_{name}.py"
    spec = importlib.util.spec_from_file_location(f"store_suite_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shared_tests() -> Iterator[tuple[str, Any]]:
    """Give the tests and fixtures that hold for any database; this file's own `store` and `store_url` serve them."""
    for name in SUITE:
        for attribute, value in vars(suite_of(name)).items():
            common = attribute.startswith("test_") and not any(words in attribute for words in ONLY_SQLITE)
            if common or (name == "incidents" and attribute in {"rows", "log"}):
                yield attribute, value


globals().update(shared_tests())


@dataclass
class Server:
    """A PostgreSQL of the test's own, on loopback; it ends with the test."""

    binaries: Path
    folder: Path
    port: int
    user: str | None
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        """Return the store's URL."""
        return f"postgresql://mend:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def command(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one of the server's programs, never as root, with its output in a file."""
        ids: dict[str, Any] = {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid} if self.user else {}
        ids |= {"extra_groups": []} if self.user else {}
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen([self.binaries / name, *arguments], stdout=log, stderr=log, cwd=self.folder, **ids)

    def make(self) -> None:
        """Make an empty cluster with a password."""
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        if self.user:
            shutil.chown(self.folder, self.user)
            shutil.chown(secret, self.user)
        options = ("--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C", "--no-sync")
        made = self.command("initdb", "-D", str(self.folder / "db"), "-U", "mend", *options)
        assert made.wait(60) == 0, (self.folder / "initdb.log").read_text()

    def start(self) -> None:
        """Start and wait until it answers."""
        place = ("-D", str(self.folder / "db"), "-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder))
        self.process = self.command("postgres", *place)
        retrying(on=OperationalError, attempts=50, timeout=30.0)(self.answer)()

    def answer(self) -> None:
        """Ask it anything."""
        engine = create_engine(self.url.replace("postgresql", "postgresql+psycopg"))
        try:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        finally:
            engine.dispose()

    def stop(self) -> None:
        """Stop at once, whoever is connected."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
            self.process = None


def found_binaries() -> Path | None:
    """Return the folder of the newest PostgreSQL on this machine."""
    by_version = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    if by_version:
        return by_version[-1].parent
    return Path(on_path).resolve().parent if on_path else None


def other_user() -> str | None:
    """Return whom the server runs as where the test is root, which it refuses to be."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def free_port() -> int:
    """Return a port that nobody uses."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def open_to_all() -> Path:
    """Return a temporary folder that any user can reach."""
    candidates = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108 - what is made there is private
    for one in candidates:
        if all(part.stat().st_mode & stat.S_IXOTH for part in (one, *one.parents)):
            return one
    pytest.skip("no temporary folder is open to the user that PostgreSQL would run as")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Start a server for this file's tests."""
    binaries = found_binaries()
    if binaries is None:
        pytest.skip(HOW_TO_GET_IT)
    # Not pytest's folder: that one is closed to the user the server runs as.
    with tempfile.TemporaryDirectory(prefix="mend-pg-", dir=open_to_all()) as folder:
        own = Server(binaries, Path(folder), free_port(), other_user())
        own.make()
        try:
            own.start()
            yield own
        finally:
            own.stop()


@pytest.fixture
def store_url(server: Server) -> str:
    """Empty the database."""
    engine = create_engine(server.url.replace("postgresql", "postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return server.url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """Open a new store."""
    with open_store(store_url) as opened:
        yield opened


def test_the_server_is_really_used(store: Store) -> None:
    """The suite above ran on PostgreSQL, with each word in a column of its type."""
    with store.database.reading() as connection:
        assert "PostgreSQL" in str(connection.execute(text("SELECT version()")).scalar())
        columns = connection.execute(
            text("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'runs'")
        )
        types = {name: kind for name, kind in columns.all()}  # noqa: C416 - rows are no pairs to mypy
    assert (types["opened_at"], types["report"], types["batch_id"]) == ("timestamp with time zone", "json", "bigint")


def test_a_wrong_password_is_said_without_showing_it(server: Server) -> None:
    """Which place, and what to correct."""
    with pytest.raises(UserError, match=r"authentication failed.*Correct user and password") as caught:
        open_store(server.url.replace(PASSWORD, "guessed-wrong"))
    assert "guessed-wrong" not in str(caught.value)


def test_a_missing_database_is_said(server: Server) -> None:
    """The name that does not exist, and what to do."""
    with pytest.raises(UserError, match=r'database "nowhere" does not exist.*Create what is missing'):
        open_store(server.url.replace("/postgres", "/nowhere"))


def test_a_user_without_rights_is_told(store_url: str, server: Server) -> None:
    """A schema in which the user may not create tables."""
    engine = create_engine(server.url.replace("postgresql", "postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS guest"))
        connection.execute(text("CREATE ROLE guest LOGIN PASSWORD 'guest'"))
        connection.execute(text("REVOKE ALL ON SCHEMA public FROM PUBLIC"))
        connection.execute(text("GRANT USAGE ON SCHEMA public TO guest"))
    engine.dispose()
    with pytest.raises(UserError, match=r"permission denied for schema public. Grant this user CREATE"):
        open_store(store_url.replace(f"mend:{PASSWORD}", "guest:guest"))


def test_a_read_only_server_is_said_at_once(store: Store, store_url: str) -> None:
    """A standby is refused when the store is opened."""
    assert store.runs.recent() == ()
    with pytest.raises(UserError, match=r"read-only transaction.*primary server"):
        open_store(f"{store_url}?options=-c%20default_transaction_read_only%3Don")


def test_a_server_that_restarts_is_used_again(store: Store, server: Server, tmp_path: Path) -> None:
    """While it is away: one line, incidents in the file, nothing half written; afterwards they enter the same store."""
    store.runs.open_run("run-1", "orders", "q", 1, AT)
    log = incident_log(store, tmp_path)
    server.stop()
    try:
        with pytest.raises(StoreUnavailable, match="Check that the database is up"):
            store.runs.advance("run-1", RunState.STAGED, AT)
        log.log_incident("id-1", "store_away", "the store is away", Severity.HIGH, AT)
        assert [one.id for one in log.get_recent_incidents(at=AT)] == ["id-1"]
    finally:
        server.start()
    assert store.runs.advance("run-1", RunState.STAGED, AT).state is RunState.STAGED
    assert [one.id for one in log.get_recent_incidents(at=AT)] == ["id-1"]
    assert store.incidents.find("id-1") is not None
    server.stop()
    server.start()
    assert [run.run_id for run in store.runs.recent()] == ["run-1"], "a restart that nobody noticed is no error"
