"""A container's health check: asks Airflow's api-server how one of its parts is. Ends with 1 unless it is healthy."""

import json
import os
import sys
from urllib.request import urlopen

ADDRESS = "http://airflow-webserver:8080/api/v2/monitor/health"


def main(part: str) -> int:
    """Say the part's state."""
    with urlopen(os.environ.get("AIRFLOW_HEALTH", ADDRESS), timeout=4) as answer:  # noqa: S310 - a fixed address
        state = json.load(answer)[part]["status"]
    print(part, state)  # noqa: T201 - docker inspect shows it
    return 0 if state == "healthy" else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
