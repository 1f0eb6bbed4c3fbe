"""Lag: what the broker has against what Spark has committed."""

from pathlib import Path

import pytest

from mend.runtime.errors import UserError
from orchestration.kafka_lag import PartitionLag, check_address, committed_offsets


def partition(*, earliest: int = 0, end: int = 0, committed: int = 0) -> PartitionLag:
    """Return one partition."""
    return PartitionLag(partition=3, earliest=earliest, end=end, committed=committed)


def checkpoint(folder: Path, *, offsets: dict[int, str], commits: list[int]) -> Path:
    """Write a checkpoint as Spark does."""
    for name, lines in offsets.items():
        path = folder / "offsets" / str(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'v1\n{{"batchWatermarkMs":0}}\n{lines}')
    (folder / "commits").mkdir()
    for name in commits:
        (folder / "commits" / str(name)).write_text('v1\n{"nextBatchWatermarkMs":0}')
        (folder / "commits" / f".{name}.crc").write_bytes(b"\x00")
    return folder


@pytest.mark.parametrize(
    ("found", "lag", "lost"),
    [
        (partition(end=10), 10, 0),
        (partition(end=10, committed=4), 6, 0),
        (partition(end=10, committed=10), 0, 0),
        (partition(earliest=7, end=10), 3, 0),
        (partition(earliest=7, end=10, committed=4), 3, 3),
        (partition(earliest=10, end=10, committed=4), 0, 6),
    ],
)
def test_lag_counts_what_can_still_be_read(found: PartitionLag, lag: int, lost: int) -> None:
    """What waits is counted from the commit or from what is left; what was deleted unread is lost, not waiting."""
    assert (found.lag, found.lost) == (lag, lost)


def test_only_committed_batches_count_as_read(tmp_path: Path) -> None:
    """Offsets that were planned and not committed wait: the job died in between, and reads them again."""
    offsets = {0: '{"customers":{"0":5,"1":7}}', 1: '{"customers":{"0":9,"1":12}}'}
    folder = checkpoint(tmp_path, offsets=offsets, commits=[0])
    assert committed_offsets(folder, "customers") == {0: 5, 1: 7}
    assert committed_offsets(folder, "orders") == {}


def test_the_newest_commit_is_the_largest_number(tmp_path: Path) -> None:
    """Batch 10 comes after batch 9, although its name comes before."""
    offsets = {9: '{"customers":{"0":9}}', 10: '{"customers":{"0":10}}'}
    assert committed_offsets(checkpoint(tmp_path, offsets=offsets, commits=[9, 10]), "customers") == {0: 10}


def test_without_a_checkpoint_nothing_is_read(tmp_path: Path) -> None:
    """The first run has everything before it."""
    assert committed_offsets(tmp_path / "none", "customers") == {}


@pytest.mark.parametrize("address", ["localhost:9092", "a:1,b:2", "a:1, b:2", "PLAINTEXT://a:1", "[::1]:9092"])
def test_addresses_of_brokers_are_taken(address: str) -> None:
    """Host and port, several of them, with a protocol, or of version 6."""
    check_address(address)


@pytest.mark.parametrize("text", ["localhost", "my broker:9092", "a:b", "a:1,b", "http://", "a:1,", ":9092"])
def test_a_text_that_is_no_address_is_refused_at_once(text: str) -> None:
    """Nothing waits for a broker that cannot be."""
    with pytest.raises(UserError, match=r"KAFKA_BROKER: '.*' is no address. Write host:port"):
        check_address(text)
