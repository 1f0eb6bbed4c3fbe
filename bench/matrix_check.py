"""How long the proof of the shipped matrix takes, against reading the matrix alone."""

from time import perf_counter
from typing import Any

from agent.matrix_check import check
from agent.matrix_file import load_matrix
from bench.measure import Wish, compare, show, wish


def ours() -> float:
    """Return the seconds of reading and proving."""
    began = perf_counter()
    check(load_matrix())
    return perf_counter() - began


def peer() -> float:
    """Return the seconds of reading."""
    began = perf_counter()
    load_matrix()
    return perf_counter() - began


def measure(asked: Wish) -> dict[str, Any]:
    """Compare after one run of each."""
    ours(), peer()
    return compare("matrix_check", "<= 5 s", "s", ours, peer, 3 if asked.quick else 7)


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
