"""What is wrong with a matrix, proven over all its cells: each finding has signals that show it. Pure.

Nothing is sampled. The signals are cut where a row looks (`agent/cells.py`), what cannot happen is left out
(`agent/possible.py`), and what all rows ask for together is one decision diagram, so that signals which no row joins
cost nothing together. The finds are checked by `agent.matrix.decide` itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from agent.caution import NOTHING, Outcome, outcome, together
from agent.cells import Space, is_number, space_of
from agent.conditions import CUSTOM, KNOWN, Condition, conditions
from agent.diagram import Cell, Node
from agent.matrix import EXCEPTED, Matrix, Rule, decide, unjudged
from agent.possible import invariants
from mend.contracts.decision import Rows

MOST_EXAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Signals that are not as in a healthy run, and what is decided about them."""

    signals: dict[str, str]
    rules: tuple[str, ...]
    actions: tuple[str, ...]
    rows: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong. `line` is of the row that it is about, 1 where it is about none."""

    kind: str
    message: str
    line: int = 1
    rules: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The diagrams of one matrix: which cells are possible, where each row fires, and what comes of it."""

    matrix: Matrix
    space: Space
    possible: Node
    rules: dict[str, Node]
    verdicts: Node
    doubts: Node
    fallback: Node

    def example(self, cell: Cell) -> Example:
        """Return what is decided about a cell, by the table itself."""
        verdict = decide(self.space.signals(cell), self.matrix)
        return Example(
            signals=self.space.described(cell),
            rules=tuple(rule.id for rule in verdict.rules),
            actions=tuple(one.value for one in verdict.actions),
            rows=verdict.rows.value,
        )

    def find(self, node: Node) -> Cell | None:
        """Return a possible cell of those."""
        return self.space.find(self.space.every((node, self.possible)))


def proof_of(matrix: Matrix) -> Proof:
    """Build the diagrams of a matrix."""
    space = space_of(matrix)
    doubts = space.some(doubt(space, rule, one) for rule in matrix.rules for one in conditions(rule.when))
    rules = {rule.id: space.when(rule.when) for rule in matrix.rules}
    fired = space.diagrams.leaf(NOTHING)
    for rule in matrix.rules:
        fired = space.diagrams.combine(together, fired, asked_by(space, rule, rules[rule.id]))
    last = outcome(matrix.fallback, matrix.fallback.rows)

    def finished(result: Outcome, doubtful: bool) -> Outcome:
        return result if result.fired and not doubtful else together(result, last)

    possible = space.every(space.some((space.no(space.when(one.when)), space.when(one.then))) for one in invariants())
    return Proof(
        matrix=matrix,
        space=space,
        possible=possible,
        rules=rules,
        verdicts=space.diagrams.combine(finished, fired, doubts),
        doubts=doubts,
        fallback=space.no(space.some((doubts, *rules.values()))),
    )


def doubt(space: Space, rule: Rule, condition: Condition) -> Node:
    """Return the cells in which a user's metric is not of the type that the row compares it with."""
    if not condition.signal.startswith(CUSTOM) or condition.op in KNOWN:
        return space.diagrams.leaf(value=False)
    regions = space.regions[space.level(condition.signal)]
    return space.where(
        condition.signal, [any(unjudged(rule, condition, space.alone(condition.signal, one))) for one in regions]
    )


def asked_by(space: Space, rule: Rule, fires: Node) -> Node:
    """Return what a row asks for in each cell; what is held instead of excepted depends on what is known."""
    named = space.diagrams.leaf(value=True)
    if rule.rows in EXCEPTED:
        named = space.some(space.when(Condition(signal=one, op="present")) for one in EXCEPTED[rule.rows])

    def asked(holds: bool, excepted: bool) -> Outcome:
        return outcome(rule, rule.rows if excepted else Rows.HOLD) if holds else NOTHING

    return space.diagrams.combine(asked, fires, named)


def at_level(cell: Cell, level: int, choice: int) -> Cell:
    """Return the cell with one signal elsewhere."""
    return (*cell[:level], choice, *cell[level + 1 :])


def numeric(space: Space, level: int) -> list[int]:
    """Return the regions of a signal that are numbers, in their order."""
    values = [one.value for one in space.regions[level]]
    numbers = [at for at, one in enumerate(values) if is_number(one)]
    return sorted(numbers, key=lambda at: values[at])


def unlike(proof: Proof, node: Node) -> Iterator[Cell]:
    """Return some possible cells of those, each with other signals that are not as in a healthy run."""
    space = proof.space
    for _ in range(MOST_EXAMPLES):
        cell = proof.find(node)
        if cell is None:
            return
        yield cell
        odd = [level for level, regions in enumerate(space.regions) if not regions[cell[level]].calm]
        same = (
            space.where(space.names[level], [at == cell[level] for at in range(len(space.regions[level]))])
            for level in odd
        )
        node = space.every((node, space.no(space.every(same))))
