"""What a container of Airflow runs: `init`, which ends when the database is ready, or one of Airflow's parts."""

import json
import os
import sys
from pathlib import Path

AIRFLOW = "/opt/mend/.venv-airflow/bin/airflow"


def main(part: str, *rest: str) -> None:
    """Become Airflow; the login's password, which came in the environment, is where Airflow looks for it."""
    home = Path(os.environ["AIRFLOW_HOME"])
    passwords = home / "passwords.json"
    passwords.touch(mode=0o600)
    passwords.write_text(json.dumps({"airflow": os.environ["AIRFLOW_PASSWORD"]}), encoding="utf-8")
    airflow = os.environ.get("AIRFLOW_COMMAND", AIRFLOW)
    words = ("db", "migrate") if part == "init" else (part, *rest)
    os.execv(airflow, [airflow, *words])  # noqa: S606 - no shell between Docker's signals and Airflow


if __name__ == "__main__":
    main(*sys.argv[1:])
