"""`mend setup` prepares a checkout and overwrites nothing."""

import os
import re
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest

from cli.setup import CONTAINERS, FOLDERS, setup
from mend.runtime.settings import Settings, env_example, load_settings, variable

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder, with no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    return tmp_path


def values(env: Path) -> dict[str, str]:
    """Return what a .env says."""
    return dict(re.findall(r"^(\w+)=(.*)$", env.read_text(), re.MULTILINE))


def test_a_new_checkout_gets_env_and_folders(checkout: Path) -> None:
    """.env is the example with a user for the containers who is not root; the folders lie below MEND_HOME."""
    setup()
    assert (checkout / ".env").read_text().startswith(env_example())
    assert values(checkout / ".env")["AIRFLOW_UID"] == str(os.getuid() or 50_000)
    assert all((checkout / "data" / folder).is_dir() for folder in FOLDERS)
    assert load_settings().home == checkout / "data"


def test_each_checkout_has_secrets_of_its_own(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys are long enough, no two checkouts share one, and only the owner reads them."""
    setup()
    first = values(checkout / ".env")
    assert (checkout / ".env").stat().st_mode & 0o777 == 0o600
    assert len(urlsafe_b64decode(first["AIRFLOW__CORE__FERNET_KEY"])) == 32
    monkeypatch.chdir(tmp_path_factory.mktemp("other"))
    setup()
    second = values(Path(".env"))
    for name in CONTAINERS.keys() - {"AIRFLOW_UID", "AIRFLOW_PASSWORD"}:
        assert len(first[name]) >= 32
        assert first[name] != second[name]


def test_what_compose_asks_for_is_what_setup_writes() -> None:
    """Every variable without a default in the compose files is written by setup, and no other."""
    files = (ROOT / "docker-compose.yml", ROOT / "kafka" / "docker-compose.kafka.yml")
    asked = {name for path in files for name in re.findall(r"\$\{(\w+):\?run make setup\}", path.read_text())}
    assert asked | {"AIRFLOW_UID"} == CONTAINERS.keys()


def test_what_is_there_stays(checkout: Path) -> None:
    """Values of the user and data are kept; what is missing is added once; MEND_HOME from that .env is honoured."""
    (checkout / ".env").write_text("MEND_HOME=elsewhere\nPOSTGRES_PASSWORD=mine\nAIRFLOW_PASSWORD=")
    (checkout / "elsewhere" / "ops").mkdir(parents=True)
    (checkout / "elsewhere" / "ops" / "run_report.json").write_text("{}")
    setup()
    text = (checkout / ".env").read_text()
    assert text.startswith("MEND_HOME=elsewhere\nPOSTGRES_PASSWORD=mine\n")
    assert values(checkout / ".env").keys() >= CONTAINERS.keys()
    assert values(checkout / ".env")["POSTGRES_PASSWORD"] == "mine"
    assert values(checkout / ".env")["AIRFLOW_PASSWORD"] == "airflow"
    assert (checkout / "elsewhere" / "ops" / "run_report.json").read_text() == "{}"
    assert (checkout / "elsewhere" / "out" / "parquet").is_dir()
    setup()
    assert (checkout / ".env").read_text() == text
