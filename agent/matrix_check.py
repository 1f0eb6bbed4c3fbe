"""Everything that is wrong with a matrix. Pure."""

from dataclasses import dataclass

from agent.matrix import Matrix
from agent.matrix_order import milder_when_lost, milder_when_worse
from agent.matrix_proof import Example, Finding, proof_of
from agent.matrix_rows import boundaries, contradictions, dead_rows, gaps, left_to_fallback

CHECKS = (dead_rows, gaps, boundaries, contradictions, milder_when_worse, milder_when_lost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found, over how many cells, and examples of those that are left to the fallback on purpose."""

    findings: tuple[Finding, ...]
    cells: int
    owned: tuple[Example, ...]


def check(matrix: Matrix) -> Checked:
    """Return everything that is wrong with a matrix; the findings are empty when nothing is."""
    proof = proof_of(matrix)
    return Checked(
        findings=tuple(finding for look in CHECKS for finding in look(proof)),
        cells=proof.space.diagrams.count(proof.possible),
        owned=left_to_fallback(proof),
    )
