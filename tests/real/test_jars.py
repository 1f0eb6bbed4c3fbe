"""Jars are fetched by the real Ivy on both Javas, from a Maven repository on loopback with a private authority."""

import datetime as dt
import hashlib
import ipaddress
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from embedded.jars import LOCK, Jars, read_lock, resolve_jars
from embedded.java import Java, wheel_java
from mend.runtime.errors import UserError

NAMES = ("first", "second", "third")
PATHS = {f"/org/example/{name}/1.0/{name}-1.0.jar": f"jar of {name} ".encode() * 1000 for name in NAMES}


@dataclass
class MavenRepository:
    """A Maven repository with three jars, and what a user has who is to fetch from there."""

    home: Path
    files: dict[str, bytes] = field(default_factory=PATHS.copy)
    fetched: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    cut_short: set[str] = field(default_factory=set)
    pause_seconds: float = 0.0

    @property
    def environ(self) -> dict[str, str]:
        """The user's variables: a home with Maven settings, and the bundle that knows the repository's authority."""
        return {"HOME": str(self.home), "SSL_CERT_FILE": str(self.home / "bundle.pem"), "NO_PROXY": "127.0.0.1"}

    @property
    def lock(self) -> Path:
        """A lock of the three jars: two for a broker, one for Spark."""
        lines = [
            f"{hashlib.sha256(PATHS[path]).hexdigest()}  {used_by}  org.example:{name}:1.0\n"
            for path, name, used_by in zip(PATHS, NAMES, ("kafka", "kafka", "spark"), strict=True)
        ]
        lock = self.home / "jars.lock"
        lock.write_text("".join(lines))
        return lock

    def serve(self) -> ThreadingHTTPServer:
        """Bind the server, not yet running, and point the user's Maven settings to it."""
        repository = self

        class Requests(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                repository.answer(self, body=False)

            def do_GET(self) -> None:
                repository.answer(self, body=True)

            def log_message(self, *_: object) -> None:
                """Keep the test's output clean."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
        server.socket = server_context(self.home).wrap_socket(server.socket, server_side=True)
        url = f"https://127.0.0.1:{server.server_port}/"
        settings = f"<mirror><mirrorOf>central</mirrorOf><url>{url}</url></mirror>"
        (self.home / ".m2").mkdir()
        (self.home / ".m2" / "settings.xml").write_text(f"<settings><mirrors>{settings}</mirrors></settings>")
        return server

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        """Serve a file, or half of it when its connection is to break."""
        self.asked.add(request.path)
        content = self.files.get(request.path)
        if content is None:
            request.send_error(404)
            return
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if body:
            self.fetched.append(request.path)
            half = request.path in self.cut_short
            self.cut_short.discard(request.path)
            time.sleep(self.pause_seconds)
            request.wfile.write(content[: len(content) // 2] if half else content)


def server_context(home: Path) -> ssl.SSLContext:
    """Make a certificate for loopback that nobody knows but who reads bundle.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "private")])
    start = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + dt.timedelta(days=7))
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = builder.add_extension(loopback, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (home / "bundle.pem").write_bytes(certificate)
    formats = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (home / "key.pem").write_bytes(key.private_bytes(*formats))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "bundle.pem", home / "key.pem")
    return context


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[MavenRepository]:
    """Run the repository for one test."""
    maven = MavenRepository(tmp_path / "home")
    maven.home.mkdir()
    with maven.serve() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield maven
        server.shutdown()
        thread.join()


@pytest.fixture(params=["system", "wheel"])
def each_java(request: pytest.FixtureRequest, java: Java) -> Java:
    """Return the machine's Java, then the wheel's."""
    return java if request.param == "system" else wheel_java()


def resolve(java: Java, cache: Path, maven: MavenRepository) -> Jars:
    """Resolve the three jars as the repository's user."""
    return resolve_jars(java, cache, environ=maven.environ, lock=maven.lock)


def contents(jars: Jars) -> list[bytes]:
    """Bytes of the jars, a broker's first."""
    return [jar.read_bytes() for jar in (*jars.kafka, *jars.spark)]


def names_in(folder: Path) -> Sequence[str]:
    """Names of the jars in the cache, whole or not."""
    return sorted(path.name for path in folder.rglob("*.jar*"))


def test_each_java_fetches_behind_a_private_authority(
    each_java: Java, repository: MavenRepository, tmp_path: Path
) -> None:
    """With the bundle that pip follows, both Javas reach a repository that no public authority vouches for."""
    steps: list[tuple[int, int]] = []
    jars = resolve_jars(
        each_java,
        tmp_path,
        environ=repository.environ,
        lock=repository.lock,
        on_progress=lambda done, total, _: steps.append((done, total)),
    )
    assert contents(jars) == list(PATHS.values())
    assert ([jar.name for jar in jars.kafka], [jar.name for jar in jars.spark]) == (
        ["first-1.0.jar", "second-1.0.jar"],
        ["third-1.0.jar"],
    )
    assert steps == sorted(steps)
    assert {(1, 3), (2, 3), (3, 3)} <= set(steps)


def test_each_java_refuses_an_authority_it_was_not_told_of(
    each_java: Java, repository: MavenRepository, tmp_path: Path
) -> None:
    """Without the bundle nothing is fetched, and the error says that certificates are the reason."""
    environ = repository.environ | {"SSL_CERT_FILE": ""}
    with pytest.raises(UserError, match=r"(?s)3 jars .*first-1\.0\.jar.*SSLHandshakeException.*SSL_CERT_FILE"):
        resolve_jars(each_java, tmp_path, environ=environ, lock=repository.lock)
    assert repository.fetched == []


