"""What a sample of JSON events shows of each field. Pure."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

MOST_VALUES = 10_000
"""Distinct values remembered of a field; beyond, it counts as one with very many."""
KINDS = {str: "string", bool: "boolean", int: "integer", Decimal: "number", dict: "object", list: "array"}
PATTERNS = {
    "time": re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?"),
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "uuid": re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "email": re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}"),
    "decimal": re.compile(r"[+-]?\d+\.\d+"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One Kafka record of the sample; `timestamp` in milliseconds."""

    value: bytes | None
    key: bytes | None
    timestamp: int


@dataclass(slots=True)
class Seen:
    """What was seen of one field: `events` is how many could have carried it."""

    events: int = 0
    present: int = 0
    nulls: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    patterns: Counter[str] = field(default_factory=Counter)
    values: Counter[Any] = field(default_factory=Counter)
    many: bool = False
    least: Any = None
    most: Any = None
    members: dict[str, "Seen"] = field(default_factory=dict)
    items: "Seen | None" = None

    @property
    def filled(self) -> int:
        """Events with a value that is not null."""
        return self.present - self.nulls

    @property
    def always(self) -> bool:
        """Whether every event carried a value."""
        return self.filled == self.events

    @property
    def kind(self) -> str | None:
        """The kind of (nearly) all values, the rest being dirt; None where there is no such kind."""
        kinds = Counter(self.kinds)
        if kinds["integer"] and kinds["number"]:
            kinds["number"] += kinds.pop("integer")
        return next((kind for kind, many in kinds.most_common(1) if many >= 0.99 * self.filled), None)

    def all_match(self, pattern: str) -> bool:
        """Whether (nearly) all values are texts of a pattern."""
        return self.kind == "string" and self.patterns[pattern] >= 0.999 * self.filled

    def add(self, value: Any) -> None:
        """Look at one value."""
        self.present += 1
        if value is None:
            self.nulls += 1
            return
        kind = KINDS[type(value)]
        self.kinds[kind] += 1
        if kind == "object":
            self.add_members(value)
        elif kind == "array":
            self.items = self.items or Seen()
            for one in value:
                self.items.events += 1
                self.items.add(one)
        else:
            self.add_scalar(kind, value)

    def add_members(self, value: dict[str, Any]) -> None:
        """Look at the members of an object; those that were not there count as missing."""
        before = self.kinds["object"] - 1
        for name, one in value.items():
            self.members.setdefault(name, Seen(events=before)).add(one)
        for one in self.members.values():
            one.events = before + 1

    def add_scalar(self, kind: str, value: Any) -> None:
        """Remember a value, its limits, and what its text looks like."""
        if value in self.values or len(self.values) < MOST_VALUES:
            self.values[value] += 1
        else:
            self.many = True
        if kind == "string":
            self.patterns.update(name for name, pattern in PATTERNS.items() if pattern.fullmatch(value))
        elif kind in {"integer", "number"}:
            self.least = value if self.least is None else min(self.least, value)
            self.most = value if self.most is None else max(self.most, value)


@dataclass(slots=True, kw_only=True)
class Sample:
    """A sample's documents beside their records, and how many records were none."""

    root: Seen
    documents: list[tuple[Record, dict[str, Any]]]
    unreadable: int


def observe(records: Iterable[Record]) -> Sample:
    """Read the records as JSON objects."""
    sample = Sample(root=Seen(), documents=[], unreadable=0)
    for record in records:
        document = read(record.value)
        if document is None:
            sample.unreadable += 1
            continue
        sample.root.events += 1
        sample.root.add(document)
        sample.documents.append((record, document))
    return sample


def read(value: bytes | None) -> dict[str, Any] | None:
    """Return a JSON object, None for anything else; numbers keep their digits."""
    try:
        document = json.loads(value or b"", parse_float=Decimal, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def refuse(word: str) -> None:
    """NaN and Infinity are no JSON."""
    raise ValueError(word)


def moment(value: Any) -> float | None:
    """Return a time as seconds since the epoch: ISO 8601 text, or a number of seconds, milliseconds or microseconds."""
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    for unit in (1, 1_000, 1_000_000):
        if EARLIEST * unit <= value <= LATEST * unit:
            return float(value) / unit
    return None


EARLIEST, LATEST = 946_684_800, 4_102_444_800
"""2000 and 2100: numbers between them, in some unit, may be times."""
