"""From what was seen to a contract: types, key, event time, segments, personal data and rules, each with its evidence.

Pure. A field whose values are of no single type is left out of the contract: it is kept as unknown (`rescued`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Any

from mend.curate.plan import RESERVED
from mend.draft.observe import Sample, Seen, moment
from mend.runtime.errors import UserError
from mend.runtime.pipeline_file import KAFKA_TIME

LARGEST = 2**63
TIME_NAME = re.compile(r"(^|_)(ts|time|timestamp|date|datetime|at|on|when)($|_)|(Time|Date|At)$", re.IGNORECASE)
ID_NAME = re.compile(r"(^|_)(id|uuid|guid|key|no|number|code)$|(Id|Key|No)$", re.IGNORECASE)
PERSONAL = re.compile(
    r"(^|_)(e?mail|name|phone|mobile|address|street|zip|postcode|birth\w*|dob|ssn|passport|iban|card|ip|lat|lon|gender)($|_)",
    re.IGNORECASE,
)
UNIQUE = 0.98
"""Share of distinct keys from which a field tells events apart: a stream may repeat a few."""
MOST_SEGMENTS, MOST_SEGMENT_VALUES, MOST_LISTED = 3, 50, 20
ENOUGH = 50
"""Events a value list or a range needs behind it."""
MAP_KEYS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A field of the proposal: `name` is the contract's, `source` the observed one."""

    name: str
    source: str
    type: Any
    required: bool
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedRule:
    """An expectation, its arguments, and why."""

    expectation: str
    columns: dict[str, str]
    arguments: dict[str, Any]
    severity: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Names that were chosen for a purpose, and why."""

    names: tuple[str, ...]
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """All that the three files say. `left_out` are observed fields with the reason."""

    columns: tuple[Column, ...]
    left_out: tuple[tuple[str, str], ...]
    key: Choice
    event_time: Choice
    segments: Choice
    personal: Choice
    rules: tuple[ProposedRule, ...]
    events: int
    unreadable: int


def propose(sample: Sample) -> Proposal:
    """Propose a contract; a sample without a single field that can be one is a UserError."""
    fields = sample.root.members
    columns = list(proposed_columns(fields))
    if not columns:
        raise UserError("no event of the sample is a JSON object with a field that a contract could name.", exit_code=1)
    taken = {one.source for one in columns}
    personal = tuple(one for one in columns if is_personal(one, fields[one.source]))
    event_time = choose_event_time(columns, sample)
    key = choose_key(columns, sample, event_time.names[0])
    row_rules = (rule for one in columns for rule in rules_of(one, fields[one.source], personal=one in personal))
    return Proposal(
        columns=tuple(columns),
        left_out=tuple((name, why_left_out(name, seen)) for name, seen in fields.items() if name not in taken),
        key=key,
        event_time=event_time,
        segments=choose_segments(columns, fields, {one.name for one in personal}),
        personal=Choice(
            names=tuple(one.name for one in personal), evidence="by their names and by what they look like"
        ),
        rules=(*key_rules(key), *row_rules),
        events=len(sample.documents),
        unreadable=sample.unreadable,
    )


def proposed_columns(fields: dict[str, Seen]) -> Iterator[Column]:
    """Name and type the observed fields that have one type."""
    used: set[str] = set()
    for source, seen in first_spellings(fields):
        declared = avro_type(seen, source)
        if declared is None or not is_name(source):
            continue
        name = free_name(source, used)
        used.add(name.lower())
        kinds = ", ".join(f"{kind} {many:,}" for kind, many in seen.kinds.most_common())
        evidence = f"in {seen.present:,} of {seen.events:,} events, {seen.nulls:,} null; {kinds}"
        yield Column(name=name, source=source, type=declared, required=seen.always, evidence=evidence)


def first_spellings(fields: dict[str, Seen]) -> list[tuple[str, Seen]]:
    """Leave out names that differ from an earlier one in upper and lower case only: columns know none."""
    first: dict[str, tuple[str, Seen]] = {}
    for name, seen in fields.items():
        first.setdefault(name.lower(), (name, seen))
    return list(first.values())


def is_name(source: str) -> bool:
    """Whether a query can name the field."""
    return bool(source) and "\0" not in source


def free_name(source: str, used: set[str]) -> str:
    """Return a column's name: the observed one where it is a plain name that is free."""
    plain = re.sub(r"\W", "_", source, flags=re.ASCII)[:100] or "field"
    plain = f"_{plain}" if plain[0].isdigit() else plain
    if plain.lower() in {one.lower() for one in RESERVED}:
        plain = f"{plain}_value"
    name, number = plain, 1
    while name.lower() in used:
        number += 1
        name = f"{plain}_{number}"
    return name


