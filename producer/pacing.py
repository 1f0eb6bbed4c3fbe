"""When to send: events are never sent before they happen, and waiting does not burn a core."""

from collections.abc import Callable, Iterator
from math import ceil, inf

from producer.customers import FULL_SPEED

BATCH = 1000
PAUSE_S = 0.005
"""At high rates the events of this span are sent together."""
GRACE_S = 1.0
"""Who falls behind may finish late by this much before `duration` cuts him off."""


def batches(
    rate: float,
    *,
    count: int | None = None,
    duration: float | None = None,
    stopped: Callable[[float], bool],
    now: Callable[[], float],
) -> Iterator[int]:
    """Yield how many events to send next, each batch when it is due: event n at n / rate seconds, at most 1000 at once.

    Rate 0 is as fast as the caller takes them. Ends after `count` events or `duration` seconds, whichever comes first,
    or when `stopped`, which waits for the given seconds, says so. `now` is a clock in seconds that only goes forward.
    """
    speed = rate or FULL_SPEED
    limit = min(count if count is not None else inf, ceil(rate * duration) if rate and duration is not None else inf)
    deadline = inf if duration is None else duration + (GRACE_S if rate else 0.0)
    began, sent, wait = now(), 0, 0.0
    while sent < limit and not stopped(wait) and (elapsed := now() - began) < deadline:
        size = int(min(elapsed * speed + 1 - sent, limit - sent, BATCH))
        wait = 0.0 if size > 0 else max(sent / speed - elapsed, PAUSE_S)
        if size > 0:
            yield size
            sent += size
