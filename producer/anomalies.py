"""What goes wrong on purpose: late, incomplete, evolved, damaged and repeated events; pure and seeded.

Each kind draws from its own stream of chance, so that switching one on does not move the others. Rates are shares of
the messages, from 0 to 1.
"""

# ruff: noqa: S311 - chance that can be repeated is the point

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, repeat
from math import log, log1p
from random import Random
from typing import NamedTuple, TypeVar

from producer.events import Event

T = TypeVar("T")
E = TypeVar("E", bound=Event)
Damage = Callable[[bytes, Random], bytes]

HOUR_MS = 3_600_000
LATE_SLOTS = 23 * HOUR_MS // 2
"""Odd milliseconds between 1 and 24 hours ago."""
SLOT_STEP = 25_586_609
"""The golden section of the slots and coprime to their number: steps of it visit every slot once, evenly spread."""
REMEMBERED = 1000
NEVER = 10**18


class Message(NamedTuple):
    """One Kafka record to send; `marks` names the counters it adds to besides the total."""

    key: bytes
    value: bytes
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Anomalies:
    """How often each kind happens; drift happens to every `drift_frequency`-th event, 0 for never.

    `bad_segments` are (field, value): every event with that value breaks a rule. `renames` are (old, new) names.
    """

    late: float = 0.05
    drift_frequency: int = 100
    missing: float = 0.02
    malformed: float = 0.0
    duplicate: float = 0.0
    bad_segments: tuple[tuple[str, str], ...] = ()
    renames: tuple[tuple[str, str], ...] = ()


def disturbed(events: Iterator[E], anomalies: Anomalies, seed: int) -> Iterator[E]:
    """Make some of the events late, incomplete or of a later version, and mark them."""
    late, missing, drift = (Random(f"{kind}-{seed}") for kind in ("late", "missing", "drift"))
    events = changed(events, gaps(anomalies.late, late), BackDating(seed))
    events = changed(events, gaps(anomalies.missing, missing), lambda event: _incomplete(event, missing))
    events = changed(events, _every(anomalies.drift_frequency), lambda event: _evolved(event, drift))
    return spoiled(events, anomalies.bad_segments) if anomalies.bad_segments else events


def spoiled(events: Iterator[E], segments: tuple[tuple[str, str], ...]) -> Iterator[E]:
    """Let every event of the segments break a rule, and mark it."""
    for event in events:
        fields = event.fields()
        bad = any(str(fields.get(name)) == value for name, value in segments)
        yield event.spoiled().marked("bad_segment_events") if bad else event


def damaged(messages: Iterator[Message], rate: float, damages: tuple[Damage, ...], seed: int) -> Iterator[Message]:
    """Damage the bytes of some messages so that they cannot be decoded; these count as malformed and nothing else."""
    chance = Random(f"malformed-{seed}")

    def damage(message: Message) -> Message:
        return Message(message.key, chance.choice(damages)(message.value, chance), ("malformed_events",))

    return changed(messages, gaps(rate, chance), damage)


def repeated(messages: Iterator[Message], rate: float, seed: int) -> Iterator[Message]:
    """Send one of the last thousand sound messages again, byte for byte, in place of some; it counts as duplicate."""
    chance = Random(f"duplicate-{seed}")
    recent: deque[Message] = deque(maxlen=REMEMBERED)

    def again(message: Message) -> Message:
        return chance.choice(recent)._replace(marks=("duplicate_events",)) if recent else message

    for message in changed(messages, gaps(rate, chance), again):
        if "malformed_events" not in message.marks:
            recent.append(message)
        yield message


def changed(items: Iterator[T], gaps: Iterable[int], change: Callable[[T], T]) -> Iterator[T]:
    """Pass `gap` items on, change the next one, and so on for every gap; the rest passes unchanged."""
    for gap in gaps:
        yield from islice(items, gap)
        for item in islice(items, 1):
            yield change(item)
            break
        else:
            return
    yield from items


def gaps(rate: float, chance: Random) -> Iterator[int]:
    """Yield how many items to let pass between those that an independent draw of this rate picks."""
    if rate >= 1:
        yield from repeat(0)
    while rate > 0:
        yield int(min(log(1 - chance.random()) / log1p(-rate), NEVER))


def _every(frequency: int) -> Iterator[int]:
    return repeat(frequency - 1) if frequency > 0 else iter(())


class BackDating:
    """Moves events back 1 to 24 hours such that no two events of an owner share a time.

    Events on time are on even milliseconds, late ones on odd. An owner's late events visit the residues modulo
    23 hours one after the other; a residue returns after 41.4 million late events, and those take so long that the
    windows of the first and the second visit do not overlap.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._slots: dict[str, int] = {}

    def __call__(self, event: E) -> E:
        """Return the event moved back and marked as late."""
        latest = event.event_ts - HOUR_MS
        back = (latest - 2 * self._next_slot(event) - 1) % (2 * LATE_SLOTS)
        return event.at(latest - back).marked("late_events")

    def _next_slot(self, event: Event) -> int:
        owner = event.owner
        if owner in self._slots:
            slot = (self._slots[owner] + SLOT_STEP) % LATE_SLOTS
        else:  # where an owner begins depends on the time as well, so that two runs do not repeat each other
            slot = Random(f"late-{self._seed}-{owner}-{event.event_ts}").randrange(LATE_SLOTS)
        self._slots[owner] = slot
        return slot


def _incomplete(event: E, chance: Random) -> E:
    return event.incomplete(chance).marked("missing_field_events")


def _evolved(event: E, chance: Random) -> E:
    return event.evolved(chance).marked("schema_drift_events")


def truncated(value: bytes, chance: Random) -> bytes:
    """Cut the end off; at least one byte stays and at least one goes."""
    return value[: chance.randrange(1, len(value))]


def plain_text(_value: bytes, chance: Random) -> bytes:
    """Return a line of a log in the place of an event."""
    return chance.choice(
        (b"ERROR upstream timed out", b"hello, world", b"<html>502 Bad Gateway</html>", b"id;name;email")
    )


def not_utf8(value: bytes, chance: Random) -> bytes:
    """Put a byte in that UTF-8 never has."""
    place = chance.randrange(1, len(value))
    return value[:place] + chance.choice((b"\xff", b"\xc0", b"\xfe")) + value[place:]


def wrong_nesting(value: bytes, chance: Random) -> bytes:
    """Close brackets that were not opened, or others than were."""
    return chance.choice((value[:-1] + b"]", value + b"}", b"[" + value, b'{"event":' + value))


JSON_DAMAGES: tuple[Damage, ...] = (truncated, plain_text, not_utf8, wrong_nesting)
AVRO_DAMAGES: tuple[Damage, ...] = (truncated, plain_text)
