"""Airflow's REST API: v2 with a token (Airflow 3), v1 with basic auth (Airflow 2); both start a run once for an id."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson
from urllib3 import HTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError
from urllib3.util import make_headers

from mend.runtime.errors import UserError
from mend.runtime.retries import retrying
from mend.runtime.settings import AirflowApiVersion, Settings

USUAL_PASSWORD = "airflow"  # noqa: S105 - what Airflow's own compose file has; AIRFLOW_PASSWORD is another one
CREATED, UNAUTHORISED, FORBIDDEN, NOT_FOUND, CONFLICT, TOO_MANY, BROKEN = 201, 401, 403, 404, 409, 429, 500


class AirflowAwayError(UserError):
    """Airflow does not answer, or not now: what was asked may be asked again."""


class AirflowRefusedError(UserError):
    """Airflow answers, and says no: to ask again would not help."""


@dataclass
class AirflowApi:
    """One Airflow. A request is tried thrice while it is away; starting a run has an id, so it happens once."""

    url: str
    user: str
    password: str = field(repr=False)
    version: AirflowApiVersion = AirflowApiVersion.V2
    timeout: float = 10.0
    attempts: int = 3
    _token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Keep connections."""
        self.url = self.url.rstrip("/")
        self._pool = PoolManager(retries=False, timeout=Timeout(total=self.timeout))

    def trigger(
        self, dag_id: str, run_id: str, conf: dict[str, Any], *, not_before: str | None = None
    ) -> dict[str, Any]:
        """Start a run of a DAG, or return the one that has this id already; it does not begin before a moment."""
        body: dict[str, Any] = {"dag_run_id": run_id, "conf": conf}
        if self.version is AirflowApiVersion.V2:
            body |= {"logical_date": None} | ({"run_after": not_before} if not_before else {})
        elif not_before:
            body |= {"logical_date": not_before}
        status, found = self._ask("POST", f"dags/{quote(dag_id)}/dagRuns", body, fine=(CONFLICT,))
        return self.run(dag_id, run_id) if status == CONFLICT else found

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return a run of a DAG: its `state` is queued, running, success or failed."""
        return self._ask("GET", f"dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}")[1]

    def runs(self, dag_id: str, *states: str) -> list[dict[str, Any]]:
        """Return the newest runs of a DAG in these states."""
        wanted = "".join(f"&state={state}" for state in states)
        order = "-run_after" if self.version is AirflowApiVersion.V2 else "-start_date"
        return list(self._ask("GET", f"dags/{quote(dag_id)}/dagRuns?limit=50&order_by={order}{wanted}")[1]["dag_runs"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the tasks of a run with their `state`, in no order."""
        path = f"dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}/taskInstances"
        return list(self._ask("GET", path)[1]["task_instances"])

    def returned(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """Return what a task returned, None if it returned nothing."""
        path = f"dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}/taskInstances/{quote(task_id)}/xcomEntries"
        status, found = self._ask("GET", f"{path}/return_value", fine=(NOT_FOUND,))
        return None if status == NOT_FOUND else plain(found["value"])

    def is_paused(self, dag_id: str) -> bool:
        """Whether runs of the DAG wait until a person enables it."""
        return bool(self._ask("GET", f"dags/{quote(dag_id)}")[1]["is_paused"])

    def enable(self, dag_id: str) -> None:
        """Let runs of the DAG go on."""
        self._ask("PATCH", f"dags/{quote(dag_id)}?update_mask=is_paused", {"is_paused": False})

    def questions(self, dag_id: str) -> list[dict[str, Any]]:
        """Return what people are asked by the runs of a DAG and have not answered (v2 only)."""
        found = self._ask("GET", f"dags/{quote(dag_id)}/dagRuns/~/hitlDetails?response_received=false")[1]
        return list(found["hitl_details"])

    def _ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, fine: tuple[int, ...] = ()
    ) -> tuple[int, dict[str, Any]]:
        """Ask as often as allowed; what it is asked as is no argument, since those are logged."""
        once = retrying(AirflowAwayError, attempts=self.attempts, timeout=self.timeout * self.attempts)(self._ask_once)
        return once(method, path, body, fine)

    def _ask_once(
        self, method: str, path: str, body: dict[str, Any] | None, fine: tuple[int, ...]
    ) -> tuple[int, dict[str, Any]]:
        response = self._send(method, f"{self.url}/api/{self.version.value}/{path}", body, self._login())
        if response.status == UNAUTHORISED and self._token:  # it has expired: log in again, once
            self._token = ""
            response = self._send(method, f"{self.url}/api/{self.version.value}/{path}", body, self._login())
        self._refuse(response, path, fine)
        return response.status, parsed(response)

    def _login(self) -> dict[str, str]:
        """Return the header that says who asks."""
        if self.version is AirflowApiVersion.V1:
            return dict(make_headers(basic_auth=f"{self.user}:{self.password}"))
        if not self._token:
            response = self._send(
                "POST", f"{self.url}/auth/token", {"username": self.user, "password": self.password}, {}
            )
            self._refuse(response, "auth/token", ())
            self._token = str(parsed(response).get("access_token", ""))
        return {"Authorization": f"Bearer {self._token}"}

    def _send(self, method: str, url: str, body: dict[str, Any] | None, headers: dict[str, str]) -> HTTPResponse:
        content = {"Content-Type": "application/json", "Accept": "application/json"}
        data = orjson.dumps(body) if body is not None else None
        try:
            return self._pool.request(method, url, body=data, headers=headers | content, redirect=False)  # type: ignore[return-value]
        except HTTPError as error:
            raise AirflowAwayError(
                f"Airflow does not answer at {self.url} ({type(error).__name__}). Start it with `make airflow`, "
                "or correct AIRFLOW_URL.",
                exit_code=1,
            ) from None

    def _refuse(self, response: HTTPResponse, path: str, fine: tuple[int, ...]) -> None:
        """Raise what an answer means that is not a good one."""
        status = response.status
        if status < 300 or status in fine:  # noqa: PLR2004 - the good answers of HTTP
            return
        said = told(response)
        if status in {UNAUTHORISED, FORBIDDEN}:
            what = "user or password are wrong" if status == UNAUTHORISED else f"{self.user} has not the right"
            raise AirflowRefusedError(
                f"Airflow at {self.url}: {what}. See AIRFLOW_USER and AIRFLOW_PASSWORD.", exit_code=3
            )
        if status >= BROKEN or status == TOO_MANY:
            raise AirflowAwayError(f"Airflow at {self.url} answered {status}: {said}. Try again later.", exit_code=1)
        hint = "Is the DAG there (its import errors: Airflow's UI), and AIRFLOW_API_VERSION right?"
        raise AirflowRefusedError(f"Airflow at {self.url} answered {status} to {path}: {said}. {hint}", exit_code=1)


def parsed(response: HTTPResponse) -> dict[str, Any]:
    """Return an answer's document; anything else than one is Airflow's trouble."""
    try:
        found = orjson.loads(response.data or b"{}")
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise AirflowAwayError(f"what answers with {response.status} is no Airflow. Correct AIRFLOW_URL.", exit_code=1)
    return found


def told(response: HTTPResponse) -> str:
    """Return what an answer says of itself, in a line."""
    try:
        said = orjson.loads(response.data)["detail"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        said = response.reason or "nothing"
    return " ".join(str(said).split())[:200]


def plain(value: Any) -> Any:
    """Return an XCom's value; v1 returns it as text."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def airflow_of(settings: Settings) -> AirflowApi:
    """Return the Airflow of the settings."""
    return AirflowApi(
        url=settings.airflow_url,
        user=settings.airflow_user,
        password=settings.airflow_password.get_secret_value() or USUAL_PASSWORD,
        version=settings.airflow_api_version,
        timeout=settings.airflow_timeout_seconds,
    )
