"""What tests on real components share: one Java, one set of jars, one broker for the whole suite."""

import os
import secrets
from collections.abc import Callable, Iterator

import pytest

from embedded.jars import Jars, cache_folder, resolve_jars
from embedded.java import Java, find_java
from embedded.kafka_broker import KafkaBroker, create_topic


@pytest.fixture(scope="session")
def java() -> Java:
    """Return the Java that users of this machine would get."""
    return find_java(os.environ)


@pytest.fixture(scope="session")
def jars(java: Java) -> Jars:
    """Return the pinned jars, fetched once into the user's cache."""
    return resolve_jars(java, cache_folder(os.environ), environ=os.environ)


@pytest.fixture(scope="session")
def kafka_broker(java: Java, jars: Jars, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """Run the broker that all tests share; a test that stops or kills a broker starts its own."""
    with KafkaBroker(java, jars.kafka, tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def new_topic(kafka_broker: KafkaBroker, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Return a function that creates a topic of the test's own on the shared broker and returns its name."""

    def create(partitions: int = 4) -> str:
        name = f"{request.node.originalname}.{secrets.token_hex(4)}"
        create_topic(kafka_broker.bootstrap, name, partitions)
        return name

    return create


@pytest.fixture
def topic(new_topic: Callable[..., str]) -> str:
    """Create a topic with four partitions for this test alone and return its name."""
    return new_topic()
