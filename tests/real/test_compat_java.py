"""Avro's own Java library gives the same verdicts."""

from random import Random
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from py4j.protocol import Py4JJavaError

from mend.compat.avro import AvroSchema, read_problems

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
CASES = 1_500


def schema(random: Random, depth: int, names: list[str]) -> Any:
    """Make a schema; named types come again by name."""
    kind = random.choice(["primitive", "named"] + (["named", "array", "map", "union"] * 2 if depth else []))
    free = [one for one in "ABCDEFG" if one not in names]
    if kind == "named" and free:
        return named(random, depth, names, random.choice(free))
    if kind in {"array", "map"}:
        return {"type": kind, {"array": "items", "map": "values"}[kind]: schema(random, depth - 1, names)}
    if kind == "union":
        return random.sample(PRIMITIVES, random.randint(1, 3))
    return random.choice(names) if names and random.random() < 0.2 else random.choice(PRIMITIVES)


def named(random: Random, depth: int, names: list[str], name: str) -> dict[str, Any]:
    """Make an enum, a fixed or a record."""
    names.append(name)
    aliases = {"aliases": [random.choice("ABCDEFG")]} if random.random() < 0.2 else {}
    kind = random.choice(["enum", "fixed"] + (["record"] * 4 if depth else []))
    if kind == "enum":
        default = {"default": "x"} if random.random() < 0.3 else {}
        symbols = ["x", *random.sample("yzw", random.randint(0, 3))]
        return {"type": "enum", "name": name, "symbols": symbols} | default | aliases
    if kind == "fixed":
        return {"type": "fixed", "name": name, "size": random.randint(1, 2)} | aliases
    fields = [field(random, one, depth, names) for one in random.sample("pqrs", random.randint(0, 3))]
    return {"type": "record", "name": name, "fields": fields} | aliases


def field(random: Random, name: str, depth: int, names: list[str]) -> dict[str, Any]:
    """Make a field; text fields may have a default."""
    if random.random() < 0.3:
        return {"name": name, "type": "string", "default": ""}
    aliases = {"aliases": [random.choice("pqrs")]} if random.random() < 0.2 else {}
    return {"name": name, "type": schema(random, depth - 1, names)} | aliases


def changed(random: Random, document: Any) -> Any:
    """Change one thing in a schema, so that many pairs nearly fit."""
    if isinstance(document, str):
        return random.choice(PRIMITIVES) if random.random() < 0.3 else document
    if isinstance(document, list):
        return random.sample(document, random.randint(1, len(document)))
    document = dict(document)
    for key in ("items", "values"):
        if key in document:
            document[key] = changed(random, document[key])
    if "symbols" in document:
        document["symbols"] = document["symbols"][: random.randint(1, len(document["symbols"]))]
    if document.get("fields"):
        fields = [{**one, "type": changed(random, one["type"])} for one in document["fields"]]
        document["fields"] = random.sample(fields, random.randint(1, len(fields)))
        for one in document["fields"]:
            one.pop("default", None)
    return document


@pytest.mark.parametrize("seed", [1])
def test_avros_java_library_gives_the_same_verdicts(spark_session: "SparkSession", seed: int) -> None:
    """Over generated pairs of readers and writers our verdict is the one that registries give."""
    java = spark_session._jvm.org.apache.avro  # type: ignore[union-attr]
    random = Random(seed)
    verdicts = {True: 0, False: 0}
    for _ in range(CASES):
        writer = schema(random, 3, [])
        reader = changed(random, writer) if random.random() < 0.7 else schema(random, 3, [])
        texts = [orjson.dumps(one).decode() for one in (reader, writer)]
        try:
            theirs = [java.Schema.Parser().parse(text) for text in texts]
        except Py4JJavaError:  # a change may leave a name undefined: no schema for either side
            continue
        try:
            fits = java.SchemaCompatibility.checkReaderWriterCompatibility(*theirs).getType().toString() == "COMPATIBLE"
        except Py4JJavaError:  # a field that fits several of the writer's
            fits = False
        ours = not read_problems(AvroSchema(reader), AvroSchema(writer))[0]
        assert ours == fits, (reader, writer)
        verdicts[fits] += 1
    assert min(verdicts.values()) > CASES / 20
