"""How Kafka lets us in is said once, and both of its clients are told the same."""

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from mend.runtime.errors import UserError
from mend.runtime.kafka_access import Certificates, KafkaAccess, Login, SaslMechanism, SecurityProtocol
from mend.runtime.settings import Settings, load_settings
from spark.source import client_options

KEY = ec.generate_private_key(ec.SECP256R1())


def settings(**given: object) -> Settings:
    """Return settings that nothing but the test says."""
    return load_settings(_env_file=None, **given)


@pytest.fixture
def files(tmp_path: Path) -> Certificates:
    """Write the three files; the key is sealed."""
    for name in ("ca", "certificate"):
        (tmp_path / name).write_text(f"PEM of {name}")
    ca, certificate, key = (tmp_path / name for name in ("ca", "certificate", "key"))
    sealed, form = serialization.BestAvailableEncryption(b"k"), serialization.PrivateFormat.TraditionalOpenSSL
    key.write_bytes(KEY.private_bytes(serialization.Encoding.PEM, form, sealed))
    return Certificates(ca=ca, certificate=certificate, key=key, key_password="k")


def test_without_settings_nothing_is_protected_and_nothing_more_is_said() -> None:
    """An unprotected broker, as on a developer's machine."""
    plain = {"bootstrap.servers": "b:1", "security.protocol": "PLAINTEXT"}
    assert KafkaAccess("b:1").client() == KafkaAccess("b:1").java() == plain
    assert settings(kafka_broker="b:1").kafka == KafkaAccess("b:1")


def test_both_clients_get_user_authority_and_certificate(files: Certificates) -> None:
    """The same facts in each client's words; Java gets the files' content, so that executors need no files."""
    login = Login(mechanism=SaslMechanism.SCRAM_SHA_512, username="mend", password="s")
    access = KafkaAccess("b:1", SecurityProtocol.SASL_SSL, login, files)
    assert access.client() == {
        "bootstrap.servers": "b:1", "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(files.ca), "ssl.certificate.location": str(files.certificate),
        "ssl.key.location": str(files.key), "ssl.key.password": "k",
        "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "mend", "sasl.password": "s",
    }  # fmt: skip
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    assert access.java() == {
        "bootstrap.servers": "b:1", "security.protocol": "SASL_SSL",
        "ssl.truststore.type": "PEM", "ssl.truststore.certificates": "PEM of ca", "ssl.keystore.type": "PEM",
        "ssl.keystore.certificate.chain": "PEM of certificate", "ssl.keystore.key": KEY.private_bytes(*plain).decode(),
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": 'org.apache.kafka.common.security.scram.ScramLoginModule required username="mend" '
        'password="s";',
    }  # fmt: skip


def test_a_password_cannot_leave_its_quotes() -> None:
    """Quotes and backslashes of a password stay part of it, and a manager's PLAIN has its own module."""
    login = Login(mechanism=SaslMechanism.PLAIN, username="$ConnectionString", password='a"b\\c')
    told = KafkaAccess("b:1", SecurityProtocol.SASL_PLAINTEXT, login).java()["sasl.jaas.config"]
    assert told.startswith("org.apache.kafka.common.security.plain.PlainLoginModule required ")
    assert told.endswith('password="a\\"b\\\\c";')


def test_spark_is_told_the_same() -> None:
    """The Kafka source gets every setting under Spark's prefix."""
    told = client_options(
        settings(
            kafka_broker="b:1", kafka_security_protocol="SASL_SSL", kafka_sasl_username="u", kafka_sasl_password="s"
        )
    )
    assert told["kafka.bootstrap.servers"] == "b:1"
    assert told["kafka.security.protocol"] == "SASL_SSL"
    assert 'username="u" password="s"' in told["kafka.sasl.jaas.config"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kafka_security_protocol": "SASL_SSL"}, "needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"),
        (
            {"kafka_security_protocol": "SSL", "kafka_ssl_key": "/k"},
            "KAFKA_SSL_KEY go together",
        ),
    ],
)
def test_half_an_access_is_refused(given: dict[str, object], said: str) -> None:
    """What would fail at the broker with an error of its own is said before."""
    with pytest.raises(UserError, match=said):
        _ = settings(**given).kafka


def test_a_file_that_is_not_there_is_named() -> None:
    """The path, and the variables that may name it."""
    access = KafkaAccess("b:1", SecurityProtocol.SSL, certificates=Certificates(ca=Path("/nowhere/ca.pem")))
    for told in (access.client, access.java):
        with pytest.raises(UserError, match=r"/nowhere/ca.pem cannot be read: No such file.*KAFKA_SSL_CA"):
            told()


def test_a_key_that_does_not_open_is_named(files: Certificates) -> None:
    """A wrong password, and one that lacks."""
    for password in ("wrong", ""):
        access = KafkaAccess("b:1", SecurityProtocol.SSL, certificates=replace(files, key_password=password))
        with pytest.raises(UserError, match=r"key cannot be opened.*KAFKA_SSL_KEY_PASSWORD"):
            access.java()


def test_a_secret_is_in_no_repr_and_in_the_list_of_secrets() -> None:
    """What an error or a log may show of an access is not its password."""
    login = Login(mechanism=SaslMechanism.PLAIN, username="u", password="tell-nobody")
    access = KafkaAccess("b:1", SecurityProtocol.SASL_SSL, login, Certificates(key_password="tell-nobody"))
    assert "tell-nobody" not in repr(access)
    given = settings(kafka_sasl_password=SecretStr("tell-nobody"), kafka_ssl_key_password=SecretStr("me-neither"))
    assert {"tell-nobody", "me-neither"} <= given.secrets