def avro_type(seen: Seen, name: str) -> Any:
    """Return the Avro type of a field, None where there is no single one."""
    match seen.kind:
        case "string" | "boolean":
            return seen.kind
        case "number":
            return "double"
        case "integer":
            return whole_type(seen, name)
        case "object":
            return object_type(seen, name)
        case "array" if seen.items is not None and seen.items.filled:
            items = avro_type(seen.items, f"{name}_item")
            return None if items is None else {"type": "array", "items": nullable(items, seen.items)}
    return None


def whole_type(seen: Seen, name: str) -> Any:
    """Tell times from other whole numbers: by their size, and by name or by being close to today's."""
    if not -LARGEST <= seen.least <= seen.most < LARGEST:
        return None
    for unit, logical in ((1_000, "timestamp-millis"), (1_000_000, "timestamp-micros")):
        if all((at := moment(one)) is not None and at * unit == one for one in (seen.least, seen.most)) and (
            TIME_NAME.search(name) is not None
        ):
            return {"type": "long", "logicalType": logical}
    return "long"


def object_type(seen: Seen, name: str) -> Any:
    """Return a record, or a map where every event has other keys."""
    filled = [one for one in seen.members.values() if one.filled]
    if len(seen.members) > MAP_KEYS and sum(one.present for one in filled) < 0.1 * len(filled) * seen.filled:
        merged = {str(avro_type(one, name)): avro_type(one, name) for one in filled}
        return {"type": "map", "values": next(iter(merged.values()))} if len(merged) == 1 else None
    fields = [
        {"name": member, "type": nullable(declared, one)} | ({} if one.always else {"default": None})
        for member, one in first_spellings(seen.members)
        if re.fullmatch(r"[A-Za-z_]\w*", member, re.ASCII)
        and (declared := avro_type(one, f"{name}_{member}")) is not None
    ]
    return {"type": "record", "name": record_name(name), "fields": fields} if fields else None


def record_name(name: str) -> str:
    """Return the name of a nested record's type."""
    return "".join(part.capitalize() for part in re.split(r"\W|_", name) if part) or "Record"


def nullable(declared: Any, seen: Seen) -> Any:
    """Allow null where a value was null or missing."""
    return declared if seen.always else ["null", declared]


def why_left_out(name: str, seen: Seen) -> str:
    """Say why a field is not in the contract."""
    if not is_name(name):
        return "no name that a query could use"
    if not seen.filled:
        return f"null in all {seen.present:,} events that carry it"
    kinds = ", ".join(f"{kind} {many:,}" for kind, many in seen.kinds.most_common())
    return f"no single type that a column can have, or a name that only differs in case: {kinds}"


def is_personal(column: Column, seen: Seen) -> bool:
    """Whether a field seems to hold personal data: by its name, an inner name, or e-mail addresses in it."""
    inner = any(PERSONAL.search(name) for name in inner_names(seen))
    return bool(PERSONAL.search(column.name)) or inner or seen.patterns["email"] > 0


def inner_names(seen: Seen) -> Iterator[str]:
    """Return the names below a field."""
    for name, one in seen.members.items():
        yield name
        yield from inner_names(one)
    if seen.items is not None:
        yield from inner_names(seen.items)


def choose_event_time(columns: Sequence[Column], sample: Sample) -> Choice:
    """Take the time that is closest to when Kafka got the event; Kafka's own time where events carry none."""
    distances = {
        one.name: median(abs(record.timestamp / 1000 - at) for record, document in sample.documents[:MOST_LOOKED_AT]
                         if (at := moment(document[one.source])) is not None)
        for one in columns
        if one.required and is_time(one, sample.root.members[one.source])
    }  # fmt: skip
    if not distances:
        return Choice(names=(KAFKA_TIME,), evidence="no field of all events is a time; when Kafka got them counts")
    name = min(distances, key=lambda one: distances[one])
    others = [f"{one} {length(distances[one])}" for one in distances if one != name]
    beside = f" (others: {', '.join(others)})" if others else ""
    return Choice(names=(name,), evidence=f"typically {length(distances[name])} away from Kafka's time{beside}")


MOST_LOOKED_AT = 2_000


def is_time(column: Column, seen: Seen) -> bool:
    """Whether a column can be the event time."""
    return (isinstance(column.type, dict) and "logicalType" in column.type) or seen.all_match("time")


def length(seconds: float) -> str:
    """Write a length of time for people."""
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} seconds"


