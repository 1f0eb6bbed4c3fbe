"""A pipeline is a file: everything that is special to a topic stands there and nowhere else."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import orjson

from mend.contracts.schema import Schema, SchemaError, parse_schema
from mend.runtime.errors import UserError
from mend.runtime.nearest import nearest
from mend.runtime.yaml_file import YamlFile, load_yaml

KEYS = {
    "pipeline", "topic", "format", "schema", "mapping", "key", "duplicate_horizon", "event_time", "lateness",
    "segments", "pii", "rules", "derived", "retention", "drift", "max_events_per_run", "sparse", "unknown_fields",
    "dead_letter_topic", "dead_letter_rejected", "storm", "offsets_gone", "trigger",
}  # fmt: skip
REQUIRED = {"pipeline", "topic", "schema", "key", "event_time", "rules"}
DURATION = re.compile(r"(\d{1,6})\s*(second|minute|hour|day)s?")
TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
TIME_TYPES = ("timestamp-millis", "timestamp-micros")
COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NAME = re.compile(r"[a-z][a-z0-9_]*")
KAFKA_TIME = "kafka_timestamp"
"""As `event_time`: when Kafka got the event, for events that carry no time of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftShares:
    """Shares of a run's events from which a change counts as drift."""

    additive: float = 0.001
    breaking: float = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class StormLimits:
    """From when on bad events are a storm: a share of at least `events` read of a partition, or a run in a row."""

    share: float = 0.5
    events: int = 1_000
    run: int = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long each kind of data is kept after its run was settled; None: for ever."""

    published: timedelta | None = None
    quarantine: timedelta | None = None
    dead_letters: timedelta | None = None
    duplicates: timedelta | None = None
    reports: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A checked pipeline file. Paths are absolute; `mapping` is contract field → observed field where they differ.

    `sparse` says that offsets without an event are normal: the topic is compacted, or written in transactions.
    `offsets_gone` says what to do about offsets that Kafka deleted unread, `trigger` how often a stream reads.
    `content` and `schema_content` are the bytes of the two files as they were when they were read. `storm` is None
    where storms are not looked for.
    """

    name: str
    path: Path
    topic: str
    format: Literal["json", "avro"]
    schema: Schema
    schema_path: Path
    key: tuple[str, ...]
    event_time: str
    rules_path: Path
    mapping: dict[str, str]
    duplicate_horizon: timedelta = timedelta(days=7)
    lateness: timedelta = timedelta(minutes=15)
    segments: tuple[str, ...] = ()
    pii: frozenset[str] = frozenset()
    derived: dict[str, str]
    retention: Retention = Retention()
    drift: DriftShares = DriftShares()
    max_events_per_run: int = 4_000_000
    sparse: bool = False
    offsets_gone: Literal["stop", "continue"] = "stop"
    trigger: timedelta = timedelta(seconds=30)
    unknown_fields: Literal["keep", "reject"] = "keep"
    dead_letter_topic: str | None = None
    dead_letter_rejected: bool = False
    storm: StormLimits | None = StormLimits()
    content: bytes = field(default=b"", repr=False, compare=False)
    schema_content: bytes = field(default=b"", repr=False, compare=False)

    @property
    def schema_version(self) -> str:
        """Return the contract's file name with the beginning of the SHA-256 of its content."""
        return f"{self.schema_path.stem}@{sha256(self.schema_content).hexdigest()[:12]}"

    def source(self, field: str) -> str:
        """Return the observed field that feeds a field of the contract."""
        return self.mapping.get(field, field)


def find_pipeline(folder: Path, name: str) -> Path:
    """Return the file of a pipeline given by name or path."""
    as_path = Path(name)
    if as_path.suffix in {".yml", ".yaml"}:
        return as_path.absolute()
    path = (folder / f"{name}.yml").absolute()
    if not path.exists():
        known = [one.stem for one in sorted(folder.glob("*.yml"))]
        raise UserError(f"no pipeline '{name}' in {folder.absolute()}.{nearest(name, known)}")
    return path


