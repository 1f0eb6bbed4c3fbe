"""`mend setup` prepares a checkout and overwrites nothing."""

import os
from pathlib import Path

import pytest

from cli.setup import FOLDERS, setup
from mend.runtime.settings import Settings, env_example, load_settings


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder, with no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return tmp_path


def test_a_new_checkout_gets_env_and_folders(checkout: Path) -> None:
    """.env is the example with the user's AIRFLOW_UID; the folders lie below MEND_HOME."""
    setup()
    text = (checkout / ".env").read_text()
    assert text.startswith(env_example())
    assert f"AIRFLOW_UID={os.getuid()}" in text.splitlines()
    assert all((checkout / "data" / folder).is_dir() for folder in FOLDERS)
    assert load_settings().home == checkout / "data"


def test_what_is_there_stays(checkout: Path) -> None:
    """A .env of the user and data are kept; MEND_HOME from that .env is honoured."""
    (checkout / ".env").write_text("MEND_HOME=elsewhere\n")
    (checkout / "elsewhere" / "ops").mkdir(parents=True)
    (checkout / "elsewhere" / "ops" / "run_report.json").write_text("{}")
    setup()
    assert (checkout / ".env").read_text() == "MEND_HOME=elsewhere\n"
    assert (checkout / "elsewhere" / "ops" / "run_report.json").read_text() == "{}"
    assert (checkout / "elsewhere" / "out" / "parquet").is_dir()
