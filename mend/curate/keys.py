"""Keys that a task has met, by their 128-bit digests: which event is the first of its key."""

from typing import Any

import numpy as np

Digests = np.ndarray[Any, np.dtype[np.uint64]]
Block = tuple[Digests, Digests]


class SeenKeys:
    """Digests in sorted blocks, 16 bytes each; blocks double in size, so that a look-up stays cheap as they grow."""

    def __init__(self) -> None:
        """Start without any key."""
        self.blocks: list[Block] = []

    def first(self, high: Digests, low: Digests) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Say of each key, in order, whether it was never met before, and remember it.

        Halves that differ make keys that differ; only where a half was met is the whole digest compared.
        """
        order = np.argsort(high, kind="stable")
        in_order = high[order]
        again = in_order[1:] == in_order[:-1]
        suspect = np.zeros(len(high), dtype=bool)
        suspect[order[1:][again]] = suspect[order[:-1][again]] = True
        met: set[tuple[int, int]] = set()
        for block in self.blocks:
            begin = np.searchsorted(block[0], in_order)
            hits = np.flatnonzero(block[0][np.minimum(begin, len(block[0]) - 1)] == in_order)
            suspect[order[hits]] = True
            end = np.searchsorted(block[0], in_order[hits], side="right")
            for one in {*zip(begin[hits].tolist(), end.tolist(), strict=True)}:
                met.update(zip(block[0][slice(*one)].tolist(), block[1][slice(*one)].tolist(), strict=True))
        first = np.ones(len(high), dtype=bool)
        for row in np.flatnonzero(suspect).tolist():
            key = int(high[row]), int(low[row])
            first[row] = key not in met
            met.add(key)
        kept = order[first[order]]
        self.remember((high[kept], low[kept]))
        return first

    def remember(self, block: Block) -> None:
        """Add a sorted block; it is merged with those before it that are not larger."""
        while self.blocks and len(self.blocks[-1][0]) <= 2 * len(block[0]):
            before = self.blocks.pop()
            high, low = (np.concatenate(halves) for halves in zip(before, block, strict=True))
            order = np.argsort(high, kind="stable")
            block = high[order], low[order]
        if len(block[0]):
            self.blocks.append(block)
