"""Decision diagrams: a function of many small choices, answered exactly without listing every combination. Pure.

Many-valued, with values of any kind at the leaves, ordered and reduced (R. E. Bryant, Graph-Based Algorithms for
Boolean Function Manipulation, IEEE Transactions on Computers C-35, 1986, and its form for many values, A. Srinivasan
et al., Algorithms for Discrete Function Manipulation, ICCAD 1990). Equal functions are the same node.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

Node = int
Cell = tuple[int, ...]
"""Which of its choices each variable takes."""


class Diagrams:
    """Nodes over variables that have `widths[level]` choices each."""

    def __init__(self, widths: Sequence[int]) -> None:
        self.widths = tuple(widths)
        self.levels: list[int] = []
        self.parts: list[Any] = []
        self.known: dict[tuple[int, Any], Node] = {}
        self.combined: dict[tuple[Any, ...], Node] = {}

    def leaf(self, value: Any) -> Node:
        """Return the constant function of a hashable value."""
        return self._kept(len(self.widths), value)

    def branch(self, level: int, children: Sequence[Node]) -> Node:
        """Return the function that asks one variable first; its children ask later ones."""
        return children[0] if len({*children}) == 1 else self._kept(level, tuple(children))

    def combine(self, join: Callable[..., Any], *nodes: Node) -> Node:
        """Return the function whose value is that of all nodes' values joined; `join` must be pure and named."""
        key = (join, *nodes)
        if key not in self.combined:
            level = min(self.levels[node] for node in nodes)
            if level == len(self.widths):
                self.combined[key] = self.leaf(join(*(self.parts[node] for node in nodes)))
            else:
                choices = range(self.widths[level])
                parts = [self.combine(join, *(self._part(node, level, at) for node in nodes)) for at in choices]
                self.combined[key] = self.branch(level, parts)
        return self.combined[key]

    def fixed(self, node: Node, level: int, choice: int) -> Node:
        """Return the function with one variable set."""
        if self.levels[node] > level:
            return node
        key = (level, choice, node)
        if key not in self.combined:
            if self.levels[node] == level:
                return int(self.parts[node][choice])
            children = [self.fixed(part, level, choice) for part in self.parts[node]]
            self.combined[key] = self.branch(self.levels[node], children)
        return self.combined[key]

    def value(self, node: Node, cell: Cell) -> Any:
        """Return the function's value at a cell."""
        while self.levels[node] < len(self.widths):
            node = self.parts[node][cell[self.levels[node]]]
        return self.parts[node]

    def count(self, node: Node) -> int:
        """Return at how many cells the function is true."""
        counted: dict[Node, int] = {}

        def below(node: Node, level: int) -> int:
            skipped = prod(self.widths[level : self.levels[node]])
            if self.levels[node] == len(self.widths):
                return skipped * bool(self.parts[node])
            if node not in counted:
                counted[node] = sum(below(part, self.levels[node] + 1) for part in self.parts[node])
            return skipped * counted[node]

        return below(node, 0)

    def cheapest(self, node: Node, costs: Sequence[Sequence[int]]) -> Cell | None:
        """Return a cell at which the function is true and whose choices cost least together; None if it never is."""
        best: dict[Node, tuple[int, int]] = {}
        free = [min(range(len(one)), key=one.__getitem__) for one in costs]

        def cost(node: Node) -> int:
            level = self.levels[node]
            if level == len(self.widths):
                return 0 if self.parts[node] else NEVER
            if node not in best:
                choices = (cost(part) + costs[level][at] for at, part in enumerate(self.parts[node]))
                best[node] = min((price, at) for at, price in enumerate(choices))
            return best[node][0]

        if cost(node) >= NEVER:
            return None
        cell = list(free)
        while self.levels[node] < len(self.widths):
            cell[self.levels[node]] = best[node][1]
            node = self.parts[node][best[node][1]]
        return tuple(cell)

    def _part(self, node: Node, level: int, choice: int) -> Node:
        return int(self.parts[node][choice]) if self.levels[node] == level else node

    def _kept(self, level: int, content: Any) -> Node:
        if (level, content) not in self.known:
            self.known[level, content] = len(self.levels)
            self.levels.append(level)
            self.parts.append(content)
        return self.known[level, content]


NEVER = 1 << 40
