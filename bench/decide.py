"""How many contexts a second the decision core decides about, against reading the same documents with the codec."""

from time import process_time
from typing import Any

from agent.decide import decide
from agent.matrix_file import load_matrix
from agent.testing import scenario
from bench.measure import Wish, compare, show, wish
from mend.contracts import codec

CONTEXTS = [
    *(scenario() for _ in range(6)),
    scenario({"late_records": 50}),
    scenario({"dq_failures": 20}),
    scenario({"late_records": 500}),
    scenario({"dq_failures": 80}, consecutive_failures=3),
]
"""Six healthy runs of ten, two within a limit, two over one."""


def measure(asked: Wish) -> dict[str, Any]:
    """Compare after one run of each."""
    matrix, rounds = load_matrix(), 100 if asked.quick else 1_000
    written = [(type(one), codec.dumps(one)) for one in CONTEXTS]

    def ours() -> float:
        began = process_time()
        for _ in range(rounds):
            for context in CONTEXTS:
                decide(context, matrix)
        return rounds * len(CONTEXTS) / (process_time() - began)

    def peer() -> float:
        began = process_time()
        for _ in range(rounds):
            for kind, content in written:
                codec.loads(kind, content)
        return rounds * len(CONTEXTS) / (process_time() - began)

    ours(), peer()
    return compare("decide", ">= 20,000 contexts/s", "contexts/s", ours, peer, 3 if asked.quick else 7)


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
