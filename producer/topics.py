"""Creates topics as `kafka/topics.yml` declares them."""

from pathlib import Path
from typing import Any

from mend.runtime.errors import UserError
from mend.runtime.kafka_access import KafkaAccess

TOPICS_FILE = Path(__file__).parent.parent / "kafka" / "topics.yml"
CREATE_TIMEOUT_S = 10.0


def declared_topics(path: Path = TOPICS_FILE) -> dict[str, dict[str, Any]]:
    """Return topic name → partitions, replication_factor and config."""
    import yaml

    topics: dict[str, dict[str, Any]] = yaml.safe_load(path.read_bytes())["topics"]
    return topics


def create_topic(kafka: KafkaAccess, topic: str) -> None:
    """Create the topic unless it exists; one that is not declared gets the broker's default partitions."""
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin import AdminClient, NewTopic

    layout = declared_topics().get(topic, {"partitions": -1, "replication_factor": -1, "config": {}})
    wanted = NewTopic(topic, layout["partitions"], layout["replication_factor"], config=layout["config"])
    try:
        client = AdminClient(kafka.client() | {"log_level": 0})
        client.create_topics([wanted], request_timeout=CREATE_TIMEOUT_S)[topic].result()
    except KafkaException as error:
        reason = error.args[0]
        if reason.code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise UserError(f"cannot create topic '{topic}' at {kafka.broker}: {reason.str()}.", exit_code=1) from error
