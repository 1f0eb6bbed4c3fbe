from math import inf

import pytest

from producer.pacing import BATCH, batches


class Clock:
    """A clock that only moves when somebody waits, or by `cost` seconds for every event that is sent."""

    def __init__(self, cost: float = 0.0, stop_at: float = inf) -> None:
        self.time, self.cost, self.stop_at, self.waits = 100.0, cost, 100.0 + stop_at, 0

    def now(self) -> float:
        """Return seconds."""
        return self.time

    def stopped(self, wait: float) -> bool:
        """Wait, and say whether it is time to stop."""
        self.time += wait
        self.waits += wait > 0
        return self.time >= self.stop_at

    def run(self, rate: float, *, count: int | None = None, duration: float | None = None) -> list[tuple[float, int]]:
        """Return (seconds since the start, batch size) of everything that is sent."""
        found = []
        for size in batches(rate, count=count, duration=duration, stopped=self.stopped, now=self.now):
            found.append((self.time - 100.0, size))
            self.time += size * self.cost
        return found


def total(sent: list[tuple[float, int]]) -> int:
    """Return how many events were sent."""
    return sum(size for _, size in sent)


@pytest.mark.parametrize("rate", [0.5, 10.0, 5000.0])
def test_a_rate_is_kept(rate: float) -> None:
    """Twenty seconds at a rate send twenty times the rate, and no event before it is due."""
    sent, done = Clock().run(rate, duration=20.0), 0
    for seconds, size in sent:
        done += size
        assert (done - 1) / rate <= seconds + 1e-9
    assert done == 20 * rate


def test_waiting_is_not_a_busy_loop() -> None:
    """A second at 5000 a second wakes up at most 200 times; at 10 a second, twice an event."""
    fast, slow = Clock(), Clock()
    fast.run(5000.0, duration=1.0)
    slow.run(10.0, duration=1.0)
    assert fast.waits <= 200
    assert slow.waits <= 20


def test_who_falls_behind_catches_up() -> None:
    """After a stall the events that became due meanwhile follow at once, in batches of bounded size."""
    clock = Clock()
    sent: list[tuple[float, int]] = []
    for size in batches(1000.0, count=10_000, stopped=clock.stopped, now=clock.now):
        clock.time += 5.0 if not sent else 0.0
        sent.append((clock.time - 100.0, size))
    assert max(size for _, size in sent) == BATCH
    assert total(sent) == 10_000
    assert sent[-1][0] < 10.1


def test_full_speed_does_not_wait_for_a_slow_sender() -> None:
    """With rate 0 whoever takes 10 µs an event is never made to wait after the first batch."""
    clock = Clock(cost=1e-5)
    assert total(clock.run(0.0, count=100_000)) == 100_000
    assert clock.waits <= 1


def test_a_duration_ends_a_sender_that_cannot_keep_up() -> None:
    """At full speed the duration is the end; at a rate that is too high there is one second of grace."""
    assert Clock(cost=0.001).run(0.0, duration=5.0)[-1][0] < 5.0
    assert 5.0 < Clock(cost=0.001).run(100_000.0, duration=5.0)[-1][0] < 6.0


def test_count_and_duration_both_end_it() -> None:
    """Whichever comes first."""
    assert total(Clock().run(10.0, count=5, duration=60.0)) == 5
    assert total(Clock().run(10.0, count=500, duration=3.0)) == 30
    assert total(Clock().run(10.0, count=0)) == 0


def test_a_stop_ends_an_endless_run_before_the_next_event() -> None:
    """Without count and duration it goes on until it is stopped, also in the middle of a long wait."""
    assert total(Clock(stop_at=2.05).run(10.0)) == 21
    assert total(Clock(stop_at=0.0).run(10.0)) == 0
