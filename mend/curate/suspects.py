"""Key digests that may repeat, found by their high halves alone: exact enough to leave all others unread.

Two keys that share a half are rare and only cost a look; keys that repeat always share it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

AT_ONCE = 8_000_000
"""Halves of a run's digests in memory at once, 8 bytes each; a run with more keys is read several times."""
MARKED_BITS = 20
"""The first bits of a half, by which nearly all rows are passed over without a search."""
HALF = "key_high"

Halves = np.ndarray[Any, np.dtype[np.uint64]]


class Suspects:
    """The high halves that stand more than once in `mine`, in `mine` and `earlier`, or in `tasks`; all key files.

    FileNotFoundError when one of them is gone.
    """

    def __init__(
        self, mine: Sequence[Path], earlier: Sequence[Path], tasks: Sequence[Path], *, at_once: int = AT_ONCE
    ) -> None:
        """Read the files."""
        parts = sum(pq.read_metadata(path).num_rows for path in mine) // at_once + 1
        again = [one for part in range(parts) for one in repeated(mine, earlier, part, parts)]
        self.halves = np.unique(np.concatenate([*again, *map(halves_of, tasks)]))
        self.marked = np.zeros(2**MARKED_BITS, dtype=bool)
        self.marked[marks(self.halves)] = True

    def rows(self, path: Path) -> Iterator[pa.Table]:
        """Read the rows of a key file that have such a half."""
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                found = self.find(file.read_row_group(group, [HALF])[HALF].to_numpy())
                if len(found):
                    yield file.read_row_group(group).take(pa.array(found))

    def find(self, halves: Halves) -> "np.ndarray[Any, np.dtype[np.intp]]":
        """Return where suspects stand among some halves."""
        maybe = np.flatnonzero(self.marked[marks(halves)])
        found: np.ndarray[Any, np.dtype[np.intp]] = maybe[is_among(halves[maybe], self.halves)]
        return found


def repeated(mine: Sequence[Path], earlier: Sequence[Path], part: int, parts: int) -> Iterator[Halves]:
    """Yield the halves of one part of all digests that stand in `mine` more than once, and those in `earlier` too."""
    here = np.sort(np.concatenate([halves_of(path, part, parts) for path in mine]))
    yield here[1:][here[1:] == here[:-1]]
    for path in earlier:
        before = np.sort(halves_of(path, part, parts))
        yield before[is_among(before, here)]


def halves_of(path: Path, part: int = 0, parts: int = 1) -> Halves:
    """Read the high halves of a file's digests, of all of them or of one part."""
    with pq.ParquetFile(path) as file:
        halves: Halves = file.read([HALF])[HALF].to_numpy()
    return halves if parts == 1 else halves[halves % np.uint64(parts) == part]


def marks(halves: Halves) -> Halves:
    """Return the first bits of halves."""
    return halves >> np.uint64(64 - MARKED_BITS)


def is_among(some: Halves, ordered: Halves) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """Say of each half whether it is one of others, which are in order."""
    if not len(ordered):
        return np.zeros(len(some), dtype=bool)
    found: np.ndarray[Any, np.dtype[np.bool_]] = (
        ordered[np.minimum(np.searchsorted(ordered, some), len(ordered) - 1)] == some
    )
    return found
