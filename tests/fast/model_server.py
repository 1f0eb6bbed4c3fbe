"""A loopback server that speaks as Ollama and as OpenAI do, and behaves as it is told."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: how many came before, and what it says."""

    turn: int
    document: dict[str, Any]

    @property
    def pack(self) -> dict[str, Any]:
        """The core of the evidence pack."""
        first = next(one for one in self.document["messages"] if one["role"] == "user")
        pack: dict[str, Any] = orjson.loads(first["content"])
        return pack

    @property
    def text(self) -> str:
        """All that was said so far."""
        return "\n".join(str(one.get("content")) for one in self.document["messages"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a model says: a text, calls of tools, or bytes that are no answer at all."""

    text: str = ""
    calls: tuple[tuple[str, Any], ...] = ()
    status: int = 200
    raw: bytes | None = None
    location: str = ""
    drip: bool = False
    cut: bool = False


Behaviour = Callable[[Asked], Said]


def answers(**changes: Any) -> Behaviour:
    """Answer by the tool at once; `changes` replace fields of the proposal."""

    def behave(asked: Asked) -> Said:
        given = {"run_id": asked.pack["run_id"], "action": "escalate", "confidence": 0.9, "reason": "I would look."}
        return Said(calls=(("answer", given | changes),))

    return behave


def says(text: str = "", **rest: Any) -> Behaviour:
    """Say the same whatever is asked."""
    return lambda _: Said(text=text, **rest)


@dataclass
class ModelServer:
    """Keeps every byte that it received."""

    behaviour: Behaviour
    received: list[bytes] = field(default_factory=list)
    url: str = ""

    def base_url(self, provider: str) -> str:
        """Return the address as the provider's client wants it."""
        return f"{self.url}/v1" if provider == "openai" else self.url


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[ModelServer]:
    """Serve on a free port of the loopback interface until the block ends."""
    model = ModelServer(behaviour)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(model))
    server.daemon_threads = True
    server.block_on_close = False
    model.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()


def handler_of(model: ModelServer) -> type[BaseHTTPRequestHandler]:
    """Return the handler of one server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = {"models": [{"name": "llama3.1:latest"}], "data": [{"id": "llama3.1"}]}
            self.respond(404 if "elsewhere" in self.path else 200, orjson.dumps(known))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            asked = Asked(turn=len(model.received), document=orjson.loads(body))
            model.received.append(f"{self.path}\n{self.headers}".encode() + body)
            said = model.behaviour(asked)
            encode = as_openai if self.path.endswith("/chat/completions") else as_ollama
            self.send(said, encode(said) if said.raw is None else said.raw)

        def send(self, said: Said, body: bytes) -> None:
            with suppress(OSError):  # the client may have left
                if said.cut:
                    half = body[: len(body) // 2]
                    self.connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n" + half)
                    self.connection.shutdown(socket.SHUT_RDWR)
                else:
                    self.respond(said.status, body, location=said.location, drip=said.drip)

        def respond(self, status: int, body: bytes, *, location: str = "", drip: bool = False) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            if location:
                self.send_header("location", location)
            self.end_headers()
            for piece in dripped(body) if drip else (body,):
                self.wfile.write(piece)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            """Say nothing."""

    return Handler


def dripped(body: bytes) -> Iterator[bytes]:
    """Return a body byte by byte, five a second."""
    for at in range(len(body)):
        time.sleep(0.2)
        yield body[at : at + 1]


def as_openai(said: Said) -> bytes:
    """Return a chat completion."""
    calls = [
        {"id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": python_json(args)}}
        for at, (name, args) in enumerate(said.calls)
    ]
    message = {"role": "assistant", "content": said.text} | ({"tool_calls": calls} if calls else {})
    reason = "tool_calls" if calls else "stop"
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    choice = {"index": 0, "message": message, "finish_reason": reason}
    whole = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    return orjson.dumps(whole)


def as_ollama(said: Said) -> bytes:
    """Return a stream of two lines of JSON: the message, and its end."""
    calls = [{"function": {"name": name, "arguments": args}} for name, args in said.calls]
    message = {"role": "assistant", "content": said.text} | ({"tool_calls": calls} if calls else {})
    start = {"model": "m", "created_at": "2026-01-01T00:00:00Z"}
    lines = ({"message": message, "done": False}, {"message": {"role": "assistant", "content": ""}, "done": True})
    return b"".join(python_json(start | one).encode() + b"\n" for one in lines)


def python_json(document: Any) -> str:
    """Return JSON in which NaN is NaN, as careless servers write it."""
    import json

    return json.dumps(document)