def test_a_warm_cache_asks_nobody(java: Java, repository: MavenRepository, tmp_path: Path) -> None:
    """What is there and whole is neither fetched nor looked up again, and nothing is left of the fetching."""
    resolve(java, tmp_path, repository)
    repository.fetched.clear()
    repository.files.clear()
    assert contents(resolve(java, tmp_path, repository)) == list(PATHS.values())
    assert names_in(tmp_path) == ["first-1.0.jar", "second-1.0.jar", "third-1.0.jar"]


def test_a_damaged_jar_is_fetched_again(java: Java, repository: MavenRepository, tmp_path: Path) -> None:
    """A jar with one wrong byte in the cache is found out and replaced, and no other is fetched."""
    damaged = resolve(java, tmp_path, repository).kafka[1]
    damaged.write_bytes(b"J" + damaged.read_bytes()[1:])
    repository.fetched.clear()
    assert contents(resolve(java, tmp_path, repository)) == list(PATHS.values())
    assert repository.fetched == ["/org/example/second/1.0/second-1.0.jar"]


def test_an_interrupted_fetch_is_resumed(java: Java, repository: MavenRepository, tmp_path: Path) -> None:
    """After Ctrl-C in the middle what had arrived whole is kept, and only the rest is fetched."""

    def interrupt(done: int, _total: int, _what: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resolve_jars(java, tmp_path, environ=repository.environ, lock=repository.lock, on_progress=interrupt)
    assert contents(resolve(java, tmp_path, repository)) == list(PATHS.values())
    assert repository.fetched[:2] == list(PATHS)[:2]
    assert not set(repository.fetched[2:]) & set(repository.fetched[:2])


def test_a_broken_connection_is_made_good(java: Java, repository: MavenRepository, tmp_path: Path) -> None:
    """Half a jar is not taken for a whole one; a second pass fetches it."""
    repository.cut_short = {"/org/example/third/1.0/third-1.0.jar"}
    assert contents(resolve(java, tmp_path, repository)) == list(PATHS.values())
    assert repository.fetched.count("/org/example/third/1.0/third-1.0.jar") == 2


def test_a_jar_that_is_not_the_pinned_one_is_refused(java: Java, repository: MavenRepository, tmp_path: Path) -> None:
    """Another content under the right name never reaches the cache; the rest is kept."""
    repository.files["/org/example/second/1.0/second-1.0.jar"] = b"something else"
    with pytest.raises(UserError, match=r"1 jars could not be fetched as pinned: second-1\.0\.jar"):
        resolve(java, tmp_path, repository)
    assert names_in(tmp_path) == ["first-1.0.jar", "third-1.0.jar"]


def test_clones_that_resolve_at_once_fetch_once(java: Java, repository: MavenRepository, tmp_path: Path) -> None:
    """Two processes on one empty cache both get all jars, and each jar is fetched by one of them only."""
    program = (
        "import os, sys; from pathlib import Path; from embedded.jars import resolve_jars;"
        "from embedded.java import Java;"
        "java = Java(Path(sys.argv[1]), Path(), 17, 'system');"
        "print(len(resolve_jars(java, Path(sys.argv[2]), environ=os.environ, lock=Path(sys.argv[3])).kafka))"
    )
    repository.pause_seconds = 0.5
    command = [sys.executable, "-c", program, str(java.executable), str(tmp_path), str(repository.lock)]
    environment = os.environ | repository.environ | {"PYTHONPATH": str(LOCK.parents[1])}
    clones = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [clone.communicate(timeout=60)[0] for clone in clones] == ["2\n", "2\n"]
    assert sorted(repository.fetched) == sorted(PATHS)


def test_where_one_jar_is_not_to_be_had_no_other_is_tried(
    java: Java, repository: MavenRepository, tmp_path: Path
) -> None:
    """Without a network each try may take long, so the first one that fails is the last."""
    repository.files.clear()
    with pytest.raises(UserError, match="3 jars could not be fetched"):
        resolve(java, tmp_path, repository)
    assert repository.asked == {"/org/example/first/1.0/first-1.0.jar"}


def test_without_a_network_the_error_says_what_to_do(java: Java, tmp_path: Path) -> None:
    """A repository that nobody answers for gives one error with the missing jars and the ways out."""
    settings = tmp_path / ".m2" / "settings.xml"
    settings.parent.mkdir()
    settings.write_text("<settings><mirror><mirrorOf>*</mirrorOf><url>http://127.0.0.1:1/</url></mirror></settings>")
    asked: list[tuple[int, int]] = []
    with pytest.raises(UserError, match=r"jars could not be fetched as pinned: .* more .*settings\.xml") as caught:
        resolve_jars(
            java,
            tmp_path / "cache",
            environ={"HOME": str(tmp_path)},
            on_progress=lambda done, total, _: asked.append((done, total)),
        )
    assert caught.value.exit_code == 1
    assert asked == [(0, len(read_lock(LOCK)))]


def test_a_cache_that_cannot_be_written_is_named(java: Java, tmp_path: Path) -> None:
    """A cache folder that cannot be made is one clear error with the variable that moves it."""
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"Cannot write .*file.*XDG_CACHE_HOME"):
        resolve_jars(java, tmp_path / "file", environ={"HOME": str(tmp_path)})


def test_the_pinned_jars_are_to_be_had(jars: Jars) -> None:
    """Every pin of the repository was fetched from where this machine gets its artifacts, and is whole."""
    pins = read_lock(LOCK)
    assert len(jars.kafka) + len(jars.spark) == len(pins)
    assert all(pin.is_at(jars.kafka[0].parent / pin.file) for pin in pins)