def choose_key(columns: Sequence[Column], sample: Sample, event_time: str) -> Choice:
    """Take the smallest set of fields that tells events apart, those that look like an identity first."""
    times = {one.name for one in columns if is_time(one, sample.root.members[one.source])}
    usable = [one for one in columns if one.required and one.type in ("string", "long")]
    plain = [one for one in usable if one.name not in times]
    known = [one for one in plain if is_identity(one, sample)]
    others = [one for one in plain if one not in known]
    at = [one for one in columns if one.name == event_time]
    for fields in (
        *((one,) for one in known),
        *((one, *at) for one in known if at),
        *combinations([*known, *others][:MOST_PAIRED], 2),
        *((one, *at) for one in others if at),
        tuple(usable),
    ):
        share = distinct_share(fields, sample)
        if fields and share >= UNIQUE:
            many = round(share * len(sample.documents))
            text = f"{many:,} different ones in {len(sample.documents):,} events"
            return Choice(names=tuple(one.name for one in fields), evidence=text)
    if not usable:
        raise UserError("no field that every event carries could be part of a key. Write the pipeline file by hand.")
    names = tuple(one.name for one in usable)
    return Choice(
        names=names, evidence="NOTHING tells all events apart: equal ones would count as duplicates. Check this"
    )


MOST_PAIRED = 8


def is_identity(column: Column, sample: Sample) -> bool:
    """Whether a field looks like an identity: by its name, as a UUID, or because it is Kafka's key."""
    if ID_NAME.search(column.name) or sample.root.members[column.source].all_match("uuid"):
        return True
    looked = sample.documents[:MOST_LOOKED_AT]
    return all(str(document[column.source]).encode() == record.key for record, document in looked)


def distinct_share(fields: Sequence[Column], sample: Sample) -> float:
    """Return how many different keys there are for each event."""
    keys = {tuple(str(document[one.source]) for one in fields) for _, document in sample.documents}
    return len(keys) / len(sample.documents)


def choose_segments(columns: Sequence[Column], fields: dict[str, Seen], personal: set[str]) -> Choice:
    """Take fields with few values that come often."""
    found = [
        (len(fields[one.source].values), one.name)
        for one in columns
        if one.type == "string" and one.name not in personal and is_listed(fields[one.source], MOST_SEGMENT_VALUES)
    ]
    chosen = sorted(found)[:MOST_SEGMENTS]
    evidence = ", ".join(f"{name}: {many} values" for many, name in chosen)
    return Choice(names=tuple(name for _, name in chosen), evidence=evidence)


def is_listed(seen: Seen, most: int) -> bool:
    """Whether a field has few values, each seen again and again."""
    return not seen.many and 1 < len(seen.values) <= most and seen.filled >= ENOUGH * len(seen.values) ** 0.5


def key_rules(key: Choice) -> Iterator[ProposedRule]:
    """No part of the key may be null: the event would belong to nothing."""
    for name in key.names:
        yield ProposedRule(
            expectation="expect_column_values_to_not_be_null", columns={"column": name}, arguments={},
            severity="contract", evidence=f"part of the key: {key.evidence}",
        )  # fmt: skip


def rules_of(column: Column, seen: Seen, *, personal: bool) -> Iterator[ProposedRule]:
    """Propose rules for one column; values of personal data never stand in a file."""
    here = {"column": column.name}
    events = f"{seen.filled:,} events"
    if seen.all_match("email"):
        yield ProposedRule(
            expectation="expect_column_values_to_match_regex", columns=here,
            arguments={"regex": r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$"}, severity="quality",
            evidence=f"{seen.patterns['email']:,} of {events} are e-mail addresses",
        )  # fmt: skip
    elif seen.all_match("uuid"):
        yield ProposedRule(
            expectation="expect_column_values_to_match_regex", columns=here,
            arguments={"regex": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"}, severity="quality",
            evidence=f"{seen.patterns['uuid']:,} of {events} are UUIDs",
        )  # fmt: skip
    elif column.type == "string" and not personal and is_listed(seen, MOST_LISTED):
        shares = ", ".join(f"{value} {many / seen.filled:.0%}" for value, many in seen.values.most_common(5))
        yield ProposedRule(
            expectation="expect_column_values_to_be_in_set", columns=here,
            arguments={"value_set": sorted(seen.values)}, severity="warn", evidence=f"{events}: {shares}",
        )  # fmt: skip
    elif column.type in ("long", "double") and not personal and seen.filled >= ENOUGH and seen.least >= 0:
        yield ProposedRule(
            expectation="expect_column_values_to_be_between", columns=here, arguments={"min_value": 0},
            severity="warn", evidence=f"{events}: from {seen.least} to {seen.most}",
        )  # fmt: skip
    if not column.required and seen.filled >= 0.95 * seen.events:
        yield ProposedRule(
            expectation="expect_column_values_to_not_be_null", columns=here, arguments={}, severity="warn",
            evidence=f"missing or null in {seen.events - seen.filled:,} of {seen.events:,} events",
        )  # fmt: skip
