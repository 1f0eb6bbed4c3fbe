"""A broker that lets in by password over TLS (SASL_SSL, SCRAM) and by certificate (SSL); it has its own authority."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from embedded.java import Java
from embedded.kafka_broker import LOOPBACK, KafkaBroker, free_ports

USER, PASSWORD, KEY_PASSWORD = "mend", 'not "to" be\\shown', "sealed"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


class SecuredBroker(KafkaBroker):
    """The embedded broker with two more listeners; the open one serves only to make it ready."""

    def __init__(self, java: Java, class_path: Sequence[Path], folder: Path) -> None:
        super().__init__(java, class_path, folder)
        self.by_password, self.by_certificate = (f"{LOOPBACK}:{port}" for port in free_ports())
        self.files = folder.absolute()
        self.files.mkdir(parents=True, exist_ok=True)
        make_files(self.files)

    def start(self) -> None:
        """Start, and let one user in."""
        super().start()
        credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        secret = UserScramCredentialUpsertion(USER, credential, PASSWORD.encode())
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        for done in admin.alter_user_scram_credentials([secret]).values():
            done.result(30)

    def _configure(self, ports: tuple[int, int]) -> None:
        super()._configure(ports)
        path = self.files / "server.properties"
        plain = dict(line.split("=", 1) for line in path.read_text().splitlines())
        more = f",BY_PASSWORD://{self.by_password},BY_CERTIFICATE://{self.by_certificate}"
        secured = plain | {
            "listeners": plain["listeners"] + more,
            "advertised.listeners": plain["advertised.listeners"] + more,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,BY_PASSWORD:SASL_SSL,"
            "BY_CERTIFICATE:SSL",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.by_password.scram-sha-512.sasl.jaas.config": SCRAM,
            "listener.name.by_certificate.ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": "broker.pem",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": "ca.pem",
        }
        path.write_text("".join(f"{key}={value}\n" for key, value in secured.items()))


def make_files(folder: Path) -> None:
    """Write an authority, the broker's key and certificate in one file, a client's in two, its key sealed."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = certificate("authority", authority_key, None, authority_key)
    (folder / "ca.pem").write_bytes(pem(authority))
    broker_key, client_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    broker = certificate("broker", broker_key, authority, authority_key)
    (folder / "broker.pem").write_bytes(key_pem(broker_key, serialization.NoEncryption()) + pem(broker))
    (folder / "client.pem").write_bytes(pem(certificate("client", client_key, authority, authority_key)))
    sealed = serialization.BestAvailableEncryption(KEY_PASSWORD.encode())
    (folder / "client.key").write_bytes(key_pem(client_key, sealed))


def certificate(name: str, key: Any, issuer: x509.Certificate | None, issuer_key: Any) -> x509.Certificate:
    """Sign a certificate for a day; without an issuer it is an authority that signs itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(LOOPBACK))]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def pem(found: x509.Certificate) -> bytes:
    """Write a certificate."""
    return found.public_bytes(serialization.Encoding.PEM)


def key_pem(key: Any, sealed: Any) -> bytes:
    """Write a key as both clients read it."""
    written: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)
    return written
