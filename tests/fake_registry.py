"""A schema registry on loopback that speaks Confluent's wire format, and can misbehave on demand."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

Answer = tuple[int, bytes]
MISSING_SCHEMA, MISSING_VERSION = 40403, 40402


class FakeRegistry:
    """Schemas in memory. `asked` are the requests; while `misbehave` is set it answers instead."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.versions: dict[str, list[int]] = {}
        self.asked: list[str] = []
        self.misbehave: Callable[[Any], None] | None = None

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Answer one request."""
        words = [unquote(word) for word in path.strip("/").split("/")]
        if method == "POST":
            return self.register(words[1], json.loads(body))
        if words[:2] == ["schemas", "ids"]:
            return self.found(int(words[2]), MISSING_SCHEMA)
        kept = self.versions.get(words[1], [])
        number = int(words[3])
        return self.found(kept[number - 1] if number <= len(kept) else 0, MISSING_VERSION)

    def register(self, subject: str, document: dict[str, Any]) -> Answer:
        """Keep a schema; the same one again has the same id."""
        text = json.dumps({key: document[key] for key in sorted(document)})
        number = self.ids.setdefault(text, len(self.ids) + 1)
        kept = self.versions.setdefault(subject, [])
        if number not in kept:
            kept.append(number)
        return 200, json.dumps({"id": number}).encode()

    def found(self, number: int, missing: int) -> Answer:
        """Return a schema by its id."""
        for text, one in self.ids.items():
            if one == number:
                return 200, text.encode()
        return 404, json.dumps({"error_code": missing, "message": "not found"}).encode()


@contextmanager
def fake_registry() -> Iterator[tuple[FakeRegistry, str]]:
    """Run a registry; gives it and its address."""
    registry = FakeRegistry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.asked.append(f"{self.command} {self.path}")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if registry.misbehave is not None:
                registry.misbehave(self)
                return
            respond(self, *registry.answer(self.command, self.path, body))

        do_POST = do_GET  # noqa: N815 - the name that the library calls

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield registry, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def respond(handler: Any, status: int, body: bytes, **headers: str) -> None:
    """Send an answer."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
