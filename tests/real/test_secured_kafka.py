"""A broker that asks who is there: producer, lag and Spark come in by password and by certificate, nobody else does."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from embedded.jars import Jars
from embedded.java import Java
from embedded.kafka_broker import create_topic
from mend.contracts.backfill import Span
from mend.runtime.errors import UserError
from mend.runtime.settings import Settings, load_settings
from orchestration.dead_letter_topic import DeadLetterTopic
from orchestration.kafka_lag import BrokerAway, broker_topic, measure_lag
from orchestration.topic_sample import sample_topic
from producer.session import Options, produce
from spark.source import kafka_rows
from tests.real.secured_broker import KEY_PASSWORD, PASSWORD, USER, SecuredBroker

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COUNT = 500
TOPIC = "guarded"


@pytest.fixture(scope="module")
def secured(java: Java, jars: Jars, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    """Run one secured broker for this file, with a topic of two partitions."""
    with SecuredBroker(java, jars.kafka, tmp_path_factory.mktemp("secured")) as broker:
        create_topic(broker.bootstrap, TOPIC, 2)
        produce(Options(by_password(broker).kafka, TOPIC, 0, rate=0.0, count=COUNT))
        yield broker


def by_password(broker: SecuredBroker, **other: Any) -> Settings:
    """Return the settings of a user with a password; he trusts the broker's authority."""
    given = {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_username": USER, "kafka_sasl_password": PASSWORD,
             "kafka_broker": broker.by_password, "kafka_ssl_ca": broker.files / "ca.pem"}  # fmt: skip
    return load_settings(_env_file=None, **(given | other))


def by_certificate(broker: SecuredBroker, **other: Any) -> Settings:
    """Return the settings of a user with a certificate, whose key is sealed."""
    given = {"kafka_security_protocol": "SSL", "kafka_broker": broker.by_certificate,
             "kafka_ssl_ca": broker.files / "ca.pem", "kafka_ssl_certificate": broker.files / "client.pem",
             "kafka_ssl_key": broker.files / "client.key", "kafka_ssl_key_password": KEY_PASSWORD}  # fmt: skip
    return load_settings(_env_file=None, **(given | other))


WAYS = pytest.mark.parametrize("way", [by_password, by_certificate])


@WAYS
def test_python_comes_in(secured: SecuredBroker, way: Any, tmp_path: Path) -> None:
    """Lag, sample and dead letters use the same settings as the producer, which sent what is read here."""
    kafka = way(secured).kafka
    lags = measure_lag(kafka, TOPIC, tmp_path)
    assert sum(one.lag for one in lags) == COUNT
    assert broker_topic(kafka, TOPIC).topic_id is not None
    assert len(sample_topic(kafka, TOPIC, 2 * COUNT)) == COUNT
    assert DeadLetterTopic(kafka, TOPIC).topic_error() is None


@WAYS
def test_spark_comes_in(secured: SecuredBroker, way: Any, spark_session: "SparkSession", tmp_path: Path) -> None:
    """Spark's source reads every event by the same settings, and no task needs a file of them."""
    settings = way(secured)
    spans = [
        Span(partition=one.partition, from_offset=0, until_offset=one.end)
        for one in measure_lag(settings.kafka, TOPIC, tmp_path)
    ]
    rows = kafka_rows(spark_session, settings, topic=TOPIC, spans=spans)
    assert rows.count() == COUNT
    plan = rows._jdf.queryExecution().toString()
    assert not [secret for secret in (PASSWORD, KEY_PASSWORD, "PRIVATE KEY") if secret in plan]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kafka_sasl_password": "guessed"},
        {"kafka_ssl_ca": None},
        {"kafka_sasl_username": "somebody"},
    ],
)
def test_who_is_not_known_is_told_what_to_correct(secured: SecuredBroker, wrong: dict[str, Any]) -> None:
    """A wrong password, an unknown user, an authority that is not trusted: the reason, without the secret."""
    with pytest.raises(BrokerAway, match=r"lets nobody in with these settings .*KAFKA_SASL_") as caught:
        broker_topic(by_password(secured, **wrong).kafka, TOPIC, patience=3.0)
    assert PASSWORD not in str(caught.value)
    assert "guessed" not in str(caught.value)


def test_who_shows_no_certificate_is_sent_away(secured: SecuredBroker) -> None:
    """The broker's listener asks for one."""
    with pytest.raises(UserError, match=r"lets nobody in|no Kafka broker answers"):
        broker_topic(
            by_certificate(secured, kafka_ssl_certificate=None, kafka_ssl_key=None, kafka_ssl_key_password="").kafka,
            TOPIC,
            patience=3.0,
        )
