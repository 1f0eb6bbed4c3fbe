"""An Airflow on the loopback that speaks v1 and v2 as the real one does; a test tells it when to be away."""

import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

PASSWORD = "airflow"


@dataclass
class AirflowServer:
    """DAGs and their runs; `away` are status codes that are answered first, 0 closes the connection, -1 hangs."""

    url: str
    dags: dict[str, dict[str, Any]] = field(default_factory=lambda: {"a_dag": {"is_paused": True}})
    runs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    tasks: dict[str, str] = field(default_factory=dict)
    xcoms: dict[str, Any] = field(default_factory=dict)
    away: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    logins: int = 0
    valid: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def login(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Give a token for the right password."""
        if body.get("password") != PASSWORD:
            return 401, {"detail": "Invalid credentials"}
        self.logins += 1
        token = f"token-{self.logins}"
        self.valid.add(token)
        return 201, {"access_token": token}

    def knows(self, version: str, header: str) -> bool:
        """Whether the header is that of somebody known."""
        basic = b64encode(f"airflow:{PASSWORD}".encode()).decode()
        return header == f"Basic {basic}" if version == "v1" else header.removeprefix("Bearer ") in self.valid

    def answer(self, method: str, version: str, words: list[str], query: str, body: Any) -> tuple[int, Any]:
        """Answer as Airflow does."""
        dag_id = words[1]
        if dag_id not in self.dags:
            return 404, {"detail": f"The Dag with ID: `{dag_id}` was not found"}
        if len(words) == 2:
            self.dags[dag_id] |= body or {}
            return 200, {"dag_id": dag_id, **self.dags[dag_id]}
        if len(words) == 3:
            return self.start(version, dag_id, body) if method == "POST" else (200, self.listed(dag_id, query))
        return self.about_run((dag_id, words[3]), words[4:])

    def start(self, version: str, dag_id: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Start a run once for an id; v2 wants a logical date, if only null, and refuses what it does not know."""
        if version == "v2" and ("logical_date" not in body or body.keys() - V2):
            return 422, {"detail": [{"type": "missing", "loc": ["body", "logical_date"]}]}
        if version == "v1" and body.keys() - V1:
            return 400, {"detail": f"unknown: {sorted(body.keys() - V1)}"}
        key = (dag_id, body["dag_run_id"])
        with self.lock:
            if key in self.runs:
                return 409, {"detail": "The DAG run already exists"}
            self.runs[key] = {"dag_id": dag_id, "state": "queued", **body}
        return 200, self.runs[key]

    def listed(self, dag_id: str, query: str) -> dict[str, Any]:
        """Return the runs in the states that are asked for."""
        states = parse_qs(query).get("state", [])
        found = [
            one for one in self.runs.values() if one["dag_id"] == dag_id and (not states or one["state"] in states)
        ]
        return {"dag_runs": found, "total_entries": len(found)}

    def about_run(self, key: tuple[str, str], words: list[str]) -> tuple[int, Any]:
        """Return a run, its tasks, or what one of those returned."""
        if key not in self.runs:
            return 404, {"detail": "The DagRun was not found"}
        if not words:
            return 200, self.runs[key]
        if len(words) == 1:
            return 200, {"task_instances": [{"task_id": k, "state": v} for k, v in self.tasks.items()]}
        if words[1] not in self.xcoms:
            return 404, {"detail": "XCom entry not found"}
        return 200, {"key": "return_value", "value": self.xcoms[words[1]]}


V2 = {"dag_run_id", "logical_date", "run_after", "conf", "note"}
V1 = {"dag_run_id", "logical_date", "conf", "note"}


def handler(server: AirflowServer) -> type[BaseHTTPRequestHandler]:
    """Make the class that answers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            body = orjson.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            address = urlsplit(self.path)
            server.asked.append(f"{self.command} {address.path}")
            if server.away and self._is_away(server.away.pop(0)):
                return
            if address.path == "/auth/token":
                self._say(*server.login(body))
                return
            _, _, version, *words = [unquote(one) for one in address.path.split("/")]
            if not server.knows(version, self.headers.get("Authorization", "")):
                self._say(401, {"detail": "Invalid credentials"})
                return
            self._say(*server.answer(self.command, version, words, address.query, body))

        do_GET = do_POST = do_PATCH = respond  # noqa: N815 - the library's names

        def _is_away(self, code: int) -> bool:
            if code == -1:
                threading.Event().wait(3)
            if code > 0:
                self._say(code, {"detail": "away"})
            else:
                self.close_connection = True
            return True

        def _say(self, status: int, document: Any) -> None:
            content = orjson.dumps(document)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler


@contextmanager
def running_airflow() -> Iterator[AirflowServer]:
    """Run the server."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    http.daemon_threads = True
    server = AirflowServer(url=f"http://127.0.0.1:{http.server_port}")
    http.RequestHandlerClass = handler(server)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
