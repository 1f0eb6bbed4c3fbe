"""What the pipeline has read against what the broker has."""

from datetime import UTC, datetime

import pytest

from mend.store.losses import Loss, uncovered
from mend.store.topics import Topic
from orchestration.kafka_lag import BrokerTopic
from orchestration.offsets import find_losses, renewal

KNOWN = Topic(pipeline="orders", topic="t", epoch=2, topic_id="a", since=datetime(2026, 1, 1, tzinfo=UTC))


def broker(*, topic_id: str | None = "a", **watermarks: tuple[int, int]) -> BrokerTopic:
    """Return a topic as a broker has it."""
    return BrokerTopic(watermarks={int(name[1:]): marks for name, marks in watermarks.items()}, topic_id=topic_id)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (broker(p0=(0, 10)), None),
        (broker(p0=(5, 12), p1=(0, 0)), None),
        (broker(p0=(0, 10), topic_id=None), None),
        (broker(p0=(0, 9)), "partition 0 ends at offset 9, and was read up to 10"),
        (broker(p1=(0, 9)), "partition 0 was read up to offset 10, and is not there any more"),
        (broker(p0=(0, 99), topic_id="b"), "the broker's id of it was a, and is b"),
    ],
)
def test_another_topic_of_the_same_name_is_noticed(found: BrokerTopic, why: str | None) -> None:
    """Offsets that went back, partitions that went away, or another id: it is not the topic that was read before."""
    assert renewal(KNOWN, found, {0: 10}) == why


def test_losses_are_what_lies_before_the_first_offset_left() -> None:
    """From the end of reading to the first offset there is; a partition that was never read begins at 0."""
    found = broker(p0=(15, 20), p1=(3, 9), p2=(0, 4), p3=(10, 10))
    losses = find_losses(KNOWN, found, {0: 10, 2: 4, 3: 10})
    assert [(one.partition, one.from_offset, one.until_offset, one.count) for one in losses] == [
        (0, 10, 15, 5), (1, 0, 3, 3),
    ]  # fmt: skip
    assert {one.epoch for one in losses} == {2}


@pytest.mark.parametrize(
    ("lost", "left"),
    [
        ([], 10),
        ([(0, 10)], 0),
        ([(2, 4), (3, 6)], 6),
        ([(0, 5), (5, 10)], 0),
        ([(8, 99), (-5, 1)], 7),
        ([(20, 30)], 10),
    ],
)
def test_a_gap_is_explained_only_as_far_as_losses_reach(lost: list[tuple[int, int]], left: int) -> None:
    """Overlapping losses count once, and what lies outside the gap does not count."""
    made = [
        Loss(pipeline="p", topic="t", partition=0, from_offset=begin, until_offset=end, cause="", found_at=KNOWN.since)
        for begin, end in lost
    ]
    assert uncovered(0, 10, made) == left
