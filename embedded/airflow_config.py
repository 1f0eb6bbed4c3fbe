"""What Airflow is told when it runs on this machine without containers: everything on loopback, in one folder."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from agent.adapters.airflow_api import USUAL_PASSWORD
from embedded.kafka_broker import LOOPBACK
from mend.runtime.errors import UserError
from mend.runtime.files import write_atomic
from mend.runtime.settings import Settings

ROOT = Path(__file__).parents[1]
MARK = "MEND_AIRFLOW"
"""Variable that all processes of one platform carry, so that none is left behind."""
TASKS_AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a platform lives: its folder, the port of its API, and the Kafka that its tasks read."""

    folder: Path
    port: int
    kafka: str
    mend_home: Path
    pipelines: Path
    mend: Path
    mark: str

    @property
    def url(self) -> str:
        """Address of the UI and the API."""
        return f"http://{LOOPBACK}:{self.port}"


def airflow_program() -> Path:
    """Return the `airflow` of its own environment; a UserError where that was not built."""
    program = ROOT / ".venv-airflow" / "bin" / "airflow"
    if not program.exists():
        raise UserError(f"{program.parents[1]} is not there yet. Build it once with: make airflow-env")
    return program


def variables(place: Place, settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of Airflow's processes and, through them, of the tasks."""
    folder, password = place.folder, settings.airflow_password.get_secret_value() or USUAL_PASSWORD
    keys = kept_keys(folder)
    write_atomic(folder / "passwords.json", orjson.dumps({settings.airflow_user: password}))
    (folder / "passwords.json").chmod(0o600)
    told = {
        "AIRFLOW_HOME": folder,
        "AIRFLOW__CORE__DAGS_FOLDER": ROOT / "airflow" / "dags",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": TASKS_AT_ONCE,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{place.url}/execution/",
        "AIRFLOW__CORE__FERNET_KEY": keys["fernet"],
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{settings.airflow_user}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": folder / "passwords.json",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "AIRFLOW__API__HOST": LOOPBACK,
        "AIRFLOW__API__PORT": place.port,
        "AIRFLOW__API__BASE_URL": place.url,
        "AIRFLOW__API__WORKERS": 1,
        "AIRFLOW__API__SECRET_KEY": keys["secret"],
        "AIRFLOW__API_AUTH__JWT_SECRET": keys["jwt"],
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": folder / "logs",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": 1,
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        MARK: place.mark,
        "MEND_BIN": place.mend,
        "MEND_HOME": place.mend_home,
        "MEND_PIPELINES": place.pipelines,
        "KAFKA_BROKER": place.kafka,
        "AIRFLOW_URL": place.url,
        "AIRFLOW_USER": settings.airflow_user,
        "AIRFLOW_PASSWORD": password,
    }
    # Without compiled files each process and each task would compile all modules anew.
    kept = {name: value for name, value in environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {name: str(value) for name, value in told.items()}


def kept_keys(folder: Path) -> dict[str, str]:
    """Return the keys of this folder's Airflow, made once: with other ones its people would have to log in again."""
    path = folder / "keys.json"
    if not path.exists():
        from cryptography.fernet import Fernet

        made = {"fernet": Fernet.generate_key().decode(), "secret": secrets.token_hex(32), "jwt": secrets.token_hex(32)}
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(path, orjson.dumps(made))
        path.chmod(0o600)
    return dict(orjson.loads(path.read_bytes()))
