"""How long commands take to start, against a bare Python that does nothing."""

import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import Any

from bench.measure import Wish, compare, show, wish


def ours() -> float:
    """Return the seconds of `mend --help`."""
    return seconds([str(Path(sys.executable).with_name("mend")), "--help"])


def peer() -> float:
    """Return the seconds of an interpreter that ends at once."""
    return seconds([sys.executable, "-c", "pass"])


def seconds(command: list[str]) -> float:
    """Run a command to its end."""
    began = monotonic()
    subprocess.run(command, check=True, capture_output=True)
    return monotonic() - began


def measure(asked: Wish) -> dict[str, Any]:
    """Compare after one run of each."""
    ours(), peer()
    return compare("startup", "mend --help <= 0.5 s", "s", ours, peer, 5 if asked.quick else 15)


if __name__ == "__main__":
    asked = wish(__doc__ or "")
    show(measure(asked), as_json=asked.json)
