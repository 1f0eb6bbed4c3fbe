"""What is wrong with rows of a matrix: gaps, rows that never fire, bounds without one owner, contradictions. Pure."""

from collections.abc import Iterator
from itertools import combinations, permutations

from agent.caution import outcome
from agent.conditions import KNOWN, conditions, expected_value
from agent.diagram import Node
from agent.matrix import Matrix, Rule
from agent.matrix_proof import Example, Finding, Proof, at_level, numeric, unlike
from agent.possible import invariants


def left_to_fallback(proof: Proof) -> tuple[Example, ...]:
    """Return examples of the cells that are left to the fallback on purpose."""
    owned = proof.space.every((proof.fallback, proof.space.when(proof.matrix.owned)))
    return tuple(proof.example(cell) for cell in unlike(proof, owned))


def gaps(proof: Proof) -> Iterator[Finding]:
    """Find cells in which no row fires and which are not left to the fallback."""
    missed = proof.space.every((proof.fallback, proof.space.no(proof.space.when(proof.matrix.owned))))
    for cell in unlike(proof, missed):
        yield Finding(
            kind="gap",
            message="no row fires, so the fallback escalates; add a row, or leave these signals to it under 'owns'",
            line=proof.matrix.fallback.line,
            rules=(proof.matrix.fallback.id,),
            examples=(proof.example(cell),),
        )


def dead_rows(proof: Proof) -> Iterator[Finding]:
    """Find rows that never fire, by their own conditions or by what can happen."""
    never = proof.space.diagrams.leaf(value=False)
    for rule in proof.matrix.rules:
        fires = proof.rules[rule.id]
        if fires == never:
            yield Finding(
                kind="reversed bounds",
                message=f"{rule.id} never fires: its own conditions exclude each other",
                line=rule.line,
                rules=(rule.id,),
            )
        elif proof.find(fires) is None:
            why = f"{rule.id} never fires: {excluded(proof, fires)}"
            yield Finding(kind="dead row", message=why, line=rule.line, rules=(rule.id,))


def excluded(proof: Proof, fires: Node) -> str:
    """Say what keeps a row from firing."""
    space = proof.space
    for one in invariants():
        if space.find(space.every((fires, space.some((space.no(space.when(one.when)), space.when(one.then)))))) is None:
            return one.why
    return "no run has such signals"


def boundaries(proof: Proof) -> Iterator[Finding]:
    """Find bounds between two rows that neither of them owns, or both."""
    for level, name in enumerate(proof.space.names):
        looking = [rule for rule in proof.matrix.rules if name in {one.signal for one in conditions(rule.when)}]
        bounds = {bound for rule in looking for bound in bounds_of(rule, name, proof.matrix)}
        order = numeric(proof.space, level)
        for below, at, above in zip(order, order[1:], order[2:], strict=False):
            if proof.space.regions[level][at].value in bounds:
                yield from at_boundary(proof, level, (below, at, above), looking)


def bounds_of(rule: Rule, name: str, matrix: Matrix) -> Iterator[object]:
    """Return what a row compares a signal with."""
    for one in conditions(rule.when):
        if one.signal == name and one.op not in KNOWN:
            yield expected_value(one, matrix.limits)


def at_boundary(proof: Proof, level: int, around: tuple[int, int, int], looking: list[Rule]) -> Iterator[Finding]:
    """Find rows of which one ends at a bound and the other begins there, and neither or both own it."""
    space, name, at = proof.space, proof.space.names[level], around[1]
    bound = space.regions[level][at]
    naming = [rule for rule in looking if bound.value in bounds_of(rule, name, proof.matrix)]
    sides = {rule.id: [space.diagrams.fixed(proof.rules[rule.id], level, one) for one in around] for rule in looking}
    nobody = space.no(space.some(own for _, own, _ in sides.values()))
    real = [space.diagrams.fixed(proof.possible, level, one) for one in around]
    for ends, begins in permutations(naming, 2):
        (before, last, ended), (not_yet, first, since) = sides[ends.id], sides[begins.id]
        meet = space.every((before, space.no(ended), since, space.no(not_yet), *real))
        for kind, owners, where in (
            ("unowned boundary", "neither owns it", nobody),
            ("boundary owned twice", "both own it", space.every((last, first))),
        ):
            cell = space.find(space.every((meet, where)))
            if cell is not None:
                yield Finding(
                    kind=kind,
                    message=f"{name} at {bound.label}, between {ends.id} and {begins.id}: {owners}",
                    line=begins.line,
                    rules=(ends.id, begins.id),
                    examples=(proof.example(at_level(cell, level, at)),),
                )


def contradictions(proof: Proof) -> Iterator[Finding]:
    """Find two rows about the same signals that fire together, each stricter than the other in something.

    Rows about different signals are meant to be united. Of two about the same the more cautious has precedence; where
    neither is, what is decided is what no row says.
    """
    signals = {rule.id: {one.signal for one in conditions(rule.when)} for rule in proof.matrix.rules}
    for one, other in combinations(proof.matrix.rules, 2):
        a, b = (outcome(rule, rule.rows).caution for rule in (one, other))
        same = signals[one.id] <= signals[other.id] or signals[other.id] <= signals[one.id]
        if not (same and a.milder(b) and b.milder(a)):
            continue
        cell = proof.find(proof.space.every((proof.rules[one.id], proof.rules[other.id])))
        if cell is not None:
            yield Finding(
                kind="contradiction",
                message=f"{one.id} and {other.id} fire together, and neither is the more cautious in everything",
                line=other.line,
                rules=(one.id, other.id),
                examples=(proof.example(cell),),
            )
