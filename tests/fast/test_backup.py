"""`mend backup` keeps everything as of one moment; `mend restore` puts back exactly that, or nothing."""

import fcntl
import io
import os
import sqlite3
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from cli.main import cli
from mend.contracts.incident import Severity
from mend.incidents.log import incident_log
from mend.runtime.errors import UserError
from mend.runtime.settings import Settings, load_settings
from mend.store.engine import open_store
from mend.store.tables import RunState
from orchestration.backup import INDEX, KEPT, STORE, back_up, roots
from orchestration.restore import UNFINISHED, restore

pytestmark = pytest.mark.waits

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def settings_of(home: Path, **other: Any) -> Settings:
    """Return settings of a home; published rows lie outside of it."""
    given = {"mend_home": home, "MEND_PIPELINES": ROOT / "pipelines", "parquet_out": home.with_name(f"{home.name}-out"),
             "database_url": "", "kafka_broker": "nobody", "spark_checkpoint_location": None}  # fmt: skip
    return load_settings(_env_file=None, **(given | other))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Make a home with files in every place and rows in the store."""
    made = settings_of(tmp_path / "first")
    for name, root in roots(made).items():
        file = root / "run=r-1" / f"{name.replace('/', '-')}.bin"
        file.parent.mkdir(parents=True)
        file.write_bytes(os.urandom(100))
    (made.published / "of-somebody-else").write_text("not ours")
    with open_store(made.store_url) as store:
        for number in range(3):
            store.runs.open_run(f"r-{number}", "customers", "q", number, AT)
        store.runs.advance("r-1", RunState.STAGED, AT)
        incident_log(store, made.home / "ops").log_incident("i-1", "kind", "Ärger \x00", Severity.HIGH, AT)
    return made


def files_of(settings: Settings) -> dict[str, bytes]:
    """Return every file that is kept."""
    return {
        f"{name}/{path.relative_to(root)}": path.read_bytes()
        for name, root in roots(settings).items()
        for path in root.rglob("*")
        if path.is_file() and path.name != "of-somebody-else"
    }


def rows_of(settings: Settings) -> list[str]:
    """Return the whole store as SQL."""
    with sqlite3.connect(settings.default_store) as connection:
        lines = sorted(line for line in connection.iterdump() if line.startswith("INSERT"))
    connection.close()
    return lines


def test_what_comes_back_is_what_was(settings: Settings, tmp_path: Path) -> None:
    """Every file byte for byte, every row, in another home; what is not ours stays where it is."""
    kept = back_up(settings, tmp_path / "kept" / "b.tar", AT)
    assert kept.files == len(roots(settings)) + 1
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["b.tar"]
    second = settings_of(tmp_path / "second")
    put_back = restore(second, tmp_path / "kept" / "b.tar")
    assert (put_back.files, put_back.rows, put_back.at) == (kept.files, kept.rows, AT.isoformat())
    assert files_of(second) == files_of(settings)
    assert rows_of(second) == rows_of(settings)
    assert len(rows_of(second)) == kept.rows + 1  # and the version
    assert not (second.published / "of-somebody-else").exists()
    assert not (second.home / UNFINISHED).exists()


def test_nothing_is_overwritten(settings: Settings, tmp_path: Path) -> None:
    """Neither an older archive nor a home nor a store that holds anything."""
    archive = tmp_path / "b.tar"
    back_up(settings, archive, AT)
    with pytest.raises(UserError, match="is there already") as caught:
        back_up(settings, archive, AT)
    assert caught.value.exit_code == 3
    before = files_of(settings), rows_of(settings)
    with pytest.raises(UserError, match=r"is not empty. Restore into a new MEND_HOME") as caught:
        restore(settings, archive)
    assert caught.value.exit_code == 3
    assert (files_of(settings), rows_of(settings)) == before
    only_rows = settings_of(tmp_path / "rows")
    with open_store(f"sqlite:///{tmp_path / 'other.db'}") as store:
        store.runs.open_run("other", "customers", "q", 1, AT)
    with pytest.raises(UserError, match="the store is not empty"):
        restore(settings_of(tmp_path / "rows", database_url=f"sqlite:///{tmp_path / 'other.db'}"), archive)
    assert files_of(only_rows) == {}


def test_a_run_at_work_refuses_a_backup_and_a_backup_a_run(settings: Settings, tmp_path: Path) -> None:
    """What is kept is one moment; afterwards runs go on."""
    lock = settings.home / "locks" / "customers.lock"
    lock.parent.mkdir()
    with lock.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="a run is at work") as caught:
            back_up(settings, tmp_path / "b.tar", AT)
    assert caught.value.exit_code == 3
    assert not (tmp_path / "b.tar").exists()

    def locked(what: str) -> None:
        with lock.open("ab") as tried, pytest.raises(BlockingIOError):
            fcntl.flock(tried, fcntl.LOCK_EX | fcntl.LOCK_NB)
        seen.append(what)

    seen: list[str] = []
    back_up(settings, tmp_path / "b.tar", AT, locked)
    assert len(seen) == 1 + len(roots(settings))
    with lock.open("ab") as free:
        fcntl.flock(free, fcntl.LOCK_EX | fcntl.LOCK_NB)


def changed(archive: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> None:
    """Write an archive anew with its members changed."""
    with tarfile.open(archive) as old:
        members = [(one.name, (old.extractfile(one) or io.BytesIO()).read()) for one in old]
    with tarfile.open(archive, "w") as new:
        for name, content in filter(None, (change(*one) for one in members)):
            header = tarfile.TarInfo(name)
            header.size = len(content)
            new.addfile(header, io.BytesIO(content))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda name, content: (name, content[:-1] + b"!") if name.startswith("published") else (name, content),
            "publ",
        ),
        (lambda name, content: None if name.startswith("home/keys") else (name, content), "home/keys"),
        (lambda name, content: None if name == INDEX else (name, content), ""),
        (lambda name, content: (f"{name}2", content) if name == STORE else (name, content), STORE),
    ],
)
def test_a_damaged_archive_changes_nothing(settings: Settings, tmp_path: Path, change: Any, said: str) -> None:
    """A byte, a file, the index or the store that is not as it was: which one, and nothing is put back."""
    archive = tmp_path / "b.tar"
    back_up(settings, archive, AT)
    changed(archive, change)
    second = settings_of(tmp_path / "second")
    with pytest.raises(UserError, match=f"is no whole backup: {said}.*Nothing was changed"):
        restore(second, archive)
    assert not second.home.exists()


def test_what_is_no_archive_is_said(tmp_path: Path) -> None:
    """Another file, half an archive, or no file at all."""
    (tmp_path / "text").write_text("hello")
    for name in ("text", "nowhere"):
        with pytest.raises(UserError, match="is no whole backup"):
            restore(settings_of(tmp_path / "home"), tmp_path / name)


def test_a_name_that_leads_elsewhere_is_refused(settings: Settings, tmp_path: Path) -> None:
    """An archive that somebody made writes nothing outside of what Mend keeps."""
    archive = tmp_path / "b.tar"
    back_up(settings, archive, AT)

    def outside(name: str, content: bytes) -> tuple[str, bytes]:
        if name == INDEX:
            return name, content.replace(b'"published/run=r-1/', b'"published/../../run=r-1/')
        return name.replace("published/run=r-1/", "published/../../run=r-1/"), content

    changed(archive, outside)
    with pytest.raises(UserError, match="nothing that Mend keeps"):
        restore(settings_of(tmp_path / "second"), archive)
    assert not list(tmp_path.parent.glob("run=*"))


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("last", ["putting files back", "putting the store back"])
def test_a_restore_that_was_killed_is_begun_anew(settings: Settings, tmp_path: Path, last: str) -> None:
    """Calling it again ends as if nothing had happened; with another archive it is refused."""
    archive, second = tmp_path / "b.tar", settings_of(tmp_path / "second")
    back_up(settings, archive, AT)

    def die(what: str) -> None:
        if what == last:
            raise Killed

    with pytest.raises(Killed):
        restore(second, archive, die)
    assert (second.home / UNFINISHED).exists()
    if last == "putting the store back":
        back_up(settings, tmp_path / "later.tar", AT.replace(hour=13))
        with pytest.raises(UserError, match="is not empty"):
            restore(second, tmp_path / "later.tar")
    restore(second, archive)
    assert files_of(second) == files_of(settings)
    assert rows_of(second) == rows_of(settings)


@pytest.fixture
def mend(settings: Settings) -> Callable[..., Any]:
    """Return a function that runs `mend` in this process, in the home given."""

    def run(home: Path, *words: str) -> Any:
        told = {"MEND_HOME": str(home), "MEND_PIPELINES": str(ROOT / "pipelines"), "DATABASE_URL": "",
                "KAFKA_BROKER": "nobody", "PARQUET_OUT": ""}  # fmt: skip
        return CliRunner().invoke(cli, list(words), env=told)

    assert settings.home.exists()
    return run


def test_the_command_proves_what_it_put_back(mend: Callable[..., Any], settings: Settings, tmp_path: Path) -> None:
    """Its exit code is the proof's; rows of the store that no file backs are a hole."""
    archive = str(tmp_path / "b.tar")
    made = orjson.loads(mend(settings.home, "backup", archive, "--json").stdout)
    assert made["path"] == archive
    done = mend(tmp_path / "second", "restore", archive)
    assert "put back:" in done.output
    assert "proving it" in done.output
    assert (tmp_path / "second" / "ops" / "proof.json").exists()
    assert mend(tmp_path / "none", "backup", str(tmp_path / "c.tar")).exception.exit_code == 3


def test_every_folder_that_mend_makes_is_kept() -> None:
    """What `reset-data` destroys a backup keeps: neither forgets a folder that the other knows."""
    from cli.reset import MADE

    assert {*KEPT, "out", "checkpoints"} == set(MADE)
