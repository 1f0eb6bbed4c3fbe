"""What Java is told of certificates and proxies."""

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from cryptography.x509.oid import NameOID

from embedded.java import Java
from embedded.trust import find_bundle, network_options, trust_store
from mend.runtime.errors import UserError

SYSTEM = Java(Path("/jdk/bin/java"), Path("/jdk"), 17, "system")
WHEEL = Java(Path("/wheel/bin/java"), Path("/wheel"), 21, "wheel")


def authority(name: str) -> bytes:
    """Make a certificate in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + dt.timedelta(days=36_500))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def subjects(store: Path) -> list[str]:
    """Names of the certificates in a trust store."""
    entries = load_pkcs12(store.read_bytes(), None).additional_certs
    return [str(entry.certificate.subject.rfc4514_string()) for entry in entries]


def test_a_trust_store_holds_every_readable_certificate_once(tmp_path: Path) -> None:
    """Comments, repetitions and one damaged certificate in a bundle do not cost the others."""
    one, two = authority("One"), authority("Two")
    damaged = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(b"# a comment\n" + one + damaged + two + one)
    assert subjects(trust_store(bundle, tmp_path)) == ["CN=One", "CN=Two"]


def test_a_trust_store_follows_its_bundle(tmp_path: Path) -> None:
    """A changed bundle gives another store; an unchanged one is not written again."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(authority("One"))
    first = trust_store(bundle, tmp_path)
    written = first.stat().st_mtime_ns
    assert trust_store(bundle, tmp_path) == first
    assert first.stat().st_mtime_ns == written
    bundle.write_bytes(authority("Two"))
    assert subjects(trust_store(bundle, tmp_path)) == ["CN=Two"]


def test_a_bundle_without_certificates_is_an_error(tmp_path: Path) -> None:
    """An empty trust store would only fail later, and darkly."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(b"nothing here")
    with pytest.raises(UserError, match=r"bundle\.pem holds no certificate"):
        trust_store(bundle, tmp_path)


def test_a_bundle_named_in_the_environment_is_for_every_java(tmp_path: Path) -> None:
    """The first variable that names a file wins, as with pip and curl; a folder of certificates is passed over."""
    bundle, system = tmp_path / "company.pem", tmp_path / "system.pem"
    for path in (bundle, system):
        path.touch()
    environ = {"SSL_CERT_FILE": str(tmp_path), "REQUESTS_CA_BUNDLE": str(bundle)}
    assert [find_bundle(java, environ, (system,)) for java in (SYSTEM, WHEEL)] == [bundle, bundle]


def test_the_systems_bundle_is_for_the_wheel_only(tmp_path: Path) -> None:
    """An installed Java follows the system already; the wheel knows public authorities only."""
    system = tmp_path / "system.pem"
    system.touch()
    assert find_bundle(WHEEL, {}, (tmp_path / "absent.pem", system)) == system
    assert find_bundle(SYSTEM, {}, (system,)) is None


def test_a_bundle_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A stale variable is said at once, with its name."""
    with pytest.raises(UserError, match=r"REQUESTS_CA_BUNDLE=.*gone\.pem is not there"):
        find_bundle(SYSTEM, {"REQUESTS_CA_BUNDLE": str(tmp_path / "gone.pem")})


def test_the_users_own_trust_store_stays(tmp_path: Path) -> None:
    """Options on the command line would overrule JAVA_TOOL_OPTIONS, so ours is left out."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(authority("One"))
    environ = {"SSL_CERT_FILE": str(bundle)}
    assert network_options(SYSTEM, environ, tmp_path) == (
        f"-Djavax.net.ssl.trustStore={trust_store(bundle, tmp_path)}",
    )
    environ["JAVA_TOOL_OPTIONS"] = "-Djavax.net.ssl.trustStore=/mine"
    assert network_options(SYSTEM, environ, tmp_path) == ()


def test_java_is_told_of_the_proxy(tmp_path: Path) -> None:
    """The variables that pip and curl follow become Java's own properties, exceptions included."""
    environ = {"https_proxy": "http://proxy.example:3128", "HTTP_PROXY": "proxy.example", "no_proxy": "localhost,.corp"}
    assert network_options(SYSTEM, environ, tmp_path) == (
        "-Dhttp.proxyHost=proxy.example",
        "-Dhttp.proxyPort=80",
        "-Dhttps.proxyHost=proxy.example",
        "-Dhttps.proxyPort=3128",
        "-Dhttp.nonProxyHosts=localhost|*.corp",
    )
