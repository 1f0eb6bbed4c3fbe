"""Whether worse signals are ever treated milder: by a matrix whose rows are each right, it can happen. Pure."""

from collections.abc import Iterator
from itertools import pairwise

from agent.caution import Caution, Outcome
from agent.cells import Space
from agent.diagram import Cell, Node
from agent.matrix import Matrix
from agent.matrix_proof import Finding, Proof, at_level, numeric
from agent.possible import LOSSES, ORDERS, Loss, Order


def cautious(result: Outcome) -> Caution:
    """Return how cautious an outcome is."""
    return result.caution


def milder(after: Caution, before: Caution) -> bool:
    """Whether a decision is milder than another."""
    return after.milder(before)


def orders(matrix: Matrix) -> Iterator[Order]:
    """Return which way signals get worse, the users' metrics too."""
    yield from ORDERS
    for name, way in matrix.worse.items():
        yield Order(signal=name, down=way == "lower")


def steps(order: Order, space: Space, level: int) -> Iterator[tuple[int, int]]:
    """Return the pairs of neighbouring regions of which the second is worse."""
    values = [one.value for one in space.regions[level]]
    if order.pairs:
        yield from ((values.index(good), values.index(bad)) for good, bad in order.pairs)
    elif numbers := numeric(space, level):
        yield from pairwise(numbers[::-1] if order.down else numbers)
    else:
        none = next(at for at, one in enumerate(values) if one in (None, ()))
        yield from ((none, at) for at in range(len(values)) if at != none)


def milder_when_worse(proof: Proof) -> Iterator[Finding]:
    """Find signals whose worse value gives a milder decision, all other signals being the same."""
    space, cautions = proof.space, proof.space.diagrams.combine(cautious, proof.verdicts)
    covered = space.some((space.no(proof.fallback), space.when(proof.matrix.owned)))  # gaps are told by themselves
    for order in orders(proof.matrix):
        if order.signal not in space.names:
            continue
        level = space.level(order.signal)
        among = space.every((proof.possible, space.when(order.among), covered))
        for good, bad in steps(order, space, level):
            before, after = (space.diagrams.fixed(cautions, level, one) for one in (good, bad))
            real = (space.diagrams.fixed(among, level, one) for one in (good, bad))
            cell = space.find(space.every((space.diagrams.combine(milder, after, before), *real)))
            if cell is not None:
                yield not_monotone(proof, order.signal, at_level(cell, level, good), at_level(cell, level, bad))


def not_monotone(proof: Proof, signal: str, before: Cell, after: Cell) -> Finding:
    """Describe a worse cell with a milder decision; the line is of a row that fires no more."""
    level = proof.space.level(signal)
    labels = [proof.space.regions[level][cell[level]].label for cell in (before, after)]
    examples = (proof.example(before), proof.example(after))
    gone = [rule for rule in examples[0].rules if rule not in examples[1].rules]
    lines = {rule.id: rule.line for rule in (*proof.matrix.rules, proof.matrix.fallback)}
    return Finding(
        kind="not monotone",
        message=f"{signal} gets worse, from {labels[0]} to {labels[1]}, and the decision milder",
        line=lines[(gone or examples[1].rules)[0]],
        rules=tuple(dict.fromkeys((*gone, *examples[1].rules))),
        examples=examples,
    )


def without_severity(result: Outcome) -> Caution:
    """Return how cautious an outcome is, but for its severity: how grave it is that nobody knows cannot be compared."""
    return result.caution._replace(severity=0)


def milder_when_lost(proof: Proof) -> Iterator[Finding]:
    """Find documents that, when they cannot be believed, are treated milder than something that they could say."""
    space, cautions = proof.space, proof.space.diagrams.combine(without_severity, proof.verdicts)
    for loss in LOSSES:
        level = space.level(loss.problem)
        before, real = (space.diagrams.fixed(one, level, 0) for one in (cautions, proof.possible))
        for at, region in enumerate(space.regions[level][1:], start=1):
            after, unreal = (
                lost(space, space.diagrams.fixed(one, level, at), loss) for one in (cautions, proof.possible)
            )
            among = (
                space.when(loss.unless) if region.value.problem in loss.expected else space.diagrams.leaf(value=False)
            )
            worse = space.diagrams.combine(milder, after, before)
            cell = space.find(space.every((worse, real, unreal, space.no(among))))
            if cell is not None:
                nothing = at_level(cell, level, at)
                for name in loss.signals:
                    nothing = at_level(nothing, space.level(name), unknown(space, name))
                yield not_monotone(proof, loss.problem, at_level(cell, level, 0), nothing)


def lost(space: Space, node: Node, loss: Loss) -> Node:
    """Return the function with all signals of a document unknown."""
    for name in loss.signals:
        node = space.diagrams.fixed(node, space.level(name), unknown(space, name))
    return node


def unknown(space: Space, name: str) -> int:
    """Return the region in which a signal is not known."""
    return next(at for at, one in enumerate(space.regions[space.level(name)]) if one.value in (None, ()))