def load_pipeline(path: Path, *, schema: Path | None = None, rules: Path | None = None) -> Pipeline:
    """Read and check a pipeline file; every error names file, line and the nearest valid name.

    `schema` and `rules` are read instead of the files that it names: a copy's neighbours lie elsewhere.
    """
    file = load_yaml(path)
    raw = file.document
    if not isinstance(raw, dict):
        raise file.error((), "expected keys and values (pipeline, topic, schema, key, …).")
    file.check_keys((), raw, KEYS, REQUIRED)
    schema_path = schema or sibling(file, "schema")
    schema_content = read_beside(file, schema_path)
    pipeline = Pipeline(
        name=text(file, "pipeline"),
        path=path.absolute(),
        topic=text(file, "topic"),
        format=one_of(file, "format", ("json", "avro")),
        schema=schema_of(schema_path, schema_content),
        schema_path=schema_path,
        key=names(file, "key"),
        event_time=text(file, "event_time"),
        rules_path=rules or sibling(file, "rules"),
        mapping=texts(file, "mapping"),
        duplicate_horizon=duration(file, "duplicate_horizon", timedelta(days=7)),
        lateness=duration(file, "lateness", timedelta(minutes=15)),
        segments=names(file, "segments"),
        pii=frozenset(names(file, "pii")),
        derived=texts(file, "derived"),
        retention=retention(file),
        drift=shares(file),
        max_events_per_run=whole(file, "max_events_per_run", 4_000_000),
        sparse=yes_or_no(file, "sparse"),
        offsets_gone=one_of(file, "offsets_gone", ("stop", "continue")),
        trigger=duration(file, "trigger", timedelta(seconds=30)),
        unknown_fields=one_of(file, "unknown_fields", ("keep", "reject")),
        dead_letter_topic=dead_letter_topic(file),
        dead_letter_rejected=yes_or_no(file, "dead_letter_rejected"),
        storm=storm_limits(file),
        content=file.content,
        schema_content=schema_content,
    )
    check_names(file, pipeline)
    return pipeline


def check_names(file: YamlFile, pipeline: Pipeline) -> None:
    """Every name that refers to a field must be one."""
    if not NAME.fullmatch(pipeline.name):
        raise file.error(("pipeline",), f"'{pipeline.name}' is not a name (lower-case letters, digits, _).")
    if not TOPIC.fullmatch(pipeline.topic):
        raise file.error(
            ("topic",), f"topic: '{pipeline.topic}' is not a topic's name (letters, digits, '.', '_', '-')."
        )
    fields = set(pipeline.schema.names)
    for key, used in (
        ("key", pipeline.key),
        ("segments", pipeline.segments),
        ("pii", pipeline.pii),
        ("event_time", (pipeline.event_time,)),
        ("mapping", pipeline.mapping),
    ):
        allowed = fields | (pipeline.derived.keys() if key in {"segments", "pii"} else set())
        allowed |= {KAFKA_TIME} if key == "event_time" else set()
        for name in used:
            if name not in allowed:
                raise file.error((key,), f"{key}: no field '{name}' in the contract.{nearest(name, allowed)}")
    for name in pipeline.derived:
        if not COLUMN.fullmatch(name):
            raise file.error(("derived", name), f"derived column '{name}' is not a name (letters, digits, _).")
        if name.lower() in {one.lower() for one in fields}:
            raise file.error(("derived", name), f"derived column '{name}' has the name of a contract field.")
    check_always_there(file, pipeline)
    check_sources(file, pipeline)


def check_sources(file: YamlFile, pipeline: Pipeline) -> None:
    """Refuse an observed field that feeds two fields of the contract."""
    fed: dict[str, str] = {}
    for name in pipeline.schema.names:
        other = fed.setdefault(pipeline.source(name), name)
        if other != name:
            place = ("mapping", name if name in pipeline.mapping else other)
            raise file.error(place, f"mapping: '{pipeline.source(name)}' feeds both '{other}' and '{name}'.")


def check_always_there(file: YamlFile, pipeline: Pipeline) -> None:
    """Without a key duplicates are not found, without an event time lateness is not: no event may lack them."""
    if not pipeline.key:
        raise file.error(("key",), "key: expected at least one field: events with equal keys are one event.")
    by_name = {one.name: one for one in pipeline.schema.fields}
    times = () if pipeline.event_time == KAFKA_TIME else (("event_time", pipeline.event_time),)
    for place, name in (*(("key", one) for one in pipeline.key), *times):
        if by_name[name].nullable:
            raise file.error((place,), f"{place}: '{name}' may be null in the contract. Make it required there.")
    if not times:
        return
    kind = by_name[pipeline.event_time].type
    if kind.kind != "string" and kind.logical not in TIME_TYPES:
        raise file.error(
            ("event_time",),
            f"event_time: '{pipeline.event_time}' is {kind.label}, expected a string in ISO 8601 or a "
            f"long with logicalType {' or '.join(TIME_TYPES)}.",
        )


