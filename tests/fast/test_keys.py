"""Which event is the first of its key: exact over any number of batches, in little memory."""

from collections.abc import Callable
from hashlib import md5

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mend.curate.curator import Curated
from mend.curate.keys import SeenKeys

pytestmark = pytest.mark.spark

KEYS = st.lists(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=30), max_size=12)


def digests(numbers: list[int]) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    """Return halves of digests, spread over all their bits."""
    return np.array([number * 0x9E3779B97F4A7C15 % 2**64 for number in numbers], dtype=np.uint64)


@given(batches=KEYS)
def test_the_first_of_each_key_and_no_other(batches: list[list[tuple[int, int]]]) -> None:
    """Keys of which only one half agrees are different keys, in one batch and between batches."""
    seen, met = SeenKeys(), set()
    for batch in batches:
        first = seen.first(digests([high for high, _ in batch]), digests([low for _, low in batch]))
        expected = []
        for key in batch:
            expected.append(key not in met)
            met.add(key)
        assert first.tolist() == expected


def test_the_digest_of_a_key_is_the_md5_of_its_parts(
    event: Callable[..., bytes], curate: Callable[..., Curated]
) -> None:
    """Both halves come out of the pass as they are: files of keys of earlier runs hold the same digests."""
    names = [f"é{number}" for number in range(50)]
    keys = curate(*(event(id=name, event_ts=number) for number, name in enumerate(names))).keys.to_pylist()
    for number, name in enumerate(names):
        text = f"{len(name)}:{name}{len(str(number))}:{number}".encode()
        digest = int.from_bytes(md5(text, usedforsecurity=False).digest(), "little")
        (one,) = (key for key in keys if key["kafka_offset"] == number)
        assert (one["key_high"], one["key_low"]) == (digest >> 64, digest & 2**64 - 1)


def test_blocks_stay_few() -> None:
    """A thousand batches leave some ten blocks to look through, and each key once."""
    seen = SeenKeys()
    for batch in range(1_000):
        numbers = list(range(batch * 10, batch * 10 + 10))
        assert seen.first(digests(numbers), digests(numbers)).all()
    assert sum(len(high) for high, _ in seen.blocks) == 10_000
    assert len(seen.blocks) < 14
