"""What a failed job says in one line: the deepest cause that Spark and Java name, and what to do about it. Pure."""

import re

NAMED = re.compile(r"(?:[\w$]+\.)*([A-Z]\w*(?:Exception|Error)): +(\S.*)")
DECORATION = re.compile(r"\s*SQLSTATE: \w+\s*")
LONGEST = 400
ADVICE = {
    r"no space left|disk quota": "Free some space, then run again",
    r"permission ?denied|read-only file system|not ?a ?directory": "Make the folder writable for this user, or set "
    "MEND_HOME or SPARK_CHECKPOINT_LOCATION to another one",
    r"schema registry": "Check that it runs at SCHEMA_REGISTRY_URL, then run again",
    r"UnknownTopicOrPartition": "Create the topic, or correct 'topic' in the pipeline file",
    r"data may have been lost|OffsetOutOfRange|were aged out": "Kafka deleted events before they were read: the next "
    "mend run names them; with 'offsets_gone: continue' in the pipeline file it goes on without them",
    r"timed? ?out|disconnected|connection|bootstrap": "Check that Kafka runs at KAFKA_BROKER, then run again",
    r"JAVA_GATEWAY": "Check Java with: mend doctor",
}
ELSE = "The log says more"


def explained(text: str) -> str:
    """Return one line: the cause, and what to do."""
    cause = root_cause(text)
    advice = next((advice for pattern, advice in ADVICE.items() if re.search(pattern, cause, re.IGNORECASE)), ELSE)
    return f"{cause.rstrip('.')}. {advice}."


def root_cause(text: str) -> str:
    """Return the last exception that the text names, without those around it; else the text's first line."""
    named = [found for line in text.splitlines() if (found := innermost(line))]
    lines = [line for line in text.splitlines() if line.strip()]
    return (named or lines or ["the job failed"])[-1 if named else 0][:LONGEST]


def innermost(line: str) -> str | None:
    """Return `Name: message` of the exception that stands deepest in a line such as `A: b: c.D: message`."""
    found = NAMED.search(line)
    if found is None:
        return None
    return innermost(found[2]) or DECORATION.sub(" ", f"{found[1]}: {found[2]}").strip()