def read_beside(file: YamlFile, path: Path) -> bytes:
    """Read the schema file that the pipeline file names."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise file.error(("schema",), f"the schema file {path} cannot be read ({error.strerror}).") from error


def schema_of(path: Path, content: bytes) -> Schema:
    """Read the contract."""
    try:
        return parse_schema(orjson.loads(content))
    except (orjson.JSONDecodeError, SchemaError) as error:
        raise UserError(f"{path}: {error}. Correct the schema.") from error


def sibling(file: YamlFile, key: str) -> Path:
    """Return a path of the file, relative to the file itself."""
    return (file.path.absolute().parent / text(file, key)).resolve()


def text(file: YamlFile, key: str) -> str:
    """Return a text value."""
    value = file.document[key]
    if not isinstance(value, str) or not value:
        raise file.error((key,), f"{key}: expected a text, came {value!r}.")
    return value


def one_of(file: YamlFile, key: str, valid: tuple[Any, ...]) -> Any:
    """Return one of the valid words, the first by default."""
    value = file.document.get(key, valid[0])
    if value not in valid:
        raise file.error((key,), f"{key}: '{value}' is not known.{nearest(str(value), valid)}")
    return value


def names(file: YamlFile, key: str) -> tuple[str, ...]:
    """Return a list of names."""
    value = file.document.get(key) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise file.error((key,), f"{key}: expected a list of names, came {value!r}.")
    return tuple(value)


def texts(file: YamlFile, key: str) -> dict[str, str]:
    """Return a mapping from name to text."""
    value = file.document.get(key) or {}
    if not isinstance(value, dict):
        raise file.error((key,), f"{key}: expected name: text, came {value!r}.")
    for name, one in value.items():
        if not isinstance(one, str):
            raise file.error((key, name), f"{key}.{name}: expected a text, came {one!r}.")
    return value


def duration(file: YamlFile, key: str, default: timedelta) -> timedelta:
    """Return a length of time such as `15 minutes`."""
    value = file.document.get(key)
    return default if value is None else length(file, (key,), value)


def length(file: YamlFile, place: tuple[str, ...], value: Any) -> timedelta:
    """Read a length of time."""
    found = DURATION.fullmatch(str(value).strip())
    if not found:
        key = ".".join(place)
        raise file.error(place, f"{key}: '{value}' is no length of time. Write it like '15 minutes' or '7 days'.")
    return timedelta(**{f"{found[2]}s": int(found[1])})


def retention(file: YamlFile) -> Retention:
    """Return the ages: of published rows alone, or of each kind of data by its name."""
    raw = file.document.get("retention")
    if raw is None:
        return Retention()
    if not isinstance(raw, dict):
        return Retention(published=length(file, ("retention",), raw))
    file.check_keys(("retention",), raw, set(Retention.__dataclass_fields__))
    return Retention(**{name: length(file, ("retention", name), value) for name, value in raw.items()})


def whole(file: YamlFile, key: str, default: int) -> int:
    """Return a positive whole number."""
    value = file.document.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise file.error((key,), f"{key}: expected a whole number above 0, came {value!r}.")
    return value


def yes_or_no(file: YamlFile, key: str) -> bool:
    """Return a truth value, false by default."""
    value = file.document.get(key, False)
    if not isinstance(value, bool):
        raise file.error((key,), f"{key}: expected true or false, came {value!r}.")
    return value


def dead_letter_topic(file: YamlFile) -> str | None:
    """Return the topic to which dead letters go: `true` stands for `<topic>.dlq`; none by default."""
    value = file.document.get("dead_letter_topic", False)
    name = f"{file.document['topic']}.dlq" if value is True else value
    if name is False:
        return None
    if not isinstance(name, str) or not TOPIC.fullmatch(name):
        raise file.error(("dead_letter_topic",), f"dead_letter_topic: expected true or a topic's name, came {value!r}.")
    if name == file.document["topic"]:
        raise file.error(("dead_letter_topic",), "dead_letter_topic: dead letters would come back. Name another topic.")
    return name


def storm_limits(file: YamlFile) -> StormLimits | None:
    """Return from when on bad events are a storm; `storm: false` looks for none."""
    raw = file.document.get("storm", {})
    if raw is False:
        return None
    if not isinstance(raw, dict):
        raise file.error(("storm",), f"storm: expected share, events and run, or false, came {raw!r}.")
    file.check_keys(("storm",), raw, set(StormLimits.__dataclass_fields__))
    for key, value in raw.items():
        is_share = key == "share"
        number = isinstance(value, int | float if is_share else int) and not isinstance(value, bool)
        if not number or not 0 < value <= (1 if is_share else 2**31):
            expected = "a share above 0 up to 1" if is_share else "a whole number above 0"
            raise file.error(("storm", key), f"storm.{key}: expected {expected}, came {value!r}.")
    return StormLimits(**raw)


def shares(file: YamlFile) -> DriftShares:
    """Return the shares of events from which a change counts as drift."""
    raw = file.document.get("drift") or {}
    if not isinstance(raw, dict):
        raise file.error(("drift",), f"drift: expected additive and breaking, came {raw!r}.")
    file.check_keys(("drift",), raw, {"additive", "breaking"})
    for key, value in raw.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
            raise file.error(("drift", key), f"drift.{key}: expected a share above 0 up to 1, came {value!r}.")
    return DriftShares(**raw)
