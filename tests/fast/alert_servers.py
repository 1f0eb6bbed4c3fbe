"""Slack and a mail server on the loopback, that do what a test tells them: real sockets, real TLS."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class SlackServer:
    """Keeps what was posted; `answers` are given one by one, then `ok`. `asked` are the paths."""

    url: str
    answers: list[tuple[int, str, dict[str, str]]] = field(default_factory=list)
    posted: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    hang: threading.Event = field(default_factory=threading.Event)

    @property
    def api(self) -> str:
        """The base address of the API for bots."""
        return f"{self.url}/api/"

    @property
    def arrived(self) -> list[dict[str, Any]]:
        """What was taken."""
        return [one for one in self.posted if one["taken"]]


def slack_handler(server: SlackServer) -> type[BaseHTTPRequestHandler]:
    """Make the class that answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(self.path)
            self._answer(*(server.answers.pop(0) if server.answers else (200, "ok", {})))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.asked.append(self.path)
            as_json = "json" in self.headers.get("Content-Type", "")
            document = orjson.loads(body) if as_json else {k: v[0] for k, v in parse_qs(body.decode()).items()}
            status, text, headers = server.answers.pop(0) if server.answers else (200, self._good(), {})
            server.posted.append({"taken": text == self._good(), "body": document, "raw": body})
            self._answer(status, text, headers)

        def _good(self) -> str:
            return f'{{"ok":true,"ts":"{len(server.posted)}.0"}}' if self.path.startswith("/api/") else "ok"

        def _answer(self, status: int, text: str, headers: dict[str, str]) -> None:
            if text == "(hang)":
                server.hang.wait(20)
            if status == 0:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@contextmanager
def slack_server() -> Iterator[SlackServer]:
    """Run Slack."""
    server = SlackServer("")
    with ThreadingHTTPServer(("127.0.0.1", 0), slack_handler(server)) as http:
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.hang.set()
        http.shutdown()
        thread.join()


@dataclass
class MailServer:
    """Keeps the mail it took. `fault`: hang (after DATA, mail taken), refuse, close, 451, 554, no_rcpt."""

    host: str = "127.0.0.1"
    port: int = 0
    faults: list[str] = field(default_factory=list)
    taken: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's own names
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the recipient, unless told otherwise."""
        del server, session, options
        if "no_rcpt" in self.faults:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take the mail, or do what a test says."""
        del session
        fault = self.faults.pop(0) if self.faults else ""
        if fault in {"451", "554"}:
            return f"{fault} not now"
        if fault == "close":
            assert server.transport is not None
            server.transport.close()
            return "250 never read"
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.taken.append((envelope.rcpt_tos, mail))
        if fault == "hang":
            await asyncio.sleep(3)
        return "250 taken"

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        """Note who logs in; everybody may."""
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=True)


@contextmanager
def mail_server(tls: ssl.SSLContext | None) -> Iterator[MailServer]:
    """Run a mail server; without a context it has no STARTTLS."""
    server, loop = MailServer(), asyncio.new_event_loop()

    def session() -> SMTP:
        return SMTP(
            server, tls_context=tls, loop=loop, authenticator=server.authenticate, auth_require_tls=tls is not None
        )

    listening = loop.run_until_complete(loop.create_server(session, server.host, 0))
    server.port = listening.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield server
    loop.call_soon_threadsafe(listening.close)
    loop.call_soon_threadsafe(lambda: asyncio.ensure_future(ended(loop), loop=loop))
    thread.join()
    loop.close()


async def ended(loop: asyncio.AbstractEventLoop) -> None:
    """End what is under way, then the loop."""
    others = [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0.05)
    loop.stop()


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a certificate for the loopback; return the contexts of the server, and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "mail.pem", folder / "mail.key"
    pem.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(pem, secret)
    return ours, ssl.create_default_context(cafile=str(pem))
