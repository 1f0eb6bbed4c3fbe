"""How Kafka's clients are let in: one description, spoken to librdkafka and to Kafka's Java client alike."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from mend.runtime.errors import UserError


class SecurityProtocol(StrEnum):
    """How a connection is protected, by Kafka's own names."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"


class SaslMechanism(StrEnum):
    """How a user proves who he is."""

    SCRAM_SHA_512 = "SCRAM-SHA-512"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    PLAIN = "PLAIN"


LOGIN_MODULES = {
    SaslMechanism.SCRAM_SHA_512: "scram.ScramLoginModule",
    SaslMechanism.SCRAM_SHA_256: "scram.ScramLoginModule",
    SaslMechanism.PLAIN: "plain.PlainLoginModule",
}
SASL = {SecurityProtocol.SASL_PLAINTEXT, SecurityProtocol.SASL_SSL}
TLS = {SecurityProtocol.SSL, SecurityProtocol.SASL_SSL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user and his password."""

    mechanism: SaslMechanism
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """PEM files: whom we trust (None: whom the system trusts), and who we are where the broker asks for it."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    key_password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """A cluster as a client sees it: where it is, and how it lets us in. By default without any protection."""

    broker: str
    protocol: SecurityProtocol = SecurityProtocol.PLAINTEXT
    login: Login | None = None
    certificates: Certificates = Certificates()

    def client(self) -> dict[str, str]:
        """Return the settings of librdkafka; a file that cannot be read is a UserError, here and below."""
        found = {"bootstrap.servers": self.broker, "security.protocol": self.protocol.value}
        if self.protocol in TLS:
            files = self.certificates
            paths = {"ca": files.ca, "certificate": files.certificate, "key": files.key}
            found |= {f"ssl.{name}.location": str(checked(path)) for name, path in paths.items() if path is not None}
            found |= {"ssl.key.password": files.key_password} if files.key_password else {}
        if self.login is not None:
            found |= {"sasl.mechanism": self.login.mechanism.value, "sasl.username": self.login.username}
            found["sasl.password"] = self.login.password
        return found

    def java(self) -> dict[str, str]:
        """Return the settings of Kafka's Java client; files by their content, so that executors need none."""
        found = {"bootstrap.servers": self.broker, "security.protocol": self.protocol.value}
        if self.protocol in TLS:
            files = self.certificates
            if files.ca is not None:
                found |= {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": checked(files.ca).read_text()}
            if files.certificate is not None and files.key is not None:
                found |= {
                    "ssl.keystore.type": "PEM",
                    "ssl.keystore.certificate.chain": checked(files.certificate).read_text(),
                    "ssl.keystore.key": opened_key(checked(files.key), files.key_password),
                }
        if self.login is not None:
            found |= {"sasl.mechanism": self.login.mechanism.value, "sasl.jaas.config": jaas(self.login)}
        return found


def opened_key(path: Path, password: str) -> str:
    """Return a key as Kafka's Java client reads every one: PKCS #8 without a password, which it cannot always open."""
    from cryptography.hazmat.primitives import serialization

    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password.encode() or None)
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{path} cannot be opened: {error}. Correct KAFKA_SSL_KEY or KAFKA_SSL_KEY_PASSWORD."
        ) from error
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def jaas(login: Login) -> str:
    """Write a login as Java's authentication service reads it."""
    module = f"org.apache.kafka.common.security.{LOGIN_MODULES[login.mechanism]}"
    return f"{module} required username={quoted(login.username)} password={quoted(login.password)};"


def quoted(text: str) -> str:
    """Quote a value of the JAAS format."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def checked(path: Path) -> Path:
    """Return a file that is there and can be read."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}. Correct KAFKA_SSL_CA, KAFKA_SSL_CERTIFICATE or KAFKA_SSL_KEY."
        ) from error
    return path
